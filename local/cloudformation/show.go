package cloudformation

import (
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/local/cfn"
)

// shownStack is Stack of the API reference, as far as the local cloud has it.
type shownStack struct {
	StackID                     string `json:"StackId"`
	StackName                   string
	Description                 string `json:"Description,omitempty"`
	Parameters                  []parameter
	CreationTime                time.Time
	StackStatus                 string
	StackStatusReason           string `json:"StackStatusReason,omitempty"`
	DisableRollback             bool
	NotificationARNs            []string
	Outputs                     []output
	Tags                        []struct{} // stacks here have none of their own; their resources have
	EnableTerminationProtection bool
	DriftInformation            stackDrift
}

type parameter struct{ ParameterKey, ParameterValue string }

type output struct {
	OutputKey, OutputValue string
	Description            string `json:"Description,omitempty"`
}

type stackDrift struct{ StackDriftStatus string }

// notChecked: drift detection is an operation that is not implemented.
const notChecked = "NOT_CHECKED"

func show(s cfn.Stack) shownStack {
	out := shownStack{
		StackID: s.ID, StackName: s.Name, Description: s.Description, CreationTime: s.Created,
		StackStatus: s.Status, StackStatusReason: s.StatusReason, DriftInformation: stackDrift{notChecked},
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		value := s.Parameters[name]
		if slices.Contains(s.Hidden, name) {
			value = "****"
		}
		out.Parameters = append(out.Parameters, parameter{name, value})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
		out.Outputs = append(out.Outputs, output{name, s.Outputs[name], s.Descriptions[name]})
	}
	return out
}

type summary struct {
	StackID             string `json:"StackId"`
	StackName           string
	TemplateDescription string `json:"TemplateDescription,omitempty"`
	CreationTime        time.Time
	StackStatus         string
	StackStatusReason   string `json:"StackStatusReason,omitempty"`
	DriftInformation    stackDrift
}

// summaries lists the stacks in one of the wanted states; none wanted is all.
func summaries(stacks []cfn.Stack, wanted []string) []summary {
	var out []summary
	for _, s := range stacks {
		if len(wanted) == 0 || slices.Contains(wanted, s.Status) {
			out = append(out, summary{s.ID, s.Name, s.Description, s.Created, s.Status, s.StatusReason, stackDrift{notChecked}})
		}
	}
	return out
}

type shownResource struct {
	StackID              string `json:"StackId"`
	StackName            string
	LogicalResourceID    string `json:"LogicalResourceId"`
	PhysicalResourceID   string `json:"PhysicalResourceId"`
	ResourceType         string
	Timestamp            time.Time
	ResourceStatus       string
	ResourceStatusReason string `json:"ResourceStatusReason,omitempty"`
	DriftInformation     resourceDrift
}

type resourceDrift struct{ StackResourceDriftStatus string }

// maxResources is how many resources DescribeStackResources shows.
const maxResources = 100

// resources are a stack's, or the one with a logical id.
func resources(s cfn.Stack, logicalID string) []shownResource {
	var out []shownResource
	for _, r := range s.Resources {
		if logicalID != "" && r.LogicalID != logicalID {
			continue
		}
		status := cfn.CreateComplete
		if r.Failed != "" {
			status = cfn.DeleteFailed
		}
		out = append(out, shownResource{s.ID, s.Name, r.LogicalID, r.Physical.ID, r.Type, r.Created, status, r.Failed, resourceDrift{notChecked}})
	}
	return out[:min(len(out), maxResources)]
}
