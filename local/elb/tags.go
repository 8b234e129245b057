package elb

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// tag is a tag on the wire, in and out.
type tag struct {
	Key   string
	Value string
}

// maxTags is how many tags a resource may have (user guide, "Tag restrictions").
const maxTags = 50

// tagSet checks tags that a caller gives and makes a map of them.
func tagSet(tags []tag) (map[string]string, error) {
	set := make(map[string]string, len(tags))
	for _, t := range tags {
		switch {
		case t.Key == "" || len(t.Key) > 128:
			return nil, invalid("Tag key '%s' must have 1 to 128 characters", t.Key)
		case len(t.Value) > 256:
			return nil, invalid("The tag value of '%s' has more than 256 characters", t.Key)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, invalid("Tag keys starting with 'aws:' are reserved: '%s'", t.Key)
		}
		if _, twice := set[t.Key]; twice {
			return nil, fail("DuplicateTagKeys", "Tag key '%s' was specified more than once", t.Key)
		}
		set[t.Key] = t.Value
	}
	if len(set) > maxTags {
		return nil, fail("TooManyTags", "A resource can have at most %d tags", maxTags)
	}
	return set, nil
}

func tagItems(tags map[string]string) []tag {
	items := make([]tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		items = append(items, tag{key, tags[key]})
	}
	return items
}

// find finds a resource of any kind by its ARN. mu is held.
func (s *Service) find(arn string) (*resource, error) {
	_, path, _ := strings.Cut(arn, ":elasticloadbalancing:")
	parts := strings.SplitN(path, ":", 3)
	kind, _, _ := strings.Cut(parts[len(parts)-1], "/")
	switch kind {
	case "loadbalancer":
		if b := s.balancers[arn]; b != nil {
			return &b.resource, nil
		}
		return nil, errNoBalancer(arn)
	case "listener":
		if l := s.listeners[arn]; l != nil {
			return &l.resource, nil
		}
		return nil, errNoListener(arn)
	case "listener-rule":
		if r := s.rules[arn]; r != nil {
			return &r.resource, nil
		}
		return nil, fail("RuleNotFound", "One or more rules not found: '%s'", arn)
	case "targetgroup":
		if g := s.groups[arn]; g != nil {
			return &g.resource, nil
		}
		return nil, errNoGroup(arn)
	}
	return nil, invalid("'%s' is not a valid ARN of a load balancer, listener, rule or target group", arn)
}

func (s *Service) addTags(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ResourceArns []string
		Tags         []tag
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	given, err := tagSet(in.Tags)
	if err != nil {
		return nil, err
	}
	if len(in.ResourceArns) == 0 || len(given) == 0 {
		return nil, invalid("ResourceArns and Tags are required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// All are checked before one is changed.
	found := make([]*resource, len(in.ResourceArns))
	for i, arn := range in.ResourceArns {
		known, findErr := s.find(arn)
		if err := s.authorize(r, "AddTags", arn, known, requestTags(nil, given)); err != nil {
			return nil, err
		}
		if findErr != nil {
			return nil, findErr
		}
		merged := maps.Clone(known.tags)
		maps.Copy(merged, given)
		if len(merged) > maxTags {
			return nil, fail("TooManyTags", "A resource can have at most %d tags", maxTags)
		}
		found[i] = known
	}
	for _, known := range found {
		maps.Copy(known.tags, given)
	}
	return nil, nil
}

type tagDescription struct {
	ResourceArn string
	Tags        []tag
}

func (s *Service) describeTags(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ ResourceArns []string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := s.authorize(r, "DescribeTags", "*", nil, nil); err != nil {
		return nil, err
	}
	if len(in.ResourceArns) == 0 || len(in.ResourceArns) > 20 {
		return nil, invalid("ResourceArns has %d items, it must have 1 to 20", len(in.ResourceArns))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []tagDescription
	for _, arn := range in.ResourceArns {
		known, err := s.find(arn)
		if err != nil {
			return nil, err
		}
		all = append(all, tagDescription{arn, tagItems(known.tags)})
	}
	return struct{ TagDescriptions []tagDescription }{all}, nil
}
