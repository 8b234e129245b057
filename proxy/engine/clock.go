package engine

import "time"

// clock gives monotonic moments as nanoseconds since it was made: half the
// price of time.Now, and they fit into one word.
type clock struct{ base time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.base)) }

// time is a moment for those who want a time.Time.
func (c clock) time(at int64) time.Time { return c.base.Add(time.Duration(at)) }

// never is a moment that does not come.
const never = 1<<60 - 1
