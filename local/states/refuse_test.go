package states

import (
	"errors"
	"strings"
	"testing"
)

// TestRefused has one row for each reason why a definition is refused; each says
// every problem it has.
func TestRefused(t *testing.T) {
	pass := `"P":{"Type":"Pass","End":true}`
	inline := func(more string) string {
		return machineOf("M", `"M":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{`+pass+`}}`+more+`,"End":true}`)
	}
	for _, c := range []struct {
		why, definition string
		says            []string
	}{
		{"no JSON", `{`, []string{"INVALID_JSON_DESCRIPTION"}},
		{"an array", `[]`, []string{"must be a JSON object at /"}},
		{"nothing in it", `{}`, []string{"QueryLanguage must be JSONata", "StartAt is missing", "States is missing"}},
		{"JSONPath", `{"StartAt":"P","States":{` + pass + `}}`, []string{"QueryLanguage must be JSONata: JSONPath is not supported at /QueryLanguage"}},
		{"JSONPath in a state", machineOf("P", `"P":{"Type":"Pass","QueryLanguage":"JSONPath","InputPath":"$","ResultPath":null,"End":true}`), []string{"/States/P/QueryLanguage", "InputPath of a Pass state belongs to JSONPath", "ResultPath"}},
		{"JSONPath in a key", machineOf("P", `"P":{"Type":"Pass","Output":{"a.$":"$.b"},"End":true}`), []string{`the key "a.$" is JSONPath`}},
		{"an unknown field anywhere", `{"QueryLanguage":"JSONata","StartAt":"P","Stats":1,"States":{"P":{"Type":"Pass","Emd":true,"End":true}}}`, []string{"a state machine has no field Stats here at /Stats", "a Pass state has no field Emd here at /States/P/Emd"}},
		{"a field twice", `{"QueryLanguage":"JSONata","StartAt":"P","StartAt":"P","States":{` + pass + `}}`, []string{`"StartAt" stands twice`}},
		{"an unknown state type", machineOf("P", `"P":{"Type":"Loop"}`), []string{`"Loop" is no state type`}},
		{"no way out", machineOf("P", `"P":{"Type":"Pass"}`), []string{"needs Next, or End: true at /States/P"}},
		{"two ways out", machineOf("P", `"P":{"Type":"Pass","Next":"P","End":true}`), []string{"Next or End, not both"}},
		{"a state that is not there", machineOf("P", `"P":{"Type":"Pass","Next":"Q"}`), []string{`there is no state "Q" here at /States/P/Next`}},
		{"StartAt that is not there", machineOf("Q", pass), []string{`there is no state "Q" here at /StartAt`}},
		{"a state of another flow", machineOf("M", `"M":{"Type":"Map","ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","Next":"P"}}},"Next":"P"},`+pass), []string{`"P"`, "/ItemProcessor/States/I/Next"}},
		{"a state that is never reached", machineOf("P", pass+`,"Q":{"Type":"Pass","End":true}`), []string{`"Q" is not reachable`}},
		{"a loop without an end", machineOf("P", `"P":{"Type":"Pass","Next":"Q"},"Q":{"Type":"Pass","Next":"P"}`), []string{"no state that ends"}},
		{"one name in two flows", machineOf("P", `"P":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{`+pass+`}},"End":true}`), []string{`"P" is already used`}},
		{"a name of 81 characters", machineOf(strings.Repeat("x", 81), `"`+strings.Repeat("x", 81)+`":{"Type":"Succeed"}`), []string{"1 to 80 characters"}},
		{"another resource", machineOf("T", `"T":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","Arguments":{"FunctionName":"f"},"End":true}`), []string{"sqs:sendMessage\" is not supported"}},
		{"waiting for a token", machineOf("T", `"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Arguments":{"FunctionName":"f"},"End":true}`), []string{"is not supported"}},
		{"an argument that is not supported", machineOf("T", `"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"InvocationType":"Event"},"End":true}`), []string{"FunctionName is missing", "InvocationType"}},
		{"heartbeats and credentials", machineOf("T", taskState("T", `,"HeartbeatSeconds":5,"Credentials":{},"End":true`)), []string{"HeartbeatSeconds", "Credentials"}},
		{"a timeout of nothing", machineOf("T", taskState("T", `,"TimeoutSeconds":0,"End":true`)), []string{"TimeoutSeconds must be a literal (integer from 1"}},
		{"a Map has no timeout", inline(`,"TimeoutSeconds":5`), []string{"a Map state has no field TimeoutSeconds"}},
		{"distributed fields of an inline Map", inline(`,"Label":"x","ToleratedFailurePercentage":5`), []string{"Label belongs to a distributed Map", "ToleratedFailurePercentage belongs"}},
		{"Map fields that are not supported", inline(`,"ItemReader":{},"ResultWriter":{},"ItemBatcher":{},"ItemsPath":"$"`), []string{"ItemReader", "ResultWriter", "ItemBatcher", "ItemsPath"}},
		{"Express children", machineOf("M", strings.Replace(distributed("", pass, "P"), "STANDARD", "EXPRESS", 1)), []string{"ExecutionType must be STANDARD"}},
		{"a label with a space", machineOf("M", distributed(`,"Label":"a b"`, pass, "P")), []string{"Label must have"}},
		{"a Choice without rules", machineOf("C", `"C":{"Type":"Choice","Choices":[],"Default":"P"},`+pass), []string{"at least one rule"}},
		{"a JSONPath rule", machineOf("C", `"C":{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":1,"Next":"P"}]},`+pass), []string{"Condition is missing", "Variable", "NumericEquals"}},
		{"a Choice with Next", machineOf("C", `"C":{"Type":"Choice","Choices":[{"Condition":"{% true %}","Next":"P"}],"Next":"P"},`+pass), []string{"a Choice state has no field Next"}},
		{"a Wait for nothing, and for two things", machineOf("W", `"W":{"Type":"Wait","Next":"V"},"V":{"Type":"Wait","Seconds":1,"Timestamp":"2026-01-01T00:00:00Z","End":true}`), []string{"exactly one of Seconds and Timestamp at /States/W", "at /States/V"}},
		{"a time that is none", machineOf("W", `"W":{"Type":"Wait","Timestamp":"tomorrow","End":true}`), []string{"RFC 3339"}},
		{"a Fail with Next", machineOf("F", `"F":{"Type":"Fail","Error":1,"Next":"F"}`), []string{"Error must be a literal (string)", "a Fail state has no field Next"}},
		{"States.ALL in company, and not last", machineOf("T", taskState("T", `,"Retry":[{"ErrorEquals":["States.ALL","X"]}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"P"},{"ErrorEquals":["X"],"Next":"P"}],"Next":"P"`)+","+pass), []string{"Retry[0]/ErrorEquals", "Catch[0]/ErrorEquals"}},
		{"an error that cannot be", machineOf("T", taskState("T", `,"Catch":[{"ErrorEquals":["States.Timout"],"Next":"P"}],"Next":"P"`)+","+pass), []string{`"States.Timout" is no error`}},
		{"retry numbers out of range", machineOf("T", taskState("T", `,"Retry":[{"ErrorEquals":["X"],"IntervalSeconds":0,"BackoffRate":0.5,"MaxAttempts":-1,"MaxDelaySeconds":31622400,"JitterStrategy":"SOME"}],"End":true`)), []string{"IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"}},
		{"a broken expression", machineOf("P", `"P":{"Type":"Pass","Output":"{% $states. %}","End":true}`), []string{"is invalid"}},
		{"an expression that is not closed", machineOf("P", `"P":{"Type":"Pass","Output":"{% 1 ","End":true}`), []string{"starts with {% and ends with %}"}},
		{"spaces around an expression", machineOf("P", `"P":{"Type":"Pass","Output":" {% 1 %}","End":true}`), []string{"nothing around them"}},
		{"an expression of 10,001 characters", machineOf("P", `"P":{"Type":"Pass","Output":"{% '`+strings.Repeat("x", 10_000)+`' %}","End":true}`), []string{"at most 10000"}},
		{"$eval and $$", machineOf("P", `"P":{"Type":"Pass","Output":["{% $eval('1') %}","{% $$.a %}"],"End":true}`), []string{"$eval is not available", "$$ is not available"}},
		{"a function that does not exist", machineOf("P", `"P":{"Type":"Pass","Output":"{% $summ([1]) %}","End":true}`), []string{"$summ"}},
		{"$states.result where there is none", machineOf("T", `"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{% $states.result %}"},"Output":"{% $states.errorOutput %}","End":true}`), []string{"$states.result is not available", "$states.errorOutput is not available"}},
		{"a member that $states does not have", machineOf("P", `"P":{"Type":"Pass","Output":"{% $states.inputs %}","End":true}`), []string{"$states.inputs"}},
		{"a variable that nobody assigns", machineOf("P", `"P":{"Type":"Pass","Output":"{% $v %}","End":true}`), []string{"assigns the variable $v"}},
		{"a variable of a branch, outside", machineOf("A", `"A":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","Assign":{"v":1},"End":true}}}],"Output":"{% $v %}","End":true}`), []string{"the variable $v"}},
		{"children of a distributed Map see no outer variable", machineOf("A", `"A":{"Type":"Pass","Assign":{"v":1},"Next":"M"},`+distributed("", `"P":{"Type":"Pass","Output":"{% $v %}","End":true}`, "P")), []string{"the variable $v", "/States/M/ItemProcessor/States/P/Output"}},
		{"an outer variable assigned again inside", machineOf("A", `"A":{"Type":"Pass","Assign":{"v":1},"Next":"M"},"M":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","Assign":{"v":2},"End":true}}},"End":true}`), []string{"$v is already assigned in an outer flow"}},
		{"the reserved variable", machineOf("P", `"P":{"Type":"Pass","Assign":{"states":1,"a-b":2},"End":true}`), []string{`"states" cannot`, `"a-b" cannot`}},
	} {
		t.Run(c.why, func(t *testing.T) {
			_, err := Parse(c.definition)
			var invalid *DefinitionError
			if !errors.As(err, &invalid) {
				t.Fatalf("not refused: %v", err)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

// TestNamesThatAreLocal: what an expression binds itself, or quotes, is no variable.
func TestNamesThatAreLocal(t *testing.T) {
	for _, expression := range []string{
		"($x := 1; $x + 1)", "$map([1], function($v, $i) { $v + $i })", "$map([1], λ($v){$v})",
		"'$a' & `$b`", "/* $c */ 1", "$states.input.a#$i.{'i': $i}", "$states.input.a@$j.$j",
		"$replace('x', /$d\\/$e/, '$f')", "4 / 2 / 1", "$states.input.a[$ > 1]", "$now() & $string($millis())",
	} {
		def := machineOf("P", `"P":{"Type":"Pass","Output":`+string(appendString(nil, "{% "+expression+" %}"))+`,"End":true}`)
		if _, err := Parse(def); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	pass := `"P":{"Type":"Pass","Output":"{% $states.input %}","End":true}`
	f.Add(machineOf("P", pass))
	f.Add(machineOf("M", distributed(`,"ToleratedFailureCount":1`, pass, "P")))
	f.Add(machineOf("T", taskState("T", `,"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":2}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"P"}],"Next":"P"`)+","+pass))
	f.Add(machineOf("C", `"C":{"Type":"Choice","Choices":[{"Condition":"{% $x := 1 %}","Next":"P"}],"Default":"P"},`+pass))
	f.Add(machineOf("W", `"W":{"Type":"Wait","Timestamp":"{% $now() %}","Next":"F"},"F":{"Type":"Fail","Cause":"{% /a$b/ & `+"`$c`"+` %}"}`))
	f.Fuzz(func(t *testing.T, source string) {
		def, err := Parse(source)
		var invalid *DefinitionError
		if err != nil && (!errors.As(err, &invalid) || len(invalid.Problems) == 0) {
			t.Fatalf("an error without problems: %v", err)
		}
		if err == nil && def.States[def.StartAt] == nil {
			t.Fatal("accepted without a first state")
		}
	})
}
