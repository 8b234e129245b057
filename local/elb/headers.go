package elb

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"time"
)

// hopByHop says whether a header is of one connection only (RFC 9110, section
// 7.6.1, and what older ones name). Names are in canonical form.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// copyHeader copies what is meant for the other end.
func copyHeader(into, from http.Header) {
	named := from["Connection"]
	for name, values := range from {
		if !hopByHop(name) && (len(named) == 0 || !isNamed(named, name)) {
			into[name] = values
		}
	}
}

// isNamed says whether a Connection header names a header.
func isNamed(connection []string, name string) bool {
	for _, line := range connection {
		for token := range strings.SplitSeq(line, ",") {
			if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(token)) == name {
				return true
			}
		}
	}
	return false
}

// addForwarded adds what a load balancer adds (user guide, "HTTP headers and
// Application Load Balancers", "Request tracing").
func (f *front) addForwarded(h http.Header, r *http.Request) {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	if before := h["X-Forwarded-For"]; len(before) > 0 {
		client = strings.Join(before, ", ") + ", " + client
	}
	h["X-Forwarded-For"] = []string{client}
	h["X-Forwarded-Proto"] = []string{"http"}
	h["X-Forwarded-Port"] = []string{f.port}
	h["X-Amzn-Trace-Id"] = []string{traceID(strings.Join(h["X-Amzn-Trace-Id"], ";"), time.Now())}
	if _, named := h["User-Agent"]; !named {
		h["User-Agent"] = nil // none, instead of Go's
	}
}

// traceID makes a Root field, or puts a Self field before the fields that came.
func traceID(came string, now time.Time) string {
	id := fmt.Sprintf("1-%08x-%08x%016x", uint32(now.Unix()), rand.Uint32(), rand.Uint64())
	if came == "" {
		return "Root=" + id
	}
	fields := []string{"Self=" + id}
	for field := range strings.SplitSeq(came, ";") {
		if field = strings.TrimSpace(field); field != "" && !strings.HasPrefix(field, "Self=") {
			fields = append(fields, field)
		}
	}
	return strings.Join(fields, ";")
}
