package engine

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRetries(t *testing.T) {
	good := backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	failing := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	none := refuses(t)
	tests := []struct {
		why          string
		method, body string
		nodes        []string
		status       int
		requests     []int64 // per node
	}{
		{"not sent: another node", "GET", "", []string{none, good}, 200, []int64{1, 1}},
		{"not sent: even if it is not idempotent, body and all", "POST", "order", []string{none, good}, 200, []int64{1, 1}},
		{"nobody else to try", "GET", "", []string{none, none}, 502, []int64{1, 1}},
		{"three tries and no more", "GET", "", []string{none, none, none, none}, 502, []int64{1, 1, 1, 0}},
		{"broke off before the answer: idempotent", "GET", "", []string{rude(t), good}, 200, []int64{1, 1}},
		{"broke off: an order may have been taken", "POST", "order", []string{rude(t), good}, 502, []int64{1, 0}},
		{"broke off: how much of the body went is not known", "PUT", "state", []string{rude(t), good}, 502, []int64{1, 0}},
		{"an answer is an answer", "GET", "", []string{failing, good}, 503, []int64{1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			r := newRig(t, DefaultLimits(), tt.nodes...)
			req, err := http.NewRequest(tt.method, r.url+"/one", io.NopCloser(strings.NewReader(tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			if tt.body == "" {
				req.Body = nil
			}
			res, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || tt.status == 200 && string(text) != tt.body {
				t.Errorf("%d %q, want %d %q", res.StatusCode, text, tt.status, tt.body)
			}
			for i, n := range r.settled(t) {
				if n.Requests != tt.requests[i] {
					t.Errorf("%s had %d requests, want %d", n.ID, n.Requests, tt.requests[i])
				}
			}
			if tt.nodes[0] == none && (len(r.suspect) == 0 || r.suspect[0] != "n0") {
				t.Errorf("suspected %v, want n0, which refuses connections", r.suspect)
			}
		})
	}
}
