package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThreshold(t *testing.T) {
	tests := []struct {
		probes string // p passed, f failed
		states string // after each: h healthy, u not; capital: changed
		why    string
	}{
		{"p", "H", "the first pass is enough for a new node"},
		{"ffp", "uuH", "however long it took to start"},
		{"pffp", "Hhhh", "two failures are forgiven"},
		{"pffpfff", "HhhhhhU", "three in a row are not, and the count begins anew"},
		{"pfffpp", "HhhUuH", "coming back takes two passes"},
		{"pfffpfpp", "HhhUuuuH", "in a row"},
	}
	for _, tt := range tests {
		var s threshold
		got := ""
		for _, p := range tt.probes {
			changed := s.observe(p == 'p', 2, 3)
			letter := "u"
			if s.healthy {
				letter = "h"
			}
			if changed {
				letter = strings.ToUpper(letter)
			}
			got += letter
		}
		if got != tt.states {
			t.Errorf("%s: %s, want %s: %s", tt.probes, got, tt.states, tt.why)
		}
	}
}

// script answers the probes of a node in turn; its last word stays.
type script struct {
	answers []error
	takes   time.Duration
	at      []time.Duration // when each probe began
	start   time.Time
}

func (s *script) Probe(ctx context.Context, _ Target) (time.Duration, error) {
	s.at = append(s.at, time.Since(s.start))
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	err := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return s.takes, err
}

// diary writes down what the checker tells.
type diary struct{ lines []string }

func (d *diary) Probed(_ Target, l time.Duration) {
	d.lines = append(d.lines, fmt.Sprint("probed ", l))
}
func (d *diary) Changed(t Target, healthy bool, err error) {
	d.lines = append(d.lines, fmt.Sprint(t.ID, " ", healthy, " ", err))
}

func TestChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		s := &script{answers: []error{broken, nil, nil, broken, broken, broken, nil, nil}, takes: time.Millisecond, start: time.Now()}
		var d diary
		c := New(Defaults(), s, &d)
		target := Target{"i-1", "x"}
		c.Sync([]Target{target})
		c.Sync([]Target{target}) // nothing new
		time.Sleep(5 * time.Second)
		synctest.Wait()
		c.Close()
		want := []string{"probed 1ms", "i-1 true <nil>", "probed 1ms", "i-1 false broken", "probed 1ms", "probed 1ms", "i-1 true <nil>", "probed 1ms"}
		if !slices.Equal(d.lines, want) {
			t.Errorf("heard\n%q, want\n%q", d.lines, want)
		}
		// Each probe takes 1 ms. In doubt the next comes after 250 ms, settled after 1 s.
		ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
		times := []time.Duration{0, ms(251), ms(1252), ms(2253), ms(2504), ms(2755), ms(3006), ms(3257), ms(4258)}
		if !slices.Equal(s.at, times) {
			t.Errorf("probed at %v, want %v", s.at, times)
		}
	})
}

func TestCheckerSuspectAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []error{nil}, start: time.Now()}
		c := New(Defaults(), s, new(diary))
		defer c.Close()
		target := Target{"i-1", "x"}
		c.Sync([]Target{target})
		time.Sleep(100 * time.Millisecond)
		c.Suspect(target)
		c.Suspect(Target{"i-2", "unknown"})
		synctest.Wait()
		if len(s.at) != 2 || s.at[1] != 100*time.Millisecond {
			t.Errorf("probed at %v, want a second time as soon as it was suspected", s.at)
		}
		c.Sync(nil)
		time.Sleep(time.Hour)
		if len(s.at) != 2 {
			t.Errorf("probed %d times, want none after it left", len(s.at))
		}
	})
}

// A node that takes longer than the timeout fails, and a node that leaves
// while it is probed is not reported.
func TestCheckerSlowProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []error{nil}, takes: time.Minute, start: time.Now()}
		var d diary
		c := New(Defaults(), s, &d)
		c.Sync([]Target{{"i-1", "x"}})
		time.Sleep(3 * time.Second)
		c.Close()
		c.Sync([]Target{{"i-1", "x"}}) // after Close nothing starts
		if len(s.at) != 2 || s.at[1] != 2250*time.Millisecond || len(d.lines) != 0 {
			t.Errorf("probed at %v and heard %q, want a second probe after the timeout and no news", s.at, d.lines)
		}
	})
}

func TestHTTP(t *testing.T) {
	tests := []struct {
		why    string
		handle http.HandlerFunc
		err    string
	}{
		{"healthy", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(NodeHeader, "i-1") }, ""},
		{"healthy, does not say who it is", func(http.ResponseWriter, *http.Request) {}, ""},
		{"another instance got the address", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(NodeHeader, "i-2") }, "is now i-2, not i-1"},
		{"says that it is not", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "503"},
		{"breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			panic(http.ErrAbortHandler)
		}, "EOF"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "within the probe's time"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/health" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				tt.handle(w, r)
			}))
			defer s.Close()
			p := NewHTTP()
			defer p.Close()
			wait := 10 * time.Second
			if tt.why == "hangs" {
				wait = 20 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			latency, err := p.Probe(ctx, Target{"i-1", strings.TrimPrefix(s.URL, "http://")})
			switch {
			case tt.err == "" && (err != nil || latency <= 0):
				t.Errorf("latency %v, error %v, want a pass", latency, err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want one with %q", err, tt.err)
			}
		})
	}
}
