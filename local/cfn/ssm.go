package cfn

import (
	"context"
	"encoding/json"
	"fmt"
)

// SSM is the part of Systems Manager that templates use.
type SSM interface {
	// CreateDocument keeps a Command document, JSON of schema version 2.2.
	CreateDocument(name string, content []byte) error
	DeleteDocument(name string) error
}

type documentProperties struct {
	Name           string
	Content        any `require:"true"` // an object, or JSON as a string
	DocumentType   string
	DocumentFormat string
	TargetType     any   `noeffect:"all targets are instances"`
	UpdateMethod   any   `noeffect:"nothing is ever updated here"`
	Tags           []Tag `noeffect:"nothing here reads the tags of this type"`
}

func ssmTypes(s SSM) map[string]Type {
	return map[string]Type{
		"AWS::SSM::Document": define(Type{},
			func(_ context.Context, c Creation, p documentProperties) (Physical, error) {
				if p.DocumentType != "Command" {
					return Physical{}, fmt.Errorf("the DocumentType %q is not implemented; Command is", p.DocumentType)
				}
				if p.DocumentFormat != "" && p.DocumentFormat != "JSON" {
					return Physical{}, fmt.Errorf("the DocumentFormat %s is not implemented; JSON is", p.DocumentFormat)
				}
				content := []byte(fmt.Sprint(p.Content))
				if _, isText := p.Content.(string); !isText {
					var err error
					if content, err = json.Marshal(p.Content); err != nil {
						return Physical{}, err
					}
				}
				name := p.Name
				if name == "" {
					name = c.name(128)
				}
				return Physical{ID: name}, s.CreateDocument(name, content)
			},
			func(_ context.Context, made Physical) error { return s.DeleteDocument(made.ID) }),
	}
}
