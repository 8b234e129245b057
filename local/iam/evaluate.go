package iam

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Authorize asks whether a caller may do an action on one resource. The
// resource is an ARN, or "*" for an action that has no resource. It returns
// nil, or a *Denied.
func (s *Store) Authorize(c Caller, action, resource string, keys Keys) error {
	return s.AuthorizeWith(c, Document{}, action, resource, keys)
}

// AuthorizeWith also asks the policy of the resource itself (a bucket's).
// Within one account either policy may allow; a Deny in either wins.
func (s *Store) AuthorizeWith(c Caller, resourcePolicy Document, action, resource string, keys Keys) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if denied := s.decide(c, resourcePolicy, action, resource, keys); denied != nil {
		return s.deny(c, denied)
	}
	return nil
}

// deny counts a denied call. mu is held.
func (s *Store) deny(c Caller, denied *Denied) error {
	of := denial{cmp.Or(c.RoleARN, c.ARN), denied.Action}
	if s.denials[of] == nil {
		s.denials[of] = &Denial{Denied: *denied, RoleARN: c.RoleARN}
	}
	s.denials[of].Count++
	return denied
}

// decide gives nil if the call is allowed, and counts what allows it. mu is held.
func (s *Store) decide(c Caller, resourcePolicy Document, action, resource string, keys Keys) *Denied {
	context := s.contextKeys(c, keys)
	denied := &Denied{Caller: c.ARN, Action: action, Resource: resource, In: "resource-based"}
	allowed := false
	for _, st := range resourcePolicy.Statements {
		named := func(p Principal) bool { return p.Kind == "AWS" && p.names(c) }
		// The account as principal delegates to its identity policies: it
		// allows nothing by itself, yet a Deny reaches everyone in it.
		delegated := func(p Principal) bool { return p.Kind == "AWS" && p.isAccount(c.Account) }
		if !st.matches(action, resource, context) {
			continue
		}
		switch {
		case !st.Allow && (anyOf(st.Principals, named) || anyOf(st.Principals, delegated)):
			denied.Explicit = true
			return denied
		case st.Allow && anyOf(st.Principals, named):
			allowed = true
		}
	}
	if c.RoleARN == "" && c.ARN == s.operator.caller.ARN {
		return nil
	}
	denied.In = "identity-based"
	r := s.byARN(c.RoleARN)
	if r == nil {
		if allowed {
			return nil
		}
		return denied
	}
	var uses []use
	for name, policy := range r.Policies {
		for i, st := range policy.Statements {
			if !st.matches(action, resource, context) {
				continue
			}
			if !st.Allow {
				denied.Explicit = true
				return denied
			}
			uses = append(uses, use{policy: name, statement: i, action: st.patternOf(action), resource: st.resourceOf(resource, context)})
		}
	}
	if len(uses) == 0 && !allowed {
		return denied
	}
	for _, u := range uses {
		r.used[u]++
	}
	return nil
}

// Usage lists what the roles grant, and how often each grant allowed a call, in
// the order of role, policy and statement. Grants with Allowed 0 are in it.
func (s *Store) Usage() []Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	var grants []Grant
	for _, r := range s.roles {
		for name, policy := range r.Policies {
			for i, st := range policy.Statements {
				if !st.Allow {
					continue
				}
				actions := st.Actions
				if len(actions) == 0 {
					actions = []string{"not: " + strings.Join(st.NotActions, ", ")}
				}
				for n, action := range actions {
					g := Grant{RoleARN: r.ARN, Policy: name, Statement: i, Sid: st.Sid, Action: action, On: st.reaches()}
					for k := range g.On {
						g.On[k].Allowed = r.used[use{policy: name, statement: i, action: n, resource: k}]
						g.Allowed += g.On[k].Allowed
					}
					grants = append(grants, g)
				}
			}
		}
	}
	slices.SortStableFunc(grants, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.RoleARN, b.RoleARN), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Statement, b.Statement))
	})
	return grants
}

