package states

import (
	"fmt"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// This file is what the service does on a machine's behalf, under its role: a
// role that lacks one of these permissions fails here as it does on AWS.

func (s *Service) may(c iam.Caller, action, resource string) error {
	return s.config.Authorizer.Authorize(c, action, resource, iam.Keys{})
}

// logDelivery asks for what a machine with a log destination must be allowed to
// do; the service refuses its creation otherwise (developer guide, "Using
// CloudWatch Logs to log execution history": these eight actions, on any resource).
func (s *Service) logDelivery(c iam.Caller) error {
	for _, action := range []string{"CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery",
		"ListLogDeliveries", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"} {
		if err := s.may(c, "logs:"+action, "*"); err != nil {
			return &gateway.Error{Code: "AccessDeniedException", Message: fmt.Sprintf(
				"The state machine IAM Role is not authorized to access the Log Destination (%v)", err)}
		}
	}
	return nil
}

// trace sends an execution's trace as far as its role allows. A denied trace is
// lost without a word, as on AWS (developer guide, "Trace Step Functions request
// data in AWS X-Ray").
func (x *execution) trace() {
	if !x.machine.Tracing {
		return
	}
	for _, action := range []string{"GetSamplingRules", "GetSamplingTargets", "PutTraceSegments", "PutTelemetryRecords"} {
		if x.service.may(x.caller, "xray:"+action, "*") != nil {
			return
		}
	}
}

// mayDistribute asks for the three permissions that the developer guide's "IAM
// policies for using Distributed Map states" lists. They are asked for together
// before a Map Run begins, so that none is missed only when it is needed; the
// error's name is inferred from those of the service's SDK integrations.
func (x *execution) mayDistribute(label string) error {
	child := x.service.arn("execution", x.machine.Name+"/"+label+":"+newUUID())
	for _, call := range []struct{ action, resource string }{
		{"states:StartExecution", x.machine.ARN},
		{"states:DescribeExecution", child},
		{"states:StopExecution", child},
	} {
		if err := x.service.may(x.caller, call.action, call.resource); err != nil {
			return fail("StepFunctions.AccessDeniedException", "%s", message(err))
		}
	}
	return nil
}
