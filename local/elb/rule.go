package elb

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// rule sends the requests whose path matches to an action; of several that
// match, the one with the lowest priority number wins.
type rule struct {
	resource
	listener *listener
	priority int
	patterns []string
	fallback bool // the listener's default rule, which comes last and takes all
	action   action
}

type condition struct {
	Field             string
	Values            []string
	PathPatternConfig *struct{ Values []string } `json:",omitempty"`
}

// maxValues is how many values the conditions of a rule may have (user guide,
// "Quotas for your Application Load Balancers").
const maxValues = 5

// validPattern are the characters of a path pattern (API reference,
// RuleCondition: "path-pattern"), which has at most 128.
var validPattern = regexp.MustCompile(`^[A-Za-z0-9_\-.$/~"'@:+&*?]{1,128}$`)

func (s *Service) createRule(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ListenerArn string
		Priority    *int
		Conditions  []condition
		Actions     []action
		Tags        []tag
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	tags, err := tagSet(in.Tags)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, known := s.listeners[in.ListenerArn], (*resource)(nil)
	if l != nil {
		known = &l.resource
	}
	makes := strings.Replace(in.ListenerArn, ":listener/", ":listener-rule/", 1) + "/*"
	if err := s.authorizeNew(r, "CreateRule", in.ListenerArn, known, makes, tags, nil); err != nil {
		return nil, err
	}
	switch {
	case l == nil:
		return nil, errNoListener(in.ListenerArn)
	case in.Priority == nil || *in.Priority < 1 || *in.Priority > 50000:
		return nil, invalid("A priority from 1 to 50000 must be specified")
	}
	patterns, err := patternsOf(in.Conditions)
	if err != nil {
		return nil, err
	}
	a, err := s.resolve(in.Actions, l.balancer)
	if err != nil {
		return nil, err
	}
	for _, other := range s.rules {
		if other.listener == l && other.priority == *in.Priority {
			return nil, fail("PriorityInUse", "Priority '%d' is currently in use", *in.Priority)
		}
	}
	made := &rule{resource: resource{tags: tags}, listener: l, priority: *in.Priority, patterns: patterns, action: a}
	s.addRule(made)
	s.settle()
	return ruleList{[]ruleItem{made.show()}}, nil
}

// addRule names a rule and adds it. mu is held.
func (s *Service) addRule(r *rule) {
	r.serial = s.next()
	r.arn = strings.Replace(r.listener.arn, ":listener/", ":listener-rule/", 1) + "/" + newID()
	if r.tags == nil {
		r.tags = map[string]string{}
	}
	s.rules[r.arn] = r
}

// patternsOf checks conditions and gives the paths of the only kind there is.
func patternsOf(conditions []condition) ([]string, error) {
	if len(conditions) == 0 {
		return nil, invalid("A condition must be specified")
	}
	if len(conditions) > 1 {
		return nil, unimplemented("%d conditions in one rule: one is needed, path-pattern", len(conditions))
	}
	c := conditions[0]
	if c.Field != "path-pattern" {
		return nil, unimplemented("the condition field '%s', only path-pattern", c.Field)
	}
	values := c.Values
	if c.PathPatternConfig != nil {
		if len(values) > 0 {
			return nil, invalid("A condition has Values or a PathPatternConfig, not both")
		}
		values = c.PathPatternConfig.Values
	}
	if len(values) == 0 || len(values) > maxValues {
		return nil, invalid("A rule must have 1 to %d condition values", maxValues)
	}
	for _, v := range values {
		if !validPattern.MatchString(v) {
			return nil, invalid("The path pattern '%s' is not valid", v)
		}
	}
	return values, nil
}

type ruleItem struct {
	RuleArn    string
	Priority   string
	Conditions []condition
	Actions    []action
	IsDefault  bool
}

type ruleList struct{ Rules []ruleItem }

func (r *rule) show() ruleItem {
	item := ruleItem{RuleArn: r.arn, Priority: "default", Actions: []action{r.action}, IsDefault: r.fallback}
	if !r.fallback {
		item.Priority = strconv.Itoa(r.priority)
		item.Conditions = []condition{{Field: "path-pattern", Values: r.patterns, PathPatternConfig: &struct{ Values []string }{r.patterns}}}
	}
	return item
}

func (s *Service) describeRules(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		page
		ListenerArn string
		RuleArns    []string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := s.authorize(r, "DescribeRules", "*", nil, nil); err != nil {
		return nil, err
	}
	if (in.ListenerArn == "") == (len(in.RuleArns) == 0) {
		return nil, invalid("You must specify either listener rule ARNs or a listener ARN")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.ListenerArn != "" && s.listeners[in.ListenerArn] == nil {
		return nil, errNoListener(in.ListenerArn)
	}
	found, err := pick(sorted(s.rules), in.RuleArns, nil, nil, func(arn string) error {
		return fail("RuleNotFound", "One or more rules not found: '%s'", arn)
	})
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(r *rule) bool { return in.ListenerArn != "" && r.listener.arn != in.ListenerArn })
	found, next, err := cut(found, in.page)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, byPriority) // within the page: a page is cut in the order of creation
	items := []ruleItem{}
	for _, r := range found {
		items = append(items, r.show())
	}
	return struct {
		ruleList
		NextMarker string `json:",omitempty"`
	}{ruleList{items}, next}, nil
}

func byPriority(a, b *rule) int {
	if a.fallback != b.fallback {
		if a.fallback {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.priority, b.priority)
}

// settle brings what requests and health checks go by up to date with what
// calls have changed: routes of listeners, and which load balancer a target
// group serves. mu is held.
func (s *Service) settle() {
	for _, g := range s.groups {
		g.balancer = nil
	}
	tables := map[*listener][]*rule{}
	for _, r := range s.rules {
		tables[r.listener] = append(tables[r.listener], r)
		if g := s.groups[r.action.TargetGroupArn]; g != nil {
			g.balancer = r.listener.balancer
		}
	}
	for l, rules := range tables {
		slices.SortFunc(rules, byPriority)
		t := &routes{}
		for _, r := range rules {
			entry := s.route(r.action)
			if r.fallback {
				t.fallback = entry
				continue
			}
			entry.patterns = r.patterns
			t.rules = append(t.rules, entry)
		}
		l.front.routes.Store(t)
	}
	for _, g := range s.groups {
		s.attend(g)
	}
}
