package steps

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Times of a trial. Grace is for answers on their way at the load's last
// moment; uploadAllowance is for a shard to store its tally.
const (
	grace           = 2 * time.Second
	uploadAllowance = 15 * time.Second
)

// Aimer talks to the fleet from inside the VPC: it proves the paths, aims the
// target before each trial, and reads the samples after it.
type Aimer struct {
	Store    Store
	HTTP     *http.Client // for the programs on the instances
	Resolver Resolver     // for the load balancer
}

// AimOut is what the state machine needs of a trial's aim.
type AimOut struct {
	T0             time.Time `json:"t0"`
	QuiesceAt      time.Time `json:"quiesceAt"`
	TimeoutSeconds int       `json:"timeoutSeconds"` // of the shards' tasks
	Shards         []int     `json:"shards"`
}

// Aim readies the arm's target and names the moment at which all shards begin,
// in aim.json. Repeated, it names a new one: no shard has begun before it ends.
// Errors: *NodesUnhealthy.
func (a *Aimer) Aim(ctx context.Context, run, trial string) (AimOut, error) {
	r, fleet, err := a.read(ctx, run)
	if err != nil {
		return AimOut{}, err
	}
	aim, err := design(r, fleet, trial)
	if err != nil {
		return AimOut{}, err
	}
	if aim.Endpoints, err = a.endpoints(ctx, r, fleet, aim.Arm); err != nil {
		return AimOut{}, err
	}
	if err := a.prepare(ctx, aim, fleet); err != nil {
		return AimOut{}, err
	}
	aim.T0 = time.Now().UTC().Add(time.Duration(r.T0Lead)).Truncate(time.Millisecond)
	aim.QuiesceAt = aim.T0.Add(aim.Load.TrialTime() + grace)
	if err := putJSON(ctx, a.Store, bench.RunKeys{Run: run}.Trial(trial).Aim(), aim); err != nil {
		return AimOut{}, err
	}
	out := AimOut{T0: aim.T0, QuiesceAt: aim.QuiesceAt, Shards: []int{}}
	out.TimeoutSeconds = int(math.Ceil((time.Until(aim.QuiesceAt) + uploadAllowance).Seconds()))
	for n := range aim.Shards {
		out.Shards = append(out.Shards, n)
	}
	return out, nil
}

func (a *Aimer) read(ctx context.Context, run string) (bench.RunRecord, bench.Fleet, error) {
	r, err := record(ctx, a.Store, run)
	if err != nil {
		return r, bench.Fleet{}, err
	}
	fleet, err := getJSON[bench.Fleet](ctx, a.Store, bench.RunKeys{Run: run}.Fleet())
	return r, fleet, err
}

// design is the trial's aim but for its addresses and times.
func design(r bench.RunRecord, fleet bench.Fleet, trial string) (bench.Aim, error) {
	t := slices.IndexFunc(r.Trials, func(t bench.Trial) bool { return t.Key == trial })
	if t < 0 {
		return bench.Aim{}, fmt.Errorf("run %s has no trial %q", r.Run, trial)
	}
	arms := r.Plan.Arms()
	n := slices.IndexFunc(arms, func(a bench.Arm) bool { return a.Name == r.Trials[t].Arm })
	if n < 0 {
		return bench.Aim{}, fmt.Errorf("trial %s is of arm %q, which the plan lacks", trial, r.Trials[t].Arm)
	}
	aim := bench.Aim{
		Trial: r.Trials[t], Arm: arms[n], Shards: r.Plan.Shards, Load: r.Plan.Load,
		Path: requestPath(arms[n].Cluster, r.Plan.Work),
	}
	nodes := members(fleet, arms[n].Cluster)
	for _, i := range nodes {
		aim.Nodes = append(aim.Nodes, i.ID)
	}
	return aim, nil
}

// endpoints are where an arm's requests go.
func (a *Aimer) endpoints(ctx context.Context, r bench.RunRecord, fleet bench.Fleet, arm bench.Arm) ([]bench.Endpoint, error) {
	var list []bench.Endpoint
	switch arm.Target.Kind {
	case bench.TargetDirect:
		for _, i := range members(fleet, arm.Cluster) {
			list = append(list, bench.Endpoint{Node: i.ID, Addr: nodeAddr(i)})
		}
	case bench.TargetProxy:
		proxy, err := balancerOf(fleet)
		if err != nil {
			return nil, err
		}
		list = append(list, bench.Endpoint{Addr: proxyAddr(proxy)})
	case bench.TargetALB:
		l, err := a.listens(ctx, r.Run)
		if err != nil {
			return nil, err
		}
		addrs, err := l.at(arm.Target.Algorithm)
		if err != nil {
			return nil, err
		}
		for _, addr := range addrs {
			list = append(list, bench.Endpoint{Addr: addr})
		}
	default:
		return nil, fmt.Errorf("target %s is none that Aim can point at", arm.Target)
	}
	return list, nil
}

// members lists a group's instances.
func members(fleet bench.Fleet, group string) []bench.Instance {
	var list []bench.Instance
	for _, i := range fleet.Instances {
		if i.Group == group {
			list = append(list, i)
		}
	}
	return list
}

func balancerOf(fleet bench.Fleet) (bench.Instance, error) {
	list := members(fleet, bench.ProxyGroup)
	if len(list) != 1 {
		return bench.Instance{}, fmt.Errorf("the fleet has %d proxies, and needs one", len(list))
	}
	return list[0], nil
}

// requestPath asks a cluster for the work: "/cluster1?cpu=1ms&bytes=1024".
func requestPath(cluster string, w bench.Work) string {
	q := url.Values{}
	if w.CPU > 0 {
		q.Set("cpu", w.CPU.String())
	}
	if w.Sleep > 0 {
		q.Set("sleep", w.Sleep.String())
	}
	if w.Bytes > 0 {
		q.Set("bytes", strconv.Itoa(w.Bytes))
	}
	if w.Fail > 0 {
		q.Set("fail", strconv.FormatFloat(w.Fail, 'g', -1, 64))
	}
	if len(q) == 0 {
		return "/" + cluster
	}
	return "/" + cluster + "?" + q.Encode()
}
