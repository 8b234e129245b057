package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// maxResponse is the size of a synchronous response that Lambda lets through.
const maxResponse = 6*1024*1024 + 100

// failure is the payload of an invocation that failed without the function
// having said anything itself.
func failure(errorType, message string) []byte {
	b, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{errorType, message})
	if err != nil { // two strings always marshal
		panic(err)
	}
	return b
}

func timedOut(requestID string, timeout time.Duration) []byte {
	return failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", requestID, timeout.Seconds()))
}

// exited words the end of a process as AWS does: "exit status 1",
// "signal: killed", or no reason when it ended with code 0.
func exited(requestID string, err error) []byte {
	reason := "Runtime exited without providing a reason"
	if err != nil {
		reason = "Runtime exited with error: " + err.Error()
		var e *exec.ExitError
		if errors.As(err, &e) {
			reason = "Runtime exited with error: " + e.ProcessState.String()
		}
	}
	return failure("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: %s", requestID, reason))
}

// invalidEntrypoint is the end of a start that gave no process.
func invalidEntrypoint(requestID string, err error) []byte {
	if errors.Is(err, fs.ErrNotExist) {
		return failure("Runtime.InvalidEntrypoint", fmt.Sprintf("RequestId: %s Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]", requestID))
	}
	return failure("Runtime.InvalidEntrypoint", fmt.Sprintf("RequestId: %s Error: %v", requestID, err))
}

func tooLarge() []byte {
	return failure("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse))
}

func notFound(arn string) error {
	return &gateway.Error{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, Status: 404}
}

func throttled() error {
	return &gateway.Error{Code: "TooManyRequestsException", Message: "Rate Exceeded.", Status: 429}
}

func isThrottled(err error) bool {
	var e *gateway.Error
	return errors.As(err, &e) && e.Code == "TooManyRequestsException"
}
