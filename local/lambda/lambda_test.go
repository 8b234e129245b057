package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// roles is an IAM that allows all but what is denied, and notes what was asked.
type roles struct {
	mu     sync.Mutex
	denied map[string]bool
	asked  []string
	ttl    time.Duration
}

func (r *roles) AssumeRole(arn, session, service string, ttl time.Duration) (iam.Credentials, iam.Caller, error) {
	if strings.HasSuffix(arn, "untrusted") {
		return iam.Credentials{}, iam.Caller{}, errors.New("not authorized to perform: sts:AssumeRole")
	}
	if r.ttl != 0 {
		ttl = r.ttl
	}
	c := iam.Credentials{AccessKeyID: "ASIA" + session, SecretAccessKey: "secret", SessionToken: "token", Expires: time.Now().Add(ttl)}
	return c, iam.Caller{RoleARN: arn}, nil
}

func (r *roles) SetSessionKeys(accessKeyID string, keys iam.Keys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, fmt.Sprint(accessKeyID, " carries ", keys))
}

func (r *roles) Authorize(_ iam.Caller, action, resource string, _ iam.Keys) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, action+" "+resource)
	if r.denied[action] {
		return errors.New("no identity-based policy allows the " + action + " action")
	}
	return nil
}

// objects is a bucket of zips by key.
type objects map[string][]byte

