package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Account answers what Plan asks of the account and region before anything is
// launched. Any call may be denied: an error's text is the reason in short.
type Account interface {
	// VCPUQuota is how many vCPUs of On-Demand Standard instances (families A,
	// C, D, H, I, M, R, T, Z) may run at once: quota L-1216C47A of EC2.
	VCPUQuota(ctx context.Context) (int, error)
	// ConcurrentExecutions is how many invocations may run at once of functions
	// that have no concurrency reserved.
	ConcurrentExecutions(ctx context.Context) (int, error)
	// Offered gives the zones that offer each type, of the zones named; the
	// region itself, if none is named. Types offered nowhere are absent.
	Offered(ctx context.Context, types, zones []string) (map[string][]string, error)
	// TypeFacts describes types. Those that EC2 does not know are absent.
	TypeFacts(ctx context.Context, types []string) (map[string]TypeFacts, error)
	// Live lists the region's instances, whoever started them, that are not terminated.
	Live(ctx context.Context) ([]LiveInstance, error)
}

// TypeFacts is what EC2 says of an instance type.
type TypeFacts struct {
	VCPUs         int
	Architectures []string // as bench.ArchX86
	FreeTier      bool     // the only kind that an account on the free plan may launch
}

// LiveInstance is somebody's instance.
type LiveInstance struct {
	Type     string
	State    string // as EC2 names it
	OnDemand bool   // Spot instances have a quota of their own
}

// askTime bounds each question: Plan as a whole has a minute, and an answer
// that does not come is no more than unknown.
const askTime = 5 * time.Second

// reply is what came of one question.
type reply[T any] struct {
	value T
	err   error
}

// facts are the answers to all questions, which do not depend on the plan: any
// plan can be judged by them, a suggested one too.
type facts struct {
	quota       reply[int]
	concurrency reply[int]
	offered     reply[map[string][]string]
	types       reply[map[string]TypeFacts]
	live        reply[[]LiveInstance]
}

// ask asks everything at once, then the sizes of live instances whose types no
// plan can name.
func ask(ctx context.Context, a Account, zones []string) facts {
	all := bench.InstanceTypes()
	var f facts
	var asking sync.WaitGroup
	asking.Go(func() { f.quota = question(ctx, a.VCPUQuota) })
	asking.Go(func() { f.concurrency = question(ctx, a.ConcurrentExecutions) })
	asking.Go(func() { f.live = question(ctx, a.Live) })
	asking.Go(func() {
		f.offered = question(ctx, func(ctx context.Context) (map[string][]string, error) { return a.Offered(ctx, all, zones) })
	})
	asking.Go(func() {
		f.types = question(ctx, func(ctx context.Context) (map[string]TypeFacts, error) { return a.TypeFacts(ctx, all) })
	})
	asking.Wait()

	if others := f.unsized(); f.types.err == nil && len(others) > 0 {
		more := question(ctx, func(ctx context.Context) (map[string]TypeFacts, error) { return a.TypeFacts(ctx, others) })
		if more.err == nil {
			f.types.value = maps.Clone(f.types.value)
			maps.Copy(f.types.value, more.value)
		}
	}
	return f
}

func question[T any](ctx context.Context, call func(context.Context) (T, error)) reply[T] {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	value, err := call(ctx)
	return reply[T]{value, err}
}

// vcpus is the size of a type: EC2's word, else our table's; 0 if neither knows.
func (f facts) vcpus(instanceType string) int {
	if t, ok := f.types.value[instanceType]; ok {
		return t.VCPUs
	}
	t, _ := bench.TypeOf(instanceType)
	return t.VCPUs
}

// counting lists the live instances that the vCPU quota counts.
func (f facts) counting() []LiveInstance {
	var list []LiveInstance
	for _, i := range f.live.value {
		if i.OnDemand && standardFamily(i.Type) && (i.State == statePending || i.State == stateRunning) {
			list = append(list, i)
		}
	}
	return list
}

// unsized lists the types of counting instances whose size is not known.
func (f facts) unsized() []string {
	var types []string
	for _, i := range f.counting() {
		if f.vcpus(i.Type) == 0 && !slices.Contains(types, i.Type) {
			types = append(types, i.Type)
		}
	}
	slices.Sort(types)
	return types
}

// standardFamily tells whether the quota L-1216C47A counts the type. Some
// families share a letter with a Standard one and have quotas of their own (EC2
// user guide, "On-Demand Instance limits").
func standardFamily(instanceType string) bool {
	family, _, _ := strings.Cut(instanceType, ".")
	letters := family
	if i := strings.IndexAny(family, "0123456789-"); i >= 0 {
		letters = family[:i]
	}
	switch letters {
	case "", "inf", "trn", "dl", "hpc", "mac":
		return false
	}
	return strings.Contains("acdhimrtz", letters[:1])
}

// reason says why a question has no answer.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", askTime)
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if r := []rune(text); len(r) > 120 {
		text = string(r[:119]) + "…"
	}
	return text
}
