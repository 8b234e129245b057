package engine

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHeaders(t *testing.T) {
	var got *http.Request
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, req *http.Request) {
		got = req
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("X-End", "2")
		w.Header().Set("Via", "1.1 origin")
	}))
	req, err := http.NewRequest("GET", r.url+"/one/a%2Fb?q=1;2&z", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example:8080"
	for name, value := range map[string]string{
		"Connection": "X-Mine", "X-Mine": "1", "Proxy-Authorization": "secret", "Te": "gzip", "X-Other": "2",
		"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6", "Via": "1.0 fred",
	} {
		req.Header.Set(name, value)
	}
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got.RequestURI != "/one/a%2Fb?q=1;2&z" {
		t.Errorf("the node was asked for %s, want it unchanged", got.RequestURI)
	}
	wantRequest := map[string]string{
		"X-Mine": "", "Proxy-Authorization": "", "Te": "", "Connection": "", "X-Other": "2",
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example:8080", "X-Forwarded-Proto": "http", "Forwarded": "",
		"Via": "1.0 fred, 1.1 fairlead",
	}
	for name, want := range wantRequest {
		if v := got.Header.Get(name); v != want {
			t.Errorf("request %s = %q, want %q", name, v, want)
		}
	}
	if got.Host != "shop.example:8080" {
		t.Errorf("Host = %s, want the client's", got.Host)
	}
	for name, want := range map[string]string{"X-Hop": "", "Keep-Alive": "", "X-End": "2", "Via": "1.1 origin, 1.1 fairlead"} {
		if v := res.Header.Get(name); v != want {
			t.Errorf("response %s = %q, want %q", name, v, want)
		}
	}
}

func TestFailures(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	limits := DefaultLimits()
	limits.Answer = 30 * time.Millisecond
	tests := []struct {
		why    string
		addr   string // none: no nodes at all
		path   string
		status int
		body   string
		failed bool // counts against the node
	}{
		{"no such cluster", "", "/two", 404, `{"error":"not found"}`, false},
		{"no nodes", "", "/one", 503, `{"error":"Service Unavailable","reason":"one has no running nodes","cluster":"one"}`, false},
		{"nobody listens", refuses(t), "/one", 502, `{"error":"Bad Gateway","reason":"the node refuses connections","cluster":"one","node":"n0"}`, true},
		{"resets", rude(t), "/one", 502, `"node":"n0"`, true},
		{"hangs", backend(t, hang), "/one", 504, `{"error":"Gateway Timeout","reason":"the node does not answer in time","cluster":"one","node":"n0"}`, true},
		{"the node's own 500 passes", backend(t, status(500)), "/one", 500, ``, true},
		{"too many requests is a failure too", backend(t, status(429)), "/one", 429, ``, true},
		{"the client's mistake is not", backend(t, status(400)), "/one", 400, ``, false},
		{"nothing to send", backend(t, status(204)), "/one", 204, ``, false},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			var addrs []string
			if tt.addr != "" {
				addrs = []string{tt.addr}
			}
			r := newRig(t, limits, addrs...)
			res, body := r.get(t, tt.path)
			if res.StatusCode != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("%d %s, want %d %s", res.StatusCode, body, tt.status, tt.body)
			}
			if tt.body != "" && res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type %q", res.Header.Get("Content-Type"))
			}
			if tt.status == 503 && res.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			for _, n := range r.settled(t) {
				if (n.Errors > 0) != tt.failed {
					t.Errorf("the node has %d errors in %d requests, want failed %v", n.Errors, n.Requests, tt.failed)
				}
			}
			wantErrors := int64(0)
			if tt.failed || tt.status == 503 {
				wantErrors = 1
			}
			if total := r.cluster.Totals(); tt.status != 404 && (total.Requests != 1 || total.Errors != wantErrors) {
				t.Errorf("clients saw %d requests and %d errors, want 1 and %d", total.Requests, total.Errors, wantErrors)
			}
		})
	}
}
