package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// tag is a tag on the wire, in and out.
type tag struct {
	Key   string `json:"Key" xml:"key"`
	Value string `json:"Value" xml:"value"`
}

// maxTags is how many tags a resource may have (EC2 user guide, "Tag restrictions").
const maxTags = 50

// tagSet checks tags that a caller gives and makes a map of them.
func tagSet(tags []tag) (map[string]string, error) {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		switch {
		case t.Key == "" || len(t.Key) > 128:
			return nil, fail("InvalidParameterValue", "Tag key '%s' must have 1 to 128 characters", t.Key)
		case len(t.Value) > 256:
			return nil, fail("InvalidParameterValue", "Tag value of '%s' has more than 256 characters", t.Key)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, fail("InvalidParameterValue", "Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", t.Key)
		}
		if _, twice := m[t.Key]; twice {
			return nil, fail("InvalidParameterValue", "Duplicate tag key '%s' specified.", t.Key)
		}
		m[t.Key] = t.Value
	}
	if len(m) > maxTags {
		return nil, fail("TagLimitExceeded", "More than %d tags", maxTags)
	}
	return m, nil
}

func tagItems(tags map[string]string) []tag {
	items := make([]tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		items = append(items, tag{key, tags[key]})
	}
	return items
}

// requestTags are the condition keys of tags that a call gives.
func requestTags(keys iam.Keys, tags map[string]string) iam.Keys {
	for key, value := range tags {
		keys["aws:RequestTag/"+key] = []string{value}
	}
	if len(tags) > 0 {
		keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

// resourceTags are the condition keys of tags that a resource has.
func resourceTags(keys iam.Keys, tags map[string]string) iam.Keys {
	for key, value := range tags {
		keys["aws:ResourceTag/"+key] = []string{value}
		keys["ec2:ResourceTag/"+key] = []string{value}
	}
	return keys
}

func (s *Service) regionKeys() iam.Keys { return iam.Keys{"ec2:Region": {s.config.Region}} }

// tagged is any resource that has tags.
type tagged struct {
	kind string // as in its ARN
	id   string
	tags map[string]string
	set  func(map[string]string)
}

// resource finds a taggable resource by its id. mu is held.
func (s *Service) resource(id string) (tagged, error) {
	prefix, _, _ := strings.Cut(id, "-")
	switch prefix {
	case "i":
		if i, ok := s.instances[id]; ok {
			return tagged{"instance", id, i.tags, i.setTags}, nil
		}
		return tagged{}, errNoInstance(id)
	case "vpc":
		if v, ok := s.vpcs[id]; ok {
			return tagged{"vpc", id, v.Tags, func(t map[string]string) { v.Tags = t }}, nil
		}
	case "subnet":
		if v, ok := s.subnets[id]; ok {
			return tagged{"subnet", id, v.Tags, func(t map[string]string) { v.Tags = t }}, nil
		}
	case "sg":
		if g, ok := s.groups[id]; ok {
			return tagged{"security-group", id, g.Tags, func(t map[string]string) { g.Tags = t }}, nil
		}
	case "lt":
		if l, ok := s.templates[id]; ok {
			return tagged{"launch-template", id, l.tags, func(t map[string]string) { l.tags = t }}, nil
		}
	}
	return tagged{}, fail("InvalidID", "The ID '%s' is not valid, or not of a resource that has tags here", id)
}

func (s *Service) createTags(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ResourceId []string //nolint:revive // the wire's name
		Tag        []tag
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	given, err := tagSet(in.Tag)
	if err != nil {
		return nil, err
	}
	return nil, s.changeTags(r, "ec2:CreateTags", in.ResourceId, given, func(tags map[string]string) error {
		maps.Copy(tags, given)
		if len(tags) > maxTags {
			return fail("TagLimitExceeded", "More than %d tags", maxTags)
		}
		return nil
	})
}

func (s *Service) deleteTags(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ResourceId []string //nolint:revive // the wire's name
		Tag        []struct {
			Key   string
			Value *string // nil: whatever the value
		}
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, t := range in.Tag {
		given[t.Key] = ""
		if t.Value != nil {
			given[t.Key] = *t.Value
		}
	}
	return nil, s.changeTags(r, "ec2:DeleteTags", in.ResourceId, given, func(tags map[string]string) error {
		for _, t := range in.Tag {
			if t.Value == nil || tags[t.Key] == *t.Value {
				delete(tags, t.Key)
			}
		}
		return nil
	})
}

// changeTags authorises a change on every resource before it makes any.
func (s *Service) changeTags(r *gateway.Request, action string, ids []string, given map[string]string, change func(map[string]string) error) error {
	if len(ids) == 0 || len(given) == 0 {
		return fail("MissingParameter", "The request must contain the parameters ResourceId and Tag")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := make([]map[string]string, len(ids))
	resources := make([]tagged, len(ids))
	for n, id := range ids {
		t, err := s.resource(id)
		if err != nil {
			return err
		}
		keys := requestTags(resourceTags(s.regionKeys(), t.tags), given)
		if err := r.Authorize(action, s.arn(t.kind, id), keys); err != nil {
			return err
		}
		resources[n], changed[n] = t, maps.Clone(t.tags)
		if changed[n] == nil {
			changed[n] = map[string]string{}
		}
		if err := change(changed[n]); err != nil {
			return err
		}
	}
	for n, t := range resources {
		t.set(changed[n])
	}
	return nil
}

type tagDescription struct {
	ResourceID   string `xml:"resourceId"`
	ResourceType string `xml:"resourceType"`
	Key          string `xml:"key"`
	Value        string `xml:"value"`
}

func (d tagDescription) field(name string) ([]string, bool) {
	switch name {
	case "key":
		return []string{d.Key}, true
	case "value":
		return []string{d.Value}, true
	case "resource-id":
		return []string{d.ResourceID}, true
	case "resource-type":
		return []string{d.ResourceType}, true
	}
	return nil, false
}

func (s *Service) describeTags(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Filter     []filter
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeTags", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	ids = slices.AppendSeq(ids, maps.Keys(s.instances))
	ids = slices.AppendSeq(ids, maps.Keys(s.vpcs))
	ids = slices.AppendSeq(ids, maps.Keys(s.subnets))
	ids = slices.AppendSeq(ids, maps.Keys(s.groups))
	ids = slices.AppendSeq(ids, maps.Keys(s.templates))
	slices.Sort(ids)
	var found []tagDescription
	for _, id := range ids {
		t, err := s.resource(id)
		if err != nil {
			return nil, err
		}
		for _, item := range tagItems(t.tags) {
			d := tagDescription{id, t.kind, item.Key, item.Value}
			ok, err := matches(in.Filter, d.field)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, d)
			}
		}
	}
	page, next, err := paginate(found, in.MaxResults, 5, 1000, in.NextToken)
	return struct {
		Items     []tagDescription `xml:"tagSet"`
		NextToken string           `xml:"nextToken,omitempty"`
	}{page, next}, err
}
