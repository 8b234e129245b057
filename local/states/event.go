package states

import (
	"encoding/json"
	"time"
)

// Event is a status change in EventBridge's terms (developer guide, "Automating
// Step Functions event delivery with EventBridge").
type Event struct {
	Source     string // aws.states
	DetailType string // Step Functions Execution Status Change
	Resources  []string
	Time       time.Time
	Detail     json.RawMessage
}

// maxEventPayload is the size above which input and output are left out.
const maxEventPayload = 248 << 10

type changeDetail struct {
	ExecutionARN  string    `json:"executionArn"`
	MachineARN    string    `json:"stateMachineArn"`
	Name          string    `json:"name"`
	Status        string    `json:"status"`
	StartDate     int64     `json:"startDate"` // milliseconds since 1970
	StopDate      *int64    `json:"stopDate"`
	Input         *string   `json:"input"`
	Output        *string   `json:"output"`
	InputDetails  included  `json:"inputDetails"`
	OutputDetails *included `json:"outputDetails"`
	Error         *string   `json:"error"`
	Cause         *string   `json:"cause"`
	VersionARN    *string   `json:"stateMachineVersionArn"`
	AliasARN      *string   `json:"stateMachineAliasArn"`
	RedriveCount  int       `json:"redriveCount"`
	RedriveDate   *int64    `json:"redriveDate"`
	RedriveStatus string    `json:"redriveStatus"`
	RedriveReason string    `json:"redriveStatusReason"`
}

type included struct {
	Included bool `json:"included"`
}

// publish tells of the execution's present status.
func (x *execution) publish() {
	if x.service.config.Publish == nil {
		return
	}
	status, output, f, stopped := x.state()
	at := x.start
	d := changeDetail{ExecutionARN: x.arn, MachineARN: x.machineARN(), Name: x.name, Status: status, StartDate: x.start.UnixMilli(),
		RedriveStatus: "NOT_REDRIVABLE", RedriveReason: notRedrivable}
	if !stopped.IsZero() {
		at = stopped
		ms := stopped.UnixMilli()
		d.StopDate = &ms
	}
	if len(output) <= maxEventPayload && len(x.input)+len(output) <= maxEventPayload {
		text := string(x.input)
		d.Input, d.InputDetails.Included = &text, true
	}
	if output != nil {
		d.OutputDetails = &included{len(output) <= maxEventPayload}
		if d.OutputDetails.Included {
			text := string(output)
			d.Output = &text
		}
	}
	if f != nil {
		d.Error, d.Cause = &f.Name, &f.Cause
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return // cannot be: strings and numbers only
	}
	x.service.config.Publish(Event{Source: "aws.states", DetailType: "Step Functions Execution Status Change",
		Resources: []string{x.arn}, Time: at, Detail: raw})
}

const notRedrivable = "Redrive is not supported"
