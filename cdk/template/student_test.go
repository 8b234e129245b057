package template

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func parseStudent(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(student, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

const labRole = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/LabRole"

// TestStudentMakesNoRole: the deployment of a template with any resource of IAM
// fails in an account that may create none. A custom resource would bring a
// function with a role, too.
func TestStudentMakesNoRole(t *testing.T) {
	d := parseStudent(t)
	for id, r := range d.Resources {
		if strings.HasPrefix(r.Type, "AWS::IAM::") || strings.HasPrefix(r.Type, "Custom::") || r.Type == "AWS::CloudFormation::CustomResource" {
			t.Errorf("%s is a %s", id, r.Type)
		}
		if r.Type == "AWS::Lambda::Function" && text(r.Properties["Role"]) != labRole {
			t.Errorf("%s runs as %s", id, text(r.Properties["Role"]))
		}
	}
	_, machine, _ := machine(t, d)
	if got := text(machine["RoleArn"]); got != labRole {
		t.Errorf("the machine runs as %s", got)
	}
	for id, template := range d.each("AWS::EC2::LaunchTemplate") {
		profile, _ := at(template.Properties, "LaunchTemplateData", "IamInstanceProfile").(map[string]any)
		if len(profile) != 1 || profile["Name"] != "LabInstanceProfile" {
			t.Errorf("%s has the instance profile %v", id, profile)
		}
	}
	for id, rule := range d.each("AWS::Events::Rule") {
		if at(rule.Properties, "Targets", 0, "RoleArn") != nil || rule.Properties["RoleArn"] != nil {
			t.Errorf("%s has a role; the function's permission lets it in", id)
		}
	}
}

// TestStudentIsTheSameOtherwise: but for roles, and for where the programs are,
// the two templates say the same, so that what is tested of one is true of both.
func TestStudentIsTheSameOtherwise(t *testing.T) {
	standard, lab := parse(t), parseStudent(t)
	if !maps.Equal(kinds(standard, func(kind string) bool { return !strings.HasPrefix(kind, "AWS::IAM::") }), kinds(lab, func(string) bool { return true })) {
		t.Error("one template has resources that the other has not")
	}
	bootstrap := regexp.MustCompile(`cdk-hnb659fds-assets-\$\{AWS::AccountId\}-\$\{AWS::Region\}`)
	for id, r := range lab.Resources {
		for property, value := range r.Properties {
			was := bootstrap.ReplaceAllString(text(standard.Resources[id].Properties[property]), StudentBucket)
			if property == "Role" || property == "RoleArn" || property == "LaunchTemplateData" || was == text(value) {
				continue
			}
			if property == "Code" && text(at(value, "S3Bucket")) == StudentBucket && text(at(value, "S3Key")) == "assets/lambdas.zip" {
				continue
			}
			if property == "Environment" && text(at(value, "Variables", "FAIRLEAD_ACCOUNT")) == "student" {
				continue
			}
			t.Errorf("%s: %s is\n%s\nand in an ordinary account\n%s", id, property, text(value), was)
		}
	}
	// Plan's environment, name by name.
	was := at(standard.steps()["plan"].Properties, "Environment", "Variables").(map[string]any)
	is := at(lab.steps()["plan"].Properties, "Environment", "Variables").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(was)) {
		want := bootstrap.ReplaceAllString(text(was[name]), StudentBucket)
		if name == "FAIRLEAD_ACCOUNT" {
			want = "student"
		}
		if got := text(is[name]); got != want {
			t.Errorf("Plan is told %s=%s, want %s", name, got, want)
		}
	}
	if got := text(was["FAIRLEAD_ACCOUNT"]); got != "standard" {
		t.Errorf("in an ordinary account Plan is told that it is %q", got)
	}
}

func kinds(d document, which func(kind string) bool) map[string]string {
	all := map[string]string{}
	for id, r := range d.Resources {
		if which(r.Type) {
			all[id] = r.Type
		}
	}
	return all
}

func TestStudentHasNoCycles(t *testing.T) {
	if err := order(parseStudent(t)); err != nil {
		t.Error(err)
	}
}

func TestRenderStudent(t *testing.T) {
	hashes := map[string]string{}
	for i, asset := range Assets() {
		if asset.Hashed {
			hashes[asset.Name] = strings.Repeat(string(rune('a'+i)), 64)
		}
	}
	rendered, err := RenderStudent(hashes)
	if err != nil {
		t.Fatal(err)
	}
	for name, hash := range hashes {
		if !strings.Contains(string(rendered), hash) {
			t.Errorf("the SHA-256 of %s is not in it", name)
		}
	}
	if strings.Contains(string(rendered), "cdk-hnb659fds") {
		t.Error("it asks for the bootstrap's bucket, which a student account has not")
	}
	if !strings.Contains(string(rendered), `"S3Bucket": "`+StudentBucket+`"`) {
		t.Errorf("it does not take the programs from %s", StudentBucket)
	}
	if _, err := RenderStudent(nil); err == nil {
		t.Error("rendered without the programs' SHA-256")
	}
}
