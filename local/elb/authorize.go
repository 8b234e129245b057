package elb

import (
	"maps"
	"slices"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// authorize asks for one action on one resource. known is the resource, where
// there is one: its tags are condition keys.
func (s *Service) authorize(r *gateway.Request, action, arn string, known *resource, keys iam.Keys) error {
	all := iam.Keys{}
	if known != nil {
		for key, value := range known.tags {
			all["aws:ResourceTag/"+key] = []string{value}
			all["elasticloadbalancing:ResourceTag/"+key] = []string{value}
		}
	}
	maps.Copy(all, keys)
	return r.Authorize("elasticloadbalancing:"+action, arn, all)
}

// authorizeNew asks for a Create call: for the action on the resource that it
// names, and for the tags on what it makes, whose id is not known yet.
func (s *Service) authorizeNew(r *gateway.Request, action, on string, parent *resource, makes string, tags map[string]string, keys iam.Keys) error {
	if err := s.authorize(r, action, on, parent, requestTags(keys, tags)); err != nil || len(tags) == 0 {
		return err
	}
	return s.authorize(r, "AddTags", makes, nil, requestTags(iam.Keys{"elasticloadbalancing:CreateAction": {action}}, tags))
}

// requestTags adds the condition keys of tags that a call gives.
func requestTags(keys iam.Keys, tags map[string]string) iam.Keys {
	all := iam.Keys{}
	maps.Copy(all, keys)
	for key, value := range tags {
		all["aws:RequestTag/"+key] = []string{value}
	}
	if len(tags) > 0 {
		all["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return all
}

// authorizeEC2 asks for what AWS calls in EC2 in the caller's name.
func (s *Service) authorizeEC2(r *gateway.Request, actions ...string) error {
	for _, action := range actions {
		keys := iam.Keys{"ec2:Region": {s.config.Region}, "aws:ViaAWSService": {"true"}}
		if err := r.Authorize("ec2:"+action, "*", keys); err != nil {
			return err
		}
	}
	return nil
}

const (
	serviceName = "elasticloadbalancing.amazonaws.com"
	linkedRole  = "AWSServiceRoleForElasticLoadBalancing"
)

// link makes the service-linked role when the account has none, in the caller's
// name (user guide, "Elastic Load Balancing service-linked role"). mu is held.
func (s *Service) link(r *gateway.Request) error {
	if s.linked {
		return nil
	}
	role := "arn:aws:iam::" + s.config.Account + ":role/aws-service-role/" + serviceName + "/" + linkedRole
	if err := r.Authorize("iam:CreateServiceLinkedRole", role, iam.Keys{"iam:AWSServiceName": {serviceName}, "aws:ViaAWSService": {"true"}}); err != nil {
		return err
	}
	s.linked = true
	return nil
}
