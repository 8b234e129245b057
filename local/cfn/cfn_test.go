package cfn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// thing is a resource type for tests: its Ref is its logical id in lower case,
// its attribute Text the text it was given.
type thing struct {
	Text   string
	Number int
	Flag   bool
	List   []string
	Nested struct {
		Inner string `require:"true"`
	}
	Free  any `noeffect:"nobody reads it"`
	Fail  bool
	Stuck bool
}

// shop records what was made and removed.
type shop struct {
	made    []string
	removed []string
	last    map[string]thing
}

func (s *shop) engine() *Engine {
	s.last = map[string]thing{}
	return &Engine{Region: "us-east-1", Account: "000000000000", Zones: []string{"us-east-1a", "us-east-1b"}, Types: map[string]Type{
		"Test::Thing": define(Type{Attributes: []string{"Text"}},
			func(_ context.Context, c Creation, p thing) (Physical, error) {
				if p.Fail {
					return Physical{}, errors.New("no room")
				}
				s.made = append(s.made, c.LogicalID)
				s.last[c.LogicalID] = p
				return Physical{ID: strings.ToLower(c.LogicalID), Attributes: map[string]any{"Text": p.Text, "stuck": p.Stuck}}, nil
			},
			func(_ context.Context, made Physical) error {
				if made.Attributes["stuck"].(bool) {
					return errors.New("in use")
				}
				s.removed = append(s.removed, made.ID)
				return nil
			}),
		"Test::Sign": declared[struct{ Tags any }]("a sign does nothing", "sign", "Arn"),
	}}
}

func TestValues(t *testing.T) {
	for _, c := range []struct{ why, value, want string }{
		{"a parameter", `{"Ref":"P"}`, "given"},
		{"a resource", `{"Ref":"Other"}`, "other"},
		{"an attribute", `{"Fn::GetAtt":["Other","Text"]}`, "o"},
		{"an attribute in one word", `{"Fn::GetAtt":"Other.Text"}`, "o"},
		{"a number becomes text", `{"Fn::Join":["-",["a",1,true]]}`, "a-1-true"},
		{"calls within calls", `{"Fn::Join":["/",[{"Ref":"AWS::Region"},{"Fn::Select":["1",{"Fn::GetAZs":""}]}]]}`, "us-east-1/us-east-1b"},
		{"split", `{"Fn::Select":[1,{"Fn::Split":[",","a,b,c"]}]}`, "b"},
		{"substitution", `{"Fn::Sub":"${P} ${Other} ${Other.Text} ${AWS::AccountId} ${!P}"}`, "given other o 000000000000 ${P}"},
		{"substitution with its own names", `{"Fn::Sub":["${x}-${P}",{"x":{"Ref":"Other"}}]}`, "other-given"},
		{"base64", `{"Fn::Base64":"hi"}`, "aGk="},
		{"partition", `{"Fn::Sub":"arn:${AWS::Partition}:s3:::b.${AWS::URLSuffix}"}`, "arn:aws:s3:::b.amazonaws.com"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := &shop{}
			text := `{"Parameters":{"P":{"Type":"String","Default":"x"}},
				"Resources":{"Other":{"Type":"Test::Thing","Properties":{"Text":"o"}},
				"R":{"Type":"Test::Thing","Properties":{"Text":` + c.value + `}}},
				"Outputs":{"O":{"Value":` + c.value + `}}}`
			stack, err := s.engine().Deploy(t.Context(), "stack", []byte(text), map[string]string{"P": "given"})
			if err != nil {
				t.Fatal(err)
			}
			if s.last["R"].Text != c.want || stack.Outputs["O"] != c.want {
				t.Errorf("got %q and %q, want %q", s.last["R"].Text, stack.Outputs["O"], c.want)
			}
		})
	}
}

