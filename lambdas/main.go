// Lambdas is the one program behind all functions of the state machine. The
// function's handler name says which step it is; each has its own file, which
// makes only the clients that the step uses.
//
// On AWS it is `bootstrap` of a provided runtime; locally the same program
// talks to the local cloud's Runtime API.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

func main() { os.Exit(run(os.Getenv, os.Stderr)) }

// run serves invocations until the environment is taken away; it returns only
// if the function cannot begin at all.
func run(getenv func(string) string, stderr io.Writer) int {
	begin := map[string]func(*environment) (lambda.Handler, error){
		"plan": plan, "launch": launch, "setup": setup, "balance": balance, "ready": ready, "aim": aim, "shard": shard,
		"merge": merge, "teardown": teardown, "judge": judge, "sweep": sweep,
	}
	name := getenv("_HANDLER")
	start, known := begin[name]
	if !known {
		fmt.Fprintf(stderr, "_HANDLER is %q: the handlers are %s\n", name, strings.Join(slices.Sorted(maps.Keys(begin)), " "))
		return 2
	}
	handler, err := start(&environment{getenv: getenv, log: slog.New(slog.NewJSONHandler(stderr, nil)), step: name})
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	lambda.Start(handler)
	return 0
}

// handle makes a step's method a handler: one log line for each invocation, and
// errors under names that Step Functions can show.
func handle[In, Out any](e *environment, step func(context.Context, In) (Out, error)) lambda.Handler {
	return lambda.NewHandler(func(ctx context.Context, in In) (Out, error) {
		began := time.Now()
		out, err := step(ctx, in)
		if err != nil {
			err = steps.Named(e.step, err)
			e.log.Error(err.Error(), "step", e.step, "ms", time.Since(began).Milliseconds())
			return out, brief(err)
		}
		e.log.Info("done", "step", e.step, "ms", time.Since(began).Milliseconds())
		return out, nil
	})
}
