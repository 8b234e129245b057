package engine

import (
	"bytes"
	"net/http"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/refusal"
	"github.com/fairlead/fairlead/proxy/retry"
)

// open routes a request whose head has n bytes, and writes down what goes to
// a node. From then on nothing points into w.in any more.
func (s *session) open(n int) found {
	e, w := s.e, s.work
	r := &w.req
	w.exchange = exchange{}
	s.old = r.Minor == 0
	s.last = s.last || !r.KeepAlive
	w.headOnly, w.method = string(r.Method) == "HEAD", methodOther
	if w.headOnly {
		w.method = methodHead
	}
	w.body.start(r.Body, true, e.limits.Body)
	switch w.route = e.routes[string(segment(r.Path))]; {
	case w.route == nil:
		status, b := refusal.NotFound()
		return s.decline(n, status, b)
	case r.MaxForwards == 0:
		return s.decline(n, http.StatusNotImplemented, refusal.Body{Reason: "Max-Forwards ends here, where there is nothing"})
	case e.limits.Body > 0 && r.Body.Kind == http1.Length && r.Body.Length > e.limits.Body:
		s.malformed(errLarge)
		return answered
	}
	w.body.coded = r.Body.Kind == http1.Chunked
	w.replayable = r.Body.Kind == http1.NoBody && retry.Idempotent(string(r.Method))
	w.upgrade = r.Upgrade != nil
	w.onward = http1.Onward{Name: via, Client: s.peer, Proto: "http"}
	if r.Host == nil {
		w.onward.Host = []byte(s.tcp.LocalAddr().String())
	}
	if w.logged = e.access.draw(e.coarse.Load()); w.logged != nil {
		w.logged.method, w.logged.target = string(r.Method), string(r.Target)
	}
	w.out = e.outs.get()
	w.out.b = http1.AppendRequest(w.out.b, r, &w.onward)
	w.out.room(2 * overhead)
	var used int
	var err error
	if w.out.b, used, err = w.body.feed(w.out.b, w.in.b[n:], &e.limits.HTTP); err != nil {
		s.malformed(err)
		return answered
	}
	w.expecting = r.Expect100 && !w.body.done && len(w.in.b) == n
	w.in.drop(n + used)
	w.headBy = 0
	w.req.Reset()
	if w.body.done && !w.upgrade {
		return complete
	}
	return incomplete
}

// segment is the first one of a path.
func segment(path []byte) []byte {
	if len(path) == 0 || path[0] != '/' {
		return nil
	}
	path = path[1:]
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return path
}

// decline answers a request that goes nowhere, and skips its body if that is
// here already.
func (s *session) decline(n, status int, b refusal.Body) found {
	w := s.work
	_, used, err := w.body.feed(make([]byte, 0, len(w.in.b)+2*overhead), w.in.b[n:], &s.e.limits.HTTP)
	if err != nil {
		s.malformed(err)
		return answered
	}
	if !w.body.done {
		s.last, s.linger = true, true
	}
	w.in.drop(n + used)
	w.headBy = 0
	w.req.Reset()
	s.served++
	s.refuse(status, b, w.headOnly)
	return answered
}
