package states

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error names of the Amazon States Language that this engine raises or matches.
const (
	errALL              = "States.ALL"
	errDataLimit        = "States.DataLimitExceeded"
	errRuntime          = "States.Runtime"
	errTaskFailed       = "States.TaskFailed"
	errTimeout          = "States.Timeout"
	errNoChoiceMatched  = "States.NoChoiceMatched"
	errQueryEvaluation  = "States.QueryEvaluationError"
	errExceedToleration = "States.ExceedToleratedFailureThreshold"
)

// catchable are the reserved names that ErrorEquals may hold. The names that
// only JSONPath, heartbeats, item readers or result writers can raise are left
// out: this engine has none of these, so a handler for them is a mistake.
var catchable = []string{errALL, errDataLimit, errRuntime, errTaskFailed, errTimeout,
	errNoChoiceMatched, errQueryEvaluation, errExceedToleration, "States.Permissions"}

// failure is an error that the machine's Retry and Catch may handle.
type failure struct {
	Name  string // States.Timeout, Lambda.TooManyRequestsException, a function's errorType
	Cause string
}

func (f *failure) Error() string { return f.Name + ": " + f.Cause }

func fail(name, format string, args ...any) *failure {
	return &failure{Name: name, Cause: fmt.Sprintf(format, args...)}
}

// matches says whether a Retry or Catch that lists names handles the failure.
// States.Runtime ends the execution whatever is listed; States.DataLimitExceeded
// must be listed by name; States.TaskFailed stands for everything but a timeout.
// (Step Functions developer guide, "Handling errors in Step Functions workflows".)
func (f *failure) matches(names []string) bool {
	if f.Name == errRuntime {
		return false
	}
	if slices.Contains(names, f.Name) {
		return true
	}
	if f.Name == errDataLimit {
		return false
	}
	if slices.Contains(names, errALL) {
		return true
	}
	return f.Name != errTimeout && slices.Contains(names, errTaskFailed)
}

// Causes with which an execution's or a branch's context ends. None of them is
// a failure: no Retry and no Catch sees them.
var (
	errExpired     = errors.New("the execution's TimeoutSeconds have passed")
	errSibling     = errors.New("another branch failed")
	errHistoryFull = errors.New("the execution reached the maximum number of history events (25000)")
)

// aborted is the cause of StopExecution, of a shutdown, and of a child whose
// Map Run was ended.
type aborted struct{ Name, Cause string }

func (a *aborted) Error() string { return strings.TrimSpace("execution aborted: " + a.Cause) }

// Problem is one reason why a definition is refused.
type Problem struct {
	Path    string // JSON pointer into the definition: /States/Aim/Next
	Message string
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message + " at /"
	}
	return p.Message + " at " + p.Path
}

// DefinitionError lists everything that is wrong with a definition.
type DefinitionError struct{ Problems []Problem }

func (e *DefinitionError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = "SCHEMA_VALIDATION_FAILED: " + p.String()
	}
	return "Invalid State Machine Definition: '" + strings.Join(lines, ", ") + "'"
}
