package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// TestNag holds the stacks against the AWS Solutions rules of cdk-nag: each
// finding is mended or answered, with its reason, where the resource is made.
func TestNag(t *testing.T) {
	need(t, "node", "cdk-nag does not run")
	for name, o := range configurations() {
		t.Run(name, func(t *testing.T) {
			output := t.TempDir()
			programs, err := placeholders(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			app := newApp(output)
			stack := newStack(app, o, programs)
			awscdk.Aspects_Of(stack).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
			app.Synth(nil)
			raw, err := os.ReadFile(filepath.Join(output, o.stack+".metadata.json"))
			if err != nil {
				t.Fatal(err)
			}
			found, answered, err := findings(raw)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				t.Error("cdk-nag found nothing at all, not even what is answered: it did not run")
			}
			for _, complaint := range unanswered(found, answered) {
				t.Error(complaint)
			}
		})
	}
}

// configurations are what the golden templates are made with, and one with all
// that they leave out.
func configurations() map[string]options {
	all := map[string]options{"given VPC": {stack: "second", vpcID: "vpc-01234567", subnetIDs: []string{"subnet-01234567", "subnet-89abcdef"}}}
	for file, o := range goldens {
		all[filepath.Base(file)] = o
	}
	return all
}

// finding is a rule, such as AwsSolutions-IAM5[Resource::*], at a construct.
type finding struct{ path, rule string }

// findings reads what the CDK writes down with the constructs: what cdk-nag found,
// each with its text, and what was answered, each with its reason.
func findings(metadata []byte) (found, answered map[finding]string, err error) {
	var entries map[string][]struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal(metadata, &entries); err != nil {
		return nil, nil, err
	}
	found, answered = map[finding]string{}, map[finding]string{}
	message := regexp.MustCompile(`^(AwsSolutions-\w+(?:\[.*?\])?|CdkNagValidationFailure\S*): `)
	for path, all := range entries {
		for _, entry := range all {
			switch entry.Type {
			case "aws:cdk:error", "aws:cdk:warning":
				var said string
				if err := json.Unmarshal(entry.Data, &said); err != nil {
					return nil, nil, err
				}
				rule := said
				if match := message.FindStringSubmatch(said); match != nil {
					rule = match[1]
				}
				found[finding{path, rule}] = said
			case "aws:cdk:acknowledged-rules":
				var reasons map[string]string
				if err := json.Unmarshal(entry.Data, &reasons); err != nil {
					return nil, nil, err
				}
				for rule, why := range reasons {
					if rule, ours := strings.CutPrefix(rule, "Annotation::AwsSolutions-"); ours {
						answered[finding{path, "AwsSolutions-" + rule}] = why
					}
				}
			}
		}
	}
	return found, answered, nil
}

// unanswered matches the two: an answer at a construct is for all within it.
func unanswered(found, answered map[finding]string) []string {
	var complaints []string
	used := map[finding]bool{}
	for f, said := range found {
		answer := finding{f.path, f.rule}
		for answered[answer] == "" && answer.path != "" {
			answer.path = answer.path[:max(0, strings.LastIndex(answer.path, "/"))]
		}
		if answered[answer] == "" {
			complaints = append(complaints, f.path+": "+strings.TrimSpace(said)+
				" Mend it, or answer it where the resource is made: accept() or because().")
		}
		used[answer] = true
	}
	for answer := range answered {
		if !used[answer] {
			complaints = append(complaints, answer.path+": "+answer.rule+" is answered and was not found; take the answer away")
		}
	}
	slices.Sort(complaints)
	return complaints
}

// TestNagIsHeard tries the matching on findings that must fail the test above.
func TestNagIsHeard(t *testing.T) {
	found, answered, err := findings([]byte(`{
		"/s/Role/Resource": [
			{"type": "aws:cdk:error", "data": "AwsSolutions-IAM5[Resource::*]: wildcards"},
			{"type": "aws:cdk:warning", "data": "AwsSolutions-X1: other"},
			{"type": "aws:cdk:error", "data": "CdkNagValidationFailure[AwsSolutions-X2]: threw"}],
		"/s/Role": [{"type": "aws:cdk:acknowledged-rules", "data": {"Annotation::AwsSolutions-IAM5[Resource::*]": "why"}}],
		"/s/Rol": [{"type": "aws:cdk:acknowledged-rules", "data": {"Annotation::AwsSolutions-X1": "another construct"}}],
		"/s/Other": [{"type": "aws:cdk:acknowledged-rules", "data": {"CloudFormation-Validate::E1": "not of cdk-nag"}}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(found); got != 3 {
		t.Errorf("%d findings were read of 3: %v", got, slices.Collect(maps.Keys(found)))
	}
	complaints := unanswered(found, answered)
	for i, want := range []string{"/s/Rol: AwsSolutions-X1 is answered and was not found", "AwsSolutions-X1: other", "CdkNagValidationFailure"} {
		if i >= len(complaints) || !strings.Contains(complaints[i], want) {
			t.Errorf("complaint %d of %q does not say %q", i, complaints, want)
		}
	}
	if len(complaints) != 3 {
		t.Errorf("complaints %q", complaints)
	}
}

// TestWildcardsAreWrittenAsFound: an answer to a wildcard is found by its text.
func TestWildcardsAreWrittenAsFound(t *testing.T) {
	resolved := map[string]any{"Fn::Join": []any{"", []any{"arn:", map[string]any{"Ref": "AWS::Partition"}, ":s3:::",
		map[string]any{"Fn::GetAtt": []any{"Results", "Arn"}}, "/runs/*"}}}
	if got, want := asNagWrites(resolved), "arn:<AWS::Partition>:s3:::<Results.Arn>/runs/*"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
