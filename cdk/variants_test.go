package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// variant is a synthesized template and what the CDK notes of its stack.
type variant struct {
	Resources map[string]struct {
		Type           string
		DeletionPolicy string
		Properties     map[string]any
	}
	Outputs map[string]struct{ Value any }
	notes   []string // annotations, as level: text
	tags    map[string]string
}

func synth(t *testing.T, o options) variant {
	t.Helper()
	need(t, "node", "nothing can be synthesized")
	folder := t.TempDir()
	text, err := synthesize(o, t.TempDir(), folder)
	if err != nil {
		t.Fatal(err)
	}
	var v variant
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	v.notes, v.tags = manifest(t, folder, o.stack)
	return v
}

// manifest reads what the CDK tells its CLI about the stack.
func manifest(t *testing.T, folder, stack string) (notes []string, tags map[string]string) {
	t.Helper()
	type notice struct {
		Type string
		Data any
	}
	var parsed struct {
		Artifacts map[string]struct {
			Properties             struct{ Tags map[string]string }
			Metadata               map[string][]notice
			AdditionalMetadataFile string
		}
	}
	read(t, filepath.Join(folder, "manifest.json"), &parsed)
	artifact, ok := parsed.Artifacts[stack]
	if !ok {
		t.Fatalf("the manifest does not tell of the stack %s", stack)
	}
	metadata := artifact.Metadata
	if artifact.AdditionalMetadataFile != "" {
		read(t, filepath.Join(folder, artifact.AdditionalMetadataFile), &metadata)
	}
	for _, all := range metadata {
		for _, n := range all {
			if text, ok := n.Data.(string); ok && slices.Contains([]string{"aws:cdk:info", "aws:cdk:warning", "aws:cdk:error"}, n.Type) {
				notes = append(notes, strings.TrimPrefix(n.Type, "aws:cdk:")+": "+text)
			}
		}
	}
	return notes, artifact.Properties.Tags
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestGivenVPC: nothing of a network is made but the groups, and what runs there
// runs in the given subnets.
func TestGivenVPC(t *testing.T) {
	o := options{stack: defaultStack, keepResults: true, vpcID: "vpc-0123456789abcdef0", subnetIDs: []string{"subnet-01234567", "subnet-89abcdef"}}
	v := synth(t, o)
	groups, inside := 0, 0
	for id, r := range v.Resources {
		if kind, ok := strings.CutPrefix(r.Type, "AWS::EC2::"); ok && !slices.Contains([]string{"SecurityGroup", "SecurityGroupIngress", "LaunchTemplate"}, kind) {
			t.Errorf("%s is a %s, and the VPC is another's", id, r.Type)
		}
		if r.Type == "AWS::EC2::SecurityGroup" {
			groups++
			if r.Properties["VpcId"] != o.vpcID {
				t.Errorf("%s is in %v", id, r.Properties["VpcId"])
			}
		}
		if config, ok := r.Properties["VpcConfig"].(map[string]any); ok {
			inside++
			if ids, _ := config["SubnetIds"].([]any); !slices.Equal(ids, []any{o.subnetIDs[0], o.subnetIDs[1]}) {
				t.Errorf("%s is in the subnets %v", id, ids)
			}
		}
		if r.Properties["Handler"] == "plan" {
			variables := r.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
			if got := variables["FAIRLEAD_SUBNETS"]; got != "subnet-01234567,subnet-89abcdef" {
				t.Errorf("Plan is told of the subnets %v", got)
			}
			if got, told := variables["FAIRLEAD_ZONES"]; told {
				t.Errorf("Plan is told of zones that nobody knows: %v", got)
			}
		}
	}
	if groups != 5 || inside != 2 {
		t.Errorf("%d groups and %d functions in the VPC, want 5 and 2", groups, inside)
	}
	if !slices.ContainsFunc(v.notes, func(n string) bool { return strings.Contains(n, "S3 gateway endpoint") }) {
		t.Errorf("nobody tells that the given VPC needs an S3 gateway endpoint: %q", v.notes)
	}
}

// TestResultsAreKeptUnlessToldOtherwise, and then the outputs say how to empty the
// bucket, since CloudFormation deletes no other.
func TestResultsAreKeptUnlessToldOtherwise(t *testing.T) {
	for _, c := range []struct {
		keep   bool
		policy string
	}{{true, "Retain"}, {false, "Delete"}} {
		v := synth(t, options{stack: defaultStack, keepResults: c.keep})
		for id, r := range v.Resources {
			if r.Type == "AWS::S3::Bucket" && r.DeletionPolicy != c.policy {
				t.Errorf("keepResults=%v: %s has the deletion policy %q, want %s", c.keep, id, r.DeletionPolicy, c.policy)
			}
		}
		if _, told := v.Outputs["EmptyCommand"]; told == c.keep {
			t.Errorf("keepResults=%v: an output with the command that empties the bucket: %v", c.keep, told)
		}
	}
}

// TestStackIsTagged: CloudFormation gives a stack's tags to what it makes, so that
// costs can be told apart; and nothing warns.
func TestStackIsTagged(t *testing.T) {
	v := synth(t, options{stack: "second", keepResults: true})
	if v.tags[stackTag] != "second" {
		t.Errorf("tags of the stack: %v", v.tags)
	}
	if len(v.notes) > 0 {
		t.Errorf("the CDK notes %q", v.notes)
	}
}
