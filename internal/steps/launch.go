package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Launcher starts one group: a cluster, or the proxy.
type Launcher struct {
	Store Store
	Fleet Starter
}

// LaunchIn names the group.
type LaunchIn struct {
	Run   string `json:"run"`
	Group string `json:"group"`
}

// LaunchOut lists the group's instances, still pending.
type LaunchOut struct {
	Instances []bench.Instance `json:"instances"`
}

// Run launches, spread evenly over the subnets. It may be repeated: each call's
// token, and every field, comes from plan.json. Errors: *Cancelled,
// *NoCapacity, *QuotaExceeded. What was started before an error is recorded for Teardown.
func (l *Launcher) Run(ctx context.Context, in LaunchIn) (LaunchOut, error) {
	r, err := record(ctx, l.Store, in.Run)
	if err != nil {
		return LaunchOut{}, err
	}
	i := slices.IndexFunc(r.Groups, func(g bench.Group) bool { return g.Name == in.Group })
	if i < 0 {
		return LaunchOut{}, fmt.Errorf("run %s has no group %q", in.Run, in.Group)
	}
	keys := bench.RunKeys{Run: in.Run}
	present, err := l.Store.List(ctx, groupFiles(keys, in.Group))
	if err != nil {
		return LaunchOut{}, fmt.Errorf("look for group %s: %w", in.Group, err)
	}
	if slices.Contains(present, keys.Group(in.Group)) { // a repeated call, after all was done
		done, err := getJSON[[]bench.Instance](ctx, l.Store, keys.Group(in.Group))
		return LaunchOut{done}, err
	}
	g := &grouping{Launcher: l, record: r, group: r.Groups[i], refused: map[string][]string{}}
	if key := refusedKey(keys, in.Group); slices.Contains(present, key) {
		if g.refused, err = getJSON[map[string][]string](ctx, l.Store, key); err != nil {
			return LaunchOut{}, err
		}
	}
	started, err := g.launch(ctx)
	list := instancesOf(started)
	for i := range list {
		list[i].Group, list[i].Role = g.group.Name, g.group.Role
	}
	if err != nil {
		if len(list) > 0 {
			if failed := putJSON(ctx, l.Store, partialKey(keys, in.Group), list); failed != nil {
				return LaunchOut{}, fmt.Errorf("%w; and what was started is not recorded: %w", err, failed)
			}
		}
		// Without the note somebody waits for nothing; the launch's own error says more.
		_ = l.Store.Put(ctx, failedKey(keys, in.Group), []byte(err.Error()+"\n"))
		return LaunchOut{}, err
	}
	if err := putJSON(ctx, l.Store, keys.Group(in.Group), list); err != nil {
		return LaunchOut{}, err
	}
	return LaunchOut{list}, nil
}

// The files of a group beside its record: no cluster's name has a dot.
func groupFiles(k bench.RunKeys, group string) string {
	return strings.TrimSuffix(k.Group(group), "json")
}
func refusedKey(k bench.RunKeys, group string) string { return groupFiles(k, group) + "refused.json" }
func partialKey(k bench.RunKeys, group string) string { return groupFiles(k, group) + "partial.json" }

// failedKey tells who waits beside Launch that there is nothing to wait for.
func failedKey(k bench.RunKeys, group string) string { return groupFiles(k, group) + "failed.txt" }

// grouping is the launch of one group.
type grouping struct {
	*Launcher
	record bench.RunRecord
	group  bench.Group
	// refused holds, for each subnet's share, the subnets that could not take
	// it. It is stored before the next subnet is tried: a repeated launch must
	// not ask again where the answer was no, get yes, and start the share twice.
	refused map[string][]string
}

func (g *grouping) launch(ctx context.Context) ([]Machine, error) {
	var started []Machine
	for i, n := range spread(g.group.Count, len(g.record.Subnets)) {
		if n == 0 {
			continue
		}
		share, err := g.place(ctx, i, n)
		started = append(started, share...)
		if err != nil {
			return started, err
		}
	}
	return started, nil
}

// place starts n machines in the home subnet, or else in the next that can
// take them. Only a definite refusal moves them: after a timeout they may run.
func (g *grouping) place(ctx context.Context, home, n int) ([]Machine, error) {
	subnets := g.record.Subnets
	last := ErrNoCapacity
	for k := range subnets {
		subnet := subnets[(home+k)%len(subnets)]
		if slices.Contains(g.refused[subnets[home]], subnet) {
			continue
		}
		cancelled, err := exists(ctx, g.Store, bench.RunKeys{Run: g.record.Run}.Cancelled())
		if err != nil {
			return nil, err
		}
		if cancelled {
			return nil, &Cancelled{Run: g.record.Run}
		}
		started, err := g.Fleet.Launch(ctx, g.order(subnets[home], subnet, n))
		switch {
		case err == nil:
			return started, nil
		case errors.Is(err, ErrQuota):
			return nil, &QuotaExceeded{Group: g.group.Name, Type: g.group.InstanceType, Count: n, Err: err}
		case !errors.Is(err, ErrNoCapacity):
			return nil, err
		}
		last = err
		g.refused[subnets[home]] = append(g.refused[subnets[home]], subnet)
		key := refusedKey(bench.RunKeys{Run: g.record.Run}, g.group.Name)
		if err := putJSON(ctx, g.Store, key, g.refused); err != nil {
			return nil, err
		}
	}
	return nil, &NoCapacity{Group: g.group.Name, Type: g.group.InstanceType, Count: n, Err: last}
}

func (g *grouping) order(home, subnet string, n int) LaunchOrder {
	r := g.record
	template := r.ImageOf(g.group.Name).Template(g.group.Role)
	return LaunchOrder{
		Token:    token(r.Run, g.group.Name, subnet, home),
		Template: template.ID, Version: template.Version,
		Type: g.group.InstanceType, Subnet: subnet, Count: n,
		Tags: map[string]string{
			"Name":          r.Stack + "-" + g.group.Name,
			bench.TagStack:  r.Stack,
			bench.TagRun:    r.Run,
			bench.TagGroup:  g.group.Name,
			bench.TagRole:   string(g.group.Role),
			bench.TagExpiry: r.Expiry.UTC().Format(time.RFC3339),
		},
		UserData: endOfTime(r.Expiry),
	}
}

// token names one call for RunInstances: 64 characters, its limit. The home
// subnet is part of it because one subnet may take two shares.
func token(run, group, subnet, home string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{run, group, subnet, home}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// spread divides n over the subnets, the first ones taking the remainder, alike
// for every cluster so that zones do not tell them apart.
func spread(n, subnets int) []int {
	shares := make([]int, subnets)
	for i := range n {
		shares[i%subnets]++
	}
	return shares
}

// endOfTime is the first-boot script that makes an instance end itself at the
// expiry, whatever becomes of Fairlead: the launch template lets a shutdown
// terminate. The timer is absolute and persistent, because a lab that stops an
// instance and starts it days later must not start its time anew.
func endOfTime(expiry time.Time) string {
	return `#!/bin/bash
set -eu
cat > /etc/systemd/system/fairlead-ttl.service <<'UNIT'
[Unit]
Description=End this instance: its time is over

[Service]
Type=oneshot
ExecStart=/usr/sbin/shutdown -h now
UNIT
cat > /etc/systemd/system/fairlead-ttl.timer <<'UNIT'
[Unit]
Description=The end of this instance's time

[Timer]
OnCalendar=` + expiry.UTC().Format("2006-01-02 15:04:05") + ` UTC
Persistent=true

[Install]
WantedBy=timers.target
UNIT
systemctl enable --now fairlead-ttl.timer
`
}
