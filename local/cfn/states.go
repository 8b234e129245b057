package cfn

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/local/states"
)

// States is the part of Step Functions that templates use.
type States interface {
	Create(states.Machine) (arn string, err error)
	Delete(arn string)
}

type machineProperties struct {
	StateMachineName        string
	StateMachineType        string
	RoleArn                 string `require:"true"`
	DefinitionString        string `require:"true"`
	DefinitionSubstitutions map[string]string
	LoggingConfiguration    machineLogging `noeffect:"the permissions to deliver logs are asked; an execution's history is kept with it and nowhere else"`
	TracingConfiguration    struct {
		Enabled bool
	} `noeffect:"the trace's permissions are asked, but no trace is kept"`
	Tags []Tag `noeffect:"nothing here reads the tags of this type"`
}

type machineLogging struct {
	Level                string // ALL, ERROR, FATAL, or OFF, the default
	IncludeExecutionData bool
	Destinations         []struct {
		CloudWatchLogsLogGroup struct{ LogGroupArn string }
	}
}

func (l machineLogging) on() bool {
	return len(l.Destinations) > 0 && l.Level != "" && l.Level != "OFF"
}

func statesTypes(s States) map[string]Type {
	return map[string]Type{
		"AWS::StepFunctions::StateMachine": define(Type{Attributes: []string{"Arn", "Name"}},
			func(_ context.Context, c Creation, p machineProperties) (Physical, error) {
				if p.StateMachineType != "" && p.StateMachineType != "STANDARD" {
					return Physical{}, fmt.Errorf("the StateMachineType %s is not implemented; STANDARD is", p.StateMachineType)
				}
				definition, err := substitute(p.DefinitionString, p.DefinitionSubstitutions)
				if err != nil {
					return Physical{}, err
				}
				name := p.StateMachineName
				if name == "" {
					name = c.LogicalID[:min(len(c.LogicalID), 67)] + "-" + c.suffix(12)
				}
				arn, err := s.Create(states.Machine{
					Name: name, RoleARN: p.RoleArn, Definition: definition,
					Tracing: p.TracingConfiguration.Enabled, Logging: p.LoggingConfiguration.on(),
				})
				return Physical{ID: arn, Attributes: map[string]any{"Arn": arn, "Name": name}}, err
			},
			func(_ context.Context, made Physical) error {
				s.Delete(made.ID)
				return nil
			}),
	}
}

var token = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)\}`)

// substitute puts values in the place of ${tokens}. A token without a value is
// an error here: CloudFormation would pass it on and the machine would fail.
func substitute(definition string, values map[string]string) (string, error) {
	missing := map[string]bool{}
	out := token.ReplaceAllStringFunc(definition, func(m string) string {
		v, ok := values[m[2:len(m)-1]]
		if !ok {
			missing[m] = true
		}
		return v
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("DefinitionSubstitutions has no value for %s", strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	return out, nil
}
