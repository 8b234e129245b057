package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// TestMain lets the test binary be the bootstrap of the functions under test,
// and the cloud that is killed in TestKilledCloudLeavesNoProcess.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("AWS_LAMBDA_RUNTIME_API") != "":
		bootstrap()
	case os.Getenv("LAMBDA_TEST_CLOUD") != "":
		doomedCloud()
	default:
		os.Exit(m.Run())
	}
}

type quotaError struct{ left int }

func (q quotaError) Error() string { return fmt.Sprintf("%d left", q.left) }

// bootstrap is a real aws-lambda-go program whose behaviour its handler names.
func bootstrap() {
	count := 0
	handlers := map[string]func(ctx context.Context, in json.RawMessage) (any, error){
		"echo": func(_ context.Context, in json.RawMessage) (any, error) { return in, nil },
		"count": func(context.Context, json.RawMessage) (any, error) {
			count++
			return map[string]int{"pid": os.Getpid(), "count": count}, nil
		},
		"env": func(context.Context, json.RawMessage) (any, error) { return os.Environ(), nil },
		"deadline": func(ctx context.Context, _ json.RawMessage) (any, error) {
			d, _ := ctx.Deadline()
			return time.Until(d).Seconds(), nil
		},
		"plain": func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("no") },
		"wrapped": func(context.Context, json.RawMessage) (any, error) {
			return nil, fmt.Errorf("count: %w", errors.New("no"))
		},
		"typed": func(context.Context, json.RawMessage) (any, error) { return nil, quotaError{2} },
		"panic": func(context.Context, json.RawMessage) (any, error) { panic(quotaError{3}) },
		"exit":  func(context.Context, json.RawMessage) (any, error) { os.Exit(3); return nil, nil },
		"exit0": func(context.Context, json.RawMessage) (any, error) { os.Exit(0); return nil, nil },
		"hang":  func(context.Context, json.RawMessage) (any, error) { select {} },
		"wait": func(ctx context.Context, in json.RawMessage) (any, error) {
			var path string
			if err := json.Unmarshal(in, &path); err != nil {
				return nil, err
			}
			for ctx.Err() == nil {
				if _, err := os.Stat(path); err == nil {
					return "released", nil
				}
				time.Sleep(time.Millisecond)
			}
			return nil, ctx.Err()
		},
		"big": func(context.Context, json.RawMessage) (any, error) {
			return strings.Repeat("x", 7<<20), nil
		},
		"log": func(_ context.Context, in json.RawMessage) (any, error) {
			fmt.Println("said", string(in))
			fmt.Fprint(os.Stderr, strings.Repeat("y", 5000)+"end")
			return nil, nil
		},
	}
	if os.Getenv("_HANDLER") == "init" {
		fmt.Println("cannot begin")
		os.Exit(7)
	}
	lambda.Start(handlers[os.Getenv("_HANDLER")])
}
