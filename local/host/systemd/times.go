package systemd

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// spanUnits are the units of systemd.time(7), without months and years, whose
// lengths systemd averages.
var spanUnits = map[string]time.Duration{
	"us": time.Microsecond, "usec": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"": time.Second, "s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// infinite is what "infinity" stands for: long enough for any instance.
const infinite = 100 * 365 * 24 * time.Hour

// Span reads a time span: "5", "200ms", "1min 30s", "infinity".
func Span(s string) (time.Duration, error) {
	if s == "infinity" {
		return infinite, nil
	}
	var total time.Duration
	rest := strings.TrimSpace(s)
	if rest == "" {
		return 0, fmt.Errorf("%q is not a time span", s)
	}
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n < 0 {
			n = len(rest)
		}
		number, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a time span", s)
		}
		rest = strings.TrimSpace(rest[n:])
		n = strings.IndexFunc(rest, func(r rune) bool { return r < 'a' || r > 'z' })
		if n < 0 {
			n = len(rest)
		}
		unit, ok := spanUnits[rest[:n]]
		if !ok {
			return 0, fmt.Errorf("%q has the unknown unit %q", s, rest[:n])
		}
		add := number * float64(unit)
		if add > float64(infinite-total) {
			return 0, fmt.Errorf("%q is longer than this reader's limit of 100 years", s)
		}
		total += time.Duration(add)
		rest = strings.TrimSpace(rest[n:])
	}
	return total, nil
}

// Calendar reads an OnCalendar value. Only one absolute moment in UTC is
// supported ("2026-11-23 15:04:05 UTC"): a repeating one never ends an instance
// at a known time.
func Calendar(s string) (time.Time, error) {
	t, err := time.Parse("2006-01-02 15:04:05 UTC", strings.Join(strings.Fields(s), " "))
	if err != nil {
		return time.Time{}, fmt.Errorf("OnCalendar=%s: only an absolute time such as \"2026-11-23 15:04:05 UTC\" is supported", s)
	}
	return t, nil
}
