package ec2

import (
	"fmt"
	"maps"
	"strconv"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// authorizeRun asks for everything that RunInstances does: once for each
// resource that it uses or makes, for tags on what it makes, and for handing
// the role to the instances. mu is held.
func (s *Service) authorizeRun(r *gateway.Request, q *request) error {
	ask := func(resource string, inTemplate bool, keys iam.Keys) error {
		maps.Copy(keys, s.regionKeys())
		if q.template != nil {
			keys["ec2:LaunchTemplate"] = []string{s.arn("launch-template", q.template.id)}
			keys["ec2:IsLaunchTemplateResource"] = []string{strconv.FormatBool(inTemplate)}
		}
		return r.Authorize("ec2:RunInstances", resource, keys)
	}
	zone := []string{q.subnet.Zone}
	network := []string{s.arn("vpc", q.subnet.VPC)}
	made := q.template != nil // what the launch makes follows the template

	image := "arn:aws:ec2:" + s.config.Region + "::image/" + q.image.id
	if err := ask(image, !q.overrides["image"], iam.Keys{"ec2:Owner": {"amazon"}, "ec2:Public": {"true"}, "ec2:ImageID": {q.image.id},
		"ec2:ImageType": {"machine"}, "ec2:RootDeviceType": {"ebs"}}); err != nil {
		return err
	}
	machine := iam.Keys{"ec2:InstanceType": {q.kind.Name}, "ec2:AvailabilityZone": zone, "ec2:RootDeviceType": {"ebs"},
		"ec2:Tenancy": {"default"}, "ec2:EbsOptimized": {strconv.FormatBool(q.data.EbsOptimized)}, "ec2:InstanceMarketType": {"on-demand"}}
	for name, value := range map[string]string{"ec2:MetadataHttpTokens": q.data.MetadataOptions.HTTPTokens,
		"ec2:MetadataHttpEndpoint": q.data.MetadataOptions.HTTPEndpoint, "ec2:InstanceProfile": q.profileARN} {
		if value != "" {
			machine[name] = []string{value}
		}
	}
	if n := q.data.MetadataOptions.HTTPPutResponseHopLimit; n > 0 {
		machine["ec2:MetadataHttpPutResponseHopLimit"] = []string{strconv.Itoa(n)}
	}
	if err := ask(s.arn("instance", "*"), made, requestTags(machine, q.tags["instance"])); err != nil {
		return err
	}
	for _, volume := range q.volumes() {
		volume["ec2:AvailabilityZone"] = zone
		if err := ask(s.arn("volume", "*"), made, requestTags(volume, q.tags["volume"])); err != nil {
			return err
		}
	}
	card := iam.Keys{"ec2:AvailabilityZone": zone, "ec2:Subnet": {s.arn("subnet", q.subnet.id)}, "ec2:Vpc": network}
	if err := ask(s.arn("network-interface", "*"), made, requestTags(card, q.tags["network-interface"])); err != nil {
		return err
	}
	sub := iam.Keys{"ec2:AvailabilityZone": zone, "ec2:SubnetID": {q.subnet.id}, "ec2:Vpc": network}
	if err := ask(s.arn("subnet", q.subnet.id), !q.overrides["subnet"], resourceTags(sub, q.subnet.Tags)); err != nil {
		return err
	}
	for _, g := range q.groups {
		keys := iam.Keys{"ec2:SecurityGroupID": {g.id}, "ec2:Vpc": network}
		if err := ask(s.arn("security-group", g.id), !q.overrides["security-group"], resourceTags(keys, g.Tags)); err != nil {
			return err
		}
	}
	if q.template != nil {
		if err := ask(s.arn("launch-template", q.template.id), true, resourceTags(iam.Keys{}, q.template.tags)); err != nil {
			return err
		}
	}
	for kind, tags := range q.tags {
		if len(tags) == 0 {
			continue
		}
		keys := requestTags(iam.Keys{"ec2:CreateAction": {"RunInstances"}}, tags)
		maps.Copy(keys, s.regionKeys())
		if err := r.Authorize("ec2:CreateTags", s.arn(kind, "*"), keys); err != nil {
			return err
		}
	}
	if q.roleARN != "" {
		return r.Authorize("iam:PassRole", q.roleARN, iam.Keys{"iam:PassedToService": {"ec2.amazonaws.com"}})
	}
	return nil
}

// volumes are the condition keys of each volume that the launch makes; without
// a mapping it is the image's own root volume of 8 GiB.
func (q *request) volumes() []iam.Keys {
	if len(q.data.BlockDeviceMappings) == 0 {
		return []iam.Keys{{"ec2:VolumeSize": {"8"}, "ec2:VolumeType": {"gp3"}, "ec2:Encrypted": {"false"}}}
	}
	var all []iam.Keys
	for _, b := range q.data.BlockDeviceMappings {
		keys := iam.Keys{"ec2:Encrypted": {strconv.FormatBool(b.Ebs.Encrypted)}}
		if b.Ebs.VolumeSize > 0 {
			keys["ec2:VolumeSize"] = []string{fmt.Sprint(b.Ebs.VolumeSize)}
		}
		if b.Ebs.VolumeType != "" {
			keys["ec2:VolumeType"] = []string{b.Ebs.VolumeType}
		}
		all = append(all, keys)
	}
	return all
}

// instanceKeys are the condition keys of an existing instance.
func (s *Service) instanceKeys(i *instance) iam.Keys {
	keys := resourceTags(s.regionKeys(), i.tags)
	keys["ec2:InstanceType"] = []string{i.kind.Name}
	keys["ec2:AvailabilityZone"] = []string{i.zone}
	keys["ec2:InstanceID"] = []string{i.id}
	keys["ec2:RootDeviceType"] = []string{"ebs"}
	keys["ec2:Tenancy"] = []string{"default"}
	if i.profileARN != "" {
		keys["ec2:InstanceProfile"] = []string{i.profileARN}
	}
	return keys
}
