package steps

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Resolver finds the addresses of a name; of an address, itself.
// *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addrs []string, err error)
}

// resolveTime bounds the wait for a name. A load balancer that is active has
// one, but a resolver may remember for a while that there was none.
const resolveTime = 20 * time.Second

// listening is what Aim and Prove know of the load balancer.
type listening struct {
	made  bench.Balancer
	addrs []string // without a port
}

// listens finds the load balancer's addresses: it has one or more in each zone,
// and others when it grows.
func (a *Aimer) listens(ctx context.Context, run string) (listening, error) {
	made, err := getJSON[bench.Balancer](ctx, a.Store, bench.RunKeys{Run: run}.Balancer())
	if err != nil {
		return listening{}, err
	}
	most := resolveTime
	if end, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(end)/2) // the other ways in are to be proven too
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var addrs []string
	var last error
	err = poll(ctx, func(ctx context.Context) (bool, error) {
		addrs, last = a.Resolver.LookupHost(ctx, made.DNSName)
		return last == nil && len(addrs) > 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && last != nil {
		err = last
	}
	if err != nil {
		return listening{}, fmt.Errorf("find the load balancer's addresses: %w", err)
	}
	slices.Sort(addrs)
	return listening{made, slices.Compact(addrs)}, nil
}

// at gives the addresses of the algorithm's listener. All are used in turn, so
// that no zone is left idle because a resolver always names another first.
func (l listening) at(algorithm string) ([]string, error) {
	k := slices.IndexFunc(l.made.Listeners, func(l bench.Listener) bool { return l.Algorithm == algorithm })
	if k < 0 {
		return nil, fmt.Errorf("the load balancer has no listener for %s", algorithm)
	}
	var addrs []string
	for _, host := range l.addrs {
		addrs = append(addrs, net.JoinHostPort(host, strconv.Itoa(l.made.Listeners[k].Port)))
	}
	return addrs, nil
}
