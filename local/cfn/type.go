package cfn

import (
	"context"
	"fmt"
	"reflect"
)

// Type is a resource type that can be deployed.
type Type struct {
	// Attributes are what GetAtt may ask for.
	Attributes []string
	// NoEffect is why nothing happens locally when such a resource is created;
	// empty for a type that has an effect.
	NoEffect string
	// Ignored are properties without effect, by path, and why: those of a
	// structure that another package owns, whose fields this one cannot tag.
	Ignored map[string]string

	properties reflect.Type // a struct; its fields are the properties
	create     func(ctx context.Context, c Creation, properties any) (Physical, error)
	remove     func(ctx context.Context, made Physical) error
}

// Creation is the resource being created.
type Creation struct {
	LogicalID string
	StackName string
	StackID   string
}

// Physical is a created resource: what Ref and GetAtt give.
type Physical struct {
	ID         string
	Attributes map[string]any
}

// define makes a Type from a struct of properties P and what creates it. A field
// of P is named as the property, or by a tag; its tag also says whether it is
// required, or that it is accepted without effect and why:
//
//	S3Key      string
//	KMSKey     any    `json:"KmsKeyArn" noeffect:"nothing is encrypted here"`
//	Role       string `require:"true"`
func define[P any](t Type, create func(context.Context, Creation, P) (Physical, error), remove func(context.Context, Physical) error) Type {
	t.properties = reflect.TypeFor[P]()
	t.create = func(ctx context.Context, c Creation, properties any) (Physical, error) {
		return create(ctx, c, *properties.(*P))
	}
	t.remove = remove
	return t
}

// declared is a type that is created in name only.
func declared[P any](reason, idPrefix string, attributes ...string) Type {
	t := Type{NoEffect: reason, Attributes: attributes}
	return define(t, func(_ context.Context, c Creation, _ P) (Physical, error) {
		p := Physical{ID: c.id(idPrefix), Attributes: map[string]any{}}
		for _, a := range attributes {
			p.Attributes[a] = p.ID
		}
		return p, nil
	}, keep)
}

// keep is the removal of what was never made.
func keep(context.Context, Physical) error { return nil }

// Tag is a tag as most resource types take it.
type Tag struct {
	Key   string `require:"true"`
	Value string `require:"true"`
}

// tagMap joins tags with those that CloudFormation itself adds.
func (c Creation) tagMap(tags []Tag) map[string]string {
	m := map[string]string{
		"aws:cloudformation:stack-name": c.StackName,
		"aws:cloudformation:stack-id":   c.StackID,
		"aws:cloudformation:logical-id": c.LogicalID,
	}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

func (p Physical) attribute(name string) string {
	return fmt.Sprint(p.Attributes[name])
}
