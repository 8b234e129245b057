package steps

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func TestReadyWaitsAndWritesTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := planned(t, `{}`), newCloud()
		c.lag = 3 * time.Second
		launched(t, m, c)
		out, err := (&Ready{Store: m, Fleet: c}).Run(t.Context(), RunIn{Run: "r"})
		if err != nil || out.Instances != 9 {
			t.Fatalf("got %+v, %v", out, err)
		}
		for _, i := range read[bench.Fleet](t, m, keysOfR.Fleet()).Instances {
			if i.PrivateIP == "" || i.Group == "" || i.Role == "" || i.AvailabilityZone == "" {
				t.Errorf("incomplete: %+v", i)
			}
		}
	})
}

func TestReadyNamesTheLostNode(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*cloud)
		want string
	}{
		{"it ended early", func(c *cloud) {
			c.machines["i-2"].State, c.machines["i-2"].StateReason = stateTerminated, "Server.InternalError: internal error on launch"
		}, "Server.InternalError"},
		{"it never left pending", func(c *cloud) { c.boot = time.Hour }, "still pending"},
		{"EC2 lost it", func(c *cloud) { delete(c.machines, "i-2") }, "does not list it"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c := planned(t, `{}`), newCloud()
				launched(t, m, c)
				tc.make(c)
				_, err := (&Ready{Store: m, Fleet: c}).Run(t.Context(), RunIn{Run: "r"})
				lost, ok := own[*NodeLost](err)
				if !ok || !strings.Contains(lost.Error(), tc.want) || !strings.HasPrefix(lost.Node, "i-") {
					t.Errorf("got %T: %v", err, err)
				}
			})
		})
	}
}
