package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/fairlead/fairlead/local/host/cpu"
	"github.com/fairlead/fairlead/local/host/supervisor"
	"github.com/fairlead/fairlead/local/iam"
)

func TestMain(m *testing.M) {
	if code, handled := Applet(os.Args); handled {
		syscall.Exit(code) // os.Exit takes a second with the race detector (atexit_sleep_ms)
	}
	switch os.Getenv("HOST_TEST") {
	case "serve":
		os.Exit(serve())
	case "parent":
		os.Exit(parent())
	}
	os.Exit(m.Run())
}

// serve is the program that tests install on instances: it answers with the
// instance's id on the instance's own address, and burns CPU when asked.
func serve() int {
	metadata := imds.New(imds.Options{Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")})
	get := func(path string) string {
		out, err := metadata.GetMetadata(context.Background(), &imds.GetMetadataInput{Path: path})
		if err != nil {
			return err.Error()
		}
		text, _ := io.ReadAll(out.Content)
		return string(text)
	}
	id := get("instance-id")
	fmt.Println("serving", id)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, id) })
	http.HandleFunc("/burn", func(w http.ResponseWriter, r *http.Request) {
		for x := 0; r.Context().Err() == nil; x++ {
		}
	})
	http.HandleFunc("/environ", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Join(os.Environ(), "\n"))
	})
	fmt.Println(http.ListenAndServe(get("local-ipv4")+":8000", nil))
	return 1
}

func newHost(t *testing.T, change func(*Config)) *Host {
	t.Helper()
	c := Config{Dir: t.TempDir(), Registry: filepath.Join(t.TempDir(), "registry"), Endpoint: "http://127.0.0.1:1", Region: "us-east-1",
		Account: "000000000000", Scale: 1, Ports: []int{8000},
		Credentials: func(role, session string) (iam.Credentials, error) {
			return iam.Credentials{AccessKeyID: "ASIA" + session, SecretAccessKey: "secret", SessionToken: "token", Expires: time.Now().Add(time.Hour)}, nil
		}}
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error("close:", err)
		}
		left, err := os.ReadDir(c.Registry)
		if err != nil || len(left) > 0 {
			t.Errorf("registry after close: %v, %v", left, err)
		}
	})
	return h
}

func start(t *testing.T, h *Host, id string, change func(*Spec)) *Instance {
	t.Helper()
	s := Spec{ID: id, Type: "t2.micro", Architecture: "x86_64", Zone: "us-east-1a", VCPUs: 1,
		RoleARN: "arn:aws:iam::000000000000:role/node", ProfileARN: "arn:aws:iam::000000000000:instance-profile/node"}
	if change != nil {
		change(&s)
	}
	i, err := h.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// run runs a script and gives its output.
func run(t *testing.T, i *Instance, text string) (stdout, stderr string, code int) {
	t.Helper()
	name := fmt.Sprintf("ssm/%d", time.Now().UnixNano())
	code, _, err := i.Script(t.Context(), name, supervisor.Script{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	out, err1 := os.ReadFile(filepath.Join(i.Dir, name, "stdout"))
	errText, err2 := os.ReadFile(filepath.Join(i.Dir, name, "stderr"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return string(out), string(errText), code
}

const webUnit = `[Unit]
Description=web
[Service]
Type=exec
ExecStart=${FAIRLEAD_ROOT:-}/opt/web/server
Environment=HOST_TEST=serve
Restart=on-failure
RestartSec=100ms
DynamicUser=yes
[Install]
WantedBy=multi-user.target
`

// installWeb puts the test program on the instance and starts it as a unit.
func installWeb(t *testing.T, i *Instance) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(i.Dir, "root/opt/web")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, filepath.Join(dir, "server")); err != nil {
		text, readErr := os.ReadFile(self)
		if err := errors.Join(readErr, os.WriteFile(filepath.Join(dir, "server"), text, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	out, errText, code := run(t, i, "set -e\ncat > ${FAIRLEAD_ROOT:-}/etc/systemd/system/web.service <<EOF\n"+webUnit+"EOF\n"+
		"systemctl daemon-reload\nsystemctl enable --now web.service\nsystemctl is-active web\n")
	if code != 0 || !strings.Contains(out, "active") {
		text, _ := os.ReadFile(filepath.Join(i.Dir, "journal/web.service.log"))
		t.Fatalf("install: code %d\n%s%s%s", code, out, errText, text)
	}
}

// get polls until the instance's web server answers.
func get(t *testing.T, i *Instance, path string) string {
	t.Helper()
	for {
		r, err := http.Get("http://" + i.Addr.String() + ":8000" + path)
		if err == nil {
			defer r.Body.Close()
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-i.Done():
			t.Fatal("the instance has ended: ", i.End())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestInstanceServesOnItsOwnAddress(t *testing.T) {
	h := newHost(t, nil)
	begin := time.Now()
	a := start(t, h, "i-aaa", nil)
	text, _ := os.ReadFile(filepath.Join(a.Dir, "supervisor.log"))
	t.Logf("started in %v, limit %s %s", time.Since(begin), h.Limit(), text)
	b := start(t, h, "i-bbb", nil)
	for _, i := range []*Instance{a, b} {
		installWeb(t, i)
	}
	for _, i := range []*Instance{a, b} {
		if got := get(t, i, "/"); got != i.ID {
			t.Errorf("%s answers %q", i.ID, got)
		}
	}
	if err := a.Terminate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.End() != Terminated {
		t.Errorf("end = %q, want terminated", a.End())
	}
	if got := get(t, b, "/"); got != "i-bbb" {
		t.Errorf("after the other's end i-bbb answers %q", got)
	}
}

func TestCPULimit(t *testing.T) {
	for _, kind := range []cpu.Kind{"", cpu.StopCont} {
		t.Run("kind="+string(kind), func(t *testing.T) {
			h := newHost(t, func(c *Config) { c.Limit, c.Scale = kind, 0.2 })
			i := start(t, h, "i-cpu", nil)
			installWeb(t, i)
			get(t, i, "/")
			// No second may be above the limit. A busy machine gives less than the
			// limit for a while, so one second of enough is enough.
			for second := 1; ; second++ {
				rate, cpus := burn(t, i)
				t.Logf("limit %s: used %.3f of %.3f cores", h.Limit(), rate, cpus)
				if h.Limit() == cpu.None {
					t.Skip("this machine has no way to limit CPU time")
				}
				if rate > 1.35*cpus {
					t.Fatalf("used %.3f cores, the limit is %.3f", rate, cpus)
				}
				if rate >= 0.3*cpus {
					return
				}
				if second == 20 {
					t.Fatalf("used %.3f cores in the last of %d seconds, the limit is %.3f", rate, second, cpus)
				}
			}
		})
	}
}

// burn has the instance use what CPU it gets for a second, and returns how many
// cores that was, and how many it may use.
func burn(t *testing.T, i *Instance) (rate, cpus float64) {
	t.Helper()
	used0, cpus := i.CPU()
	begin := time.Now()
	burning, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(burning, "GET", "http://"+i.Addr.String()+":8000/burn", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(r); err == nil {
		res.Body.Close()
		t.Fatalf("burning ended by itself: %s", res.Status)
	}
	used, _ := i.CPU()
	return (used - used0) / time.Since(begin).Seconds(), cpus
}
