package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/bench"
)

func TestText(t *testing.T) {
	got := Text(Build(inputs(t)["lab-local"]()), 100, false)
	want := `
DONE  Local emulation · not AWS · 2 cores · 0.1875 core per vCPU · cgroup-v2
cluster2 (4 × t2.large) serves this load better than cluster1 (4 × t2.micro), both through
proxy/peak-ewma: a p99 of 70.3 ms against 148 ms, 2.00 to 2.19 times lower (95 % interval, 5
blocks).

arm                       nodes          median      p90      p99      max   req/s  errors  valid
cluster1/proxy/peak-ewma  4 × t2.micro  89.6 ms   135 ms   148 ms   153 ms   6,758       0    5/5
cluster2/proxy/peak-ewma  4 × t2.large  42.7 ms  65.0 ms  70.3 ms  72.7 ms  14,257       0    5/5

▼ cluster1/proxy/peak-ewma has 2.1 times the p99 latency of cluster2/proxy/peak-ewma (ratio 2.09,
  95 % interval 2.00 to 2.19, 5 blocks).
▼ cluster1/proxy/peak-ewma has a 2.1 times lower throughput than cluster2/proxy/peak-ewma (ratio
  0.48, 95 % interval 0.46 to 0.50, 5 blocks).
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, line := range []string{"Cost: nothing here; on AWS this plan would cost about $", "Left running: nothing (9 instances ended by teardown)."} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

// No line is wider than the terminal, whatever the run, and colours are asked for.
func TestTextFits(t *testing.T) {
	for name, input := range inputs(t) {
		r := Build(input())
		for _, width := range []int{60, 80, 200} {
			text := Text(r, width, false)
			if strings.Contains(text, "\x1b") || strings.Contains(text, "\x00") {
				t.Errorf("%s: control characters", name)
			}
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width && len(strings.Fields(line)) > 1 {
					t.Errorf("%s: %d columns of %d: %q", name, n, width, line)
				}
			}
		}
		if !strings.Contains(Text(r, 0, true), "\x1b[") {
			t.Errorf("%s: no colour", name)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{millis(0), "–"}, {millis(0.421), "0.42 ms"}, {millis(9.99), "9.99 ms"}, {millis(85.34), "85.3 ms"}, {millis(999.6), "1.00 s"}, {millis(12345), "12.3 s"},
		{percent(0), "0 %"}, {percent(0.00001), "< 0.01 %"}, {percent(0.0005), "0.05 %"}, {percent(0.02), "2 %"}, {percent(0.123), "12 %"}, {percent(1), "100 %"},
		{plural(1, "trial"), "1 trial"}, {plural(0, "trial"), "0 trials"}, {plural(1200, "trial"), "1,200 trials"}, {bench.Grouped(0), "0"}, {bench.Grouped(999), "999"}, {bench.Grouped(1000), "1,000"}, {bench.Grouped(1234567), "1,234,567"},
		{dollars(0), "$0"}, {dollars(0.00001), "< $0.0001"}, {dollars(0.0123), "$0.0123"}, {dollars(1.239), "$1.24"},
		{rate(0), "–"}, {rate(1234.5), "1,235"}, {rate(9.876), "9.88"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}
