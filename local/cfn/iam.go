package cfn

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fairlead/fairlead/local/iam"
)

// IAM is the part of the identity service that templates use.
type IAM interface {
	Account() string
	PutRole(iam.Role) error
	DeleteRole(name string)
	PutPolicy(roleName, policyName string, d iam.Document) error
	DeletePolicy(roleName, policyName string)
	PutInstanceProfile(name, arn, roleName string)
	DeleteInstanceProfile(name string)
}

type roleProperties struct {
	RoleName                 string
	AssumeRolePolicyDocument map[string]any `require:"true"`
	Policies                 []inlinePolicy
	Description              any   `noeffect:"a text for people"`
	Tags                     []Tag `noeffect:"nothing here reads the tags of this type"`
}

type inlinePolicy struct {
	PolicyName     string         `require:"true"`
	PolicyDocument map[string]any `require:"true"`
}

type policyProperties struct {
	PolicyName     string         `require:"true"`
	PolicyDocument map[string]any `require:"true"`
	Roles          []string       `require:"true"`
}

type profileProperties struct {
	InstanceProfileName string
	Roles               []string `require:"true"`
}

func iamTypes(s IAM) map[string]Type {
	return map[string]Type{
		"AWS::IAM::Role": define(Type{Attributes: []string{"Arn"}},
			func(_ context.Context, c Creation, p roleProperties) (Physical, error) {
				return createRole(s, c, p)
			},
			func(_ context.Context, made Physical) error {
				s.DeleteRole(made.ID)
				return nil
			}),
		"AWS::IAM::Policy": define(Type{},
			func(_ context.Context, c Creation, p policyProperties) (Physical, error) {
				d, err := document(p.PolicyDocument)
				if err != nil {
					return Physical{}, err
				}
				for _, role := range p.Roles {
					if err := s.PutPolicy(role, p.PolicyName, d); err != nil {
						return Physical{}, err
					}
				}
				return Physical{ID: c.name(128), Attributes: map[string]any{"roles": p.Roles, "name": p.PolicyName}}, nil
			},
			func(_ context.Context, made Physical) error {
				for _, role := range made.Attributes["roles"].([]string) {
					s.DeletePolicy(role, made.attribute("name"))
				}
				return nil
			}),
		"AWS::IAM::InstanceProfile": define(Type{Attributes: []string{"Arn"}},
			func(_ context.Context, c Creation, p profileProperties) (Physical, error) {
				if len(p.Roles) != 1 {
					return Physical{}, fmt.Errorf("an instance profile holds one role, and here are %d", len(p.Roles))
				}
				name := p.InstanceProfileName
				if name == "" {
					name = c.name(128)
				}
				arn := fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", s.Account(), name)
				s.PutInstanceProfile(name, arn, p.Roles[0])
				return Physical{ID: name, Attributes: map[string]any{"Arn": arn}}, nil
			},
			func(_ context.Context, made Physical) error {
				s.DeleteInstanceProfile(made.ID)
				return nil
			}),
	}
}

func createRole(s IAM, c Creation, p roleProperties) (Physical, error) {
	name := p.RoleName
	if name == "" {
		name = c.name(64)
	}
	role := iam.Role{Name: name, ARN: fmt.Sprintf("arn:aws:iam::%s:role/%s", s.Account(), name), Policies: map[string]iam.Document{}}
	var err error
	if role.Trust, err = document(p.AssumeRolePolicyDocument); err != nil {
		return Physical{}, fmt.Errorf("AssumeRolePolicyDocument: %w", err)
	}
	for _, inline := range p.Policies {
		if role.Policies[inline.PolicyName], err = document(inline.PolicyDocument); err != nil {
			return Physical{}, fmt.Errorf("policy %s: %w", inline.PolicyName, err)
		}
	}
	if err := s.PutRole(role); err != nil {
		return Physical{}, err
	}
	return Physical{ID: name, Attributes: map[string]any{"Arn": role.ARN}}, nil
}

func document(m map[string]any) (iam.Document, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return iam.Document{}, err
	}
	return iam.ParseDocument(b)
}