func TestPropertiesAreReadAsCloudFormationReadsThem(t *testing.T) {
	s := &shop{}
	_, err := s.engine().Deploy(t.Context(), "stack", []byte(`{"Resources":{"R":{"Type":"Test::Thing","Properties":{
		"Text":7,"Number":"8","Flag":"true","List":["a",{"Ref":"AWS::NoValue"},"b"],"Nested":{"Inner":{"Ref":"AWS::StackName"}},"Free":{"Ref":"AWS::NoValue"}}}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := s.last["R"]
	if got.Text != "7" || got.Number != 8 || !got.Flag || !slices.Equal(got.List, []string{"a", "b"}) || got.Nested.Inner != "stack" || got.Free != nil {
		t.Errorf("got %+v", got)
	}
}

// One refusal names everything, and nothing has been created.
func TestAllProblemsAtOnce(t *testing.T) {
	s := &shop{}
	_, err := s.engine().Deploy(t.Context(), "1stack", []byte(`{
		"Conditions": {"C": {}},
		"Parameters": {"P": {"Type": "CommaDelimitedList"}, "Q": {"Type": "String", "AllowedPattern": "[a-z]+", "Default": "Z"}, "R": {"Type": "String"}},
		"Resources": {
			"A": {"Type": "Test::Thing", "Properties": {"Txt": "x", "Nested": {"Outer": 1}, "Number": "many", "List": "a"}},
			"B": {"Type": "AWS::RDS::DBInstance"},
			"C": {"Type": "Test::Thing", "Condition": "C", "Properties": {"Text": {"Fn::If": ["C", 1, 2]}, "List": [{"Ref": "Nobody"}], "Free": {"Fn::GetAtt": ["A", "Arn"]}}},
			"D": {"Type": "Test::Thing", "DependsOn": ["E", "Gone"]},
			"E": {"Type": "Test::Thing", "Properties": {"Text": {"Fn::Sub": "${D}"}}},
			"F": {"Type": "Test::Thing", "DeletionPolicy": "Snapshot"}
		},
		"Outputs": {"O": {"Value": {"Ref": "Missing"}}}
	}`), map[string]string{"Extra": "1"})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"stack name 1stack: must match",
		"Conditions: this section is not implemented",
		"Parameters.P.Type: CommaDelimitedList is not implemented",
		"parameter Extra: the template has no such parameter",
		`parameter Q: "Z" does not match`,
		"parameter R: has no value and no default",
		"Resources.A.Properties.Txt: this property is not implemented",
		"Resources.A.Properties.Nested.Outer: this property is not implemented",
		"Resources.A.Properties.Nested: the property Inner is required",
		"Resources.A.Properties.Number: a whole number is needed",
		"Resources.A.Properties.List: a list is needed",
		"Resources.B: the resource type AWS::RDS::DBInstance is not implemented",
		"Resources.C.Condition: this attribute is not implemented",
		"the function Fn::If is not implemented",
		`refers to "Nobody", which does not exist`,
		"the attribute Arn of A (Test::Thing) is not implemented",
		`Resources.D.DependsOn: "Gone" does not exist`,
		"circular dependency between resources: D → E → D",
		"Resources.F.DeletionPolicy: Snapshot is not implemented",
		`Outputs.O: refers to "Missing", which does not exist`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal lacks %q", want)
		}
	}
	if len(s.made) > 0 {
		t.Errorf("made %v", s.made)
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestOrderAndDeletion(t *testing.T) {
	s := &shop{}
	stack, err := s.engine().Deploy(t.Context(), "stack", []byte(`{"Resources":{
		"A":{"Type":"Test::Thing","Properties":{"Text":{"Fn::GetAtt":["C","Text"]}}},
		"B":{"Type":"Test::Thing","DeletionPolicy":"Retain"},
		"C":{"Type":"Test::Thing","DependsOn":"B"},
		"S":{"Type":"Test::Sign","Properties":{"Tags":[]}}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.made, []string{"B", "C", "A"}) {
		t.Errorf("made %v", s.made)
	}
	if len(stack.NoEffect) != 1 || stack.NoEffect[0].String() != "S (Test::Sign): a sign does nothing" {
		t.Errorf("no effect: %v", stack.NoEffect)
	}
	if err := stack.Delete(t.Context()); err != nil || !slices.Equal(s.removed, []string{"a", "c"}) {
		t.Errorf("removed %v, %v; want all but what is retained, last first", s.removed, err)
	}
}

func TestFailureRollsBack(t *testing.T) {
	s := &shop{}
	_, err := s.engine().Deploy(t.Context(), "stack", []byte(`{"Resources":{
		"A":{"Type":"Test::Thing","DeletionPolicy":"Delete"},
		"K":{"Type":"Test::Thing","DeletionPolicy":"Retain"},
		"B":{"Type":"Test::Thing","DependsOn":["A","K"],"Properties":{"Stuck":true}},
		"C":{"Type":"Test::Thing","DependsOn":"B","Properties":{"Fail":true}}}}`), nil)
	if err == nil || !strings.Contains(err.Error(), "create C (Test::Thing): no room") || !strings.Contains(err.Error(), "delete B (Test::Thing): in use") {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(s.removed, []string{"a"}) {
		t.Errorf("removed %v; what is retained is retained in a roll-back, too", s.removed)
	}
}

func TestFailedDeletionIsAState(t *testing.T) {
	s := &shop{}
	stack, err := s.engine().Deploy(t.Context(), "stack", []byte(`{"Resources":{
		"A":{"Type":"Test::Thing"},
		"B":{"Type":"Test::Thing","DependsOn":"A","Properties":{"Stuck":true}},
		"C":{"Type":"Test::Thing","DependsOn":"B"}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = stack.Delete(t.Context())
	if err == nil || err.Error() != "stack stack is DELETE_FAILED: The following resource(s) failed to delete: [B].\ndelete B (Test::Thing): in use" {
		t.Errorf("got %v", err)
	}
	if stack.Status != DeleteFailed || len(stack.Resources) != 1 || stack.Resources[0].Failed != "in use" || !slices.Equal(s.removed, []string{"c", "a"}) {
		t.Errorf("left %+v, removed %v", stack, s.removed)
	}
	stack.Resources[0].Physical.Attributes["stuck"] = false
	if err := stack.Delete(t.Context()); err != nil || len(stack.Resources) > 0 {
		t.Errorf("again: %v, left %v", err, stack.Resources)
	}
}

func TestWhatIsShownOfAStack(t *testing.T) {
	s := &shop{}
	stack, err := s.engine().Deploy(t.Context(), "stack", []byte(`{"Description":"A shop.",
		"Parameters":{"P":{"Type":"String","Default":"x"},"Secret":{"Type":"String","NoEcho":true,"Default":"s"}},
		"Resources":{"R":{"Type":"Test::Thing","Metadata":{"cdk_nag":{"rules_to_suppress":[{"id":"X","reason":"y"}]}}}},
		"Outputs":{"O":{"Description":"What it is.","Value":{"Ref":"R"}},"Plain":{"Value":"v"}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if stack.Description != "A shop." || stack.Status != CreateComplete || stack.Created.IsZero() || stack.Resources[0].Created.IsZero() ||
		!slices.Equal(stack.Hidden, []string{"Secret"}) || len(stack.Descriptions) != 1 || stack.Descriptions["O"] != "What it is." || len(stack.NoEffect) > 0 {
		t.Errorf("%+v", stack)
	}
}

func TestNamesAreStableAndShort(t *testing.T) {
	c := Creation{LogicalID: strings.Repeat("Logical", 12), StackName: strings.Repeat("stack-", 12), StackID: stackID("us-east-1", "000000000000", "s")}
	for _, limit := range []int{63, 64, 128} {
		if n := c.name(limit); len(n) > limit || n != c.name(limit) || !strings.HasSuffix(n, "-"+c.suffix(12)) {
			t.Errorf("%d: %s", limit, n)
		}
	}
	other := c
	other.LogicalID = "B"
	if c.suffix(12) == other.suffix(12) || c.id("sg") == other.id("sg") {
		t.Error("two resources have one name")
	}
}

func TestIgnoredPropertiesAreListed(t *testing.T) {
	s := &shop{}
	stack, err := s.engine().Deploy(t.Context(), "stack", []byte(`{"Resources":{"R":{"Type":"Test::Thing","Properties":{"Free":1}}},"Outputs":{"O":{"Value":"v","Export":{"Name":"n"}}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := stack.Summary(); len(got) != 2 || got[1] != "1 × Test::Thing Free: nobody reads it" {
		t.Errorf("summary %q", got)
	}
	if got := fmt.Sprint(stack.NoEffect); got != "[R (Test::Thing) Free: nobody reads it O (Output) Export: no other stack imports it]" {
		t.Error(got)
	}
}

func TestSubstitute(t *testing.T) {
	got, err := substitute(`{"a":"${A}","b":"${B}"}`, map[string]string{"A": "1", "B": "2"})
	if err != nil || got != `{"a":"1","b":"2"}` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := substitute(`${A} ${C}`, map[string]string{"A": "1"}); err == nil || !strings.Contains(err.Error(), "${C}") {
		t.Errorf("got %v", err)
	}
}
