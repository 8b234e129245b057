package command

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/fairlead/fairlead/internal/bench"
)

// PrintChecks says what the account allows of a plan, one check a line: "ok",
// "short" or "?" where the account could not be asked. It writes nothing if
// there are none.
func PrintChecks(out io.Writer, checks []bench.Check) error {
	if len(checks) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, c := range checks {
		label := ""
		if i == 0 {
			label = "account"
		}
		status := string(c.Status)
		if c.Status == bench.CheckUnknown {
			status = "?"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", label, status, c.What, c.Detail)
	}
	return w.Flush()
}
