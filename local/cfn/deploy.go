package cfn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Engine deploys templates with the types that it was given.
type Engine struct {
	Region  string
	Account string
	Zones   []string // availability zones, for Fn::GetAZs
	Types   map[string]Type
}

// The states of a stack that has been deployed. While it is being deployed, or
// deleted, nobody sees it.
const (
	CreateComplete = "CREATE_COMPLETE"
	DeleteFailed   = "DELETE_FAILED"
)

// Stack is a deployed template.
type Stack struct {
	Name         string
	ID           string
	Description  string
	Created      time.Time
	Status       string // CreateComplete or DeleteFailed
	StatusReason string // of a failure
	Parameters   map[string]string
	Hidden       []string // parameters whose values are not to be shown (NoEcho)
	Outputs      map[string]string
	Descriptions map[string]string // of outputs that have one
	Resources    []Resource        // in the order of creation
	NoEffect     []NoEffect
	engine       *Engine
}

// Resource is a created resource of a stack.
type Resource struct {
	LogicalID string
	Type      string
	Physical  Physical
	Retain    bool // DeletionPolicy
	Created   time.Time
	Failed    string // why it could not be deleted
}

// NoEffect is something that the template declares and the local cloud accepts
// without acting on it.
type NoEffect struct {
	LogicalID string
	Type      string
	Property  string // path within Properties; empty when it is the whole resource
	Reason    string
}

func (n NoEffect) String() string {
	if n.Property == "" {
		return fmt.Sprintf("%s (%s): %s", n.LogicalID, n.Type, n.Reason)
	}
	return fmt.Sprintf("%s (%s) %s: %s", n.LogicalID, n.Type, n.Property, n.Reason)
}

// Summary lists what has no effect in one line for each type, property and
// reason, with the number of resources that it was said of.
func (s *Stack) Summary() []string {
	type what struct{ kind, property, reason string }
	count := map[what]int{}
	var order []what
	for _, n := range s.NoEffect {
		w := what{n.Type, n.Property, n.Reason}
		if count[w]++; count[w] == 1 {
			order = append(order, w)
		}
	}
	lines := make([]string, len(order))
	for i, w := range order {
		lines[i] = fmt.Sprintf("%d × %s: %s", count[w], strings.TrimSpace(w.kind+" "+w.property), w.reason)
	}
	slices.Sort(lines)
	return lines
}

// stackName is CloudFormation's rule for the name of a stack.
var stackName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// plan is a template that has passed all checks.
type plan struct {
	template
	order    []string
	values   map[string]string // of the parameters
	noEffect []NoEffect
}

// check finds all that is wrong with a template before anything is created.
func (e *Engine) check(name string, text []byte, parameters map[string]string) (plan, error) {
	var problems Problems
	if !stackName.MatchString(name) {
		problems.add("stack name "+name, "must match %s", stackName)
	}
	p := plan{template: parse(text, &problems)}
	p.values = p.template.values(parameters, &problems)
	pseudo := e.pseudo(name)
	needs := map[string]map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(p.resources)) {
		r := p.resources[id]
		path := "Resources." + id
		needs[id] = map[string]bool{}
		t, known := e.Types[r.kind]
		if !known && r.kind != "" {
			problems.add(path, "the resource type %s is not implemented", r.kind)
		}
		for _, d := range r.dependsOn {
			if _, ok := p.resources[d]; !ok {
				problems.add(path+".DependsOn", "%q does not exist", d)
				continue
			}
			needs[id][d] = true
		}
		e.references(path, r.properties, p.template, pseudo, &problems, needs[id])
		if known {
			p.noEffect = append(p.noEffect, e.properties(id, r, t, &problems)...)
		}
	}
	for _, o := range slices.Sorted(maps.Keys(p.outputs)) {
		e.references("Outputs."+o, p.outputs[o], p.template, pseudo, &problems, map[string]bool{})
	}
	for _, o := range p.exports {
		p.noEffect = append(p.noEffect, NoEffect{LogicalID: o, Type: "Output", Property: "Export", Reason: "no other stack imports it"})
	}
	var err error
	if p.order, err = order(needs); err != nil {
		problems.add("Resources", "%v", err)
	}
	if len(problems) > 0 {
		return plan{}, problems
	}
	return p, nil
}

// references checks what a value refers to and adds the resources to needs.
func (e *Engine) references(path string, v any, t template, pseudo map[string]string, problems *Problems, needs map[string]bool) {
	references(path, v, func(path string, r reference) {
		_, isPseudo := pseudo[r.name]
		_, isParameter := t.parameters[r.name]
		target, isResource := t.resources[r.name]
		switch {
		case r.attribute == "" && (isPseudo || isParameter || r.name == "AWS::NoValue"):
		case !isResource:
			problems.add(path, "refers to %q, which does not exist", r.name)
		default:
			needs[r.name] = true
			if kind, known := e.Types[target.kind]; known && r.attribute != "" && !slices.Contains(kind.Attributes, r.attribute) {
				problems.add(path, "the attribute %s of %s (%s) is not implemented", r.attribute, r.name, target.kind)
			}
		}
	}, func(path string, err error) { problems.add(path, "%v", err) })
}

