package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Reasons that more than one grant has for a wildcard.
const (
	noResource  = "AWS authorizes these on no resource"
	namedLater  = "a run is named when it starts; none of another stack is meant"
	taggedLater = "instances come and go; the condition names the stack's own"
)

// accept answers a finding of cdk-nag's AwsSolutions rules, where the resource is
// made. It is kept with the construct, not in the template; the test with cdk-nag
// fails on a finding that is not answered, and on an answer to nothing.
func accept(on constructs.IConstruct, rule, why string) {
	awscdk.Validations_Of(on).Acknowledge(&awscdk.Acknowledgment{
		Id:     jsii.String("AwsSolutions-" + rule),
		Reason: jsii.String(why),
	})
}

// acceptWildcards answers IAM5, which asks for evidence for each resource with a
// wildcard that a policy names.
func acceptWildcards(on constructs.IConstruct, grants []grant) {
	reasons := map[string][]string{}
	for _, g := range grants {
		if g.why == "" || g.effect != awsiam.Effect_ALLOW {
			continue
		}
		for _, resource := range g.resources {
			if written := asNagWrites(awscdk.Stack_Of(on).Resolve(resource)); strings.Contains(written, "*") {
				reasons[written] = append(reasons[written], strings.Join(g.actions, ", ")+": "+g.why)
			}
		}
	}
	for _, resource := range slices.Sorted(maps.Keys(reasons)) {
		accept(on, "IAM5[Resource::"+resource+"]", strings.Join(reasons[resource], "; "))
	}
}

// asNagWrites puts a resolved ARN into one line, as findings have it: a reference
// is the name, and the attribute if any, in angle brackets.
func asNagWrites(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for intrinsic, value := range v {
			switch parts, _ := value.([]any); {
			case intrinsic == "Ref":
				return fmt.Sprint("<", value, ">")
			case intrinsic == "Fn::GetAtt" && len(parts) == 2:
				return fmt.Sprint("<", parts[0], ".", parts[1], ">")
			case intrinsic == "Fn::Join" && len(parts) == 2:
				return asNagWrites(parts[1])
			}
		}
	case []any:
		var all strings.Builder
		for _, part := range v {
			all.WriteString(asNagWrites(part))
		}
		return all.String()
	}
	return fmt.Sprint(v)
}
