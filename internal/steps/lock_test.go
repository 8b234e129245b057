package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func (m *memory) GetVersion(ctx context.Context, key string) ([]byte, string, error) {
	body, err := m.Get(ctx, key)
	if err != nil {
		return nil, "", err
	}
	return body, version(body), nil
}

// version is a hash of the content, as S3's ETag is.
func version(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

func (m *memory) PutIfVersion(_ context.Context, key, was string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["put "+key]; err != nil {
		return err
	}
	if m.conflicts[key] > 0 {
		m.conflicts[key]--
		return ErrConflict
	}
	now, ok := m.objects[key]
	if !ok || version(now) != was {
		return fmt.Errorf("%w: %s", ErrChanged, key)
	}
	m.objects[key] = append([]byte{}, body...)
	if m.lost[key] {
		m.lost[key] = false
		return ErrChanged
	}
	return nil
}

// runOf is the record of a run that holds the lock, or wants it.
func runOf(name string, life time.Duration) bench.RunRecord {
	return bench.RunRecord{Run: name, Execution: "arn:aws:states:us-east-1:000000000000:execution:bench:" + name, Expiry: time.Now().UTC().Add(life), Locked: true}
}

func take(t *testing.T, m *memory, r bench.RunRecord) error {
	t.Helper()
	_, err := takeLock(t.Context(), m, r, "results")
	return err
}

func TestTheLockKeepsRunsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b := newMemory(), runOf("a", time.Hour), runOf("b", 2*time.Hour)
		if err := take(t, m, a); err != nil {
			t.Fatal(err)
		}
		err := take(t, m, b)
		locked, ok := own[*RunLocked](err)
		if !ok || locked.Execution != a.Execution || !locked.Until.Equal(a.Expiry) {
			t.Fatalf("%v", err)
		}
		for _, want := range []string{a.Execution, a.Expiry.Format(time.RFC3339), "aws s3 rm s3://results/locks/run"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nlacks %s", err, want)
			}
		}
		if err := take(t, m, a); err != nil {
			t.Errorf("its own, taken again: %v", err)
		}
		// Who does not hold it cannot free it, nor a run that never took it.
		unlocked := a
		unlocked.Locked = false
		for _, r := range []bench.RunRecord{b, unlocked} {
			if err := releaseLock(t.Context(), m, r); err != nil {
				t.Error(err)
			}
			if err := take(t, m, b); err == nil {
				t.Fatal("b got it while a holds it")
			}
		}
		for range 2 { // Teardown, and then the sweep
			if err := releaseLock(t.Context(), m, a); err != nil {
				t.Error(err)
			}
		}
		if err := take(t, m, b); err != nil {
			t.Fatalf("freed, and: %v", err)
		}
		// a's sweep comes late.
		if err := releaseLock(t.Context(), m, a); err != nil {
			t.Error(err)
		}
		if h := read[lockHolder](t, m, bench.RunLock); h.Run != "b" || h.Freed {
			t.Errorf("the lock is %+v", h)
		}
		time.Sleep(2 * time.Hour)
		if err := take(t, m, a); err == nil {
			t.Error("at its expiry the lock is void already")
		}
		time.Sleep(time.Second)
		if err := take(t, m, a); err != nil {
			t.Errorf("expired, and: %v", err)
		}
	})
}

func TestReleaseWithoutALock(t *testing.T) {
	m := newMemory()
	if err := releaseLock(t.Context(), m, runOf("a", time.Hour)); err != nil || len(m.keys()) > 0 {
		t.Errorf("%v, wrote %v", err, m.keys()) // the user removed it, as RunLocked says
	}
	m.fail["get "+bench.RunLock] = errDenied
	if err := releaseLock(t.Context(), m, runOf("a", time.Hour)); !errors.Is(err, errDenied) {
		t.Errorf("nobody knows whether it is free, and no error: %v", err)
	}
}

// Sixteen runs want a lock that nobody holds, that was freed, that has expired:
// one gets it.
func TestOneTakerWins(t *testing.T) {
	for _, tc := range []struct {
		why    string
		before func(t *testing.T, m *memory)
	}{
		{"absent", func(*testing.T, *memory) {}},
		{"freed", func(t *testing.T, m *memory) {
			r := runOf("z", time.Hour)
			if err := errors.Join(take(t, m, r), releaseLock(t.Context(), m, r)); err != nil {
				t.Fatal(err)
			}
		}},
		{"expired", func(t *testing.T, m *memory) { write(t, m, bench.RunLock, lockHolder{Execution: "z", Run: "z"}) }},
		{"held up by other writers", func(_ *testing.T, m *memory) { m.conflicts[bench.RunLock] = 5 }},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				tc.before(t, m)
				var won atomic.Int32
				var takers sync.WaitGroup
				for i := range 16 {
					takers.Go(func() {
						switch err := take(t, m, runOf(fmt.Sprint("r", i), time.Hour)); {
						case err == nil:
							won.Add(1)
						case !errors.As(err, new(*RunLocked)):
							t.Error(err)
						}
					})
				}
				takers.Wait()
				if won.Load() != 1 {
					t.Errorf("%d runs hold the lock", won.Load())
				}
			})
		})
	}
}

func TestALostAnswerIsNoLostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := newMemory(), runOf("a", time.Hour)
		m.lost[bench.RunLock] = true // the write is taken, its repetition refused
		if err := take(t, m, a); err != nil {
			t.Errorf("absent: %v", err)
		}
		m.lost[bench.RunLock] = true
		if err := releaseLock(t.Context(), m, a); err != nil {
			t.Errorf("release: %v", err)
		}
		m.lost[bench.RunLock] = true
		if err := take(t, m, runOf("b", time.Hour)); err != nil {
			t.Errorf("takeover: %v", err)
		}
	})
}

func TestARemovedLockMayBeTaken(t *testing.T) {
	m := newMemory()
	if err := take(t, m, runOf("a", time.Hour)); err != nil {
		t.Fatal(err)
	}
	delete(m.objects, bench.RunLock) // aws s3 rm
	if err := take(t, m, runOf("b", time.Hour)); err != nil {
		t.Error(err)
	}
}

func TestAPlanThatCannotBeginGivesTheLockBack(t *testing.T) {
	key := keysOfR.Plan()
	for _, tc := range []struct {
		why     string
		prepare func(*memory)
		want    string
	}{
		{"the run's name is another's", func(m *memory) { m.objects[key] = []byte(`{"execution": "other"}`) }, "belong to execution other"},
		{"the record cannot be read", func(m *memory) { m.objects[key], m.fail["get "+key] = []byte(`{}`), errDenied }, "AccessDenied"},
	} {
		m := newMemory()
		tc.prepare(m)
		_, err := planOf(roomy(), studentSettings("us-east-1"), m, small)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.why, err)
		}
		if h := read[lockHolder](t, m, bench.RunLock); !h.Freed {
			t.Errorf("%s: the lock is %+v", tc.why, h)
		}
	}
}

// An attempt that was given up fails after the next one has taken the lock anew:
// what it gives back is not its own any more.
func TestAnAttemptGivesBackOnlyItsOwnTaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := newMemory(), runOf("a", time.Hour)
		first, err := takeLock(t.Context(), m, a, "results")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := take(t, m, a); err != nil {
			t.Fatal(err)
		}
		if err := giveBack(t.Context(), m, first); err != nil {
			t.Fatal(err)
		}
		if read[lockHolder](t, m, bench.RunLock).Freed {
			t.Error("the second attempt's lock is free")
		}
	})
}

func TestStudentRunsHoldTheLock(t *testing.T) {
	m, s := newMemory(), studentSettings("us-east-1")
	if _, err := planOf(roomy(), s, m, small); err != nil {
		t.Fatal(err)
	}
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	if !r.Locked || read[lockHolder](t, m, bench.RunLock).Run != "r" {
		t.Fatalf("locked: %v", r.Locked)
	}
	other := &Planner{Store: m, Account: roomy(), Settings: s}
	in := PlanIn{Input: json.RawMessage(small), Execution: execution + "2", StartedAt: time.Now()}
	if _, ok := own[*RunLocked](func() error { _, err := other.Run(t.Context(), in); return err }()); !ok {
		t.Error("a second run was let in")
	}
	if _, there := m.objects[bench.RunKeys{Run: "r2"}.Plan()]; there {
		t.Error("a run that was refused has a record, which the sweep would end")
	}
	// A dry run says so, takes nothing and frees nothing.
	in.Input = json.RawMessage(`{"preset": "smoke", "dryRun": true}`)
	before := string(m.objects[bench.RunLock])
	out, err := other.Run(t.Context(), in)
	if err != nil || string(m.objects[bench.RunLock]) != before {
		t.Fatalf("%v; the lock is %s", err, m.objects[bench.RunLock])
	}
	last := out.Summary.Checks[len(out.Summary.Checks)-1]
	if last.Status != bench.CheckShort || !strings.Contains(last.Detail, execution) {
		t.Errorf("%+v", last)
	}
	if err := releaseLock(t.Context(), m, r); err != nil {
		t.Fatal(err)
	}
	if out, err = other.Run(t.Context(), in); err != nil || out.Summary.Checks[len(out.Summary.Checks)-1].Status != bench.CheckOK {
		t.Errorf("%+v, %v", out.Summary.Checks, err)
	}
	m.fail["get "+bench.RunLock] = errDenied
	if out, err = other.Run(t.Context(), in); err != nil || out.Summary.Checks[len(out.Summary.Checks)-1].Status != bench.CheckUnknown {
		t.Errorf("%+v, %v", out.Summary.Checks, err)
	}
}
