package ssm

import (
	"context"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

type parameterItem struct {
	Name     string
	Type     string
	Value    string
	Version  int
	ARN      string
	DataType string
}

// public finds a public parameter. The account's own do not exist here.
func (s *Service) public(name string) (parameterItem, bool) {
	value, ok := s.config.Parameters[name]
	return parameterItem{Name: name, Type: "String", Value: value, Version: 1, ARN: s.parameterARN(name), DataType: "aws:ec2:image"}, ok
}

func (s *Service) parameterARN(name string) string {
	account := s.config.Account
	if strings.HasPrefix(name, "/aws/service/") {
		account = ""
	}
	return "arn:aws:ssm:" + s.config.Region + ":" + account + ":parameter/" + strings.TrimPrefix(name, "/")
}

func (s *Service) getParameter(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Name           string
		WithDecryption bool // nothing here is encrypted
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ssm:GetParameter", s.parameterARN(in.Name), nil); err != nil {
		return nil, err
	}
	p, ok := s.public(in.Name)
	if !ok {
		return nil, fail("ParameterNotFound", "Parameter %s not found.", in.Name)
	}
	return struct{ Parameter parameterItem }{p}, nil
}

func (s *Service) getParameters(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Names          []string
		WithDecryption bool // nothing here is encrypted
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.Names) == 0 || len(in.Names) > 10 {
		return nil, fail("ValidationException", "Names must have 1 to 10 members, not %d", len(in.Names))
	}
	found, missing := []parameterItem{}, []string{}
	for _, name := range in.Names {
		if err := r.Authorize("ssm:GetParameters", s.parameterARN(name), nil); err != nil {
			return nil, err
		}
		if p, ok := s.public(name); ok {
			found = append(found, p)
		} else {
			missing = append(missing, name)
		}
	}
	return struct {
		Parameters        []parameterItem
		InvalidParameters []string
	}{found, missing}, nil
}