// Denials lists which calls were denied since the store was made, in the order of
// caller and action.
func (s *Store) Denials() []Denial {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Denial
	for _, d := range s.denials {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b Denial) int {
		return cmp.Or(cmp.Compare(a.RoleARN, b.RoleARN), cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Action, b.Action))
	})
	return all
}

// contextKeys are the keys of a call with the global ones added.
func (s *Store) contextKeys(c Caller, keys Keys) lowerKeys {
	now := time.Now().UTC()
	all := lowerKeys{
		"aws:currenttime": {now.Format(time.RFC3339)},
		"aws:epochtime":   {strconv.FormatInt(now.Unix(), 10)},
		// Plain HTTP on the loopback device stands for TLS: templates deny what
		// is not secure, and nothing leaves this machine.
		"aws:securetransport":       {"true"},
		"aws:principalisawsservice": {strconv.FormatBool(c.isService())},
		"aws:viaawsservice":         {"false"},
	}
	if !c.isService() { // a service that assumes a role is no principal of an account
		all["aws:principalarn"] = []string{cmp.Or(c.RoleARN, c.ARN)}
		all["aws:principalaccount"] = []string{s.account}
		all["aws:principaltype"] = []string{"AssumedRole"}
		all["aws:userid"] = []string{c.UserID}
		if c.RoleARN == "" {
			all["aws:principaltype"] = []string{"User"}
			all["aws:username"] = []string{"operator"}
		}
	}
	for _, more := range []Keys{c.Session, keys} {
		for name, values := range more {
			all[strings.ToLower(name)] = values
		}
	}
	return all
}

func (st Statement) matches(action, resource string, keys lowerKeys) bool {
	return st.matchesAction(action) && st.matchesResource(resource, keys) && st.holds(keys)
}

func (st Statement) matchesAction(action string) bool {
	if len(st.NotActions) > 0 {
		return !anyOf(st.NotActions, func(p string) bool { return likeAction(p, action) })
	}
	return anyOf(st.Actions, func(p string) bool { return likeAction(p, action) })
}

// patternOf is the index of the first pattern that matches an action.
func (st Statement) patternOf(action string) int {
	return max(0, slices.IndexFunc(st.Actions, func(p string) bool { return likeAction(p, action) }))
}

func (st Statement) matchesResource(resource string, keys lowerKeys) bool {
	fits := fitting(resource, keys)
	if len(st.NotResources) > 0 {
		return !anyOf(st.NotResources, fits)
	}
	return anyOf(st.Resources, fits)
}

// fitting tells of a pattern whether it matches the resource.
func fitting(resource string, keys lowerKeys) func(pattern string) bool {
	return func(pattern string) bool {
		expanded, ok := expand(pattern, keys)
		return ok && likeARN(expanded, resource)
	}
}

// resourceOf is the index of the first pattern that matches a resource.
func (st Statement) resourceOf(resource string, keys lowerKeys) int {
	return max(0, slices.IndexFunc(st.Resources, fitting(resource, keys)))
}

// reaches lists the resource patterns.
func (st Statement) reaches() []Reach {
	if len(st.NotResources) > 0 {
		return []Reach{{Resource: "not: " + strings.Join(st.NotResources, ", ")}}
	}
	var all []Reach
	for _, r := range st.Resources {
		all = append(all, Reach{Resource: r})
	}
	return all
}

func (st Statement) holds(keys lowerKeys) bool {
	return !anyOf(st.Conditions, func(c Condition) bool { return !c.holds(keys) })
}

// names reports whether a principal of kind AWS is the caller itself.
func (p Principal) names(c Caller) bool {
	return p.ID == "*" || p.ID == c.ARN || c.RoleARN != "" && p.ID == c.RoleARN
}

func (p Principal) isAccount(account string) bool {
	return p.ID == account || p.ID == fmt.Sprintf("arn:aws:iam::%s:root", account)
}

func anyOf[T any](list []T, test func(T) bool) bool { return slices.ContainsFunc(list, test) }
