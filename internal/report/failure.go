package report

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Failure is what a Catch of the state machine recorded.
type Failure struct {
	State string `json:"state"`           // the step that failed
	Group string `json:"group,omitempty"` // of which group
	Trial string `json:"trial,omitempty"` // in which trial
	Error string `json:"error"`           // the error's name
	Cause string `json:"cause"`           // a Lambda's {"errorMessage": …} or a text
}

// Line is the failure in one line: "Setup of cluster1 failed: i-1: exit status 1".
// It is empty for the zero Failure.
func (f Failure) Line() string {
	if f == (Failure{}) {
		return ""
	}
	what := f.State
	if what == "" {
		what = "the run"
	}
	if f.Group != "" {
		what += " of " + f.Group
	}
	if f.Trial != "" {
		what += " of trial " + f.Trial
	}
	why := oneLine(f.Cause)
	if why == "" {
		why = meaning(f.Error)
	}
	return fmt.Sprintf("%s failed: %s", what, why)
}

// meaning puts the error names into words for which AWS gives no cause.
func meaning(name string) string {
	switch name {
	case "":
		return "no reason was given"
	case "States.Timeout":
		return "it took too long (States.Timeout)"
	case "Sandbox.Timedout":
		return "the function took too long (Sandbox.Timedout)"
	case "Runtime.ExitError":
		return "the function crashed (Runtime.ExitError)"
	}
	return name
}

var errorMessage = regexp.MustCompile(`"errorMessage"\s*:\s*("(?:[^"\\]|\\.)*")`)

// oneLine makes one readable line of a cause: of a Lambda's error object its
// message, even if Step Functions has cut the object off; of several lines one.
func oneLine(cause string) string {
	text := strings.TrimSpace(cause)
	for range 3 { // a message may itself quote an error object
		if !strings.HasPrefix(text, "{") {
			break
		}
		m := errorMessage.FindStringSubmatch(text)
		var inner string
		if m == nil || json.Unmarshal([]byte(m[1]), &inner) != nil {
			break
		}
		text = strings.TrimSpace(inner)
	}
	return cut(strings.Join(strings.Fields(text), " "))
}

// cut keeps a line to what a reader takes in.
func cut(s string) string {
	const most = 500
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
