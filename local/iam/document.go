package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Document is a parsed policy: of a role, of a resource (a bucket), or a trust
// policy. The zero Document allows nothing.
type Document struct {
	Statements []Statement
}

// Statement is one statement of a policy document.
type Statement struct {
	Sid          string
	Allow        bool
	Actions      []string // patterns
	NotActions   []string
	Resources    []string
	NotResources []string
	Principals   []Principal // only in trust and resource policies
	Conditions   []Condition
}

// Principal names who a trust or resource policy speaks of.
type Principal struct {
	Kind string // "AWS" or "Service"
	ID   string // "*", an account, an ARN, or a service such as lambda.amazonaws.com
}

type statementJSON struct {
	Sid          string          `json:"Sid"`
	Effect       string          `json:"Effect"`
	Action       stringList      `json:"Action"`
	NotAction    stringList      `json:"NotAction"`
	Resource     stringList      `json:"Resource"`
	NotResource  stringList      `json:"NotResource"`
	Principal    json.RawMessage `json:"Principal"`
	NotPrincipal json.RawMessage `json:"NotPrincipal"`
	Condition    map[string]map[string]valueList
}

// ParseDocument reads a policy and refuses, by name, every element, operator,
// condition key and variable that the store cannot evaluate: a policy that is
// only half understood would say yes where AWS says no.
func ParseDocument(text []byte) (Document, error) {
	var raw struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := strict(text, &raw); err != nil {
		return Document{}, fmt.Errorf("policy document: %w", err)
	}
	// Without the version, AWS falls back to 2008-10-17, where ${…} is literal text.
	if raw.Version != "2012-10-17" {
		return Document{}, fmt.Errorf("policy document: Version is %q, want \"2012-10-17\"", raw.Version)
	}
	var list []json.RawMessage
	switch trimmed := bytes.TrimSpace(raw.Statement); {
	case len(trimmed) == 0:
	case trimmed[0] == '{':
		list = []json.RawMessage{trimmed}
	default:
		if err := json.Unmarshal(trimmed, &list); err != nil {
			return Document{}, fmt.Errorf("policy document: Statement: %w", err)
		}
	}
	if len(list) == 0 {
		return Document{}, fmt.Errorf("policy document: it has no Statement")
	}
	var doc Document
	sids := map[string]bool{}
	for i, text := range list {
		s, err := parseStatement(text)
		if err != nil {
			return Document{}, fmt.Errorf("policy document: statement %d: %w", i, err)
		}
		if s.Sid != "" && sids[s.Sid] {
			return Document{}, fmt.Errorf("policy document: statement %d: the Sid %q is used twice", i, s.Sid)
		}
		sids[s.Sid] = true
		doc.Statements = append(doc.Statements, s)
	}
	return doc, nil
}

func parseStatement(text []byte) (Statement, error) {
	var raw statementJSON
	if err := strict(text, &raw); err != nil {
		return Statement{}, err
	}
	s := Statement{
		Sid: raw.Sid, Allow: raw.Effect == "Allow",
		Actions: raw.Action, NotActions: raw.NotAction,
		Resources: raw.Resource, NotResources: raw.NotResource,
	}
	if raw.Effect != "Allow" && raw.Effect != "Deny" {
		return s, fmt.Errorf("the Effect is %q, want Allow or Deny", raw.Effect)
	}
	if (len(raw.Action) == 0) == (len(raw.NotAction) == 0) {
		return s, fmt.Errorf("it needs either Action or NotAction")
	}
	if len(raw.Resource) > 0 && len(raw.NotResource) > 0 {
		return s, fmt.Errorf("it has both Resource and NotResource")
	}
	for _, action := range append(append([]string{}, raw.Action...), raw.NotAction...) {
		if action != "*" && strings.Count(action, ":") != 1 {
			return s, fmt.Errorf("the action %q is not of the form service:Name", action)
		}
	}
	for _, resource := range append(append([]string{}, raw.Resource...), raw.NotResource...) {
		if resource != "*" && (!strings.HasPrefix(resource, "arn:") || strings.Count(resource, ":") < 5) {
			return s, fmt.Errorf("the resource %q is neither \"*\" nor an ARN", resource)
		}
		if err := checkVariables(resource); err != nil {
			return s, fmt.Errorf("resource %q: %w", resource, err)
		}
	}
	if raw.NotPrincipal != nil {
		return s, fmt.Errorf("the local cloud does not evaluate NotPrincipal")
	}
	var err error
	if s.Principals, err = parsePrincipals(raw.Principal); err != nil {
		return s, err
	}
	s.Conditions, err = parseConditions(raw.Condition)
	return s, err
}

func parsePrincipals(text json.RawMessage) ([]Principal, error) {
	if text == nil {
		return nil, nil
	}
	var all string
	if json.Unmarshal(text, &all) == nil {
		if all != "*" {
			return nil, fmt.Errorf("the Principal is %q, want \"*\" or an object", all)
		}
		return []Principal{{Kind: "AWS", ID: "*"}}, nil
	}
	var kinds map[string]stringList
	if err := strict(text, &kinds); err != nil {
		return nil, fmt.Errorf("the Principal: %w", err)
	}
	var principals []Principal
	for _, kind := range []string{"AWS", "Service"} {
		for _, id := range kinds[kind] {
			if id != "*" && strings.ContainsAny(id, "*?") {
				return nil, fmt.Errorf("the principal %q has a wildcard, which AWS allows only alone", id)
			}
			if kind == "Service" && id == "*" {
				return nil, fmt.Errorf("the service principal \"*\" is not valid")
			}
			principals = append(principals, Principal{Kind: kind, ID: id})
		}
		delete(kinds, kind)
	}
	for kind := range kinds {
		return nil, fmt.Errorf("the local cloud does not evaluate principals of the kind %q", kind)
	}
	if len(principals) == 0 {
		return nil, fmt.Errorf("the Principal is empty")
	}
	return principals, nil
}

// strict decodes JSON and refuses members that the target does not have, and
// anything after the value.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is text after the JSON value")
	}
	return nil
}

// stringList is a string or a list of strings, as policies write both.
type stringList []string

func (l *stringList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = stringList{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// valueList is a condition's value or values; booleans and numbers become text.
type valueList []string

func (l *valueList) UnmarshalJSON(text []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		list = []json.RawMessage{text}
	}
	*l = valueList{}
	for _, text := range list {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		switch v := v.(type) {
		case string:
			*l = append(*l, v)
		case bool, float64:
			*l = append(*l, string(bytes.TrimSpace(text)))
		default:
			return fmt.Errorf("the condition value %s is not a string, a number or a boolean", text)
		}
	}
	return nil
}
