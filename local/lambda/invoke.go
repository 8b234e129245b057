package lambda

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// Invocation asks for one run of a function.
type Invocation struct {
	Function string // name or ARN
	Payload  []byte // JSON; empty means {}
	Source   Source // zero when the caller's own policies have been asked
}

// Source is a service that invokes a function by the function's own policy.
type Source struct {
	Service string // events.amazonaws.com
	ARN     string // of the rule
}

// Result is what an invocation gave. A function that failed is a result, not an
// error: FunctionError is Unhandled and Payload the error document.
type Result struct {
	RequestID     string
	Payload       []byte
	FunctionError string
	LogTail       []byte // the last 4 KB of what the invocation logged
}

// Quotas of a request, from "Lambda quotas".
const (
	maxRequest = 6 * 1024 * 1024
	maxAsync   = 1024 * 1024
	initTime   = 10 * time.Second
)

// Invoke runs a function and waits for its result. The error is a
// *gateway.Error when the function could not be started. When ctx ends first,
// Invoke returns its error and the function runs on, as on AWS.
func (s *Service) Invoke(ctx context.Context, in Invocation) (Result, error) {
	fn, err := s.admit(&in, maxRequest)
	if err != nil {
		return Result{}, err
	}
	if err := s.enter(); err != nil {
		return Result{}, err
	}
	type outcome struct {
		r   Result
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		defer s.leave()
		r, err := s.run(fn, newID(), in.Payload)
		done <- outcome{r, err}
	}()
	select {
	case o := <-done:
		return o.r, o.err
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

// runNow runs an event unless the account's concurrency is used up.
func (s *Service) runNow(fn *function, id string, payload []byte) (Result, error) {
	if err := s.enter(); err != nil {
		return Result{}, err
	}
	defer s.leave()
	return s.run(fn, id, payload)
}

// admit finds the function and checks what can be refused without running it.
func (s *Service) admit(in *Invocation, limit int) (*function, error) {
	fn, err := s.find(in.Function)
	if err != nil {
		return nil, err
	}
	if in.Source.Service != "" && !s.permits(fn, in.Source) {
		return nil, &gateway.Error{Code: "AccessDeniedException", Status: 403, Message: fmt.Sprintf("%s (%s) is not permitted to invoke %s by the function's policy", in.Source.Service, in.Source.ARN, fn.arn)}
	}
	if len(in.Payload) == 0 {
		in.Payload = []byte("{}")
	}
	if len(in.Payload) > limit {
		return nil, &gateway.Error{Code: "RequestTooLargeException", Status: 413, Message: fmt.Sprintf("%d byte payload is too large (limit %d bytes)", len(in.Payload), limit)}
	}
	if !json.Valid(in.Payload) {
		return nil, &gateway.Error{Code: "InvalidRequestContentException", Status: 400, Message: "Could not parse request body into json: the payload is not JSON"}
	}
	return fn, nil
}

// run takes one event through a process.
func (s *Service) run(fn *function, id string, payload []byte) (Result, error) {
	for {
		r, lost, err := s.attempt(fn, id, payload)
		if !lost {
			return r, err
		}
	}
}

// attempt hands the event to one process. It reports lost when a warm process
// turned out to be gone before it took the event.
func (s *Service) attempt(fn *function, id string, payload []byte) (r Result, lost bool, err error) {
	begun := time.Now()
	sb, cold, err := s.acquire(fn)
	if err != nil {
		var refused *gateway.Error
		if errors.As(err, &refused) {
			return Result{}, false, err
		}
		return Result{RequestID: id, FunctionError: "Unhandled", Payload: invalidEntrypoint(id, err)}, false, nil
	}
	sb.log.begin(cold)
	e := &event{requestID: id, arn: fn.arn, payload: payload, traceID: s.traceID(fn), done: make(chan struct{})}
	report := ""
	if cold {
		if body := sb.awaitInit(id, max(initTime, fn.Timeout)); body != nil {
			return s.settle(sb, e, body, begun, ""), false, nil
		}
		report = fmt.Sprintf("\tInit Duration: %.2f ms", ms(time.Since(begun)))
	}
	if !cold {
		sb.log.permit(s.mayPut(fn, sb.stream))
	}
	sb.log.platform("START RequestId: %s Version: $LATEST", id)
	begun = time.Now()
	e.deadline = begun.Add(fn.Timeout)
	timer := time.NewTimer(fn.Timeout)
	defer timer.Stop()
	select {
	case sb.work <- e:
	case <-sb.exited:
		if !cold {
			return Result{}, true, nil
		}
	case <-timer.C:
		sb.kill()
		<-sb.exited
		return s.settle(sb, e, timedOut(id, fn.Timeout), begun, report), false, nil
	}
	select {
	case <-e.done:
		return s.settle(sb, e, nil, begun, report), false, nil
	case <-sb.exited:
		return s.settle(sb, e, exited(id, sb.exitErr), begun, report), false, nil
	case <-timer.C:
		sb.log.platform("%s %s Task timed out after %.2f seconds", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), id, fn.Timeout.Seconds())
		sb.kill()
		<-sb.exited
		return s.settle(sb, e, timedOut(id, fn.Timeout), begun, report), false, nil
	}
}

// awaitInit waits for the first poll. It returns the error document when the
// process failed before that, after which the process is gone.
func (sb *sandbox) awaitInit(id string, limit time.Duration) []byte {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var body []byte
	select {
	case <-sb.ready:
		return nil
	case <-sb.exited:
		body = exited(id, sb.exitErr)
	case <-timer.C:
		sb.kill()
		<-sb.exited
		body = timedOut(id, limit)
	}
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.initError != nil {
		return sb.initError
	}
	return body
}

// settle writes the event's last log lines, gives the process back when it
// polls again, and makes the result. broken is the error document of a process
// that is gone; an answer it gave before counts, except past the deadline.
func (s *Service) settle(sb *sandbox, e *event, broken []byte, begun time.Time, report string) Result {
	took := time.Since(begun)
	peak := sb.memory()
	sb.log.flush()
	r := Result{RequestID: e.requestID, Payload: broken}
	sb.mu.Lock()
	if e.answered && (broken == nil || !bytes.Contains(broken, []byte("Sandbox.Timedout"))) {
		r.Payload = e.response
		broken = nil
	}
	if broken != nil || e.failed {
		r.FunctionError = "Unhandled"
	}
	alive := sb.pid != 0
	sb.mu.Unlock()
	sb.log.platform("END RequestId: %s", e.requestID)
	sb.log.platform("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB%s",
		e.requestID, ms(took), took.Milliseconds()+1, sb.fn.MemorySize, peak>>20, report)
	var lost error
	if r.LogTail, lost = sb.log.last(); lost != nil {
		s.cfg.Log.Warn("log lines lost", "function", sb.fn.Name, "error", lost)
	}
	if alive {
		s.release(sb)
	}
	return r
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// memory is the most the process has had in memory so far, in bytes; 0 when it
// is gone.
func (sb *sandbox) memory() int64 {
	sb.mu.Lock()
	pid := sb.pid
	sb.mu.Unlock()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if pid == 0 || err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	var kb int64
	if _, err := fmt.Sscan(string(after[:min(len(after), 32)]), &kb); err != nil {
		return 0
	}
	return kb << 10
}

// traceID is an X-Ray tracing header.
func (s *Service) traceID(fn *function) string {
	sampled := 0
	if s.trace(fn) {
		sampled = 1
	}
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=%d", time.Now().Unix(), newHex(12), newHex(8), sampled)
}

// newHex gives n random bytes in hexadecimal.
func newHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// newID is a random UUID (RFC 9562, version 4).
func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
