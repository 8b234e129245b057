package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

const (
	ours = "fairlead"
	// path is what is asked for: every proxy routes it to the cluster.
	path = "/cluster1/item"
	// startTime is how long a proxy may take to answer its first request.
	startTime = 15 * time.Second
)

//go:embed peers
var files embed.FS

// setting is what a proxy is started with; the exported fields are the
// templates'.
type setting struct {
	Dir         string   // for its files
	Listen      string   // where it is to listen
	Nodes       []string // host:port
	Connections int

	proxy   string // fairlead's program; "": to be built
	cloud   string // URL of the cloud that knows the nodes
	modules string // Node.js's
}

// peer is a proxy that takes part.
type peer struct {
	name string
	// command gives how to run it with a setting. The error is *absentError
	// when it is not installed.
	command func(context.Context, *setting) (command, error)
}

type command struct {
	args []string
	env  []string // beside the bench's own
}

// absentError says that a proxy cannot take part on this machine.
type absentError struct{ what string }

func (e *absentError) Error() string { return e.what }

func peers() []peer {
	return []peer{
		{ours, fairlead("fairlead")},
		{"httputil", fairlead("net")}, // net/http and httputil.ReverseProxy
		{"haproxy", haproxy},
		{"nginx", nginx},
		{"express", express},
	}
}

func names() []string {
	var all []string
	for _, p := range peers() {
		all = append(all, p.name)
	}
	return all
}

// fairlead is the proxy of this repository with one of its engines and all
// else as it comes: peak-ewma, health checks, counters.
func fairlead(engine string) func(context.Context, *setting) (command, error) {
	return func(ctx context.Context, s *setting) (command, error) {
		if s.proxy == "" {
			program := filepath.Join(s.Dir, "proxy")
			out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/fairlead/fairlead/proxy").CombinedOutput()
			if err != nil {
				return command{}, fmt.Errorf("go build: %w\n%s", err, out)
			}
			s.proxy = program
		}
		_, port, err := net.SplitHostPort(s.Nodes[0])
		if err != nil {
			return command{}, err
		}
		return command{
			args: []string{s.proxy, "-stack", "bench", "-run", "bench", "-clusters", "cluster1", "-instance", "bench",
				"-listen", s.Listen, "-admin", "127.0.0.1:0", "-node-port", port, "-engine", engine},
			env: []string{"AWS_ENDPOINT_URL=" + s.cloud, "AWS_REGION=local", "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench",
				"AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"},
		}, nil
	}
}

func haproxy(_ context.Context, s *setting) (command, error) {
	program, err := find("haproxy")
	if err != nil {
		return command{}, err
	}
	config, err := s.render("haproxy.cfg")
	return command{args: []string{program, "-db", "-f", config}}, err
}

func nginx(_ context.Context, s *setting) (command, error) {
	program, err := find("nginx")
	if err != nil {
		return command{}, err
	}
	config, err := s.render("nginx.conf")
	return command{args: []string{program, "-p", s.Dir, "-e", "stderr", "-c", config}}, err
}

func express(_ context.Context, s *setting) (command, error) {
	program, err := find("node")
	if err != nil {
		return command{}, err
	}
	for _, module := range []string{"express", "axios"} {
		if _, err := os.Stat(filepath.Join(s.modules, module)); s.modules == "" || err != nil {
			return command{}, &absentError{module + " is not there: npm install --prefix DIR express@4 axios@1, then -modules DIR/node_modules"}
		}
	}
	modules, err := filepath.Abs(s.modules)
	if err != nil {
		return command{}, err
	}
	script, err := s.render("express.js")
	return command{
		args: append([]string{program, script, s.Listen}, s.Nodes...),
		env:  []string{"NODE_PATH=" + modules, "NODE_ENV=production"}, // production: as Express asks for speed
	}, err
}

// find looks for a program, also where only root's PATH leads.
func find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if program, err := exec.LookPath(candidate); err == nil {
			return program, nil
		}
	}
	return "", &absentError{name + " is not installed"}
}

// Most is how many clients' connections a proxy is to allow: as many as the
// limit of descriptors has room for, with as many to nodes.
func (s *setting) Most() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return s.Connections
	}
	return int(min(4000, max(limit.Max, 200)/2-100))
}

// render writes a peer's file with the setting filled in.
func (s *setting) render(name string) (string, error) {
	t, err := template.ParseFS(files, "peers/"+name)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, s); err != nil {
		return "", err
	}
	file := filepath.Join(s.Dir, name)
	return file, os.WriteFile(file, text.Bytes(), 0o644) //nolint:gosec // nothing secret
}

// rival is a peer that runs.
type rival struct {
	name string
	addr string
	*child
}

// start runs the peer and waits until it serves.
func (p peer) start(ctx context.Context, s setting, at seat) (*rival, error) {
	var err error
	if s.Listen, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if s.Dir, err = os.MkdirTemp(s.Dir, p.name+"-"); err != nil {
		return nil, err
	}
	c, err := p.command(ctx, &s)
	if err != nil {
		return nil, err
	}
	var output tail
	child, err := spawn(c, at, nil, &output, &output)
	if err != nil {
		return nil, err
	}
	if err := answers(ctx, "http://"+s.Listen+path, child.ended); err != nil {
		child.stop()
		return nil, fmt.Errorf("%w\n%s", err, output.String())
	}
	return &rival{p.name, s.Listen, child}, nil
}

// freeAddress gives an address that nobody listens on now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// answers waits until a URL is answered with 200.
func answers(ctx context.Context, url string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	var last error
	for {
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s was not answered: %w", url, ctx.Err()), last)
		case <-poll.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			last = err
			continue
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil && res.StatusCode == http.StatusOK {
			return nil
		}
		last = fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(text)))
	}
}
