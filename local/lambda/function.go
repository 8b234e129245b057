package lambda

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// Function is what AWS::Lambda::Function says about a function.
type Function struct {
	Name          string
	Description   string
	Role          string // ARN of the execution role
	Handler       string // reaches the process as _HANDLER
	Runtime       string // provided.al2023 or provided.al2
	MemorySize    int    // MB, 128 to 10,240; 0 means 128
	Timeout       time.Duration
	Environment   map[string]string
	Architectures []string // x86_64 or arm64; empty means x86_64
	Tracing       string   // PassThrough or Active
	LogGroup      string   // empty means /aws/lambda/<name>
	VPC           *VPC
	Code          Code
}

// Code says where the function's zip lies.
type Code struct{ Bucket, Key string }

// VPC is the network configuration of a function. Locally it decides only which
// permissions the creation needs.
type VPC struct{ Subnets, SecurityGroups []string }

// Limits of a function, from "Lambda quotas" in AWS's developer guide.
const (
	maxTimeout     = 900 * time.Second
	maxEnvironment = 4 << 10
)

var functionName = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)

// check fills in the defaults and refuses what AWS would refuse, and what this
// implementation cannot run.
func (f *Function) check() error {
	if f.MemorySize == 0 {
		f.MemorySize = 128
	}
	if f.Timeout == 0 {
		f.Timeout = 3 * time.Second
	}
	if len(f.Architectures) == 0 {
		f.Architectures = []string{"x86_64"}
	}
	if f.Tracing == "" {
		f.Tracing = "PassThrough"
	}
	if f.LogGroup == "" {
		f.LogGroup = "/aws/lambda/" + f.Name
	}
	switch {
	case !functionName.MatchString(f.Name):
		return invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9-_]{1,64}", f.Name)
	case f.Runtime != "provided.al2023" && f.Runtime != "provided.al2":
		return invalid("Value %s at 'runtime' is not implemented here: only provided.al2023 and provided.al2 are", f.Runtime)
	case f.Handler == "":
		return invalid("Handler is mandatory for functions created with .zip files")
	case f.MemorySize < 128 || f.MemorySize > 10240:
		return invalid("'MemorySize' value failed to satisfy constraint: Member must be between 128 and 10240, and is %d", f.MemorySize)
	case f.Timeout < time.Second || f.Timeout > maxTimeout:
		return invalid("'Timeout' value failed to satisfy constraint: Member must be between 1 and 900 seconds, and is %v", f.Timeout)
	case f.Tracing != "PassThrough" && f.Tracing != "Active":
		return invalid("Value '%s' at 'tracingConfig.mode' failed to satisfy constraint: Member must satisfy enum value set: [Active, PassThrough]", f.Tracing)
	case len(f.Architectures) != 1 || (f.Architectures[0] != "x86_64" && f.Architectures[0] != "arm64"):
		return invalid("Value '%v' at 'architectures' failed to satisfy constraint: one of x86_64, arm64", f.Architectures)
	case f.Role == "":
		return invalid("Role is mandatory")
	}
	return checkEnvironment(f.Environment)
}

// tuning are the AWS_ variables that a template may set: they change how often
// an SDK tries, and never where it sends a request or how it signs it.
var tuning = []string{"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"}

// checkEnvironment refuses the keys that AWS reserves, and here every other
// variable that could lead an SDK out of the local cloud.
func checkEnvironment(env map[string]string) error {
	size := 0
	for _, k := range slices.Sorted(maps.Keys(env)) {
		size += len(k) + len(env[k])
		reserved := strings.HasPrefix(k, "AWS_") && !slices.Contains(tuning, k)
		reserved = reserved || k == "_HANDLER" || k == "_X_AMZN_TRACE_ID" || strings.HasPrefix(k, "LAMBDA_")
		if reserved {
			return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", k)
		}
		if u := strings.ToUpper(k); strings.HasSuffix(u, "_PROXY") {
			return invalid("the environment variable %s would send the function's calls past the local cloud", k)
		}
	}
	if size > maxEnvironment {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %d bytes", size)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &gateway.Error{Code: "InvalidParameterValueException", Message: fmt.Sprintf(format, args...), Status: 400}
}
