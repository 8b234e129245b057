package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local"
)

// The test binary is the program itself when a handler is named, and what the
// local cloud's instances run.
func TestMain(m *testing.M) {
	if code, handled := local.Applet(os.Args); handled {
		os.Exit(code)
	}
	if os.Getenv("_HANDLER") != "" {
		os.Exit(run(os.Getenv, os.Stderr))
	}
	os.Exit(m.Run())
}

// deployed is what the template sets for all functions together.
func deployed() map[string]string {
	complete := map[string]string{
		"FAIRLEAD_STACK": "fl", "FAIRLEAD_BUCKET": "results", "FAIRLEAD_MACHINE": "arn:aws:states:us-east-1:000000000000:stateMachine:m", "FAIRLEAD_T0_LEAD": "10s", "FAIRLEAD_SUBNETS": "subnet-a,subnet-b",
		"FAIRLEAD_DOCUMENT": "doc", "FAIRLEAD_BALANCER_GROUP": "sg-1", "FAIRLEAD_ACCOUNT": "standard", "AWS_REGION": "us-east-1",
	}
	for _, arch := range []string{"X86_64", "ARM64"} {
		for _, name := range []string{"NODE_TEMPLATE", "NODE_TEMPLATE_VERSION", "PROXY_TEMPLATE", "PROXY_TEMPLATE_VERSION",
			"BACKEND_URI", "BACKEND_SHA256", "PROXY_URI", "PROXY_SHA256"} {
			complete["FAIRLEAD_"+name+"_"+arch] = "x"
		}
	}
	return complete
}

func TestHandlers(t *testing.T) {
	complete := deployed()
	for _, tc := range []struct {
		why, handler, missing, set string
		want                       string
		code                       int
	}{
		{"an unknown handler: all names", "plann", "", "", "aim balance judge launch merge plan ready setup shard sweep teardown", 2},
		{"no handler", "", "", "", `_HANDLER is ""`, 2},
		{"a variable that the template should have set", "plan", "FAIRLEAD_DOCUMENT", "", "FAIRLEAD_DOCUMENT is missing", 1},
		{"no bucket", "merge", "FAIRLEAD_BUCKET", "", "FAIRLEAD_BUCKET is missing", 1},
		{"no stack", "teardown", "FAIRLEAD_STACK", "", "FAIRLEAD_STACK is missing", 1},
		{"a lead that is no duration", "plan", "FAIRLEAD_T0_LEAD", "soon", "T0Lead", 1},
		{"an account of no kind that is known: no limit is lifted by a slip", "plan", "FAIRLEAD_ACCOUNT", "Student", "use standard or student", 1},
	} {
		var stderr bytes.Buffer
		code := run(func(name string) string {
			switch name {
			case "_HANDLER":
				return tc.handler
			case tc.missing:
				return tc.set
			}
			return complete[name]
		}, &stderr)
		if code != tc.code || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%s: code %d, %q; want %d, …%s…", tc.why, code, &stderr, tc.code, tc.want)
		}
	}
}

// runtimeAPI is a Lambda service that hands out events one by one.
type runtimeAPI struct {
	mu      sync.Mutex
	events  []string
	polled  chan struct{} // closed at the first poll
	answers chan answer
	once    sync.Once
}

type answer struct {
	path string
	body string
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		a.answers <- answer{r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], string(body)}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	a.once.Do(func() { close(a.polled) })
	a.mu.Lock()
	if len(a.events) == 0 {
		a.mu.Unlock()
		<-r.Context().Done() // the next poll waits until the function is ended
		return
	}
	event := a.events[0]
	a.events = a.events[1:]
	a.mu.Unlock()
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
	w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
	w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
	fmt.Fprint(w, event)
}

// invoke runs the program as Lambda does and gives its answer to each event.
func invoke(t *testing.T, handler string, s3 http.Handler, events ...string) []answer {
	t.Helper()
	if s3 == nil {
		s3 = http.NotFoundHandler()
	}
	store := httptest.NewServer(s3)
	api := &runtimeAPI{events: events, polled: make(chan struct{}), answers: make(chan answer, len(events))}
	server := httptest.NewServer(api)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = []string{
		"_HANDLER=" + handler, "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769", "FAIRLEAD_BUCKET=results", "FAIRLEAD_STACK=fl",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL=" + store.URL,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "GORACE=atexit_sleep_ms=0",
	}
	cmd.Stderr = t.Output()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed in the end
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		server.CloseClientConnections()
		server.Close()
		store.Close()
	})
	var answers []answer
	for range events {
		select {
		case a := <-api.answers:
			answers = append(answers, a)
		case <-ended:
			t.Fatalf("the function ended: %v", cmd.ProcessState)
		}
	}
	t.Logf("%s: %d answers after %v", handler, len(answers), time.Since(began))
	return answers
}

func TestFunctionAnswers(t *testing.T) {
	record := `{"run":"r","stack":"fl","plan":{"clusters":[{"name":"one"}],"targets":[{"kind":"alb","algorithm":"round_robin"}]},"groups":[{"group":"one","count":1}]}`
	s3 := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("list-type") == "2" && r.URL.Query().Get("prefix") == "runs/r/cancelled":
			fmt.Fprint(w, `<ListBucketResult><Contents><Key>runs/r/cancelled</Key></Contents></ListBucketResult>`)
		case r.URL.Query().Get("list-type") == "2":
			fmt.Fprint(w, `<ListBucketResult></ListBucketResult>`)
		case r.URL.Path == "/results/runs/r/plan.json":
			fmt.Fprint(w, strings.Replace(record, `"groups"`, `"subnets":["subnet-a"],"groups"`, 1))
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<Error><Code>NoSuchKey</Code><Message>no</Message></Error>`)
		}
	})
	for _, tc := range []struct {
		why, handler, event string
		path, name, want    string
	}{
		{"warming aim", "aim", `{"op":"warm"}`, "response", "", `{"warm":true}`},
		{"warming shard", "shard", `{"op":"warm"}`, "response", "", `{"warm":true}`},
		{"a step's own error keeps its name", "launch", `{"run":"r","group":"one"}`, "error", "Cancelled", "nothing more is created"},
		{"any other error is named after the step's failing", "merge", `{"run":"r","trial":"b01-x"}`, "error", "StepFailed", "aim.json"},
		{"a load balancer is not created after the marker", "balance", `{"op":"create","run":"r"}`, "error", "Cancelled", "nothing more is created"},
		{"an operation that balance does not know", "balance", `{"op":"dance"}`, "error", "StepFailed", `op is \"dance\"`},
		{"an operation that aim does not know", "aim", `{"op":"dance"}`, "error", "StepFailed", `op is \"dance\"`},
	} {
		t.Run(tc.why, func(t *testing.T) {
			t.Parallel()
			a := invoke(t, tc.handler, s3, tc.event)[0]
			var e struct{ ErrorType string }
			_ = json.Unmarshal([]byte(a.body), &e)
			if a.path != tc.path || e.ErrorType != tc.name || !strings.Contains(a.body, tc.want) {
				t.Errorf("got %s %s, want %s %s …%s…", a.path, a.body, tc.path, tc.name, tc.want)
			}
		})
	}
}
