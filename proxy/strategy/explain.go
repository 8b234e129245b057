package strategy

import "time"

// Explaining is a strategy that can say what it decides by, for the trace of
// picks.
type Explaining interface {
	// Explain appends to scores what a Pick with the same arguments would
	// compare, one score for each node, the lower the better, and says in a
	// few words by which rule. It changes nothing and draws nothing.
	Explain(now time.Time, nodes []Node, scores []float64) ([]float64, string)
}
