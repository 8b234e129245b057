// Package iam is the identity service of the local cloud: who signs a call,
// which role that is, and what the role's policies allow.
//
// Evaluation follows AWS: an explicit Deny wins, otherwise one Allow is needed,
// and a call that touches several resources is asked once for each of them.
package iam

import (
	"fmt"
	"time"
)

// Credentials sign requests. Operator credentials have no session token.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expires         time.Time // zero: never
}

// Caller is who signed a request.
type Caller struct {
	Account string
	ARN     string // arn:aws:sts::<account>:assumed-role/<role>/<session>, or arn:aws:iam::<account>:user/operator
	UserID  string // as sts:GetCallerIdentity shows it
	RoleARN string // empty for the operator, who may do everything
	Session Keys   // condition keys that the session itself carries (lambda:SourceFunctionArn); see Store.SetSessionKeys
}

// isService says whether this is a service of AWS, which assumes a role. Its
// ARN is then the service's name.
func (c Caller) isService() bool { return c.Account == "" }

// Keys are the condition keys of one authorisation, by their full names in the
// case AWS documents ("aws:RequestTag/fairlead:stack", "ec2:CreateAction").
// Global keys such as aws:SecureTransport and aws:PrincipalArn are added by the store.
type Keys map[string][]string

// Role is an IAM role: who may assume it, and what its inline policies say.
type Role struct {
	Name     string
	ARN      string // empty: arn:aws:iam::<account>:role/<name>
	Trust    Document
	Policies map[string]Document // by policy name; PutPolicy adds to it
}

// Grant is one action pattern of one Allow statement of a role, and how often
// it allowed a call. A call that several grants allow counts for each.
type Grant struct {
	RoleARN   string
	Policy    string // policy name
	Statement int    // index within the policy, from 0
	Sid       string
	Action    string // as the statement writes it; "not: a, b" for a NotAction
	Allowed   int    // calls × resources that it allowed
	On        []Reach
}

// Reach is one resource pattern of a grant, and how often the grant allowed a
// call on a resource of it. Of several patterns that match, the first counts.
type Reach struct {
	Resource string // as the statement writes it; "not: a, b" for a NotResource
	Allowed  int
}

// Denial is an action that a caller was denied: the first time in full, and how
// often. The sessions of one role are one caller.
type Denial struct {
	Denied
	RoleARN string // empty for the operator, or for a service that assumes a role
	Count   int
}

// Denied says that a call is not allowed, in AWS's words.
type Denied struct {
	Caller   string // ARN
	Action   string
	Resource string
	Explicit bool   // a Deny statement matched; else no statement allowed it
	In       string // the kind of policy that decided: "identity-based" or "resource-based"
}

// Error is worded as in the IAM User Guide, "Troubleshoot access denied error
// messages". AWS leaves the resource out where the action has none.
func (d *Denied) Error() string {
	on := ""
	if d.Resource != "" && d.Resource != "*" {
		on = " on resource: " + d.Resource
	}
	if d.Explicit {
		return fmt.Sprintf("User: %s is not authorized to perform: %s%s with an explicit deny in %s %s policy", d.Caller, d.Action, on, article(d.In), d.In)
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s%s because no %s policy allows the %s action", d.Caller, d.Action, on, d.In, d.Action)
}

func article(word string) string {
	if word[0] == 'i' {
		return "an"
	}
	return "a"
}
