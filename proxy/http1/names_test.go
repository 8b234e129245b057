package http1

import (
	"strings"
	"testing"
)

func TestKinds(t *testing.T) {
	for k, names := range map[kind][]string{
		host: {"Host"}, contentLength: {"Content-Length"}, transferEncoding: {"Transfer-Encoding"}, connection: {"Connection"},
		keepAlive: {"Keep-Alive", "Close"}, proxyConnection: {"Proxy-Connection"}, te: {"TE"}, trailer: {"Trailer"}, upgrade: {"Upgrade"},
		expect: {"Expect"}, maxForwards: {"Max-Forwards"}, via: {"Via"}, forwarded: {"Forwarded"}, date: {"Date"},
		proxyAuth:    {"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info"},
		forwardedFor: {"X-Forwarded-For"}, forwardedHost: {"X-Forwarded-Host"}, forwardedProto: {"X-Forwarded-Proto"},
		forwardedMore: {"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-By", "X-Forwarded-Proto-Version", "X-Real-IP"},
		traceparent:   {"Traceparent"}, tracestate: {"Tracestate"},
		early: {"Age", "Authentication-Info", "Authorization", "Cache-Control", "Content-Encoding", "Content-Range", "Content-Type", "Cookie", "Expires",
			"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Location", "Pragma", "Range", "Retry-After", "Set-Cookie", "Vary", "Warning", "WWW-Authenticate"},
		plain: {"A", "Accept", "X-Forwarded", "X-Fairlead-Load", "Hosts", "Hose", "Server-Timing", strings.Repeat("a", 100)},
	} {
		for _, name := range names {
			for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
				if got := kindOf([]byte(spelling)); got != k {
					t.Errorf("%s: kind %d, want %d", spelling, got, k)
				}
			}
			// Under another spelling of the hyphen a name that means something
			// is left out; all others are like any other.
			under := strings.ReplaceAll(name, "-", "_")
			want := plain
			if k != plain && k != early {
				want = alias
			}
			if got := kindOf([]byte(under)); under != name && got != want {
				t.Errorf("%s: kind %d, want %d", under, got, want)
			}
		}
	}
}
