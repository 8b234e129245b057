package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
)

// sweeper names the sweep function, so that a test can call it.
const sweeper = "the-sweep"

func nameSweep(d document) { d.function("sweep")["FunctionName"] = sweeper }

// sweep calls the sweep as its schedule does and gives its error's message.
func (c *scene) sweep() string {
	c.t.Helper()
	out, err := c.lambda.Invoke(c.t.Context(), &lambda.InvokeInput{FunctionName: aws.String(sweeper), Payload: []byte(`{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}`)})
	if err != nil {
		c.t.Error(err)
		return ""
	}
	if out.FunctionError == nil {
		return ""
	}
	var said struct{ ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &said); err != nil {
		c.t.Errorf("%v in %s", err, out.Payload)
	}
	return said.ErrorMessage
}

// logOf is a function's log.
func (c *scene) logOf(handler string) string {
	c.t.Helper()
	// The function's name: the stack's, the logical id and a suffix.
	found, err := filepath.Glob(c.cloud.FunctionLog(stackName + "-Functions" + strings.ToUpper(handler[:1]) + handler[1:] + "*"))
	if err != nil || len(found) > 1 {
		c.t.Fatalf("logs %v, %v", found, err)
	}
	if len(found) == 0 {
		return ""
	}
	b, err := os.ReadFile(found[0])
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// Without the permission to log a function runs as with it and its log is lost,
// as on AWS. All functions at once: the run is the same for each.
func TestWithoutLogs(t *testing.T) {
	t.Parallel()
	for _, denied := range []bool{false, true} {
		c := begin(t, setting{plan: tinyALB, denied: denied, change: func(d document) {
			if denied {
				d.without(logs)
			}
		}})
		if e := c.run(t.Context(), tinyALB); e.code != command.ExitDone {
			t.Fatalf("exit %d: %s", e.code, e.sum.Reason)
		}
		for _, f := range golden(t).each("AWS::Lambda::Function") {
			handler := f["Handler"].(string)
			if handler == "sweep" {
				continue // this run needs none
			}
			if text := c.logOf(handler); (text == "") != denied {
				t.Errorf("denied %v: the log of %s is %q", denied, handler, text)
			}
		}
	}
}
