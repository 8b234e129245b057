package states

import "slices"

// graph checks that every transition leads to a state of the same flow, that
// every state can be reached, and that the flow can end.
func (p *parser) graph(path string, flow *Flow) {
	known := func(at, name string) bool {
		if name == "" {
			return false
		}
		if _, ok := flow.States[name]; !ok {
			// A state that was itself refused has its own problem already.
			if _, refused := p.names[name]; !refused || flow.States == nil {
				p.report(at, "MISSING_TRANSITION_TARGET: there is no state %q here", name)
			} else if p.names[name] != pointer(path+"/States", name) {
				p.report(at, "MISSING_TRANSITION_TARGET: the state %q belongs to another flow", name)
			}
			return false
		}
		return true
	}
	reached := map[string]bool{}
	var visit func(at, name string)
	visit = func(at, name string) {
		if !known(at, name) || reached[name] {
			return
		}
		reached[name] = true
		s := flow.States[name]
		here := pointer(path+"/States", name)
		if s.Next != "" {
			visit(pointer(here, "Next"), s.Next)
		}
		if s.Choice != nil {
			for i, r := range s.Choice.Rules {
				visit(index(pointer(here, "Choices"), i)+"/Next", r.Next)
			}
			visit(pointer(here, "Default"), s.Choice.Default)
		}
		for i, c := range s.Catch {
			visit(index(pointer(here, "Catch"), i)+"/Next", c.Next)
		}
	}
	visit(pointer(path, "StartAt"), flow.StartAt)
	ends := false
	for _, name := range flow.Order {
		s := flow.States[name]
		ends = ends || s.ends()
		if !reached[name] && flow.States[flow.StartAt] != nil {
			p.report(pointer(path+"/States", name), "the state %q is not reachable from %q", name, flow.StartAt)
		}
	}
	if !ends && len(flow.Order) > 0 && len(p.problems) == 0 {
		p.report(path, "the flow has no state that ends it")
	}
}

func (s *State) ends() bool {
	return s.Type == "Succeed" || s.Type == "Fail" || s.Choice == nil && s.Next == ""
}

// nameScope are the variables that the states of one flow assign, over those of
// the flows around it.
type nameScope struct {
	names  map[string]bool
	parent *nameScope
}

func (n *nameScope) has(name string) bool {
	return n != nil && (n.names[name] || n.parent.has(name))
}

// variables checks every $name against the scopes of the service: a flow reads
// its own variables and those around it, may not assign a name of an outer flow,
// and the children of a distributed Map start with none (developer guide,
// "Passing data between states with variables").
func (p *parser) variables(path string, flow *Flow, outer *nameScope) {
	scope := &nameScope{names: map[string]bool{}, parent: outer}
	for _, name := range flow.Order {
		for _, a := range flow.States[name].assignments() {
			if outer.has(a.Name) {
				p.report(a.Value.path, "the variable $%s is already assigned in an outer flow", a.Name)
			}
			scope.names[a.Name] = true
		}
	}
	for _, name := range flow.Order {
		s := flow.States[name]
		s.expressions(func(t *template) {
			for _, v := range t.expr.refs.Vars {
				switch {
				case scope.has(v) || isBuiltin(v) || t.expr.refs.Local[v]:
				case v == "eval":
					p.report(t.path, "$eval is not available; use $parse")
				default:
					p.report(t.path, "no state that this one can see assigns the variable $%s, and there is no such function", v)
				}
			}
		})
		here := pointer(path+"/States", name)
		if s.Parallel != nil {
			for i, b := range s.Parallel.Branches {
				p.variables(index(pointer(here, "Branches"), i), b, scope)
			}
		}
		if s.Map != nil && s.Map.Processor != nil {
			around := scope
			if s.Map.Distributed {
				around = nil
			}
			p.variables(pointer(here, "ItemProcessor"), s.Map.Processor, around)
		}
	}
}

// assignments are all the variables that the state may assign.
func (s *State) assignments() []assignment {
	all := slices.Clone(s.Assign)
	for _, c := range s.Catch {
		all = append(all, c.Assign...)
	}
	if s.Choice != nil {
		for _, r := range s.Choice.Rules {
			all = append(all, r.Assign...)
		}
	}
	return all
}

// expressions calls fn with every JSONata expression of the state itself.
func (s *State) expressions(fn func(*template)) {
	var walk func(t *template)
	walk = func(t *template) {
		if t == nil {
			return
		}
		if t.expr != nil {
			fn(t)
		}
		for _, name := range t.order {
			walk(t.fields[name])
		}
		for _, item := range t.items {
			walk(item)
		}
	}
	walk(s.Output)
	for _, a := range s.assignments() {
		walk(a.Value)
	}
	for _, c := range s.Catch {
		walk(c.Output)
	}
	if t := s.Task; t != nil {
		walk(t.Arguments)
		walk(t.Timeout)
	}
	if m := s.Map; m != nil {
		for _, t := range []*template{m.Items, m.ItemSelector, m.MaxConcurrency, m.ToleratedCount, m.ToleratedPercentage} {
			walk(t)
		}
	}
	if s.Parallel != nil {
		walk(s.Parallel.Arguments)
	}
	if c := s.Choice; c != nil {
		for _, r := range c.Rules {
			walk(r.Condition)
			walk(r.Output)
		}
	}
	if s.Wait != nil {
		walk(s.Wait.Seconds)
		walk(s.Wait.Timestamp)
	}
	if s.Fail != nil {
		walk(s.Fail.Error)
		walk(s.Fail.Cause)
	}
}
