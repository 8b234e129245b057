package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/load"
)

// Shard sends one worker's slice of a trial's load, once.
type Shard struct {
	Store Store
	Load  func(context.Context, load.Spec) (*load.Result, error) // load.Run
	Cores float64                                                // CPU that this worker may use; 0 means all that Go sees
}

// ShardIn names the shard. Worker is who asks: the invocation's request id.
type ShardIn struct {
	Run    string `json:"run"`
	Trial  string `json:"trial"`
	Shard  int    `json:"shard"`
	Worker string `json:"-"`
}

// ShardOut says what was sent.
type ShardOut struct {
	Shard    int `json:"shard"`
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
}

// lease says whose a shard's load is.
type lease struct {
	Owner string    `json:"owner"` // worker; plan.json ties the run to its execution
	Taken time.Time `json:"taken"`
}

// Run takes the shard's lease, sends, and writes what was counted, also if the
// load was cut short. Errors: *LeaseTaken; the load is then another's, and
// nothing is sent.
func (s *Shard) Run(ctx context.Context, in ShardIn) (ShardOut, error) {
	keys := bench.RunKeys{Run: in.Run}.Trial(in.Trial)
	aim, err := getJSON[bench.Aim](ctx, s.Store, keys.Aim())
	if err != nil {
		return ShardOut{}, err
	}
	if err := s.lease(ctx, keys, in); err != nil {
		return ShardOut{}, err
	}
	loading, cancel := within(ctx, time.Until(aim.QuiesceAt)+grace)
	defer cancel()
	result, err := s.Load(loading, load.Spec{Aim: aim, Shard: in.Shard, Worker: in.Worker, Cores: s.Cores})
	if err != nil {
		return ShardOut{}, err
	}
	// What was counted must be kept even if the function's time is nearly over.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), uploadAllowance-grace)
	defer cancel()
	if err := s.Store.Put(ctx, keys.Log(in.Shard), result.Log); err != nil {
		return ShardOut{}, fmt.Errorf("write %s: %w", keys.Log(in.Shard), err)
	}
	// The tally last: it says that both are there.
	if err := putJSON(ctx, s.Store, keys.Shard(in.Shard), result.Tally); err != nil {
		return ShardOut{}, err
	}
	return ShardOut{Shard: in.Shard, Requests: result.Tally.Requests, Errors: result.Tally.Errors}, nil
}

func (s *Shard) lease(ctx context.Context, keys bench.TrialKeys, in ShardIn) error {
	mine, err := json.Marshal(lease{Owner: in.Worker, Taken: time.Now().UTC()})
	if err != nil {
		return err
	}
	holder, err := claim(ctx, s.Store, keys.Lease(in.Shard), mine)
	if err != nil {
		return err
	}
	var l lease
	if err := json.Unmarshal(holder, &l); err != nil {
		return fmt.Errorf("read %s: %w", keys.Lease(in.Shard), err)
	}
	// Not the owner's name alone: Lambda may run one request twice, under one id.
	if !bytes.Equal(holder, mine) {
		return &LeaseTaken{Trial: in.Trial, Shard: in.Shard, Owner: l.Owner}
	}
	return nil
}
