package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Arm is a cluster through a target. All arms of a plan have the same load.
type Arm struct {
	Name    string `json:"name"` // "cluster1/proxy/peak-ewma"
	Cluster string `json:"cluster"`
	Target  Target `json:"target"`
}

// Key is the arm's name as a part of an S3 key: "cluster1-proxy-peak-ewma".
func (a Arm) Key() string { return strings.ReplaceAll(a.Name, "/", "-") }

// Arms lists the plan's arms: every cluster through every target.
func (p Plan) Arms() []Arm {
	var arms []Arm
	for _, c := range p.Clusters {
		for _, t := range p.Targets {
			arms = append(arms, Arm{Name: c.Name + "/" + t.String(), Cluster: c.Name, Target: t})
		}
	}
	return arms
}

// Groups lists what is launched: the clusters, and the proxy if a target needs it.
func (p Plan) Groups() []Group {
	var groups []Group
	for _, c := range p.Clusters {
		groups = append(groups, Group{Name: c.Name, Role: RoleNode, InstanceType: c.InstanceType, Arch: archOf(c.InstanceType), Count: c.Count})
	}
	for _, t := range p.Targets {
		if t.Kind == TargetProxy {
			return append(groups, Group{Name: ProxyGroup, Role: RoleProxy, InstanceType: p.Proxy.InstanceType, Arch: archOf(p.Proxy.InstanceType), Count: 1})
		}
	}
	return groups
}

func archOf(instanceType string) string { return instanceTypes[instanceType].Arch() }

// ALBs lists the algorithms of the plan's alb targets, each of which has a
// listener of its own, at ALBPort and up.
func (p Plan) ALBs() []string {
	var algorithms []string
	for _, t := range p.Targets {
		if t.Kind == TargetALB {
			algorithms = append(algorithms, t.Algorithm)
		}
	}
	return algorithms
}

// Trial is one arm in one block.
type Trial struct {
	Key   string `json:"trial"` // "b01-cluster1-proxy-peak-ewma"
	Block int    `json:"block"` // from 1
	Arm   string `json:"arm"`   // Arm.Name
	Seed  int64  `json:"seed"`  // of the trial's arrivals; one for all arms of a block
}

// Trials draws the order of all trials: randomized multiple interleaved trials,
// every arm once in each block, the order within a block drawn from the seed
// (Abedi and Brecht, ICPE'17). The same plan gives the same order. All arms of a
// block meet the same arrivals, or a block's ratio would compare two draws of
// them as well (common random numbers).
func (p Plan) Trials() []Trial {
	arms := p.Arms()
	rng := rand.New(rand.NewPCG(uint64(p.Seed), 0x6661697265616421))
	var trials []Trial
	for b := 1; b <= p.Blocks; b++ {
		order, seed := rng.Perm(len(arms)), rng.Int64N(1<<53) // exact as a JSON number in JSONata
		for _, i := range order {
			trials = append(trials, Trial{
				Key:   fmt.Sprintf("b%02d-%s", b, arms[i].Key()),
				Block: b, Arm: arms[i].Name, Seed: seed,
			})
		}
	}
	return trials
}

// Aim is trials/<trial>/aim.json: what every shard of a trial does, and when.
type Aim struct {
	Trial     Trial      `json:"trial"`
	Arm       Arm        `json:"arm"`
	T0        time.Time  `json:"t0"`
	QuiesceAt time.Time  `json:"quiesceAt"` // no load of this trial after it
	Shards    int        `json:"shards"`
	Load      Load       `json:"load"`
	Path      string     `json:"path"`      // with the work as query: "/cluster1?cpu=1ms"
	Endpoints []Endpoint `json:"endpoints"` // one for a balancer; all nodes for direct, used in turn
	Nodes     []string   `json:"nodes"`     // instance ids of the arm's cluster
}

// Endpoint is an address that takes requests.
type Endpoint struct {
	Node string `json:"node,omitempty"` // instance id, if it is a node's own address
	Addr string `json:"addr"`           // host:port
}
