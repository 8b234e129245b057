package cfn

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fairlead/fairlead/local/events"
)

// Events is the part of EventBridge that templates use.
type Events interface {
	Put(events.Rule) (arn string, err error)
	Delete(name string)
}

type ruleProperties struct {
	Name               string
	EventPattern       map[string]any
	ScheduleExpression string
	State              string
	Targets            []struct {
		Arn string `require:"true"`
		Id  string `require:"true"`
	}
	Description any   `noeffect:"a text for people"`
	Tags        []Tag `noeffect:"nothing here reads the tags of this type"`
}

func eventsTypes(s Events) map[string]Type {
	return map[string]Type{
		"AWS::Events::Rule": define(Type{Attributes: []string{"Arn"}},
			func(_ context.Context, c Creation, p ruleProperties) (Physical, error) {
				r := events.Rule{Name: p.Name, Schedule: p.ScheduleExpression, Disabled: p.State == "DISABLED"}
				if p.State != "" && p.State != "ENABLED" && p.State != "DISABLED" {
					return Physical{}, fmt.Errorf("the State %s is not implemented; ENABLED and DISABLED are", p.State)
				}
				if r.Name == "" {
					r.Name = c.name(64)
				}
				if p.EventPattern != nil {
					var err error
					if r.Pattern, err = json.Marshal(p.EventPattern); err != nil {
						return Physical{}, err
					}
				}
				for _, t := range p.Targets {
					r.TargetARNs = append(r.TargetARNs, t.Arn)
				}
				arn, err := s.Put(r)
				return Physical{ID: r.Name, Attributes: map[string]any{"Arn": arn}}, err
			},
			func(_ context.Context, made Physical) error {
				s.Delete(made.ID)
				return nil
			}),
	}
}
