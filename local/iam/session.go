package iam

import (
	"maps"
	"time"
)

// AssumeRole opens a session of a role for an AWS service, if the role's trust
// policy lets that service (such as "lambda.amazonaws.com") in.
func (s *Store) AssumeRole(roleARN, sessionName, service string, ttl time.Duration) (Credentials, Caller, error) {
	return s.assume(roleARN, sessionName, ttl, Caller{ARN: service}, func(p Principal) bool {
		return p.Kind == "Service" && p.ID == service
	})
}

// AssumeRoleAs is sts:AssumeRole: a session of a role for a caller of this
// account. The caller's own permission is checked by who asks.
func (s *Store) AssumeRoleAs(c Caller, roleARN, sessionName string, ttl time.Duration) (Credentials, Caller, error) {
	return s.assume(roleARN, sessionName, ttl, c, func(p Principal) bool {
		return p.Kind == "AWS" && (p.names(c) || p.isAccount(c.Account))
	})
}

func (s *Store) assume(roleARN, sessionName string, ttl time.Duration, who Caller, trusted func(Principal) bool) (Credentials, Caller, error) {
	denied := &Denied{Caller: who.ARN, Action: "sts:AssumeRole", Resource: roleARN, In: "resource-based"}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byARN(roleARN)
	if r == nil {
		// AWS, too, does not tell a missing role from a closed one.
		return Credentials{}, Caller{}, s.deny(who, denied)
	}
	about := Keys{"sts:RoleSessionName": {sessionName}}
	if who.isService() {
		about["aws:SourceAccount"] = []string{s.account}
	}
	keys := s.contextKeys(who, about)
	allowed := false
	for _, st := range r.Trust.Statements {
		if !st.matchesAction("sts:AssumeRole") || !anyOf(st.Principals, trusted) || !st.holds(keys) {
			continue
		}
		if !st.Allow {
			denied.Explicit = true
			return Credentials{}, Caller{}, s.deny(who, denied)
		}
		allowed = true
	}
	if !allowed {
		return Credentials{}, Caller{}, s.deny(who, denied)
	}
	now := time.Now()
	for id, old := range s.sessions {
		// Kept for an hour after their end, so that they read as expired and not as unknown.
		if now.Sub(old.credentials.Expires) > time.Hour {
			delete(s.sessions, id)
		}
	}
	opened := session{
		credentials: Credentials{AccessKeyID: newID("ASIA"), SecretAccessKey: newSecret(30), SessionToken: newSecret(96), Expires: now.Add(ttl)},
		caller: Caller{
			Account: s.account, RoleARN: r.ARN, UserID: r.id + ":" + sessionName,
			ARN: "arn:aws:sts::" + s.account + ":assumed-role/" + r.Name + "/" + sessionName,
		},
	}
	s.sessions[opened.credentials.AccessKeyID] = opened
	return opened.credentials, opened.caller, nil
}

// SetSessionKeys gives a session condition keys that come with each of its
// calls, such as lambda:SourceFunctionArn for what a function's code calls.
func (s *Store) SetSessionKeys(accessKeyID string, keys Keys) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.sessions[accessKeyID]; ok {
		found.caller.Session = maps.Clone(keys)
		s.sessions[accessKeyID] = found
	}
}
