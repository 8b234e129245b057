package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// source answers by its func, and notes when it was asked.
type source struct {
	start time.Time
	at    []time.Duration
	nodes func(look int) ([]Node, error)
}

func (s *source) Nodes(context.Context) ([]Node, error) {
	s.at = append(s.at, time.Since(s.start))
	return s.nodes(len(s.at))
}

// watch runs discovery for so long in virtual time, and gives what it told.
func watch(t *testing.T, s *source, settled func() bool, d time.Duration) (told []string) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		s.start = time.Now()
		Run(ctx, Defaults(), s, Callbacks{
			Found:   func(m map[string][]Node) { told = append(told, fmt.Sprint(m)) },
			Outage:  func(err error) { told = append(told, fmt.Sprint("outage ", err)) },
			Settled: settled,
		})
	})
	return told
}

func TestRunTellsChangesOnly(t *testing.T) {
	a, b, c := Node{"one", "i-a", "10.0.0.1", 1}, Node{"one", "i-b", "10.0.0.2", 1}, Node{"two", "i-c", "10.0.0.3", 1}
	answers := [][]Node{{}, {a}, {a, b}, {b, a}, {c, b}}
	s := &source{nodes: func(look int) ([]Node, error) { return slices.Clone(answers[min(look, len(answers))-1]), nil }}
	got := watch(t, s, func() bool { return true }, 20*time.Second)
	want := []string{
		"map[one:[{one i-a 10.0.0.1 1}]]",
		"map[one:[{one i-a 10.0.0.1 1} {one i-b 10.0.0.2 1}]]", // the other order is no change
		"map[one:[{one i-b 10.0.0.2 1}] two:[{two i-c 10.0.0.3 1}]]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%q, want\n%q", got, want)
	}
}

// While the API fails nothing is taken away; it is asked less and less often;
// and one line says that it began and one that it is over.
func TestRunOutage(t *testing.T) {
	s := &source{}
	s.nodes = func(look int) ([]Node, error) {
		if look > 1 && look < 8 {
			return nil, errors.New("throttled")
		}
		return []Node{{"one", "i-a", "10.0.0.1", 1}}, nil
	}
	got := watch(t, s, func() bool { return true }, 135*time.Second)
	want := []string{"map[one:[{one i-a 10.0.0.1 1}]]", "outage throttled", "outage <nil>"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	sec := time.Second
	at := []time.Duration{0, 2 * sec, 6 * sec, 14 * sec, 30 * sec, 60 * sec, 90 * sec, 120 * sec}
	if !slices.Equal(s.at[:8], at) || s.at[8] != 122*sec {
		t.Errorf("asked at %v, want %v and then every 2 s", s.at, at)
	}
}

func TestRunIsFastUntilSettled(t *testing.T) {
	s := &source{nodes: func(int) ([]Node, error) { return nil, nil }}
	settled := func() bool { return time.Since(s.start) >= time.Second }
	watch(t, s, settled, 6*time.Second)
	ms := time.Millisecond
	want := []time.Duration{0, 250 * ms, 500 * ms, 750 * ms, 1000 * ms, 3000 * ms, 5000 * ms}
	if !slices.Equal(s.at, want) {
		t.Errorf("asked at %v, want %v", s.at, want)
	}
}

// An API that hangs is cut off and counts as failing.
func TestRunHang(t *testing.T) {
	hang := sourceFunc(func(ctx context.Context) ([]Node, error) { <-ctx.Done(); return nil, ctx.Err() })
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		var outages []error
		Run(ctx, Defaults(), hang, Callbacks{Outage: func(err error) { outages = append(outages, err) }, Settled: func() bool { return false }})
		if len(outages) != 1 || !errors.Is(outages[0], context.DeadlineExceeded) {
			t.Errorf("told %v, want one deadline", outages)
		}
	})
}

type sourceFunc func(context.Context) ([]Node, error)

func (f sourceFunc) Nodes(ctx context.Context) ([]Node, error) { return f(ctx) }
