package main

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// A request in flight is seen by the probes, and not counted in its own answer.
func TestLoadOverHTTP(t *testing.T) {
	a, s := newTestApp(t, io.Discard)
	done := make(chan string, 1)
	go func() {
		res, err := http.Get(s.URL + "/x?sleep=200ms")
		if err != nil {
			done <- err.Error()
			return
		}
		res.Body.Close()
		done <- res.Header.Get(loadHeader)
	}()
	for a.meter.InFlight() == 0 {
		runtime.Gosched()
	}
	if res, body := get(t, s.URL+"/load"); res.StatusCode != http.StatusNoContent || body != "" || res.Header.Get(loadHeader) != "1;0" || res.Header.Get(nodeHeader) != "i-1" {
		t.Errorf("GET /load: %d %q %v, want 204 and one request that has not ended", res.StatusCode, body, res.Header)
	}
	if got := <-done; got != "0;0" {
		t.Errorf("the request's own answer tells %q, want no other", got)
	}
	res, _ := get(t, s.URL+"/load")
	tells, us, _ := strings.Cut(res.Header.Get(loadHeader), ";")
	if n, err := strconv.Atoi(us); err != nil || tells != "0" || n < 200_000 || n > 20_000_000 {
		t.Errorf("afterwards it tells %q, want nothing in flight and 200 ms or more", res.Header.Get(loadHeader))
	}
	if res, _ := get(t, s.URL+"/health"); res.Header.Get(loadHeader) != "" {
		t.Error("/health tells a load")
	}
}
