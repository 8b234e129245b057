package elb

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func TestRoundRobinTakesTurns(t *testing.T) {
	r := newRig(t, 0)
	a, b, c := r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b"), r.node("i-c", "us-east-1a")
	s := r.stack(nil, a, b, c)
	r.waitHealthy(s.group, a, b, c)
	if got := spread(t, s.url+"/app", 30); got["i-a"] != 10 || got["i-b"] != 10 || got["i-c"] != 10 {
		t.Errorf("30 requests went to %v", got)
	}
}

func TestLeastOutstandingAvoidsTheBusyTarget(t *testing.T) {
	r := newRig(t, 0)
	a, b := r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b")
	s := r.stack(map[string]string{attrAlgorithm: leastOutstanding}, a, b)
	r.waitHealthy(s.group, a, b)
	held, release := make(chan string, 2), make(chan struct{})
	for _, n := range []*node{a, b} {
		n.set(200, func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/app/slow" {
				held <- n.id
				<-release
			}
			io.WriteString(w, n.id)
		})
	}
	var wait sync.WaitGroup
	wait.Go(func() { get(t, s.url+"/app/slow") })
	busy := <-held
	got := spread(t, s.url+"/app", 20)
	close(release)
	wait.Wait()
	if got[busy] != 0 {
		t.Errorf("%s had a request in flight and got %d of 20 more", busy, got[busy])
	}
	if got := spread(t, s.url+"/app", 20); got["i-a"] == 0 || got["i-b"] == 0 {
		t.Errorf("one of two idle targets gets all: %v", got)
	}
}

func TestWeightedRandomReachesAll(t *testing.T) {
	r := newRig(t, 0)
	a, b, c := r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b"), r.node("i-c", "us-east-1a")
	s := r.stack(map[string]string{attrAlgorithm: weightedRandom}, a, b, c)
	r.waitHealthy(s.group, a, b, c)
	got := spread(t, s.url+"/app", 300)
	for _, n := range []*node{a, b, c} { // five standard deviations are 41
		if got[n.id] < 50 || got[n.id] > 150 {
			t.Errorf("300 requests went to %v", got)
		}
	}
}