// properties compares a resource's properties with its type's, and lists the
// ones that have no effect.
func (e *Engine) properties(id string, r resource, t Type, problems *Problems) []NoEffect {
	var out []NoEffect
	root := "Resources." + id + ".Properties"
	d := decoder{problems: problems, ignored: func(path, reason string) {
		property := strings.TrimPrefix(path, root+".")
		if reason == "" {
			reason = t.Ignored[property]
		}
		if reason != "" {
			out = append(out, NoEffect{LogicalID: id, Type: r.kind, Property: property, Reason: reason})
		}
	}}
	d.walk(root, asObject(r.properties), t.properties, nil)
	if t.NoEffect != "" {
		return []NoEffect{{LogicalID: id, Type: r.kind, Reason: t.NoEffect}}
	}
	return out
}

func asObject(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func (e *Engine) pseudo(stack string) map[string]string {
	return map[string]string{
		"AWS::AccountId": e.Account, "AWS::Region": e.Region, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackName": stack, "AWS::StackId": stackID(e.Region, e.Account, stack),
	}
}

// Deploy creates a stack. A refused template is a Problems; when a resource
// cannot be created, those made before it are removed again, as CloudFormation
// rolls back.
func (e *Engine) Deploy(ctx context.Context, name string, text []byte, parameters map[string]string) (*Stack, error) {
	p, err := e.check(name, text, parameters)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Name: name, ID: stackID(e.Region, e.Account, name), Description: p.description, Created: time.Now(), Status: CreateComplete,
		Parameters: p.values, Outputs: map[string]string{}, Descriptions: p.descriptions, NoEffect: p.noEffect, engine: e,
	}
	for _, name := range slices.Sorted(maps.Keys(p.parameters)) {
		if p.parameters[name].hidden {
			s.Hidden = append(s.Hidden, name)
		}
	}
	r := &resolver{pseudo: e.pseudo(name), zones: e.Zones, parameters: p.values, created: map[string]Physical{}}
	for _, id := range p.order {
		made, err := e.create(ctx, s, r, id, p.resources[id])
		if err != nil {
			err = fmt.Errorf("create %s (%s): %w", id, p.resources[id].kind, err)
			if back := s.remove(context.WithoutCancel(ctx)); back != nil {
				err = errors.Join(err, fmt.Errorf("roll back: %w", back))
			}
			return nil, err
		}
		r.created[id] = made
		s.Resources = append(s.Resources, Resource{LogicalID: id, Type: p.resources[id].kind, Physical: made, Retain: p.resources[id].retain, Created: time.Now()})
	}
	for _, o := range slices.Sorted(maps.Keys(p.outputs)) {
		if s.Outputs[o], err = r.text(p.outputs[o]); err != nil {
			return nil, errors.Join(fmt.Errorf("output %s: %w", o, err), s.remove(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

func (e *Engine) create(ctx context.Context, s *Stack, r *resolver, id string, res resource) (Physical, error) {
	if err := ctx.Err(); err != nil {
		return Physical{}, err
	}
	t := e.Types[res.kind]
	resolved, err := r.resolve(asObject(res.properties))
	if err != nil {
		return Physical{}, err
	}
	properties := reflect.New(t.properties)
	target := properties.Elem()
	var problems Problems
	decoder{problems: &problems}.walk("Properties", resolved, t.properties, &target)
	if len(problems) > 0 {
		return Physical{}, problems
	}
	return t.create(ctx, Creation{LogicalID: id, StackName: s.Name, StackID: s.ID}, properties.Interface())
}

// Delete removes the stack's resources, last first, but those that the template
// retains. It goes on past failures and reports them all; the stack is then in
// the state DeleteFailed with what is left, and may be deleted again.
func (s *Stack) Delete(ctx context.Context) error {
	err := s.remove(ctx)
	if err == nil {
		return nil
	}
	var left []string
	for _, r := range s.Resources {
		left = append(left, r.LogicalID)
	}
	s.Status = DeleteFailed
	s.StatusReason = fmt.Sprintf("The following resource(s) failed to delete: [%s].", strings.Join(left, ", "))
	return fmt.Errorf("stack %s is %s: %s\n%w", s.Name, s.Status, s.StatusReason, err)
}

// remove leaves in s.Resources what could not be removed. What the template
// retains is no more the stack's, also when its creation is rolled back
// (AWS CloudFormation user guide, "DeletionPolicy attribute").
func (s *Stack) remove(ctx context.Context) error {
	var errs []error
	var left []Resource
	for _, r := range slices.Backward(s.Resources) {
		if r.Retain {
			continue
		}
		if err := s.engine.Types[r.Type].remove(ctx, r.Physical); err != nil {
			errs = append(errs, fmt.Errorf("delete %s (%s): %w", r.LogicalID, r.Type, err))
			r.Failed = err.Error()
			left = append(left, r)
		}
	}
	slices.Reverse(left)
	s.Resources = left
	return errors.Join(errs...)
}
