package lambda

import (
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// Permission is one statement of a function's own policy, as
// AWS::Lambda::Permission writes it.
type Permission struct {
	ID            string
	Action        string // lambda:InvokeFunction
	Principal     string // events.amazonaws.com
	SourceARN     string // may hold * and ?; empty means any
	SourceAccount string // empty means any
}

// Permit adds a statement to a function's policy.
func (s *Service) Permit(function string, p Permission) error {
	fn, err := s.find(function)
	if err != nil {
		return err
	}
	if p.Action != "lambda:InvokeFunction" {
		return invalid("action %s is not implemented in a function's policy: only lambda:InvokeFunction is", p.Action)
	}
	if !strings.HasSuffix(p.Principal, ".amazonaws.com") {
		return invalid("principal %s is not implemented in a function's policy: only services are", p.Principal)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := fn.permissions[p.ID]; taken {
		return conflict("The statement id (" + p.ID + ") provided already exists. Please provide a new statement id, or remove the existing statement.")
	}
	fn.permissions[p.ID] = p
	return nil
}

// Forbid takes a statement back.
func (s *Service) Forbid(function, id string) error {
	fn, err := s.find(function)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(fn.permissions, id)
	return nil
}

// permits asks the function's policy.
func (s *Service) permits(fn *function, src Source) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range fn.permissions {
		if p.Principal == src.Service &&
			(p.SourceARN == "" || like(p.SourceARN, src.ARN)) &&
			(p.SourceAccount == "" || p.SourceAccount == s.cfg.Account) {
			return true
		}
	}
	return false
}

// like is IAM's ArnLike for one whole string: * any run of characters, ? one.
func like(pattern, s string) bool {
	for len(pattern) > 0 {
		switch pattern[0] {
		case '*':
			for i := 0; i <= len(s); i++ {
				if like(pattern[1:], s[i:]) {
					return true
				}
			}
			return false
		case '?':
			if s == "" {
				return false
			}
		default:
			if s == "" || s[0] != pattern[0] {
				return false
			}
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}

func conflict(message string) error {
	return &gateway.Error{Code: "ResourceConflictException", Message: message, Status: 409}
}
