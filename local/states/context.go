package states

import (
	"encoding/json"
	"time"
)

// contextObject is $states.context (developer guide, "Accessing execution data
// from the Context object"). Times are in UTC with milliseconds.
type contextObject struct {
	Execution struct {
		ID           string          `json:"Id"`
		Input        json.RawMessage `json:"Input"`
		StartTime    string          `json:"StartTime"`
		Name         string          `json:"Name"`
		RoleARN      string          `json:"RoleArn"`
		RedriveCount int             `json:"RedriveCount"`
	} `json:"Execution"`
	StateMachine struct {
		ID   string `json:"Id"`
		Name string `json:"Name"`
	} `json:"StateMachine"`
	State struct {
		Name        string `json:"Name"`
		EnteredTime string `json:"EnteredTime"`
		RetryCount  int    `json:"RetryCount"`
	} `json:"State"`
	Map *struct {
		Item *mapItem `json:"Item"`
	} `json:"Map,omitempty"`
}

func (v *visit) contextObject(item *mapItem) json.RawMessage {
	var c contextObject
	x := v.exec
	c.Execution.ID, c.Execution.Name, c.Execution.Input = x.arn, x.name, x.input
	c.Execution.StartTime, c.Execution.RoleARN = stamp(x.start), x.machine.RoleARN
	c.StateMachine.ID, c.StateMachine.Name = x.machine.ARN, x.machine.Name
	c.State.Name, c.State.EnteredTime, c.State.RetryCount = v.state.Name, stamp(v.entered), v.retries
	if item != nil {
		c.Map = &struct {
			Item *mapItem `json:"Item"`
		}{item}
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil // cannot be: Input and Value are valid JSON
	}
	return raw
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
