package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// lockHolder is the body of bench.RunLock: one object that is written, freed
// and written again, never deleted, so that every change of hands is one
// conditional write:
//
//	absent ── PutIfAbsent ──► held ── PutIfVersion ──► freed ── PutIfVersion ──► held …
//	                            └──── its expiry passed: PutIfVersion ────────────┘
//
// Of two takers that saw the same version S3 lets one write; the other's
// version is not there any more, so it looks again and finds the lock held.
type lockHolder struct {
	Execution string    `json:"execution"` // ARN
	Run       string    `json:"run"`
	Expiry    time.Time `json:"expiry"` // void after it: the run's instances have ended themselves
	Taken     time.Time `json:"taken"`  // tells two attempts of one execution apart
	Freed     bool      `json:"freed"`
}

// free tells whether somebody else may take the lock.
func (h lockHolder) free(now time.Time) bool { return h.Freed || now.After(h.Expiry) }

// takeLock gives the run the stack's one lock. A run that holds it already
// takes it anew. Errors: *RunLocked.
func takeLock(ctx context.Context, s Store, r bench.RunRecord, bucket string) (lockHolder, error) {
	mine := lockHolder{Execution: r.Execution, Run: r.Run, Expiry: r.Expiry, Taken: time.Now().UTC().Round(0)}
	err := exchange(ctx, s, func(held lockHolder) (lockHolder, error) {
		if held.Execution != "" && held.Execution != mine.Execution && !held.free(time.Now()) {
			return held, &RunLocked{Execution: held.Execution, Until: held.Expiry, Lock: "s3://" + bucket + "/" + bench.RunLock}
		}
		return mine, nil
	})
	return mine, err
}

// lockCheck says, without taking it, whether a run could have the lock.
func lockCheck(ctx context.Context, s Store, execution string) bench.Check {
	c := bench.Check{What: "student account: one run at a time", Status: bench.CheckOK, Detail: "no other run holds the lock"}
	held, _, err := readLock(ctx, s)
	switch {
	case err != nil:
		c.Status, c.Detail = bench.CheckUnknown, "the lock could not be read: "+reason(err)
	case held.Execution != "" && held.Execution != execution && !held.free(time.Now()):
		c.Status, c.Detail = bench.CheckShort, fmt.Sprintf("execution %s holds the lock until its fleet is gone, at the latest until %s", held.Execution, held.Expiry.UTC().Format(time.RFC3339))
	}
	return c
}

// releaseLock frees the stack's lock if the run took it and holds it still. It
// may be repeated.
func releaseLock(ctx context.Context, s Store, r bench.RunRecord) error {
	if !r.Locked {
		return nil
	}
	return freeLock(ctx, s, func(h lockHolder) bool { return h.Execution == r.Execution })
}

// giveBack frees the lock if it is still the very one that was taken: another
// attempt of the same execution, which the first one's caller has given up,
// may have taken it anew.
func giveBack(ctx context.Context, s Store, taken lockHolder) error {
	return freeLock(ctx, s, func(h lockHolder) bool { return h.Execution == taken.Execution && h.Taken.Equal(taken.Taken) })
}

func freeLock(ctx context.Context, s Store, mine func(lockHolder) bool) error {
	err := exchange(ctx, s, func(held lockHolder) (lockHolder, error) {
		if held.Freed || !mine(held) {
			return held, nil
		}
		held.Freed = true
		return held, nil
	})
	if err != nil {
		return fmt.Errorf("free the run lock: %w", err)
	}
	return nil
}

// exchange replaces the lock's holder by what next makes of the present one,
// the zero holder if there is none. next is asked again when another writer
// came first. Nothing is written if it changes nothing.
func exchange(ctx context.Context, s Store, next func(lockHolder) (lockHolder, error)) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := exchangeOnce(ctx, s, next)
		if !errors.Is(err, ErrChanged) && !errors.Is(err, ErrConflict) {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("write %s: %w", bench.RunLock, err)
		}
	}
}

func exchangeOnce(ctx context.Context, s Store, next func(lockHolder) (lockHolder, error)) error {
	held, version, err := readLock(ctx, s)
	if err != nil {
		return err
	}
	want, err := next(held)
	if err != nil || want == held {
		return err
	}
	body, err := encode(want)
	if err != nil {
		return fmt.Errorf("write %s: %w", bench.RunLock, err)
	}
	if version == "" {
		if err = s.PutIfAbsent(ctx, bench.RunLock, body); errors.Is(err, ErrExists) {
			return ErrChanged
		}
	} else {
		err = s.PutIfVersion(ctx, bench.RunLock, version, body)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", bench.RunLock, err)
	}
	return nil
}

// readLock gives the lock's holder and the version of the object, zero and ""
// if nobody has ever held it.
func readLock(ctx context.Context, s Store) (lockHolder, string, error) {
	raw, version, err := s.GetVersion(ctx, bench.RunLock)
	if errors.Is(err, ErrNotFound) {
		return lockHolder{}, "", nil
	}
	if err != nil {
		return lockHolder{}, "", fmt.Errorf("read %s: %w", bench.RunLock, err)
	}
	var h lockHolder
	if err := json.Unmarshal(raw, &h); err != nil {
		return lockHolder{}, "", fmt.Errorf("read %s: %w", bench.RunLock, err)
	}
	return h, version, nil
}
