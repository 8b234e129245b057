package lambda

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// This file is what AWS does on behalf of a function, under its execution role:
// a policy that lacks one of these permissions fails here as it does there.
// "Defining Lambda function permissions with an execution role" and "Giving
// Lambda functions access to resources in an Amazon VPC", AWS developer guide.

// renew takes a new session of the function's role when the last one would not
// outlive a process that starts now by half of its life.
func (s *Service) renew(fn *function) error {
	s.mu.Lock()
	fresh := time.Until(fn.creds.Expires) > session/2
	s.mu.Unlock()
	if fresh {
		return nil
	}
	creds, caller, err := s.cfg.Roles.AssumeRole(fn.Role, fn.Name, "lambda.amazonaws.com", session)
	if err != nil {
		return invalid("The role defined for the function cannot be assumed by Lambda. (%v)", err)
	}
	// With this key a policy can tell the function's own calls from those that
	// Lambda makes for it, which carry none.
	s.cfg.Roles.SetSessionKeys(creds.AccessKeyID, iam.Keys{"lambda:SourceFunctionArn": {fn.arn}})
	s.mu.Lock()
	fn.creds, fn.caller = creds, caller
	s.mu.Unlock()
	return nil
}

// attach makes the network interfaces of a function in a VPC, as far as their
// permissions go. AWS refuses the creation for the first three actions; it
// calls the others where the role allows them.
func (s *Service) attach(fn *function) error {
	if fn.VPC == nil {
		return nil
	}
	ec2 := fmt.Sprintf("arn:aws:ec2:%s:%s:", s.cfg.Region, s.cfg.Account)
	eni := ec2 + "network-interface/*"
	created := []string{eni}
	for _, id := range fn.VPC.Subnets {
		created = append(created, ec2+"subnet/"+id)
	}
	for _, id := range fn.VPC.SecurityGroups {
		created = append(created, ec2+"security-group/"+id)
	}
	for _, call := range []struct {
		action    string
		resources []string
		required  bool
	}{
		{"CreateNetworkInterface", created, true},
		{"DescribeNetworkInterfaces", []string{"*"}, true},
		{"DeleteNetworkInterface", []string{eni}, true},
		{"DescribeSubnets", []string{"*"}, false},
		{"AssignPrivateIpAddresses", []string{eni}, false},
		{"UnassignPrivateIpAddresses", []string{eni}, false},
	} {
		for _, r := range call.resources {
			if err := s.cfg.Roles.Authorize(fn.caller, "ec2:"+call.action, r, nil); err != nil && call.required {
				return &gateway.Error{
					Code:    "InvalidParameterValueException",
					Message: fmt.Sprintf("The provided execution role does not have permissions to call %s on EC2 (%v)", call.action, err),
				}
			}
		}
	}
	return nil
}

// mayLog opens the log stream of a new process. Without the permission the
// function runs and its logs are lost, as on AWS.
func (s *Service) mayLog(fn *function, stream string) bool {
	caller := s.callerOf(fn)
	group := fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", s.cfg.Region, s.cfg.Account, fn.LogGroup)
	s.mu.Lock()
	exists := s.logGroups[fn.LogGroup]
	s.mu.Unlock()
	if !exists {
		if s.cfg.Roles.Authorize(caller, "logs:CreateLogGroup", group, nil) != nil {
			return false
		}
		s.AddLogGroup(fn.LogGroup)
	}
	return s.cfg.Roles.Authorize(caller, "logs:CreateLogStream", group+":log-stream:"+stream, nil) == nil
}

// mayPut asks, for each event, whether its lines may be kept.
func (s *Service) mayPut(fn *function, stream string) bool {
	resource := fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s:log-stream:%s", s.cfg.Region, s.cfg.Account, fn.LogGroup, stream)
	return s.cfg.Roles.Authorize(s.callerOf(fn), "logs:PutLogEvents", resource, nil) == nil
}

// trace sends the event's trace as far as its permissions go, and reports
// whether it would have been sampled.
func (s *Service) trace(fn *function) bool {
	if fn.Tracing != "Active" {
		return false
	}
	caller := s.callerOf(fn)
	segments := s.cfg.Roles.Authorize(caller, "xray:PutTraceSegments", "*", nil)
	telemetry := s.cfg.Roles.Authorize(caller, "xray:PutTelemetryRecords", "*", nil)
	return segments == nil && telemetry == nil
}
