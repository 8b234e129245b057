package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A client that gives up neither counts as an error nor against the node.
func TestClientGivesUp(t *testing.T) {
	arrived := make(chan struct{})
	r := newRig(t, DefaultLimits(), backend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // the proxy passes it on
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/one", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-arrived; cancel() }()
	if _, err := r.client.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	n := r.settled(t)[0]
	if n.Requests != 1 || n.Errors != 0 || r.cluster.Totals().Errors != 0 {
		t.Errorf("node %d requests %d errors, clients %d errors; want 1, 0, 0", n.Requests, n.Errors, r.cluster.Totals().Errors)
	}
}

// An answer that breaks off is an error for the client and for the node.
func TestAnswerBreaksOff(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "only this")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	res, err := r.client.Get(r.url + "/one")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("the client saw no error")
	}
	if n := r.settled(t)[0]; n.Errors != 1 || r.cluster.Totals().Errors != 1 {
		t.Errorf("node %d errors, clients %d, want 1 and 1", n.Errors, r.cluster.Totals().Errors)
	}
}

// A long answer passes while it is being made, and the node counts as busy
// until its end.
func TestStreams(t *testing.T) {
	step := make(chan struct{})
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-step
		fmt.Fprint(w, strings.Repeat("x", 1<<20))
	}))
	res, err := r.client.Get(r.url + "/one")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	five := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, five); err != nil || string(five) != "first" {
		t.Fatalf("%q %v, want the first part before the rest exists", five, err)
	}
	if n := r.cluster.Nodes()[0]; n.InFlight != 1 || n.Requests != 0 {
		t.Errorf("%d in flight, %d ended, want 1 and 0", n.InFlight, n.Requests)
	}
	close(step)
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 1<<20 {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
	if n := r.settled(t)[0]; n.Requests != 1 || n.Errors != 0 {
		t.Errorf("%+v", n)
	}
}

func TestLargeUpload(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	}))
	const size = 8 << 20
	res, err := r.client.Post(r.url+"/one", "text/plain", io.LimitReader(zeros{}, size)) // chunked
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != fmt.Sprintf("%d <nil>", size) {
		t.Errorf("the node saw %s, %v", text, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An upgraded connection is a tunnel; it does not count as a request in flight.
func TestUpgrade(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buf.ReadString('\n')
		fmt.Fprint(conn, strings.ToUpper(line))
	}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /one HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	buf := bufio.NewReader(conn)
	res, err := http.ReadResponse(buf, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", res, err)
	}
	if n := r.cluster.Nodes()[0]; n.InFlight != 0 || n.Requests != 1 || n.Errors != 0 {
		t.Errorf("%+v, want the request ended and the tunnel not in flight", n)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := buf.ReadString('\n'); err != nil || line != "HELLO\n" {
		t.Errorf("%q %v", line, err)
	}
}