// A target that answers with errors, and passes its health checks, gets less.
func TestAnomalyIsMitigated(t *testing.T) {
	r := newRig(t, 0)
	nodes := []*node{r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b"), r.node("i-c", "us-east-1a"), r.node("i-bad", "us-east-1b")}
	nodes[3].set(200, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	s := r.stack(map[string]string{attrAlgorithm: weightedRandom, attrMitigation: "on"}, nodes...)
	r.waitHealthy(s.group, nodes...)
	shown := func() map[string]string {
		out, err := r.DescribeTargetHealth(t.Context(), &sdk.DescribeTargetHealthInput{TargetGroupArn: &s.group, Include: []types.DescribeTargetHealthInputIncludeEnum{"AnomalyDetection"}})
		must(t, err)
		all := map[string]string{}
		for _, d := range out.TargetHealthDescriptions {
			all[*d.Target.Id] = string(d.AnomalyDetection.Result) + " " + string(d.AnomalyDetection.MitigationInEffect)
		}
		return all
	}
	eventually(t, func() error {
		spread(t, s.url+"/app", 100)
		if got := shown(); got["i-bad"] != "anomalous yes" {
			return fmt.Errorf("anomaly detection: %v", got)
		}
		return nil
	})
	if got := shown(); got["i-a"] != "normal no" {
		t.Errorf("a good target: %v", got)
	}
	if got := spread(t, s.url+"/app", 200); got["500"] >= 45 { // a fair share is 50, half a weight gives 29
		t.Errorf("%d of 200 requests still went to the anomaly", got["500"])
	}
}

func TestRulesByPriorityAndCase(t *testing.T) {
	r := newRig(t, 0)
	a, b := r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b")
	s := r.stack(nil, a)
	g, err := r.CreateTargetGroup(t.Context(), groupInputs("tg2"))
	must(t, err)
	second := *g.TargetGroups[0].TargetGroupArn
	_, err = r.CreateRule(t.Context(), &sdk.CreateRuleInput{ListenerArn: &s.listener, Priority: aws.Int32(5), Conditions: paths("/app/v?/*"), Actions: forwardTo(second)})
	must(t, err)
	r.register(second, b)
	r.waitHealthy(s.group, a)
	r.waitHealthy(second, b)
	for path, want := range map[string]string{
		"/app": "200 i-a", "/app/": "200 i-a", "/app/x?q=/app/v1/x": "200 i-a", "/app/v2/x": "200 i-b",
		"/App": "404 nothing here", "/application": "404 nothing here", "/": "404 nothing here",
	} {
		if status, body := get(t, s.url+path); fmt.Sprint(status, " ", body) != want {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
}

func TestErrorsOfTheBalancersOwn(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil)
	if status, body := get(t, s.url+"/app"); status != 503 || !strings.Contains(body, "503 Service Unavailable") {
		t.Errorf("no targets: %d %s", status, body)
	}
	r.register(s.group, a)
	r.waitHealthy(s.group, a)
	a.set(200, func(w http.ResponseWriter, _ *http.Request) { // resets
		conn, _, _ := http.NewResponseController(w).Hijack()
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	if status, _ := get(t, s.url+"/app"); status != 502 {
		t.Errorf("a target that resets: %d", status)
	}
	a.set(200, func(w http.ResponseWriter, _ *http.Request) { // speaks something else
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, "SSH-2.0\r\n\r\n")
		conn.Close()
	})
	if status, _ := get(t, s.url+"/app"); status != 502 {
		t.Errorf("a target that speaks no HTTP: %d", status)
	}
	a.set(200, nil)
	if status, _ := get(t, s.url+"/app"); status != 200 {
		t.Errorf("the target again: %d", status)
	}
	a.server.Close()
	if status, _ := get(t, s.url+"/app"); status != 502 {
		t.Errorf("a target that is gone: %d", status)
	}
	q, err := http.NewRequest(http.MethodGet, s.url+"/app", nil)
	must(t, err)
	q.Header.Set("Connection", "Upgrade")
	q.Header.Set("Upgrade", "websocket")
	if response, err := http.DefaultClient.Do(q); err != nil || response.StatusCode != http.StatusNotImplemented {
		t.Errorf("an upgrade: %v, %v", response, err)
	} else {
		response.Body.Close()
	}
}

// idle shortens the idle timeout of a stack's load balancer.
func (r *rig) idle(s stack, d time.Duration) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	r.service.balancers[s.balancer].back.idle = d
}

func TestIdleTargetIs504AndIdleClient408(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil, a)
	r.waitHealthy(s.group, a)
	r.idle(s, 100*time.Millisecond)
	a.set(200, func(_ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		<-q.Context().Done()
	})
	if status, _ := get(t, s.url+"/app"); status != 504 {
		t.Errorf("a target that does not answer: %d", status)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /app HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 408 {
		t.Errorf("a client that does not send its body: %v, %v", response, err)
	}
}

// A client that stops reading does not hold a target for ever.
func TestClientThatDoesNotReadIsLeft(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil, a)
	r.waitHealthy(s.group, a)
	r.idle(s, 200*time.Millisecond)
	left := make(chan struct{})
	a.set(200, func(w http.ResponseWriter, q *http.Request) {
		defer close(left)
		for block := make([]byte, 1<<20); q.Context().Err() == nil; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET /app HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the target is still sending")
	}
}

// What the client no longer wants the target stops working on, and it does not
// count against the target (AWS logs it as 460).
func TestClientThatLeavesCancelsTheRequest(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(map[string]string{attrAlgorithm: weightedRandom}, a)
	r.waitHealthy(s.group, a)
	came, left := make(chan struct{}), make(chan struct{})
	a.set(200, func(_ http.ResponseWriter, q *http.Request) {
		close(came)
		<-q.Context().Done()
		close(left)
	})
	ctx, cancel := context.WithCancel(t.Context())
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/app", nil)
	must(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(q) //nolint:bodyclose // it fails
		failed <- err
	}()
	<-came
	cancel()
	if err := <-failed; err == nil {
		t.Error("the request did not fail")
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the target was not told")
	}
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	if e := r.service.groups[s.group].targets[0].endpoint; e.errors.Load() != 0 || e.history.errors != 0 {
		t.Error("the target was blamed")
	}
}

func TestHeadersThatPass(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil, a)
	r.waitHealthy(s.group, a)
	var got http.Header
	var host, uri string
	a.set(200, func(w http.ResponseWriter, q *http.Request) {
		got, host, uri = q.Header.Clone(), q.Host, q.RequestURI
		w.Header().Set("Connection", "X-Private")
		w.Header().Set("X-Private", "1")
		w.Header().Set("Keep-Alive", "timeout=1")
		w.Header().Set("X-Public", "1")
		w.Header()["Content-Type"] = nil
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "<html>")
	})
	q, err := http.NewRequest(http.MethodGet, s.url+"/app/a%2Fb//c?x=%20&y", nil)
	must(t, err)
	q.Host = "shop.example"
	q.Header = http.Header{"X-Forwarded-For": {"203.0.113.7"}, "Connection": {"x-hop, keep-alive"}, "X-Hop": {"1"}, "Te": {"trailers"}, "X-Stay": {"a", "b"},
		"X-Amzn-Trace-Id": {"Root=1-67891233-abcdef012345678912345678"}, "User-Agent": nil}
	response, err := http.DefaultClient.Do(q)
	must(t, err)
	defer response.Body.Close()
	if host != "shop.example" || uri != "/app/a%2Fb//c?x=%20&y" {
		t.Errorf("host %q, target %q", host, uri)
	}
	if got.Get("X-Hop") != "" || got.Get("Te") != "" || len(got["X-Stay"]) != 2 || got.Get("User-Agent") != "" {
		t.Errorf("the target got %v", got)
	}
	if got.Get("X-Forwarded-For") != "203.0.113.7, 127.0.0.1" || got.Get("X-Forwarded-Proto") != "http" || got.Get("X-Forwarded-Port") != fmt.Sprint(listenPort) {
		t.Errorf("forwarded: %v", got)
	}
	if id := got.Get("X-Amzn-Trace-Id"); !strings.HasPrefix(id, "Self=1-") || !strings.HasSuffix(id, ";Root=1-67891233-abcdef012345678912345678") {
		t.Errorf("trace %s", id)
	}
	h := response.Header
	if response.StatusCode != http.StatusTeapot || h.Get("X-Private") != "" || h.Get("Keep-Alive") != "" || h.Get("X-Public") != "1" || len(h["Content-Type"]) != 0 {
		t.Errorf("the client got %d %v", response.StatusCode, h)
	}
}

// Bodies pass while they are made, both ways.
func TestBodiesStream(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil, a)
	r.waitHealthy(s.group, a)
	a.set(200, func(w http.ResponseWriter, q *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		lines := bufio.NewReader(q.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(w, "echo "+line)
			_ = control.Flush()
		}
	})
	body, write := io.Pipe()
	q, err := http.NewRequest(http.MethodPost, s.url+"/app", body)
	must(t, err)
	go fmt.Fprintln(write, "one")
	response, err := http.DefaultClient.Do(q)
	must(t, err)
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for i, want := range []string{"echo one\n", "echo two\n"} {
		if i > 0 {
			go fmt.Fprintln(write, "two")
		}
		if line, err := lines.ReadString('\n'); err != nil || line != want {
			t.Fatalf("got %q, %v; want %q", line, err, want)
		}
	}
	write.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

// A body that breaks off must not look whole.
func TestBrokenBodyIsSeen(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil, a)
	r.waitHealthy(s.group, a)
	a.set(200, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked")
		io.WriteString(w, strings.Repeat("x", 100_000))
		panic(http.ErrAbortHandler)
	})
	response, err := http.Get(s.url + "/app")
	must(t, err)
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err == nil {
		t.Errorf("%d bytes, and no error", n)
	}
}

// A pattern is compared with the path as it was sent: an escaped character is
// three, not one.
func TestPatternsMeetThePathAsSent(t *testing.T) {
	f := newFront("", 80, newBack())
	f.routes.Store(&routes{rules: []route{{patterns: []string{"/a?b"}, status: 200}}, fallback: route{status: 404}})
	for path, want := range map[string]int{"/a-b": 200, "/a%20b": 404, "/a%2Fb": 404, "/a%2Db": 404} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}
