package iam

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
)

// Store holds the roles, the instance profiles and the sessions of one account.
// It is safe for concurrent use.
type Store struct {
	account  string
	operator session

	mu       sync.Mutex
	roles    map[string]*role // by name
	profiles map[string]profile
	sessions map[string]session // by access key id
	denials  map[denial]*Denial
}

type role struct {
	Role
	id   string // AROA…, the first part of a session's user id
	used map[use]int
}

type use struct {
	policy    string
	statement int
	action    int // index into Actions; 0 for NotActions
	resource  int // index into Resources; 0 for NotResources
}

// denial is what denied calls are counted by: who, of all sessions of a role,
// and which action. Resources are left out, as there may be any number of them.
type denial struct{ who, action string }

type profile struct{ name, arn, role string }

type session struct {
	credentials Credentials
	caller      Caller
}

// NewStore returns a store for an account of twelve digits, with an operator
// whose key is drawn afresh: a key known beforehand would let every web page
// that the user visits sign requests to the local cloud.
func NewStore(account string) *Store {
	s := &Store{account: account, roles: map[string]*role{}, profiles: map[string]profile{}, sessions: map[string]session{}, denials: map[denial]*Denial{}}
	s.operator = session{
		credentials: Credentials{AccessKeyID: newID("AKIA"), SecretAccessKey: newSecret(30)},
		caller:      Caller{Account: account, ARN: "arn:aws:iam::" + account + ":user/operator", UserID: newID("AIDA")},
	}
	return s
}

// Account is the account number.
func (s *Store) Account() string { return s.account }

// Operator returns the credentials of the account's owner, who may do everything.
func (s *Store) Operator() Credentials { return s.operator.credentials }

// OperatorCaller is the operator as a caller, for calls from within the process.
func (s *Store) OperatorCaller() Caller { return s.operator.caller }

// Lookup finds the credentials with an access key id and whose they are. It
// also returns expired ones: the caller tells expired from unknown.
func (s *Store) Lookup(accessKeyID string) (Credentials, Caller, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if accessKeyID == s.operator.credentials.AccessKeyID {
		return s.operator.credentials, s.operator.caller, true
	}
	found, ok := s.sessions[accessKeyID]
	return found.credentials, found.caller, ok
}

// Characters and lengths that CreateRole and PutRolePolicy accept (IAM API Reference).
var validName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// PutRole adds a role, or replaces the one with that name.
func (s *Store) PutRole(r Role) error {
	if !validName.MatchString(r.Name) {
		return fmt.Errorf("the role name %q is not 1 to 64 of A-Z a-z 0-9 _+=,.@-", r.Name)
	}
	if r.ARN == "" {
		r.ARN = "arn:aws:iam::" + s.account + ":role/" + r.Name
	}
	for i, st := range r.Trust.Statements {
		if len(st.Principals) == 0 || len(st.Resources)+len(st.NotResources) > 0 {
			return fmt.Errorf("role %s: trust policy: statement %d: it needs a Principal and no Resource", r.Name, i)
		}
	}
	policies := r.Policies
	r.Policies = map[string]Document{}
	for name, d := range policies {
		if err := checkIdentityPolicy(r.Name, name, d); err != nil {
			return err
		}
		r.Policies[name] = d
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[r.Name] = &role{Role: r, id: newID("AROA"), used: map[use]int{}}
	return nil
}

// DeleteRole removes a role; its sessions are then allowed nothing.
func (s *Store) DeleteRole(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.roles, name)
}

// PutPolicy adds an inline policy to a role, or replaces the one of that name.
func (s *Store) PutPolicy(roleName, policyName string, d Document) error {
	if err := checkIdentityPolicy(roleName, policyName, d); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.roles[roleName]
	if !ok {
		return fmt.Errorf("policy %s: there is no role %q", policyName, roleName)
	}
	r.Policies[policyName] = d
	for u := range r.used {
		if u.policy == policyName {
			delete(r.used, u)
		}
	}
	return nil
}

// DeletePolicy removes an inline policy from a role.
func (s *Store) DeletePolicy(roleName, policyName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.roles[roleName]; ok {
		delete(r.Policies, policyName)
	}
}

func checkIdentityPolicy(roleName, policyName string, d Document) error {
	for i, st := range d.Statements {
		if len(st.Principals) > 0 {
			return fmt.Errorf("role %s: policy %s: statement %d: a role's policy has no Principal", roleName, policyName, i)
		}
		if len(st.Resources)+len(st.NotResources) == 0 {
			return fmt.Errorf("role %s: policy %s: statement %d: it needs a Resource or NotResource", roleName, policyName, i)
		}
	}
	return nil
}

// Role returns the role with an ARN.
func (s *Store) Role(arn string) (Role, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byARN(arn)
	if r == nil {
		return Role{}, false
	}
	found := r.Role
	found.Policies = maps.Clone(r.Policies)
	return found, true
}

func (s *Store) byARN(arn string) *role {
	for _, r := range s.roles {
		if r.ARN == arn {
			return r
		}
	}
	return nil
}

// PutInstanceProfile adds an instance profile that holds one role.
func (s *Store) PutInstanceProfile(name, arn, roleName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.profiles[name] = profile{name: name, arn: arn, role: roleName}
}

// DeleteInstanceProfile removes an instance profile. Instances that have it keep
// their role.
func (s *Store) DeleteInstanceProfile(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.profiles, name)
}

// InstanceProfileRole finds the role of an instance profile by its ARN or name.
func (s *Store) InstanceProfileRole(arnOrName string) (roleARN string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.profiles {
		if p.name == arnOrName || p.arn == arnOrName {
			if r, ok := s.roles[p.role]; ok {
				return r.ARN, true
			}
		}
	}
	return "", false
}

// newID makes an id as AWS's: a prefix of four and sixteen of A-Z2-7.
func newID(prefix string) string { return prefix + strings.ToUpper(rand.Text()[:16]) }

func newSecret(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(b)
}
