package states

import (
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// maxEvents is the service's limit on a Standard execution's history. The last
// one is kept for the event that ends the execution.
const maxEvents = 25_000

// event is one entry of an execution's history. Details is one of the types
// below, or nil; payloads stay the slices that the engine works with.
type event struct {
	ID, Previous int64
	Time         time.Time
	Type         string
	Details      any
}

type (
	startedDetails   struct{ Input json.RawMessage }
	succeededDetails struct{ Output json.RawMessage }
	failedDetails    struct{ Error, Cause string }
	enteredDetails   struct {
		Name  string
		Input json.RawMessage
	}
	exitedDetails struct {
		Name     string
		Output   json.RawMessage
		Assigned map[string]json.RawMessage
	}
	scheduledDetails struct {
		Parameters json.RawMessage
		Timeout    int // seconds; 0: none
	}
	iterationDetails struct {
		Name  string
		Index int
	}
	lengthDetails     struct{ Length int }
	mapRunDetails     struct{ ARN string }
	evaluationDetails struct{ State, Cause, Location string }
)

// history collects the events of one execution, and nothing after its last.
type history struct {
	mu     sync.Mutex
	events []event
	closed bool
	full   func() // called once, when no room is left but for the last event
}

// add appends an event that follows previous and returns its id; 0 when the
// history is closed or full, in which case the execution is ending.
func (h *history) add(previous int64, kind string, details any) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.events) >= maxEvents-1 {
		if h.full != nil && !h.closed {
			h.full()
			h.full = nil
		}
		return 0
	}
	return h.append(previous, kind, details)
}

// end appends the terminal event and closes the history.
func (h *history) end(previous int64, kind string, details any) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.append(previous, kind, details)
	h.closed = true
	return h.events[len(h.events)-1].Time
}

func (h *history) append(previous int64, kind string, details any) int64 {
	id := int64(len(h.events) + 1)
	h.events = append(h.events, event{ID: id, Previous: previous, Time: time.Now(), Type: kind, Details: details})
	return id
}

// snapshot is the history so far; events are never changed, so it may be kept.
func (h *history) snapshot() []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[:len(h.events):len(h.events)]
}

// render gives an event the shape of GetExecutionHistory.
func (e event) render(x *execution, data bool) map[string]any {
	out := map[string]any{"id": e.ID, "previousEventId": e.Previous, "timestamp": epoch(e.Time), "type": e.Type}
	if key, details := e.details(x, data); key != "" {
		out[key] = details
	}
	return out
}

func (e event) details(x *execution, data bool) (string, map[string]any) {
	d := map[string]any{}
	payload := func(name string, raw json.RawMessage) {
		if data {
			d[name] = string(raw)
			d[name+"Details"] = map[string]any{"truncated": false}
		}
	}
	text := func(name, value string) {
		if value != "" {
			d[name] = value
		}
	}
	key := strings.ToLower(e.Type[:1]) + e.Type[1:] + "EventDetails"
	if strings.HasPrefix(e.Type, "Task") && !strings.HasPrefix(e.Type, "TaskState") {
		d["resource"], d["resourceType"] = "invoke", "lambda"
	}
	switch v := e.Details.(type) {
	case startedDetails:
		payload("input", v.Input)
		d["roleArn"] = x.machine.RoleARN
	case succeededDetails:
		payload("output", v.Output)
	case failedDetails:
		text("error", v.Error)
		text("cause", v.Cause)
	case enteredDetails:
		key, d["name"] = "stateEnteredEventDetails", v.Name
		payload("input", v.Input)
	case exitedDetails:
		key, d["name"] = "stateExitedEventDetails", v.Name
		payload("output", v.Output)
		if data && len(v.Assigned) > 0 {
			vars := map[string]any{}
			for name, raw := range v.Assigned {
				vars[name] = string(raw)
			}
			d["assignedVariables"] = vars
			d["assignedVariablesDetails"] = map[string]any{"truncated": false}
		}
	case scheduledDetails:
		d["region"] = x.service.config.Region
		d["parameters"] = string(v.Parameters)
		if v.Timeout > 0 {
			d["timeoutInSeconds"] = v.Timeout
		}
	case iterationDetails:
		d["name"], d["index"] = v.Name, v.Index
	case lengthDetails:
		d["length"] = v.Length
	case mapRunDetails:
		d["mapRunArn"] = v.ARN
	case evaluationDetails:
		d["state"], d["error"], d["cause"] = v.State, errQueryEvaluation, v.Cause
		text("location", v.Location)
	}
	if len(d) == 0 {
		return "", nil
	}
	return key, d
}
