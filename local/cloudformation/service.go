// Package cloudformation is the API of CloudFormation in the local cloud. It
// shows the stacks that local/cfn has deployed. It deploys none itself: that is
// done by the program that starts the cloud, so that a call which would create,
// change or delete a stack is refused. Deleted stacks are forgotten.
package cloudformation

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/local/cfn"
	"github.com/fairlead/fairlead/local/gateway"
)

// Config is what the service needs of its surroundings.
type Config struct {
	Region, Account string
	// Stacks are the deployed stacks, by name, as copies that nobody changes.
	Stacks func() []cfn.Stack
}

// Service answers the API (Query, version 2010-05-15).
type Service struct {
	config Config
	table  gateway.Service
}

var _ gateway.Service = (*Service)(nil)

// New makes the service. It owns nothing that must be closed.
func New(c Config) *Service {
	s := &Service{config: c}
	s.table = gateway.Table(map[string]gateway.Operation{
		"DescribeStacks":         s.describeStacks,
		"ListStacks":             s.listStacks,
		"DescribeStackResources": s.describeResources,
	})
	return s
}

// ServeAWS says of operations that change stacks why they are not there.
func (s *Service) ServeAWS(w http.ResponseWriter, r *gateway.Request) {
	for _, verb := range []string{"Create", "Update", "Delete", "Execute", "Cancel", "Continue", "Rollback", "Import"} {
		if strings.HasPrefix(r.Operation, verb) {
			e := gateway.UnknownOperation(r, r.Operation)
			e.Message += ": a stack is deployed by the program that starts the local cloud, as `fairlead serve` does by itself, and ends with it"
			gateway.WriteError(w, r, e)
			return
		}
	}
	s.table.ServeAWS(w, r)
}

// arn names a stack as the caller did: by its id, or by its name with whatever
// id, which is how AWS words its refusals.
func (s *Service) arn(nameOrID string) string {
	if strings.HasPrefix(nameOrID, "arn:") {
		return nameOrID
	}
	return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/*", s.config.Region, s.config.Account, nameOrID)
}

func (s *Service) find(nameOrID string) (cfn.Stack, error) {
	for _, stack := range s.config.Stacks() {
		if stack.Name == nameOrID || stack.ID == nameOrID {
			return stack, nil
		}
	}
	return cfn.Stack{}, invalid("Stack with id %s does not exist", nameOrID)
}

func invalid(format string, args ...any) error {
	return &gateway.Error{Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}

func (s *Service) describeStacks(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ StackName string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	stacks := []cfn.Stack{}
	if in.StackName != "" {
		if err := r.Authorize("cloudformation:DescribeStacks", s.arn(in.StackName), nil); err != nil {
			return nil, err
		}
		stack, err := s.find(in.StackName)
		if err != nil {
			return nil, err
		}
		stacks = append(stacks, stack)
	} else {
		// Without a name it takes both permissions (API reference, DescribeStacks).
		if err := r.Authorize("cloudformation:DescribeStacks", "*", nil); err != nil {
			return nil, err
		}
		if err := r.Authorize("cloudformation:ListStacks", s.arn("*"), nil); err != nil {
			return nil, err
		}
		stacks = s.config.Stacks()
	}
	shown := make([]shownStack, len(stacks))
	for i, stack := range stacks {
		shown[i] = show(stack)
	}
	return struct{ Stacks []shownStack }{shown}, nil
}

func (s *Service) listStacks(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ StackStatusFilter []string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("cloudformation:ListStacks", s.arn("*"), nil); err != nil {
		return nil, err
	}
	return struct{ StackSummaries []summary }{summaries(s.config.Stacks(), in.StackStatusFilter)}, nil
}

func (s *Service) describeResources(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		StackName          string
		LogicalResourceID  string `json:"LogicalResourceId"`
		PhysicalResourceID string `json:"PhysicalResourceId"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if (in.StackName == "") == (in.PhysicalResourceID == "") {
		return nil, invalid("Exactly one of StackName and PhysicalResourceId must be given")
	}
	on := "*" // whose resource it is, is not known yet
	if in.StackName != "" {
		on = s.arn(in.StackName)
	}
	if err := r.Authorize("cloudformation:DescribeStackResources", on, nil); err != nil {
		return nil, err
	}
	var stack cfn.Stack
	var err error
	if in.StackName != "" {
		stack, err = s.find(in.StackName)
	} else {
		stack, err = s.owner(in.PhysicalResourceID)
	}
	if err != nil {
		return nil, err
	}
	shown := resources(stack, in.LogicalResourceID)
	if in.LogicalResourceID != "" && len(shown) == 0 {
		return nil, invalid("Resource %s does not exist for stack %s", in.LogicalResourceID, stack.Name)
	}
	return struct{ StackResources []shownResource }{shown}, nil
}

func (s *Service) owner(physicalID string) (cfn.Stack, error) {
	for _, stack := range s.config.Stacks() {
		for _, r := range stack.Resources {
			if r.Physical.ID == physicalID {
				return stack, nil
			}
		}
	}
	return cfn.Stack{}, invalid("Stack for %s does not exist", physicalID)
}