func (o objects) Get(_ context.Context, _, key string) (io.ReadCloser, error) {
	b, ok := o[key]
	if !ok {
		return nil, errors.New("NoSuchKey: The specified key does not exist.")
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// zipped makes a deployment package; a name with a trailing * is executable.
func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		h := &zip.FileHeader{Name: strings.TrimSuffix(name, "*"), Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasSuffix(name, "*") {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// self is a package whose bootstrap is this test binary.
func self(t testing.TB) []byte {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return zipped(t, map[string]string{"bootstrap*": "#!/bin/sh\nexec " + exe + "\n"})
}

// open starts a service with its Runtime API and closes both after the test.
func open(t testing.TB, cfg Config) *Service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Region, cfg.Account, cfg.Endpoint, cfg.RuntimeAPI = "us-east-1", "000000000000", "http://127.0.0.1:1", l.Addr().String()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Objects == nil {
		cfg.Objects = objects{"self": self(t), "empty": zipped(t, map[string]string{"readme": "no program"})}
	}
	if cfg.Roles == nil {
		cfg.Roles = &roles{}
	}
	s := New(cfg)
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: s.RuntimeHandler()}}
	srv.Start()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	return s
}

// deploy creates a function that behaves as handler says, named for it.
func deploy(t testing.TB, s *Service, handler string, change ...func(*Function)) {
	t.Helper()
	f := Function{Name: handler, Handler: handler, Runtime: "provided.al2023", Role: "arn:aws:iam::000000000000:role/r", Timeout: 30 * time.Second, Code: Code{"code", "self"}}
	for _, c := range change {
		c(&f)
	}
	if _, err := s.Create(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func invoke(t testing.TB, s *Service, function, payload string) Result {
	t.Helper()
	r, err := s.Invoke(t.Context(), Invocation{Function: function, Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWarmProcessIsReused(t *testing.T) {
	s := open(t, Config{})
	deploy(t, s, "count")
	first := invoke(t, s, "count", `{}`)
	second := invoke(t, s, "arn:aws:lambda:us-east-1:000000000000:function:count", ``)
	var a, b struct{ PID, Count int }
	for p, r := range map[any]Result{&a: first, &b: second} {
		if err := json.Unmarshal(r.Payload, p); err != nil {
			t.Fatalf("%s: %v", r.Payload, err)
		}
	}
	if a.Count != 1 || b.Count != 2 || a.PID != b.PID {
		t.Errorf("got %+v then %+v, want the same process to count on", a, b)
	}
}

// The payloads are those of the AWS console for the same programs.
func TestFailuresLookAsOnAWS(t *testing.T) {
	s := open(t, Config{})
	for _, c := range []struct {
		handler, errorType, message string
		stack                       bool
		why                         string
	}{
		{"plain", "errorString", "no", false, "errors.New is a *errors.errorString"},
		{"wrapped", "wrapError", "count: no", false, "%w hides the cause's type"},
		{"typed", "quotaError", "2 left", false, "an own type is the name that Retry and Catch see"},
		{"panic", "quotaError", "3 left", true, "a panic carries its stack, then the process exits"},
		{"exit", "Runtime.ExitError", "Runtime exited with error: exit status 3", false, "the runtime sends nothing"},
		{"exit0", "Runtime.ExitError", "Runtime exited without providing a reason", false, "code 0 has no reason"},
		{"init", "Runtime.ExitError", "Runtime exited with error: exit status 7", false, "before the first poll"},
		{"hang", "Sandbox.Timedout", "Error: Task timed out after 1.00 seconds", false, "killed at its timeout"},
		{"big", "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).", false, "above 6 MB"},
		{"empty", "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s)", false, "a zip without a program"},
	} {
		t.Run(c.handler, func(t *testing.T) {
			deploy(t, s, c.handler, func(f *Function) {
				if c.handler == "hang" {
					f.Timeout = time.Second
				}
				if c.handler == "empty" {
					f.Code.Key = "empty"
				}
			})
			r := invoke(t, s, c.handler, `{}`)
			var got struct {
				ErrorType, ErrorMessage string
				StackTrace              []json.RawMessage
			}
			if err := json.Unmarshal(r.Payload, &got); err != nil {
				t.Fatalf("%s: %v", r.Payload, err)
			}
			if r.FunctionError != "Unhandled" || got.ErrorType != c.errorType || !strings.Contains(got.ErrorMessage, c.message) || (len(got.StackTrace) > 0) != c.stack {
				t.Errorf("%s: got %s %s, want %s %q, stack %v", c.why, r.FunctionError, r.Payload, c.errorType, c.message, c.stack)
			}
			if strings.HasPrefix(c.errorType, "Runtime.") && !strings.HasPrefix(got.ErrorMessage, "RequestId: "+r.RequestID+" Error: ") {
				t.Errorf("message %q does not begin with the request id", got.ErrorMessage)
			}
		})
	}
}

func TestEnvironmentIsBuiltFromNothing(t *testing.T) {
	t.Setenv("AWS_PROFILE", "mine")
	t.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
	t.Setenv("AWS_ENDPOINT_URL_S3", "https://s3.amazonaws.com")
	t.Setenv("HTTPS_PROXY", "http://proxy.example")
	s := open(t, Config{})
	deploy(t, s, "env", func(f *Function) { f.Environment = map[string]string{"FAIRLEAD_BUCKET": "b"} })
	var list []string
	if err := json.Unmarshal(invoke(t, s, "env", `{}`).Payload, &list); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, kv := range list {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	for k, want := range map[string]string{
		"FAIRLEAD_BUCKET": "b", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "_HANDLER": "env",
		"AWS_LAMBDA_FUNCTION_NAME": "env", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/env", "AWS_ACCESS_KEY_ID": "ASIAenv", "AWS_SESSION_TOKEN": "token",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		if env[k] != want {
			t.Errorf("%s = %q, want %q", k, env[k], want)
		}
	}
	for _, k := range []string{"AWS_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ENDPOINT_URL_S3", "HTTPS_PROXY", "GOCACHE"} {
		if v, there := env[k]; there {
			t.Errorf("the user's %s=%s reached the function", k, v)
		}
	}
	if env["HOME"] == os.Getenv("HOME") {
		t.Errorf("the function sees the user's home")
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	s := open(t, Config{Concurrency: 2})
	deploy(t, s, "wait")
	gate := filepath.Join(t.TempDir(), "gate")
	payload, _ := json.Marshal(gate)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if r := invoke(t, s, "wait", string(payload)); string(r.Payload) != `"released"` {
				t.Errorf("got %s", r.Payload)
			}
		})
	}
	var e *gateway.Error
	for busy := 0; busy < 2; { // both have been counted in
		s.mu.Lock()
		busy = s.busy
		s.mu.Unlock()
	}
	_, err := s.Invoke(t.Context(), Invocation{Function: "wait", Payload: payload})
	if !errors.As(err, &e) || e.Code != "TooManyRequestsException" || e.Status != 429 {
		t.Errorf("the third of two at once: %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if r := invoke(t, s, "wait", string(payload)); r.FunctionError != "" {
		t.Errorf("after they ended: %s", r.Payload)
	}
}

// A Task that times out or is stopped leaves its Lambda running (WORKFLOW: the
// shard's lease rests on this).
func TestCallerThatLeavesDoesNotStopTheFunction(t *testing.T) {
	s := open(t, Config{})
	deploy(t, s, "wait")
	gate := filepath.Join(t.TempDir(), "gate")
	payload, _ := json.Marshal(gate)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Invoke(ctx, Invocation{Function: "wait", Payload: payload}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function to end and wait for more", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.busy == 0 && len(s.functions["wait"].idle) == 1
	})
}

func TestIdleProcessesEnd(t *testing.T) {
	s := open(t, Config{IdleAfter: 20 * time.Millisecond})
	deploy(t, s, "count")
	invoke(t, s, "count", `{}`)
	eventually(t, "the idle process to end", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.sandboxes) == 0
	})
	left, err := os.ReadDir(filepath.Join(s.cfg.Dir, "sandboxes"))
	if err != nil || len(left) > 0 {
		t.Errorf("left of the process: %v, %v", left, err)
	}
	if r := invoke(t, s, "count", `{}`); r.FunctionError != "" {
		t.Errorf("the next invocation: %s", r.Payload)
	}
}

func TestExpiringSessionIsRenewed(t *testing.T) {
	r := &roles{ttl: 30 * time.Second}
	s := open(t, Config{Roles: r})
	deploy(t, s, "count")
	var a, b struct{ PID int }
	if err := json.Unmarshal(invoke(t, s, "count", `{}`).Payload, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(invoke(t, s, "count", `{}`).Payload, &b); err != nil {
		t.Fatal(err)
	}
	if a.PID == b.PID {
		t.Error("a process kept credentials that could expire during its next event")
	}
}

func TestAsynchronousEventIsTriedAgain(t *testing.T) {
	s := open(t, Config{RetryDelays: []time.Duration{time.Millisecond, time.Millisecond}})
	deploy(t, s, "plain")
	if _, err := s.InvokeAsync(Invocation{Function: "plain"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(s.LogFile("plain")); !bytes.Contains(b, []byte(" REPORT RequestId: ")) {
		t.Error("drained before the first try had ended")
	}
	eventually(t, "three tries in the log", func() bool {
		b, _ := os.ReadFile(s.LogFile("plain"))
		return bytes.Count(b, []byte(" REPORT RequestId: ")) == 3
	})
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

func TestForty(t *testing.T) {
	s := open(t, Config{})
	deploy(t, s, "echo")
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			want := fmt.Sprintf(`{"n":%d}`, i)
			if r := invoke(t, s, "echo", want); string(r.Payload) != want {
				t.Errorf("%d: got %s", i, r.Payload)
			}
		})
	}
	wg.Wait()
}
