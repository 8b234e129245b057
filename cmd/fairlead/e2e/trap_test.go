package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// bait is part of every value that must not reach a child process.
const bait = "USERS-OWN-7f3a"

// trap listens for whoever follows the user's own settings.
type trap struct {
	net.Listener
	mu      sync.Mutex
	callers []string // the beginning of what each caller sent
	served  sync.WaitGroup
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &trap{Listener: l}
	tr.served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.served.Go(func() {
				defer c.Close()
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				b := make([]byte, 200)
				n, _ := c.Read(b)
				tr.mu.Lock()
				defer tr.mu.Unlock()
				tr.callers = append(tr.callers, string(b[:n]))
			})
		}
	})
	return tr
}

// close gives what was caught.
func (tr *trap) close() []string {
	tr.Close()
	tr.served.Wait()
	return tr.callers
}

// A user has an AWS account, a profile and proxies. Nothing of the run may
// know, or a child would act on the real account with the user's credentials.
func TestUsersOwnSettingsReachNoChild(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	tr := newTrap(t)
	marker := filepath.Join(h.dir, bait+"-credential-process-ran")
	config := "credential_process = /bin/touch " + marker + "\nregion = eu-west-3\nendpoint_url = http://" + tr.Addr().String() + "\n"
	aws := filepath.Join(h.dir, "home/.aws")
	if err := os.MkdirAll(aws, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"config":      "[default]\n" + config + "[profile " + bait + "]\n" + config,
		"credentials": "[default]\naws_access_key_id = AKIA" + bait + "\naws_secret_access_key = " + bait + "\n",
	} {
		if err := os.WriteFile(filepath.Join(aws, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := "http://" + tr.Addr().String() + "/" + bait
	env := h.environ(
		"AWS_ACCESS_KEY_ID=AKIA"+bait, "AWS_SECRET_ACCESS_KEY="+bait, "AWS_SESSION_TOKEN="+bait,
		"AWS_PROFILE="+bait, "AWS_DEFAULT_PROFILE="+bait, "AWS_REGION=eu-west-3", "AWS_DEFAULT_REGION=eu-west-3",
		"AWS_CONFIG_FILE="+filepath.Join(aws, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(aws, "credentials"),
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_SDK_LOAD_CONFIG=1",
		"AWS_ROLE_ARN=arn:aws:iam::123456789012:role/"+bait, "AWS_WEB_IDENTITY_TOKEN_FILE="+filepath.Join(aws, "credentials"),
		"AWS_CONTAINER_CREDENTIALS_FULL_URI="+url, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+url+"/", "AWS_CA_BUNDLE=/"+bait,
	)
	for _, service := range []string{"", "_S3", "_EC2", "_STS", "_SFN", "_LAMBDA", "_SSM", "_CLOUDWATCH"} {
		env = append(env, "AWS_ENDPOINT_URL"+service+"="+url)
	}
	for _, scheme := range []string{"HTTP", "HTTPS", "ALL"} {
		env = append(env, scheme+"_PROXY="+url, strings.ToLower(scheme)+"_proxy="+url)
	}
	// The Go tool, which the launcher asks what is stale, may have the user's
	// settings; so this is the engine that the launcher becomes.
	p := h.start(t, env, built.engine, "run", "--preset", "smoke", "--out", h.out)
	children, leaks := map[process]string{}, map[string]bool{}
	eventually(t, 90*time.Second, "the run ends", func() bool {
		for _, c := range tree(p.cmd.Process.Pid) {
			if c.pid == p.cmd.Process.Pid || children[c] != "" {
				continue
			}
			text := c.environ()
			now, _, alive := readStat(c.pid)
			if !alive || now != c || text == "" {
				continue // it has become another program since, or ended: looked at again
			}
			exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.pid))
			if exe == built.engine && strings.Contains(c.read("cmdline"), "run\n--preset") {
				continue // a copy of the engine that is about to become the child
			}
			children[c] = text
			for _, secret := range []string{bait, tr.Addr().String(), "eu-west-3", "IGNORE_CONFIGURED"} {
				if strings.Contains(text, secret) {
					leaks[fmt.Sprintf("%s has %s:\n%s", c.comm, secret, text)] = true
				}
			}
		}
		return p.ended()
	})
	if p.code != 0 {
		t.Errorf("exit %d\n%s\n%s", p.code, p.out.String(), p.err.String())
	}
	for leak := range leaks {
		t.Error(leak)
	}
	names := map[string]int{}
	for c := range children {
		names[c.comm]++
	}
	if names["bootstrap"] < 5 || names["backend"] < 2 || names["proxy"] < 1 || names["supervisor"] < 3 {
		t.Errorf("the environments that were read are too few: %v", names)
	}
	if caught := tr.close(); len(caught) > 0 {
		t.Errorf("the trap was called: %q", caught)
	}
	if exists(marker) {
		t.Error("the user's credential_process was run")
	}
	runs, _ := filepath.Glob(filepath.Join(h.out, "runs/smoke-*"))
	if len(runs) != 1 {
		t.Fatalf("runs: %v", runs)
	}
	h.report(t, runs[0])
	h.clean(t, runs[0])
}
