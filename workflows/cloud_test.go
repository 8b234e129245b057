package workflows_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/states"
)

// Times of the fake cloud. A load ends grace before its trial is quiet. A step
// takes stepTime unless the world's pace says otherwise.
const (
	stepTime = time.Second
	lead     = 10 * time.Second
	loadTime = 20 * time.Second
	grace    = 2 * time.Second
	upload   = 15 * time.Second
)

// world plays the functions, with the payloads and results of internal/steps,
// and remembers what they were asked. Calls are named "plan", "launch cluster1",
// "aim warm", "aim b01", "shard b01/0", "observe b01", "merge b01" and so on.
type world struct {
	groups, trials []string
	alb            bool // the plan has an alb target
	shards         int
	ttl            time.Duration                   // until the deadline
	left           []string                        // what Teardown cannot end
	faults         map[string]fault                // by call
	pace           func(call string) time.Duration // how long a call takes that began now

	mu    sync.Mutex
	calls map[string][]time.Time
	order []string
	aims  map[string]aim
	lost  map[string]*string // what merge was told, by trial
	quiet time.Time          // when the last load that began must have ended
	begun map[string]int     // how often a shard's code began to run
	ended map[string]int     // how many calls that hang were ended by the cloud
	told  judgeIn
	wrong []string // what no state machine may do
}

func newWorld() *world {
	return &world{groups: []string{"cluster1", "proxy"}, trials: []string{"b01", "b02"}, shards: 4, ttl: time.Hour,
		pace:   func(string) time.Duration { return stepTime },
		faults: map[string]fault{}, calls: map[string][]time.Time{}, aims: map[string]aim{}, lost: map[string]*string{}, begun: map[string]int{}, ended: map[string]int{}}
}

// fault says what the nth call (from 1) does instead: nil for nothing, an error,
// or another result.
type fault func(nth int) any

func always(v any) fault { return func(int) any { return v } }

func first(n int, v any) fault {
	return func(nth int) any {
		if nth > n {
			return nil
		}
		return v
	}
}

// failed is an error of the function's own, or of the runtime around it.
type failed struct{ Type, Message string }

func (f failed) Error() string { return f.Type + ": " + f.Message }

// refused is an error of Lambda's.
func refused(code string) error { return &gateway.Error{Code: code, Message: code + ".", Status: 429} }

// neverStarted are Lambda's errors before any code has run; after others it may have.
var neverStarted = []string{"TooManyRequestsException", "ResourceNotReadyException", "ENINotReadyException",
	"EC2ThrottledException", "ResourceConflictException", "CodeArtifactUserPendingException"}

var maybeStarted = []string{"ServiceException", "AWSLambdaException", "SdkClientException", "ClientExecutionTimeoutException"}

// hang is a function that outlives its task.
type hang struct{}

// oversize is a result that no state may hold.
var oversize = strings.Repeat("x", 300_000)

func (w *world) Invoke(ctx context.Context, arn string, payload []byte) (states.InvokeResult, error) {
	result := states.InvokeResult{StatusCode: 200, ExecutedVersion: "$LATEST"}
	out, err := w.serve(ctx, arn[strings.LastIndexByte(arn, ':')+1:], payload)
	var own failed
	switch {
	case errors.As(err, &own):
		result.FunctionError = "Unhandled"
		out = map[string]string{"errorMessage": own.Message, "errorType": own.Type}
	case err != nil:
		return result, err
	}
	result.Payload, err = json.Marshal(out)
	return result, err
}

// serve decodes the payload strictly, applies the call's fault and plays the step.
func (w *world) serve(ctx context.Context, step string, payload []byte) (any, error) {
	play, ok := steps[step]
	if !ok {
		return nil, fmt.Errorf("no function %q", step)
	}
	call, run, err := play(w, payload)
	if err != nil {
		w.report("%s was given %s: %v", step, payload, err)
		return nil, err
	}
	v := w.note(call)
	if v == nil {
		if !loads(call) { // load ends when it must
			pause(ctx, w.pace(call))
		}
		return run(ctx), nil
	}
	if loads(call) && !unstarted(v) {
		w.begin(call)
	}
	if v == (hang{}) {
		<-ctx.Done() // until the cloud is closed
		w.mu.Lock()
		w.ended[call]++
		w.mu.Unlock()
	}
	if l, ok := v.(late); ok {
		pause(ctx, l.after)
		v = l.error
	}
	if err, ok := v.(error); ok {
		return nil, err
	}
	return v, nil
}

// loads tells whether a call sends load.
func loads(call string) bool {
	return strings.HasPrefix(call, "shard ") && call != "shard warm"
}

// unstarted tells whether a fault leaves the function's code untouched.
func unstarted(v any) bool {
	e, ok := v.(*gateway.Error)
	return ok && slices.Contains(neverStarted, e.Code)
}

// note records the call and gives what its fault says.
func (w *world) note(call string) any {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[call] = append(w.calls[call], time.Now())
	w.order = append(w.order, call)
	if f := w.faults[call]; f != nil {
		return f(len(w.calls[call]))
	}
	return nil
}

// begin is a shard's code that starts to run: from now on there may be load.
func (w *world) begin(call string) {
	trial, _, _ := strings.Cut(strings.TrimPrefix(call, "shard "), "/")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun[call]++
	w.quiet = w.aims[trial].QuiesceAt.Add(-grace)
}

func (w *world) report(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// check tells what must hold of every run, however it went.
func (w *world) check(t *testing.T) {
	t.Helper()
	for _, wrong := range w.wrong {
		t.Error(wrong)
	}
	for shard, n := range w.begun {
		if n > 1 {
			t.Errorf("%s began %d times: a load is never sent twice", shard, n)
		}
	}
	launched, ended := false, false
	for _, call := range w.order {
		launched = launched || strings.HasPrefix(call, "launch ") || call == "balance create"
		if call == "teardown" {
			ended = true
		} else if ended && call != "judge" {
			t.Errorf("%s after Teardown", call)
		}
	}
	if launched != ended {
		t.Errorf("launched %v, torn down %v", launched, ended)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func decode(payload []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
