package elb

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// ServeHTTP answers one request: by a fixed response, or by a target.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := f.routes.Load().find(r.URL.EscapedPath()) // patterns are compared with what was sent
	switch {
	case to.group == nil:
		to.answer(w)
		return
	case r.Header.Get("Upgrade") != "":
		answerError(w, http.StatusNotImplemented, "the local cloud does not implement protocol upgrades")
		return
	}
	e := to.group.choose()
	if e == nil {
		answerError(w, http.StatusServiceUnavailable, "")
		return
	}
	f.forward(w, r, to.group, e)
}

// exchange is one request on its way through. Its watchdog ends it when neither
// side has sent anything for the idle timeout.
type exchange struct {
	client   *http.ResponseController
	idle     time.Duration
	watchdog *time.Timer
	sent     atomic.Bool // the client's body has been read to its end
	answered atomic.Bool // the target's answer is on its way to the client
	late     atomic.Bool // the watchdog has ended it
}

func (x *exchange) alive() { x.watchdog.Reset(x.idle) }

// stopReading ends a read of the client's body that waits: closing the body
// would wait for it. The connection then takes no further request.
func (x *exchange) stopReading() {
	if !x.sent.Load() {
		_ = x.client.SetReadDeadline(time.Now()) // the connection may be closed, which is as good
	}
}

func (f *front) forward(w http.ResponseWriter, r *http.Request, group *pool, e *endpoint) {
	e.outstanding.Add(1)
	defer e.outstanding.Add(-1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	x := &exchange{idle: f.back.idle, client: http.NewResponseController(w)}
	x.watchdog = time.AfterFunc(x.idle, func() {
		x.late.Store(true)
		x.stopReading()
		if x.answered.Load() {
			_ = x.client.SetWriteDeadline(time.Now()) // ends a write to a client that reads nothing
		}
		cancel()
	})
	defer x.watchdog.Stop()
	out := f.outgoing(ctx, r, e, x)
	defer out.Body.Close() // its reader, which may go on after an early answer, must not outlive this call
	response, err := f.back.transport.RoundTrip(out)
	if err != nil {
		f.fail(w, r, group, e, x, err)
		return
	}
	defer response.Body.Close()
	x.alive()
	if response.StatusCode == http.StatusSwitchingProtocols {
		group.record(e, true, time.Now())
		answerError(w, http.StatusBadGateway, "")
		return
	}
	copyHeader(w.Header(), response.Header)
	if _, named := response.Header["Content-Type"]; !named {
		w.Header()["Content-Type"] = nil // no guess of the server's
	}
	w.WriteHeader(response.StatusCode)
	x.answered.Store(true)
	targetFailed, err := x.copyBody(w, response)
	gone := err != nil && (!targetFailed || r.Context().Err() != nil)
	if !gone {
		group.record(e, err != nil || response.StatusCode >= 500, time.Now())
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the client must see that the body is not whole
	}
}

// outgoing is the request to the target.
func (f *front) outgoing(ctx context.Context, r *http.Request, e *endpoint, x *exchange) *http.Request {
	out := &http.Request{
		Method: r.Method, Host: r.Host, Header: make(http.Header, len(r.Header)+5), ContentLength: r.ContentLength, Body: http.NoBody,
		URL:   &url.URL{Scheme: "http", Host: e.addr, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.RequestURI == "*" {
		out.URL.Path, out.URL.Opaque = "", "*"
	}
	copyHeader(out.Header, r.Header)
	f.addForwarded(out.Header, r)
	if r.ContentLength != 0 {
		_ = x.client.EnableFullDuplex() // what is answered early is passed on while the body comes
		out.Body = &clientBody{r.Body, x}
	} else {
		x.sent.Store(true)
	}
	return out.WithContext(ctx)
}

// fail answers a request whose round trip to a target failed.
func (f *front) fail(w http.ResponseWriter, r *http.Request, group *pool, e *endpoint, x *exchange, err error) {
	var network net.Error
	var body *clientError
	switch {
	case x.late.Load() && !x.sent.Load(): // the client did not send its body
		answerError(w, http.StatusRequestTimeout, "")
		return
	case r.Context().Err() != nil, errors.As(err, &body):
		// The client has gone, or the load balancer ends: there is nobody to
		// answer (AWS logs 460), and the target is not to blame.
		panic(http.ErrAbortHandler)
	}
	group.record(e, true, time.Now())
	if x.late.Load() || errors.As(err, &network) && network.Timeout() {
		answerError(w, http.StatusGatewayTimeout, "")
		return
	}
	answerError(w, http.StatusBadGateway, "")
}

// clientBody is a request's body. Its errors are the client's, not the target's.
type clientBody struct {
	io.ReadCloser
	x *exchange
}

type clientError struct{ error }

func (e *clientError) Unwrap() error { return e.error }

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF: //nolint:errorlint // the value itself is what Read promises
		b.x.sent.Store(true)
	case err != nil:
		return n, &clientError{err}
	}
	b.x.alive()
	return n, err
}

func (b *clientBody) Close() error {
	b.x.stopReading()
	return b.ReadCloser.Close()
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyBody sends a response's body on as it comes. What cannot wait for more,
// since more may not come soon, is flushed.
func (x *exchange) copyBody(w http.ResponseWriter, response *http.Response) (targetFailed bool, err error) {
	buffer := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buffer)
	flusher, _ := w.(http.Flusher)
	var written int64
	for {
		n, readErr := response.Body.Read(buffer[:])
		if n > 0 {
			x.alive()
			if _, err := w.Write(buffer[:n]); err != nil {
				return false, err
			}
			written += int64(n)
		}
		switch {
		case readErr == io.EOF: //nolint:errorlint // the value itself is what Read promises
			return false, nil
		case readErr != nil:
			return true, readErr
		case flusher != nil && written != response.ContentLength:
			flusher.Flush()
		}
	}
}

// answer gives a fixed response.
func (to *route) answer(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Server", "awselb/2.0")
	header.Set("Content-Type", or(to.contentType, "text/plain; charset=utf-8"))
	header.Set("Content-Length", strconv.Itoa(len(to.body)))
	w.WriteHeader(to.status)
	_, _ = io.WriteString(w, to.body) // the client is gone; there is nobody to tell
}

// answerError gives an error of the load balancer's own.
func answerError(w http.ResponseWriter, status int, why string) {
	text := strconv.Itoa(status) + " " + or(why, http.StatusText(status))
	(&route{status: status, contentType: "text/html", body: "<html><head><title>" + text + "</title></head><body><h1>" + text + "</h1></body></html>\n"}).answer(w)
}
