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

// listening gives the addresses of the algorithm's listener: a load balancer has
// one or more in each zone, and others when it grows. They are used in turn, so
// that no zone is left idle because one resolver always names another first.
func (a *Aimer) listening(ctx context.Context, r bench.RunRecord, algorithm string) ([]string, error) {
	made, err := getJSON[bench.Balancer](ctx, a.Store, bench.RunKeys{Run: r.Run}.Balancer())
	if err != nil {
		return nil, err
	}
	k := slices.IndexFunc(made.Listeners, func(l bench.Listener) bool { return l.Algorithm == algorithm })
	if k < 0 {
		return nil, &BalancerIncomplete{Run: r.Run}
	}
	ctx, cancel := within(ctx, resolveTime)
	defer cancel()
	var addrs []string
	var last error
	err = poll(ctx, func(ctx context.Context) (bool, error) {
		var now []string
		now, last = a.Resolver.LookupHost(ctx, made.DNSName)
		if last == nil {
			addrs = now
		}
		return len(addrs) > 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && last != nil {
		err = last
	}
	if err != nil {
		return nil, fmt.Errorf("find the load balancer's addresses: %w", err)
	}
	slices.Sort(addrs)
	for i := range addrs {
		addrs[i] = net.JoinHostPort(addrs[i], strconv.Itoa(made.Listeners[k].Port))
	}
	return slices.Compact(addrs), nil
}
