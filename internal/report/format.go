package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// millis writes a latency with three digits: "0.42 ms", "85.3 ms", "1.24 s".
func millis(ms float64) string {
	switch {
	case ms == 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 9995:
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// percent writes a share: "0.05 %", "12 %".
func percent(share float64) string {
	p := share * 100
	switch {
	case p == 0:
		return "0 %"
	case p < 0.01:
		return "< 0.01 %"
	case p < 1:
		return fmt.Sprintf("%.2f %%", p)
	case p < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", p), ".0") + " %"
	}
	return fmt.Sprintf("%.0f %%", p)
}

// plural counts things: "1 trial", "1,200 trials".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return bench.Grouped(n) + " " + thing + "s"
}

// rate writes requests per second.
func rate(rps float64) string {
	if rps == 0 {
		return "–"
	}
	if rps < 100 {
		return fmt.Sprintf("%.3g", rps)
	}
	return bench.Grouped(int(math.Round(rps)))
}

// dollars writes an amount; small ones keep two digits that mean something.
func dollars(usd float64) string {
	switch {
	case usd == 0:
		return "$0"
	case usd < 0.0001:
		return "< $0.0001"
	case usd < 0.1:
		return fmt.Sprintf("$%.4f", usd)
	}
	return fmt.Sprintf("$%.2f", usd)
}
