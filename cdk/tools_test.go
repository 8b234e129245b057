package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/fairlead/fairlead/workflows"
)

// The tools of others that check what we make; exactly these versions.
const (
	cdkCLI       = "aws-cdk@2.1148.1"
	aslValidator = "asl-validator@4.0.0" // knows JSONata
)

// need skips a test whose program is not there, but in CI, which has it.
func need(t *testing.T, program, lost string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and CI must not go without: %s", program, lost)
	}
	t.Skipf("%s is not installed: %s", program, lost)
}

// npx gives a tool's output. A registry that cannot be reached is no failure of
// ours, but in CI.
func npx(t *testing.T, tool string, args ...string) (string, error) {
	t.Helper()
	need(t, "npx", tool+" does not check what is made here")
	if out, err := exec.Command("npx", "--yes", tool, "--version").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("npx cannot get %s: %v\n%s", tool, err, out)
		}
		t.Skipf("npx cannot get %s: %v\n%s", tool, err, out)
	}
	cmd := exec.Command("npx", append([]string{"--yes", tool}, args...)...)
	cmd.Dir = ".." // where cdk.json is
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// complaint is a line in which the CLI says what a construct, or the validation,
// has against a template; so it says what is only for information.
var complaint = regexp.MustCompile(`(?m)^(?:FATAL|ERROR|WARNING|INFO) .*$|^\[(?:Error|Warning|Info)\b.*$`)

// cliSays lets the CLI read a synthesized app, as cdk synth does after it has run
// ours, and picks out its complaints.
func cliSays(t *testing.T, folder string) ([]string, error) {
	t.Helper()
	out, err := npx(t, cdkCLI, "synth", "--app", folder, "--strict", "--quiet", "--no-notices", "--no-color")
	return complaint.FindAllString(out, -1), err
}

// TestCLI: cdk synth has nothing to say of the stacks.
func TestCLI(t *testing.T) {
	need(t, "node", "nothing can be synthesized")
	for name, o := range configurations() {
		folder := t.TempDir()
		if _, err := synthesize(o, t.TempDir(), folder); err != nil {
			t.Fatal(err)
		}
		said, err := cliSays(t, folder)
		// Of a given VPC, the stack tells what it cannot see: that is for information.
		said = slices.DeleteFunc(said, func(line string) bool { return strings.Contains(line, "the given VPC needs") })
		if err != nil || len(said) > 0 {
			t.Errorf("%s: %v %q", name, err, said)
		}
	}
}

// TestCLIIsHeard: what a construct or the CDK's own validation has against a
// template would fail the test above.
func TestCLIIsHeard(t *testing.T) {
	need(t, "node", "nothing can be synthesized")
	folder := t.TempDir()
	app := newApp(folder)
	stack := awscdk.NewStack(app, jsii.String("wrong"), nil)
	awscdk.Annotations_Of(stack).AddWarningV2(jsii.String("fairlead:wrong"), jsii.String("this is to be heard"))
	awscdk.NewCfnResource(stack, jsii.String("Bucket"), &awscdk.CfnResourceProps{
		Type:       jsii.String("AWS::S3::Bucket"),
		Properties: &map[string]any{"BucketNam": "wrong"},
	})
	app.Synth(nil)
	said, err := cliSays(t, folder)
	for _, want := range []string{"this is to be heard", "BucketNam"} {
		if err == nil || !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("the CLI says nothing of %q: %q, %v", want, said, err)
		}
	}
	if found := strings.Join(violations(t, folder), "\n"); !strings.Contains(found, "BucketNam") {
		t.Errorf("a property that no bucket has is not found: %s", found)
	}
}

// TestDefinitionIsValid lets asl-validator read the machine's definition with its
// tokens filled. It has nothing against it, so nothing is excused here.
func TestDefinitionIsValid(t *testing.T) {
	filled := regexp.MustCompile(`\$\{(\w+)\}`).ReplaceAllString(workflows.Benchmark, "arn:aws:lambda:us-east-1:123456789012:function:$1")
	if out, err := validateDefinition(t, filled); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDefinitionValidatorIsHeard tries mistakes that the test above must find.
func TestDefinitionValidatorIsHeard(t *testing.T) {
	for _, c := range []struct {
		mistake string
		make    func(plan map[string]any)
		want    string
	}{
		{"a state that is not there", func(plan map[string]any) { plan["Next"] = "Nowhere" }, "Nowhere"},
		{"JSONPath in a JSONata definition", func(plan map[string]any) { plan["ResultPath"] = "$.plan" }, "/States/Plan"},
		{"a field that no Task has", func(plan map[string]any) { plan["Retri"] = []any{} }, "/States/Plan"},
	} {
		var definition map[string]any
		if err := json.Unmarshal([]byte(workflows.Benchmark), &definition); err != nil {
			t.Fatal(err)
		}
		c.make(definition["States"].(map[string]any)["Plan"].(map[string]any))
		text, err := json.Marshal(definition)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := validateDefinition(t, string(text)); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: the validator says %v and nothing of %q:\n%s", c.mistake, err, c.want, out)
		}
	}
}

func validateDefinition(t *testing.T, definition string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "definition.json")
	if err := os.WriteFile(path, []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	return npx(t, aslValidator, "--json-path", path)
}

// TestToolsAreTheSame: the README, the Makefile and this test mean the same CLI.
func TestToolsAreTheSame(t *testing.T) {
	for _, file := range []string{"../Makefile", "../README.md", "../docs/deploy.md"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, found := range regexp.MustCompile(`aws-cdk@[0-9.]*[0-9]`).FindAllString(string(raw), -1) {
			if found != cdkCLI {
				t.Errorf("%s has %s, and the tests use %s", file, found, cdkCLI)
			}
		}
	}
}
