package ssm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

type commandItem struct {
	CommandID         string `json:"CommandId"`
	DocumentName      string
	DocumentVersion   string
	Comment           string
	Parameters        map[string][]string
	InstanceIDs       []string `json:"InstanceIds"`
	Targets           []string
	RequestedDateTime time.Time
	ExpiresAfter      time.Time
	Status            string
	StatusDetails     string
	TargetCount       int
	CompletedCount    int
	ErrorCount        int
	TimeoutSeconds    int
}

// item is a command with the status that its invocations add up to.
func (c *command) item() commandItem {
	item := commandItem{CommandID: c.id, DocumentName: c.document, DocumentVersion: "$DEFAULT", Comment: c.comment, Parameters: c.parameters,
		Targets: []string{}, RequestedDateTime: c.requested, ExpiresAfter: c.requested.Add(c.delivery + defaultTimeout), TargetCount: len(c.invocations),
		TimeoutSeconds: int(c.delivery.Seconds()), Status: "Success"}
	pending := 0
	for _, i := range c.invocations {
		item.InstanceIDs = append(item.InstanceIDs, i.instance)
		if i.ended.IsZero() {
			if i.status == "Pending" {
				pending++
			}
			continue
		}
		item.CompletedCount++
		if i.status != "Success" {
			item.ErrorCount++
			item.Status = i.status
		}
	}
	switch {
	case pending == len(c.invocations):
		item.Status = "Pending"
	case item.CompletedCount < len(c.invocations):
		item.Status = "InProgress"
	}
	item.StatusDetails = item.Status
	return item
}

func (s *Service) getCommandInvocation(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		CommandID  string `json:"CommandId"`
		InstanceID string `json:"InstanceId"`
		PluginName string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ssm:GetCommandInvocation", "*", nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.command(in.CommandID)
	if err != nil {
		return nil, fail("InvocationDoesNotExist", "An error occurred: %v", err)
	}
	n := slices.IndexFunc(c.invocations, func(i *invocation) bool { return i.instance == in.InstanceID })
	if n < 0 {
		return nil, fail("InvocationDoesNotExist", "The command %s was not sent to %s", in.CommandID, in.InstanceID)
	}
	i := c.invocations[n]
	if in.PluginName != "" && in.PluginName != i.step && in.PluginName != "aws:runShellScript" {
		return nil, fail("InvalidPluginName", "The plugin name %s is not valid", in.PluginName)
	}
	out := struct {
		CommandID              string `json:"CommandId"`
		InstanceID             string `json:"InstanceId"`
		Comment                string
		DocumentName           string
		DocumentVersion        string
		PluginName             string
		ResponseCode           int
		ExecutionStartDateTime string
		ExecutionElapsedTime   string
		ExecutionEndDateTime   string
		Status                 string
		StatusDetails          string
		StandardOutputContent  string
		StandardErrorContent   string
	}{CommandID: c.id, InstanceID: i.instance, Comment: c.comment, DocumentName: c.document, DocumentVersion: "$DEFAULT", PluginName: i.step,
		ResponseCode: i.code, Status: i.status, StatusDetails: i.details, StandardOutputContent: i.stdout, StandardErrorContent: i.stderr}
	if !i.began.IsZero() {
		out.ExecutionStartDateTime = i.began.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	if !i.began.IsZero() && !i.ended.IsZero() {
		out.ExecutionEndDateTime = i.ended.UTC().Format("2006-01-02T15:04:05.000Z")
		out.ExecutionElapsedTime = fmt.Sprintf("PT%.3fS", i.ended.Sub(i.began).Seconds())
	}
	return out, nil
}

// listFilter is a filter of ListCommands and ListCommandInvocations.
type listFilter struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (s *Service) listCommands(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		CommandID  string `json:"CommandId"`
		InstanceID string `json:"InstanceId"`
		Filters    []listFilter
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ssm:ListCommands", "*", nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []commandItem{}
	for _, c := range slices.Backward(s.commands) { // the newest first
		item := c.item()
		ok, err := passes(in.Filters, item.Status, item.DocumentName)
		if err != nil {
			return nil, err
		}
		if ok && (in.CommandID == "" || in.CommandID == c.id) && (in.InstanceID == "" || slices.Contains(item.InstanceIDs, in.InstanceID)) {
			list = append(list, item)
		}
	}
	page, next, err := paginate(list, in.MaxResults, 50, in.NextToken)
	return struct {
		Commands  []commandItem
		NextToken string `json:",omitempty"`
	}{page, next}, err
}

func passes(filters []listFilter, status, document string) (bool, error) {
	ok := true
	for _, f := range filters {
		switch f.Key {
		case "Status":
			ok = ok && f.Value == status
		case "DocumentName":
			ok = ok && f.Value == document
		default:
			return false, fail("InvalidFilterKey", "The filter key %s is not one that the local cloud knows", f.Key)
		}
	}
	return ok, nil
}

type invocationItem struct {
	CommandID         string `json:"CommandId"`
	InstanceID        string `json:"InstanceId"`
	InstanceName      string
	Comment           string
	DocumentName      string
	DocumentVersion   string
	RequestedDateTime time.Time
	Status            string
	StatusDetails     string
	CommandPlugins    []pluginItem
}

type pluginItem struct {
	Name                   string
	Status                 string
	StatusDetails          string
	ResponseCode           int
	ResponseStartDateTime  time.Time
	ResponseFinishDateTime time.Time
	Output                 string // up to 2,500 characters
}

func (s *Service) listCommandInvocations(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		CommandID  string `json:"CommandId"`
		InstanceID string `json:"InstanceId"`
		Filters    []listFilter
		Details    bool
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ssm:ListCommandInvocations", "*", nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []invocationItem{}
	for _, c := range slices.Backward(s.commands) {
		for _, i := range c.invocations {
			ok, err := passes(in.Filters, i.status, c.document)
			if err != nil {
				return nil, err
			}
			if !ok || in.CommandID != "" && in.CommandID != c.id || in.InstanceID != "" && in.InstanceID != i.instance {
				continue
			}
			item := invocationItem{CommandID: c.id, InstanceID: i.instance, Comment: c.comment, DocumentName: c.document, DocumentVersion: "$DEFAULT",
				RequestedDateTime: c.requested, Status: i.status, StatusDetails: i.details, CommandPlugins: []pluginItem{}}
			if in.Details {
				output := i.stdout
				if i.stderr != "" {
					output += "\n----------ERROR-------\n" + i.stderr
				}
				item.CommandPlugins = []pluginItem{{i.step, i.status, i.details, i.code, i.began, i.ended, strings.ToValidUTF8(output[:min(len(output), 2500)], "")}}
			}
			list = append(list, item)
		}
	}
	page, next, err := paginate(list, in.MaxResults, 50, in.NextToken)
	return struct {
		CommandInvocations []invocationItem
		NextToken          string `json:",omitempty"`
	}{page, next}, err
}
