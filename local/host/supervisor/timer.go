package supervisor

import (
	"path/filepath"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/host/systemd"
)

// timer runs one .timer unit: it starts the unit's service at each moment.
type timer struct {
	s       *supervisor
	journal *journal

	mu       sync.Mutex
	unit     *systemd.Unit
	state    string // inactive or active
	sub      string // dead, waiting or elapsed
	since    time.Time
	next     time.Time
	stopping chan struct{}
	ended    chan struct{}
}

func newTimer(s *supervisor, u *systemd.Unit) *timer {
	return &timer{s: s, unit: u, journal: newJournal(filepath.Join(s.boot.Dir, "journal"), u.Name),
		state: "inactive", sub: "dead", since: time.Now()}
}

func (t *timer) start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping != nil {
		return nil
	}
	now := time.Now()
	moments := append([]time.Time{}, t.unit.Timer.OnCalendar...)
	for _, after := range t.unit.Timer.OnActive {
		moments = append(moments, now.Add(after))
	}
	for _, after := range t.unit.Timer.OnBoot {
		moments = append(moments, t.s.booted.Add(after))
	}
	t.stopping, t.ended = make(chan struct{}), make(chan struct{})
	t.state, t.sub, t.since = "active", "waiting", now
	t.journal.print("systemd", 1, "Started %s.", describe(t.unit))
	go t.run(t.unit, moments, t.stopping, t.ended)
	return nil
}

// run waits for the moments that are still to come. One that has passed does
// not fire, Persistent or not: systemd remembers the activation itself as the
// last run of a timer that never ran (systemd.timer(5), Persistent=).
func (t *timer) run(u *systemd.Unit, moments []time.Time, stopping <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	activated := time.Now()
	for {
		next := time.Time{}
		for _, m := range moments {
			if m.After(activated) && (next.IsZero() || m.Before(next)) {
				next = m
			}
		}
		t.mu.Lock()
		t.next = next
		if next.IsZero() {
			t.sub = "elapsed"
		}
		t.mu.Unlock()
		if next.IsZero() {
			<-stopping
			return
		}
		if !sleepUntil(next, stopping) {
			return
		}
		activated = next
		t.journal.print("systemd", 1, "%s: Triggering %s.", u.Name, u.Timer.Unit)
		if err := t.s.startUnit(u.Timer.Unit); err != nil {
			t.journal.print("systemd", 1, "%s: %v", u.Name, err)
		}
	}
}

// sleepUntil waits for a moment of the wall clock. It looks again every ten
// seconds, because a laptop's sleep stops the clock that timers run on.
func sleepUntil(at time.Time, stopping <-chan struct{}) bool {
	at = at.Round(0) // no monotonic reading: compare by wall clock
	for {
		left := at.Sub(time.Now().Round(0))
		if left <= 0 {
			return true
		}
		wake := time.NewTimer(min(left, 10*time.Second))
		select {
		case <-stopping:
			wake.Stop()
			return false
		case <-wake.C:
		}
	}
}

func (t *timer) stop() {
	t.mu.Lock()
	stopping, ended := t.stopping, t.ended
	t.stopping = nil
	t.state, t.sub, t.since, t.next = "inactive", "dead", time.Now(), time.Time{}
	t.mu.Unlock()
	if stopping != nil {
		close(stopping)
		<-ended
	}
}
