package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, statements string) Document {
	t.Helper()
	d, err := ParseDocument([]byte(`{"Version":"2012-10-17","Statement":` + statements + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const trustLambda = `[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]`

// nothing is a policy that has nothing to say of the calls in these tests.
const nothing = `[{"Effect":"Allow","Action":"other:Action","Resource":"*"}]`

// worker returns a store with one role and a session of it.
func worker(t *testing.T, policies ...string) (*Store, Caller) {
	t.Helper()
	s := NewStore("000000000000")
	role := Role{Name: "worker", Trust: parse(t, trustLambda), Policies: map[string]Document{}}
	for i, p := range policies {
		role.Policies[fmt.Sprintf("p%d", i)] = parse(t, p)
	}
	if err := s.PutRole(role); err != nil {
		t.Fatal(err)
	}
	_, caller, err := s.AssumeRole("arn:aws:iam::000000000000:role/worker", "s1", "lambda.amazonaws.com", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return s, caller
}

func TestAuthorize(t *testing.T) {
	const (
		object   = "arn:aws:s3:::results/runs/r1/plan.json"
		function = "arn:aws:lambda:us-east-1:000000000000:function:aim"
		instance = "arn:aws:ec2:us-east-1:000000000000:instance/i-1"
	)
	for _, test := range []struct {
		policy           string
		action, resource string
		keys             Keys
		allowed          bool
		why              string
	}{
		{nothing, "s3:GetObject", object, nil, false, "no statement, no permission"},
		{`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::results/runs/*"}`, "s3:GetObject", object, nil, true, "one statement need not be in a list"},
		{`[{"Effect":"Allow","Action":["s3:Get*"],"Resource":["arn:aws:s3:::other/*","arn:aws:s3:::results/*"]}]`, "s3:GetObject", object, nil, true, "one of the patterns"},
		{`[{"Effect":"Allow","Action":"S3:getobject","Resource":"*"}]`, "s3:GetObject", object, nil, true, "actions have no case"},
		{`[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::RESULTS/*"}]`, "s3:GetObject", object, nil, false, "resources have"},
		{`[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::results"}]`, "s3:GetObject", object, nil, false, "the bucket is not its objects"},
		{`[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::result?/runs/r?/plan.json"}]`, "s3:GetObject", object, nil, true, "? is one character"},
		{`[{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}]`, "s3:GetObject", object, nil, false, "another action"},
		{`[{"Effect":"Allow","NotAction":"s3:Delete*","Resource":"*"}]`, "s3:GetObject", object, nil, true, "all but deleting"},
		{`[{"Effect":"Allow","NotAction":"s3:Delete*","Resource":"*"}]`, "s3:DeleteObject", object, nil, false, "deleting"},
		{`[{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::secret/*"}]`, "s3:GetObject", object, nil, true, "all but one"},
		{`[{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::results/*"}]`, "s3:GetObject", object, nil, false, "that one"},
		{`[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]`, "s3:GetObject", object, nil, false, "Deny wins over Allow"},
		{`[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}]`, "s3:GetObject", object, nil, true, "a Deny of everything else"},
		{`[{"Effect":"Allow","Action":"ec2:DescribeInstances","Resource":"*"}]`, "ec2:DescribeInstances", "*", nil, true, "an action without resources"},
		{`[{"Effect":"Allow","Action":"ec2:DescribeInstances","Resource":"arn:aws:ec2:*:*:instance/*"}]`, "ec2:DescribeInstances", "*", nil, false, "for which AWS wants Resource *"},
		{`[{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"arn:aws:ec2:*:*:instance/*"}]`, "ec2:RunInstances", instance, nil, true, "wildcards within the ARN's parts"},
		{`[{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:*:function:*"}]`, "lambda:InvokeFunction", function, nil, false, "a wildcard does not reach over a colon"},
		{`[{"Effect":"Allow","Action":"ec2:TerminateInstances","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/fairlead:stack":"S"}}}]`, "ec2:TerminateInstances", instance, Keys{"aws:ResourceTag/fairlead:stack": {"S"}}, true, "the tag is right"},
		{`[{"Effect":"Allow","Action":"ec2:TerminateInstances","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/fairlead:stack":"S"}}}]`, "ec2:TerminateInstances", instance, Keys{"aws:ResourceTag/fairlead:stack": {"T"}}, false, "another stack's"},
		{`[{"Effect":"Allow","Action":"ec2:TerminateInstances","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/fairlead:stack":"S"}}}]`, "ec2:TerminateInstances", instance, nil, false, "no tag at all"},
		{`[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::results/${aws:userid}/*"}]`, "s3:GetObject", object, nil, false, "a variable in the resource, with another value"},
		{`[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::results/runs/${aws:RequestTag/run}/*"}]`, "s3:GetObject", object, Keys{"aws:RequestTag/run": {"r1"}}, true, "and with the right one"},
		{`[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::results/runs/${aws:RequestTag/run}/*"}]`, "s3:GetObject", object, Keys{"aws:RequestTag/run": {"*"}}, false, "a value's wildcard does not widen the pattern"},
		{`[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::results/runs/${aws:RequestTag/run}/*"}]`, "s3:GetObject", object, nil, false, "an absent key matches nothing"},
	} {
		s, caller := worker(t, test.policy)
		err := s.Authorize(caller, test.action, test.resource, test.keys)
		var denied *Denied
		if test.allowed != (err == nil) || err != nil && !errors.As(err, &denied) {
			t.Errorf("%s: %v", test.why, err)
		}
		if err := s.Authorize(s.OperatorCaller(), test.action, test.resource, nil); err != nil {
			t.Errorf("the operator may do everything: %v", err)
		}
	}
}

func TestConditions(t *testing.T) {
	for _, test := range []struct {
		condition string
		keys      Keys
		holds     bool
		why       string
	}{
		{`{"StringEquals":{"s3:prefix":["a","b"]}}`, Keys{"s3:prefix": {"b"}}, true, "values are alternatives"},
		{`{"StringEquals":{"S3:Prefix":"a"}}`, Keys{"s3:prefix": {"a"}}, true, "names of keys have no case"},
		{`{"StringEquals":{"s3:prefix":"a","s3:delimiter":"/"}}`, Keys{"s3:prefix": {"a"}}, false, "keys must all hold"},
		{`{"StringEquals":{"s3:prefix":"a"},"StringLike":{"s3:delimiter":"*"}}`, Keys{"s3:prefix": {"a"}, "s3:delimiter": {"/"}}, true, "operators too"},
		{`{"StringEquals":{"s3:prefix":"a*"}}`, Keys{"s3:prefix": {"ab"}}, false, "no wildcards in Equals"},
		{`{"StringEquals":{"s3:prefix":"A"}}`, Keys{"s3:prefix": {"a"}}, false, "values have a case"},
		{`{"StringEqualsIgnoreCase":{"s3:prefix":"A"}}`, Keys{"s3:prefix": {"a"}}, true, "unless told otherwise"},
		{`{"StringLike":{"s3:prefix":"runs/*/t?"}}`, Keys{"s3:prefix": {"runs/a/b/t1"}}, true, "wildcards in Like"},
		{`{"StringLike":{"s3:prefix":"*a*a"}}`, Keys{"s3:prefix": {"aaab"}}, false, "the pattern reaches the end"},
		{`{"StringNotEquals":{"s3:prefix":["a","b"]}}`, Keys{"s3:prefix": {"c"}}, true, "none of the values"},
		{`{"StringNotEquals":{"s3:prefix":["a","b"]}}`, Keys{"s3:prefix": {"b"}}, false, "one of the values"},
		{`{"StringNotEquals":{"s3:prefix":"a"}}`, nil, true, "absent is not equal"},
		{`{"StringNotLike":{"s3:prefix":"a*"}}`, nil, true, "nor alike"},
		{`{"StringEquals":{"s3:prefix":"a"}}`, nil, false, "nor equal"},
		{`{"StringEqualsIfExists":{"s3:prefix":"a"}}`, nil, true, "if it exists at all"},
		{`{"StringEqualsIfExists":{"s3:prefix":"a"}}`, Keys{"s3:prefix": {"b"}}, false, "it exists"},
		{`{"Null":{"s3:prefix":"true"}}`, nil, true, "it must be absent, and is"},
		{`{"Null":{"s3:prefix":true}}`, Keys{"s3:prefix": {"a"}}, false, "it must be absent, and is not; a JSON boolean"},
		{`{"Null":{"s3:prefix":"false"}}`, Keys{"s3:prefix": {"a"}}, true, "it must be there"},
		{`{"Bool":{"aws:SecureTransport":"false"}}`, nil, false, "the local port counts as secure"},
		{`{"Bool":{"aws:SecureTransport":true}}`, nil, true, "as a JSON boolean"},
		{`{"ArnLike":{"lambda:SourceFunctionArn":"arn:aws:lambda:*:000000000000:function:*"}}`, Keys{"lambda:SourceFunctionArn": {"arn:aws:lambda:us-east-1:000000000000:function:aim"}}, true, "part by part"},
		{`{"ArnEquals":{"lambda:SourceFunctionArn":"arn:aws:lambda:*:function:*"}}`, Keys{"lambda:SourceFunctionArn": {"arn:aws:lambda:us-east-1:000000000000:function:aim"}}, false, "not over a colon"},
		{`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/worker"}}`, nil, false, "the role behind the session"},
		{`{"NumericLessThanEquals":{"s3:max-keys":10}}`, Keys{"s3:max-keys": {"10"}}, true, "numbers"},
		{`{"NumericLessThan":{"s3:max-keys":"10"}}`, Keys{"s3:max-keys": {"9.5"}}, true, "as numbers, not as text"},
		{`{"NumericGreaterThan":{"s3:max-keys":10}}`, Keys{"s3:max-keys": {"x"}}, false, "not a number"},
		{`{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}`, nil, true, "it is later"},
		{`{"DateLessThan":{"aws:EpochTime":"1577836800"}}`, nil, false, "in epoch seconds too"},
		{`{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, Keys{"aws:TagKeys": {"a", "b"}}, true, "no other tags"},
		{`{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, Keys{"aws:TagKeys": {"a", "c"}}, false, "another tag"},
		{`{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}}`, nil, true, "all of none"},
		{`{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, Keys{"aws:TagKeys": {"c", "b"}}, true, "one is enough"},
		{`{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"}}`, nil, false, "one of none"},
		{`{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"a"}}`, Keys{"aws:TagKeys": {"a", "b"}}, true, "one that is another"},
		{`{"ForAllValues:StringNotLike":{"aws:TagKeys":"aws:*"}}`, Keys{"aws:TagKeys": {"a", "aws:x"}}, false, "one that is forbidden"},
		{`{"StringEquals":{"aws:RequestTag/owner":"${aws:userid}"}}`, Keys{"aws:RequestTag/owner": {"someone"}}, false, "a variable among the values"},
	} {
		s, caller := worker(t, `[{"Effect":"Allow","Action":"x:Y","Resource":"*","Condition":`+test.condition+`}]`)
		if err := s.Authorize(caller, "x:Y", "*", test.keys); test.holds != (err == nil) {
			t.Errorf("%s: %s with %v: %v", test.why, test.condition, test.keys, err)
		}
	}
}

func TestRefusedDocuments(t *testing.T) {
	for _, test := range []struct{ document, names string }{
		{`{"Version":"2008-10-17","Statement":[]}`, "Version"},
		{`{"Version":"2012-10-17"}`, "no Statement"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Extra":1}]}`, "Extra"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"a:B","Resource":"*"}]}`, "Maybe"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}`, "Action"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","NotAction":"a:C","Resource":"*"}]}`, "NotAction"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"GetObject","Resource":"*"}]}`, "GetObject"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"results/*"}]}`, "results/*"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}/*"}]}`, "aws:PrincipalTag/team"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"arn:aws:s3:::b/${*}"}]}`, "${*}"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`, "IpAddress"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"Sometimes:StringEquals":{"a:k":"x"}}}]}`, "Sometimes"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"NullIfExists":{"a:k":"true"}}}]}`, "NullIfExists"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpce":"x"}}}]}`, "aws:SourceVpce"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"StringEquals":{"aws:TagKeys":"x"}}}]}`, "ForAllValues"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"yes"}}}]}`, "yes"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"NumericEquals":{"s3:max-keys":"many"}}}]}`, "many"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"s3:TlsVersion":"1.0"}}}]}`, "s3:TlsVersion"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"ec2:SpotInterruption":"x"}}}]}`, "ec2:SpotInterruption"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","NotPrincipal":"*"}]}`, "NotPrincipal"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Principal":{"Federated":"x"}}]}`, "Federated"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Principal":{"AWS":"arn:aws:iam::1:role/*"}}]}`, "wildcard"},
		{`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"a:B","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"a:B","Resource":"*"}]}`, "twice"},
		{`{"Version":"2012-10-17","Statement":[]} x`, "JSON"},
	} {
		if _, err := ParseDocument([]byte(test.document)); err == nil || !strings.Contains(err.Error(), test.names) {
			t.Errorf("%s: error %v, want one that names %q", test.document, err, test.names)
		}
	}
	s := NewStore("000000000000")
	trust := parse(t, trustLambda)
	if err := s.PutRole(Role{Name: "r", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	noResource := parse(t, `[{"Effect":"Allow","Action":"a:B"}]`)
	for why, err := range map[string]error{
		"a trust policy without a principal": s.PutRole(Role{Name: "x", Trust: noResource}),
		"a bad name":                         s.PutRole(Role{Name: "a/b", Trust: trust}),
		"a policy without a resource":        s.PutPolicy("r", "p", noResource),
		"a policy with a principal":          s.PutPolicy("r", "p", trust),
		"no such role":                       s.PutPolicy("x", "p", parse(t, `[{"Effect":"Allow","Action":"a:B","Resource":"*"}]`)),
	} {
		if err == nil {
			t.Errorf("%s was accepted", why)
		}
	}
}

func TestTrust(t *testing.T) {
	for _, test := range []struct {
		trust   string
		service string
		allowed bool
		why     string
	}{
		{trustLambda, "lambda.amazonaws.com", true, "named"},
		{trustLambda, "ec2.amazonaws.com", false, "not named"},
		{`[{"Effect":"Allow","Action":"sts:TagSession","Principal":{"Service":"lambda.amazonaws.com"}}]`, "lambda.amazonaws.com", false, "for another action"},
		{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["a.amazonaws.com","lambda.amazonaws.com"]},"Condition":{"StringEquals":{"aws:SourceAccount":"000000000000"}}}]`, "lambda.amazonaws.com", true, "from this account"},
		{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"111111111111"}}}]`, "lambda.amazonaws.com", false, "from another"},
		{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}},{"Effect":"Deny","Action":"sts:*","Principal":{"Service":"lambda.amazonaws.com"}}]`, "lambda.amazonaws.com", false, "Deny wins"},
		{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"Bool":{"aws:PrincipalIsAWSService":"true"},"Null":{"aws:username":"true"}}}]`, "lambda.amazonaws.com", true, "a service is no user"},
		{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"sts:RoleSessionName":"s"}}}]`, "lambda.amazonaws.com", true, "for this session's name"},
		{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"sts:RoleSessionName":"t"}}}]`, "lambda.amazonaws.com", false, "for another's"},
		{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}]`, "lambda.amazonaws.com", false, "every account is no service"},
	} {
		s := NewStore("000000000000")
		if err := s.PutRole(Role{Name: "r", Trust: parse(t, test.trust)}); err != nil {
			t.Fatal(err)
		}
		credentials, caller, err := s.AssumeRole("arn:aws:iam::000000000000:role/r", "s", test.service, time.Hour)
		if test.allowed != (err == nil) {
			t.Errorf("%s: %v", test.why, err)
			continue
		}
		if err != nil {
			continue
		}
		found, who, ok := s.Lookup(credentials.AccessKeyID)
		if !ok || found != credentials || who.ARN != caller.ARN || who.ARN != "arn:aws:sts::000000000000:assumed-role/r/s" || !strings.HasSuffix(who.UserID, ":s") {
			t.Errorf("the session is %+v", who)
		}
	}
}

func TestSessionEndsWithItsRole(t *testing.T) {
	s, caller := worker(t, `[{"Effect":"Allow","Action":"*","Resource":"*"}]`)
	if err := s.Authorize(caller, "a:B", "*", nil); err != nil {
		t.Fatal(err)
	}
	s.DeleteRole("worker")
	if err := s.Authorize(caller, "a:B", "*", nil); err == nil {
		t.Error("a session without its role is still allowed")
	}
	if _, _, err := s.AssumeRole("arn:aws:iam::000000000000:role/worker", "s", "lambda.amazonaws.com", time.Hour); err == nil {
		t.Error("a deleted role was assumed")
	}
}

// A function's own code may not touch network interfaces, AWS on its behalf may.
func TestSessionKeys(t *testing.T) {
	s, hosted := worker(t, `[{"Effect":"Allow","Action":"ec2:*","Resource":"*"},{"Effect":"Deny","Action":"ec2:*","Resource":"*","Condition":{"ArnEquals":{"lambda:SourceFunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:aim"}}}]`)
	if err := s.Authorize(hosted, "ec2:CreateNetworkInterface", "*", nil); err != nil {
		t.Errorf("AWS itself: %v", err)
	}
	credentials, _, err := s.AssumeRole("arn:aws:iam::000000000000:role/worker", "aim", "lambda.amazonaws.com", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.SetSessionKeys(credentials.AccessKeyID, Keys{"lambda:SourceFunctionArn": {"arn:aws:lambda:us-east-1:000000000000:function:aim"}})
	_, code, _ := s.Lookup(credentials.AccessKeyID)
	err = s.Authorize(code, "ec2:CreateNetworkInterface", "*", nil)
	want := "User: arn:aws:sts::000000000000:assumed-role/worker/aim is not authorized to perform: ec2:CreateNetworkInterface with an explicit deny in an identity-based policy"
	if err == nil || err.Error() != want {
		t.Errorf("the code: %v", err)
	}
}

func TestResourcePolicies(t *testing.T) {
	const object = "arn:aws:s3:::b/k"
	for _, test := range []struct {
		identity, resource string
		allowed            bool
		why                string
	}{
		{nothing, `[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*","Principal":"*"}]`, true, "within an account either may allow"},
		{nothing, `[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":{"AWS":"arn:aws:iam::000000000000:role/worker"}}]`, true, "the role by name"},
		{nothing, `[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":{"AWS":"arn:aws:iam::000000000000:role/other"}}]`, false, "another role"},
		{nothing, `[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":{"AWS":"000000000000"}}]`, false, "the account delegates to its own policies"},
		{`[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]`, `[{"Effect":"Deny","Action":"s3:*","Resource":"*","Principal":{"AWS":"*"},"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]`, true, "all connections count as secure"},
		{`[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]`, `[{"Effect":"Deny","Action":"s3:Get*","Resource":"*","Principal":"*"}]`, false, "Deny wins, wherever it stands"},
		{`[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]`, `[{"Effect":"Deny","Action":"s3:Get*","Resource":"*","Principal":{"AWS":"arn:aws:iam::000000000000:root"}}]`, false, "also for the whole account"},
		{`[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]`, `[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}]`, false, "also in the role"},
	} {
		s, caller := worker(t, test.identity)
		if err := s.AuthorizeWith(caller, parse(t, test.resource), "s3:GetObject", object, nil); test.allowed != (err == nil) {
			t.Errorf("%s: %v", test.why, err)
		}
	}
}

func TestUsage(t *testing.T) {
	s, caller := worker(t,
		`[{"Sid":"Read","Effect":"Allow","Action":["s3:GetObject","s3:List*"],"Resource":"*"},{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::secret/*"}]`,
		`[{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}]`)
	for range 3 {
		if err := s.Authorize(caller, "s3:GetObject", "arn:aws:s3:::b/k", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Authorize(caller, "s3:GetObject", "arn:aws:s3:::secret/k", nil); err == nil {
		t.Fatal("a denied call was allowed")
	}
	if err := s.Authorize(caller, "ec2:DescribeInstances", "*", nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range s.Usage() {
		got = append(got, fmt.Sprintf("%s %d %s %s=%d", g.Policy, g.Statement, g.Sid, g.Action, g.Allowed))
	}
	want := "p0 0 Read s3:GetObject=3, p0 0 Read s3:List*=0, p1 0  not: s3:*=1"
	if have := strings.Join(got, ", "); have != want {
		t.Errorf("usage\n got %s\nwant %s", have, want)
	}
}

func TestUsageOfResources(t *testing.T) {
	s, caller := worker(t,
		`[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::b/a","arn:aws:s3:::b/*","arn:aws:s3:::c/*"]}]`,
		`[{"Effect":"Allow","Action":"sqs:*","NotResource":["arn:aws:sqs:us-east-1:000000000000:q","arn:aws:sqs:us-east-1:000000000000:r"]}]`)
	for _, call := range []struct{ action, on string }{
		{"s3:GetObject", "arn:aws:s3:::b/a"}, {"s3:GetObject", "arn:aws:s3:::b/x"}, {"s3:GetObject", "arn:aws:s3:::b/y"},
		{"s3:PutObject", "arn:aws:s3:::c/z"}, {"sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:s"},
	} {
		if err := s.Authorize(caller, call.action, call.on, nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, g := range s.Usage() {
		got = append(got, fmt.Sprintf("%s %v=%d", g.Action, g.On, g.Allowed))
	}
	want := "s3:GetObject [{arn:aws:s3:::b/a 1} {arn:aws:s3:::b/* 2} {arn:aws:s3:::c/* 0}]=3, " +
		"s3:PutObject [{arn:aws:s3:::b/a 0} {arn:aws:s3:::b/* 0} {arn:aws:s3:::c/* 1}]=1, " +
		"sqs:* [{not: arn:aws:sqs:us-east-1:000000000000:q, arn:aws:sqs:us-east-1:000000000000:r 1}]=1"
	if have := strings.Join(got, ", "); have != want {
		t.Errorf("usage\n got %s\nwant %s", have, want)
	}
}

func TestDenials(t *testing.T) {
	s, caller := worker(t, `[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}]`)
	for _, call := range []struct{ action, key string }{
		{"s3:GetObject", "b/k"}, {"s3:GetObject", "c/first"}, {"s3:GetObject", "c/second"}, {"s3:PutObject", "b/k"},
	} {
		_ = s.Authorize(caller, call.action, "arn:aws:s3:::"+call.key, nil)
	}
	if _, _, err := s.AssumeRole(caller.RoleARN, "session", "ec2.amazonaws.com", time.Hour); err == nil {
		t.Fatal("a service that the role does not trust assumed it")
	}
	var got []string
	for _, d := range s.Denials() {
		got = append(got, fmt.Sprintf("%q %d× %v", d.RoleARN, d.Count, d.Error()))
	}
	want := []string{
		`"" 1× User: ec2.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: ` + caller.RoleARN + ` because no resource-based policy allows the sts:AssumeRole action`,
		`"` + caller.RoleARN + `" 2× User: ` + caller.ARN + ` is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::c/first because no identity-based policy allows the s3:GetObject action`,
		`"` + caller.RoleARN + `" 1× User: ` + caller.ARN + ` is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b/k with an explicit deny in an identity-based policy`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("denials\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestInstanceProfiles(t *testing.T) {
	s, _ := worker(t)
	s.PutInstanceProfile("profile", "arn:aws:iam::000000000000:instance-profile/profile", "worker")
	for _, name := range []string{"profile", "arn:aws:iam::000000000000:instance-profile/profile"} {
		if role, ok := s.InstanceProfileRole(name); !ok || role != "arn:aws:iam::000000000000:role/worker" {
			t.Errorf("%s holds %q", name, role)
		}
	}
	if role, ok := s.InstanceProfileRole("other"); ok {
		t.Errorf("an unknown profile holds %q", role)
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:userid}","Condition":{"Bool":{"aws:SecureTransport":true}}}]}`, "s3:GetObject", "arn:aws:s3:::b/k")
	f.Fuzz(func(t *testing.T, document, action, resource string) {
		d, err := ParseDocument([]byte(document))
		if err != nil {
			return
		}
		s := NewStore("000000000000")
		caller := Caller{Account: "000000000000", ARN: "arn:aws:sts::000000000000:assumed-role/r/s", RoleARN: "arn:aws:iam::000000000000:role/r"}
		trust, _ := ParseDocument([]byte(`{"Version":"2012-10-17","Statement":` + trustLambda + `}`))
		if s.PutRole(Role{Name: "r", Trust: trust, Policies: map[string]Document{"p": d}}) != nil {
			return
		}
		// Adding a Deny of everything must always end in a refusal.
		_ = s.Authorize(caller, action, resource, nil)
		deny, _ := ParseDocument([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`))
		if err := s.PutPolicy("r", "deny", deny); err != nil {
			t.Fatal(err)
		}
		if s.Authorize(caller, action, resource, nil) == nil {
			t.Errorf("%s on %s was allowed against an explicit deny", action, resource)
		}
	})
}
