package states

// Definition is a checked state machine.
type Definition struct {
	Flow
	Source         string // the JSON text it was read from
	TimeoutSeconds int    // of the whole execution; 0: none
}

// Flow is a graph of states with one entry: the machine itself, a branch of a
// Parallel, or the processor of a Map.
type Flow struct {
	StartAt string
	States  map[string]*State
	Order   []string // the states' names as written
}

// State is one state; exactly the member that belongs to its Type is set
// (none for Pass and Succeed, which have only the common fields).
type State struct {
	Name, Type string
	Next       string // empty when the state ends its flow
	Assign     []assignment
	Output     *template
	Retry      []retrier
	Catch      []catcher

	Task     *taskSpec
	Map      *mapSpec
	Parallel *parallelSpec
	Choice   *choiceSpec
	Wait     *waitSpec
	Fail     *failSpec
}

// assignment gives a variable (named without its $) a value.
type assignment struct {
	Name  string
	Value *template
}

type taskSpec struct {
	Arguments *template
	Timeout   *template // seconds; nil: none
}

type mapSpec struct {
	Processor      *Flow
	Distributed    bool
	Label          string // distributed only: names the children's ARN
	Items          *template
	ItemSelector   *template
	MaxConcurrency *template
	// A distributed Map fails when more children fail than these allow.
	ToleratedCount, ToleratedPercentage *template
}

type parallelSpec struct {
	Arguments *template
	Branches  []*Flow
}

type choiceSpec struct {
	Rules   []choiceRule
	Default string
}

type choiceRule struct {
	Condition *template
	Next      string
	Assign    []assignment
	Output    *template
}

type waitSpec struct{ Seconds, Timestamp *template }

type failSpec struct{ Error, Cause *template }

type retrier struct {
	Errors      []string
	Interval    int // seconds
	MaxAttempts int
	BackoffRate float64
	MaxDelay    int // seconds; 0: none
	FullJitter  bool
}

type catcher struct {
	Errors []string
	Next   string
	Assign []assignment
	Output *template
}
