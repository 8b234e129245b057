package elb

import (
	"slices"
	"strconv"
	"strings"
)

// action is what is done with a request, in and out: a forward to one target
// group, or a fixed response.
type action struct {
	Type                string
	TargetGroupArn      string       `json:",omitempty"`
	Order               int          `json:",omitempty"`
	ForwardConfig       *forward     `json:",omitempty"`
	FixedResponseConfig *fixedAnswer `json:",omitempty"`
}

type forward struct {
	TargetGroups []weighted
	// Stickiness is shown as AWS shows it; it cannot be turned on here.
	Stickiness *stickiness `json:"TargetGroupStickinessConfig"`
}

type weighted struct {
	TargetGroupArn string
	Weight         *int
}

type stickiness struct {
	Enabled         bool
	DurationSeconds *int
}

type fixedAnswer struct {
	StatusCode  string
	ContentType string `json:",omitempty"`
	MessageBody string `json:",omitempty"`
}

var contentTypes = []string{"", "text/plain", "text/css", "text/html", "application/javascript", "application/json"}

// resolve checks the actions of a listener or a rule and brings them into the
// form in which they are shown. mu is held.
func (s *Service) resolve(actions []action, b *balancer) (action, error) {
	if len(actions) != 1 {
		return action{}, unimplemented("%d actions: one is needed, forward or fixed-response", len(actions))
	}
	a := actions[0]
	if a.Order != 0 && (a.Order < 1 || a.Order > 50000) {
		return action{}, invalid("The action order %d must be 1 to 50000", a.Order)
	}
	switch a.Type {
	case "forward":
		return s.resolveForward(a, b)
	case "fixed-response":
		return a, a.checkFixed()
	case "":
		return action{}, invalid("An action type must be specified")
	}
	return action{}, unimplemented("the action type '%s', only forward and fixed-response", a.Type)
}

func (s *Service) resolveForward(a action, b *balancer) (action, error) {
	if a.FixedResponseConfig != nil {
		return action{}, invalid("A forward action has no FixedResponseConfig")
	}
	arn := a.TargetGroupArn
	if f := a.ForwardConfig; f != nil {
		switch {
		case len(f.TargetGroups) != 1:
			return action{}, unimplemented("a forward action to %d target groups, only to one", len(f.TargetGroups))
		case f.Stickiness != nil && f.Stickiness.Enabled:
			return action{}, unimplemented("TargetGroupStickinessConfig")
		case arn != "" && arn != f.TargetGroups[0].TargetGroupArn:
			return action{}, invalid("TargetGroupArn and ForwardConfig name different target groups")
		case f.TargetGroups[0].Weight != nil && (*f.TargetGroups[0].Weight < 1 || *f.TargetGroups[0].Weight > 999):
			return action{}, unimplemented("the weight %d of the only target group, which must be 1 to 999", *f.TargetGroups[0].Weight)
		}
		arn = f.TargetGroups[0].TargetGroupArn
	}
	if arn == "" {
		return action{}, invalid("A target group ARN must be specified")
	}
	g := s.groups[arn]
	switch {
	case g == nil:
		return action{}, errNoGroup(arn)
	case g.vpc != b.vpc:
		return action{}, fail("InvalidConfigurationRequest", "The target group '%s' is not in the VPC '%s' of the load balancer", arn, b.vpc)
	case g.balancer != nil && g.balancer != b:
		return action{}, fail("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", arn)
	}
	weight := 1
	return action{Type: a.Type, Order: a.Order, TargetGroupArn: arn,
		ForwardConfig: &forward{[]weighted{{arn, &weight}}, &stickiness{}}}, nil
}

func (a action) checkFixed() error {
	f := a.FixedResponseConfig
	switch {
	case f == nil:
		return invalid("A fixed-response action needs a FixedResponseConfig")
	case a.ForwardConfig != nil || a.TargetGroupArn != "":
		return invalid("A fixed-response action has no target group")
	case !validStatus.MatchString(f.StatusCode):
		return invalid("The status code '%s' of a fixed response must be 2XX, 4XX or 5XX", f.StatusCode)
	case !slices.Contains(contentTypes, f.ContentType):
		return invalid("The content type '%s' of a fixed response must be one of%s", f.ContentType, strings.Join(contentTypes, " "))
	case len(f.MessageBody) > 1024:
		return invalid("The message body of a fixed response has %d characters, it can have 1024", len(f.MessageBody))
	}
	return nil
}

// same says whether two resolved actions do the same.
func (a action) same(o action) bool {
	if a.Type != o.Type || a.TargetGroupArn != o.TargetGroupArn || a.Order != o.Order {
		return false
	}
	return a.FixedResponseConfig == nil || *a.FixedResponseConfig == *o.FixedResponseConfig
}

// route is the action as requests meet it. mu is held.
func (s *Service) route(a action) route {
	if a.Type == "forward" {
		return route{group: &s.groups[a.TargetGroupArn].pool}
	}
	status, _ := strconv.Atoi(a.FixedResponseConfig.StatusCode) // checked
	return route{status: status, contentType: a.FixedResponseConfig.ContentType, body: a.FixedResponseConfig.MessageBody}
}
