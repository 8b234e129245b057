package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testStack = "lab"
	testRun   = "run-1"
	testProxy = "i-0proxy"
	patience  = 20 * time.Second // for what must happen; nothing waits for it to pass
)

// world is what surrounds a proxy: the EC2 and CloudWatch APIs, the metadata
// service of its instance, and nodes on loopback addresses of their own.
type world struct {
	t        *testing.T
	api      *httptest.Server
	metadata *httptest.Server
	port     int // of all nodes

	mu      sync.Mutex
	nodes   map[string]*node // by id; those that EC2 knows
	outage  bool             // EC2 refuses
	filters []string         // of the last DescribeInstances, sorted by EC2's numbering
	metrics atomic.Int32     // calls of PutMetricData
}

// node is one backend.
type node struct {
	id, cluster, ip string
	server          *http.Server
	served          atomic.Int64
	asked           atomic.Int64 // for its load
	handle          atomic.Pointer[http.HandlerFunc]
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, nodes: make(map[string]*node)}
	w.api = httptest.NewServer(http.HandlerFunc(w.serveAPI))
	w.metadata = httptest.NewServer(http.HandlerFunc(w.serveMetadata))
	t.Cleanup(w.api.Close)
	t.Cleanup(w.metadata.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL":                  w.api.URL,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": w.metadata.URL + "/",
		"AWS_ACCESS_KEY_ID":                 "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	return w
}

// start adds a node to the world.
func (w *world) start(id, cluster, ip string) *node {
	w.t.Helper()
	n := &node{id: id, cluster: cluster, ip: ip}
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(w.port)))
	if err != nil {
		w.t.Skipf("this machine has no loopback address %s: %v", ip, err)
	}
	w.port = listener.Addr().(*net.TCPAddr).Port
	n.server = &http.Server{Handler: n}
	done := make(chan struct{})
	go func() { defer close(done); _ = n.server.Serve(listener) }()
	w.t.Cleanup(func() { n.server.Close(); <-done })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[id] = n
	return n
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Fairlead-Node", n.id)
	if r.URL.Path == "/health" {
		return
	}
	if r.URL.Path == "/load" {
		n.asked.Add(1)
		w.Header().Set("X-Fairlead-Load", "0;1000")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	n.served.Add(1)
	if h := n.handle.Load(); h != nil {
		(*h)(w, r)
		return
	}
	fmt.Fprintf(w, "%s %s", n.id, r.URL.RequestURI())
}

func (w *world) setOutage(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outage = on
}

// leave makes EC2 forget a node, which itself goes on.
func (w *world) leave(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.nodes, n.id)
}

func (w *world) serveAPI(res http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "PutMetricData") {
		w.metrics.Add(1)
		res.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		res.Header().Set("Content-Type", "application/cbor")
		_, _ = res.Write([]byte{0xa0}) // an empty map
		return
	}
	if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "DescribeInstances" {
		http.Error(res, "not part of this world: "+r.Form.Get("Action"), http.StatusNotImplemented)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outage {
		// Of the errors that EC2 has, one that the SDK does not repeat first.
		http.Error(res, "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>", http.StatusForbidden)
		return
	}
	w.filters = w.filters[:0]
	for i := 1; r.Form.Get(fmt.Sprintf("Filter.%d.Name", i)) != ""; i++ {
		f := r.Form.Get(fmt.Sprintf("Filter.%d.Name", i)) + "="
		for j := 1; r.Form.Get(fmt.Sprintf("Filter.%d.Value.%d", i, j)) != ""; j++ {
			f += r.Form.Get(fmt.Sprintf("Filter.%d.Value.%d", i, j)) + ";"
		}
		w.filters = append(w.filters, f)
	}
	var x bytes.Buffer
	x.WriteString(`<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet>`)
	for _, n := range w.nodes {
		fmt.Fprintf(&x, `<item><instanceId>%s</instanceId><instanceState><code>16</code><name>running</name></instanceState>`+
			`<privateIpAddress>%s</privateIpAddress><tagSet><item><key>fairlead:group</key><value>%s</value></item></tagSet></item>`,
			n.id, n.ip, n.cluster)
	}
	x.WriteString(`</instancesSet></item></reservationSet></DescribeInstancesResponse>`)
	res.Header().Set("Content-Type", "text/xml")
	_, _ = res.Write(x.Bytes())
}

