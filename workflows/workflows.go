// Package workflows holds the one state machine, benchmark.asl.json, in the
// Amazon States Language with JSONata. docs/architecture.md draws it.
package workflows

import _ "embed"

// Benchmark is the definition. Its tokens, ${PlanFunction} and the like, stand
// for function ARNs and are filled by the template's DefinitionSubstitutions.
//
//go:embed benchmark.asl.json
var Benchmark string
