package fleet_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/internal/fleet"
)

func TestWhatTheRegionTells(t *testing.T) {
	c, order := inLocalCloud(t)

	types, err := c.Types(t.Context(), []string{"t2.micro", "t3.micro", "c7g.large", "x9.big"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"t2.micro": "{1 [x86_64] false}", "t3.micro": "{2 [x86_64] true}", "c7g.large": "{2 [arm64] false}",
	}
	for name, facts := range want {
		if got := fmt.Sprint(types[name]); got != facts {
			t.Errorf("%s is %s, want %s", name, got, facts)
		}
	}
	if len(types) != len(want) {
		t.Errorf("a type that the region does not know is absent, and no error: %v", types)
	}

	for _, tc := range []struct {
		why   string
		zones []string
		want  []string
	}{
		{"of the zones named", []string{"us-east-1b", "us-east-1a", "us-east-1z"}, []string{"us-east-1a", "us-east-1b"}},
		{"of the region", nil, []string{"us-east-1"}},
	} {
		offered, err := c.Offered(t.Context(), []string{"t2.micro", "x9.big"}, tc.zones)
		if err != nil || len(offered) != 1 || !slices.Equal(offered["t2.micro"], tc.want) {
			t.Errorf("%s: %v, %v", tc.why, offered, err)
		}
	}

	if live, err := c.Live(t.Context()); err != nil || len(live) != 0 {
		t.Errorf("before the launch: %v, %v", live, err)
	}
	started, err := c.Launch(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	live, err := c.Live(t.Context())
	if err != nil || len(live) != 2 || live[0].Type != "t2.micro" || !live[0].OnDemand || !slices.Contains([]string{fleet.Pending, fleet.Running}, live[0].State) {
		t.Errorf("%+v, %v", live, err)
	}
	if err := c.Terminate(t.Context(), []string{started[0].ID, started[1].ID}); err != nil {
		t.Fatal(err)
	}
	until(t, c, nil, "terminated", func(list []fleet.Instance) bool {
		return !slices.ContainsFunc(list, func(i fleet.Instance) bool { return i.State != fleet.Terminated })
	})
	if live, err := c.Live(t.Context()); err != nil || len(live) != 0 {
		t.Errorf("after the end: %v, %v", live, err)
	}
}
