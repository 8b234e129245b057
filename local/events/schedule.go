package events

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

var rate = regexp.MustCompile(`^rate\((\d{1,9}) (minute|hour|day)(s?)\)$`)

// ParseSchedule reads rate(1 minute), rate(5 minutes), rate(1 hour) and so on.
// As in the service, the unit is singular for 1 and plural otherwise.
func ParseSchedule(expression string) (time.Duration, error) {
	m := rate.FindStringSubmatch(expression)
	if m == nil {
		return 0, fmt.Errorf("schedule expression %q is not supported: it must be rate(N minutes), hours or days", expression)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n == 0 || (n == 1) != (m[3] == "") {
		return 0, fmt.Errorf("schedule expression %q is not valid: the value is positive, and the unit singular for 1 only", expression)
	}
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
	if n > int(366*24*time.Hour/unit) {
		return 0, fmt.Errorf("schedule expression %q is longer than a year", expression)
	}
	return time.Duration(n) * unit, nil
}
