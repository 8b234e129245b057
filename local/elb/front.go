package elb

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Times of AWS's: an idle connection is closed after 60 seconds (attribute
// idle_timeout.timeout_seconds), and a target must accept one within 10 (user
// guide, "HTTP 504: Gateway timeout").
const (
	idleTimeout = 60 * time.Second
	dialTimeout = 10 * time.Second
)

// back is what the listeners of one load balancer share: the connections to
// targets, and the end of it all.
type back struct {
	transport http.RoundTripper
	forget    func() // closes idle connections
	idle      time.Duration

	mu     sync.Mutex
	fronts []*front
}

func newBack() *back {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		MaxIdleConnsPerHost:    2048, // a target keeps its connections when load comes in waves
		IdleConnTimeout:        idleTimeout,
		DisableCompression:     true, // bodies pass as they are
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         16 << 10,
		WriteBufferSize:        16 << 10,
	}
	return &back{transport: t, forget: t.CloseIdleConnections, idle: idleTimeout}
}

// close ends every front and waits for it.
func (b *back) close() {
	b.mu.Lock()
	fronts := b.fronts
	b.fronts = nil
	b.mu.Unlock()
	for _, f := range fronts {
		f.close()
	}
	for _, f := range fronts {
		f.wait()
	}
	b.forget()
}

// drop forgets a front that is closed and waited for.
func (b *back) drop(f *front) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fronts = slices.DeleteFunc(b.fronts, func(o *front) bool { return o == f })
}

// front is a listener as clients meet it. open, serve and close are called in
// this order by one caller at a time (who holds Service.mu, or owns it alone).
type front struct {
	addr   string
	port   string
	back   *back
	routes atomic.Pointer[routes]

	listener net.Listener
	server   *http.Server
	cancel   context.CancelFunc // of all requests
	serving  sync.WaitGroup     // the accepting goroutine
	conns    sync.WaitGroup     // connections; added to by the accepting goroutine only
}

func newFront(addr string, port int, b *back) *front {
	f := &front{addr: addr, port: strconv.Itoa(port), back: b}
	f.routes.Store(&routes{fallback: route{status: http.StatusServiceUnavailable}})
	b.mu.Lock()
	b.fronts = append(b.fronts, f)
	b.mu.Unlock()
	return f
}

// open takes the port; clients can connect, and wait until serve.
func (f *front) open() error {
	var config net.ListenConfig // an address given by number: nothing waits
	l, err := config.Listen(context.Background(), "tcp4", f.addr)
	if err != nil {
		return err
	}
	f.listener = l
	return nil
}

// serve answers at the port that open took.
func (f *front) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.server = &http.Server{
		Handler: f, ReadHeaderTimeout: idleTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10, // user guide, "HTTP headers limits"
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is the target's to answer
		ErrorLog:                     log.New(io.Discard, "", 0),
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				f.conns.Add(1)
			case http.StateClosed:
				f.conns.Done()
			}
		},
	}
	l, server := f.listener, f.server
	f.serving.Go(func() { _ = server.Serve(l) }) // it ends by close alone
}

// close closes the port and every connection. It does not wait.
func (f *front) close() {
	if f.server != nil {
		f.cancel()
		_ = f.server.Close() // the error is of a socket that is given up anyway
	} else if f.listener != nil {
		f.listener.Close()
	}
	f.server, f.listener = nil, nil
}

// wait waits until nothing of a closed front runs.
func (f *front) wait() {
	f.serving.Wait()
	f.conns.Wait()
}