func (w *world) serveMetadata(res http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, "/latest/") {
	case "api/token":
		res.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		fmt.Fprint(res, "token")
	case "meta-data/instance-id":
		fmt.Fprint(res, testProxy)
	case "meta-data/instance-type":
		fmt.Fprint(res, "c7i.large")
	case "meta-data/local-ipv4":
		fmt.Fprint(res, "127.0.0.1")
	case "meta-data/placement/region":
		fmt.Fprint(res, "eu-west-1")
	case "meta-data/emulation":
		fmt.Fprint(res, `{"emulator":"test","cpuLimit":"none","scale":0.25,"vcpus":2,"cpus":0.5,"hostCores":4}`)
	case "meta-data/iam/security-credentials/":
		fmt.Fprint(res, "proxy-role")
	case "meta-data/iam/security-credentials/proxy-role":
		fmt.Fprintf(res, `{"Code":"Success","AccessKeyId":"ASIATEST","SecretAccessKey":"s","Token":"t","Expiration":%q}`,
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	default:
		http.NotFound(res, r)
	}
}

// proxy is a running proxy of that world.
type proxy struct {
	t           *testing.T
	data, admin string // URLs
	client      *http.Client
	stop        func() // as SIGTERM does
	exit        chan int
	log         *logs
}

// launch runs the real program on free ports.
func (w *world) launch(clusters string, more ...string) *proxy {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &proxy{t: w.t, stop: cancel, exit: make(chan int, 1), log: newLogs()}
	args := append([]string{"-stack", testStack, "-run", testRun, "-clusters", clusters, "-instance", testProxy,
		"-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-node-port", strconv.Itoa(w.port)}, more...)
	go func() { p.exit <- run(ctx, args, nil, p.log, p.log); p.log.end() }()
	transport := &http.Transport{MaxIdleConnsPerHost: 2000}
	p.client = &http.Client{Transport: transport, Timeout: patience}
	w.t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		p.log.waitEnd()
	})
	line := p.log.wait(w.t, "msg=serving")
	p.data, p.admin = "http://"+field(line, "clients"), "http://"+field(line, "admin")
	return p
}

// get gives status and body of a request to the data plane.
func (p *proxy) get(path string) (int, string) {
	p.t.Helper()
	return p.do(http.MethodGet, p.data+path, "")
}

func (p *proxy) do(method, url, body string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// health gives the counts of healthy and known nodes of a cluster.
func (p *proxy) health(cluster string) (healthy, nodes int) {
	_, text := p.do(http.MethodGet, p.admin+"/healthz", "")
	var h struct {
		Clusters map[string]struct{ Healthy, Nodes int }
	}
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		p.t.Fatal(err)
	}
	return h.Clusters[cluster].Healthy, h.Clusters[cluster].Nodes
}

// until polls for a condition and fails the test if it does not come.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if condition() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

// logs is what a program prints, line by line, for tests to wait for.
type logs struct {
	mu    sync.Mutex
	cond  *sync.Cond
	text  string
	ended bool
}

func newLogs() *logs {
	l := new(logs)
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(p)
	l.cond.Broadcast()
	return len(p), nil
}

func (l *logs) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.cond.Broadcast()
}

// wait gives the first line that contains what; the program's end ends it too.
func (l *logs) wait(t *testing.T, what string) string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for line := range strings.Lines(l.text) {
			if strings.Contains(line, what) {
				return line
			}
		}
		if l.ended {
			t.Errorf("the program ended without a line with %q:\n%s", what, l.text)
			return ""
		}
		l.cond.Wait()
	}
}

// waitEnd waits until the program has ended.
func (l *logs) waitEnd() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended {
		l.cond.Wait()
	}
}

// field takes key=value out of a log line.
func field(line, key string) string {
	_, rest, _ := strings.Cut(line, " "+key+"=")
	value, _, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(value)
}
