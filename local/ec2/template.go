package ec2

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// LaunchTemplateData is what a launch template says about its instances. The
// names are CloudFormation's (AWS::EC2::LaunchTemplate LaunchTemplateData);
// what is not here is refused.
type LaunchTemplateData struct {
	ImageID                           string `json:"ImageId"`
	InstanceType                      string
	IamInstanceProfile                InstanceProfile
	SecurityGroupIDs                  []string `json:"SecurityGroupIds"`
	MetadataOptions                   MetadataOptions
	Monitoring                        struct{ Enabled bool }
	BlockDeviceMappings               []BlockDevice
	TagSpecifications                 []TagSpecification
	UserData                          string // base64
	InstanceInitiatedShutdownBehavior string
	CreditSpecification               struct {
		CPUCredits string `json:"CpuCredits"`
	}
	EbsOptimized bool
}

// InstanceProfile names an instance profile by exactly one of its names.
type InstanceProfile struct {
	Arn, Name string
}

// MetadataOptions say how the metadata service answers.
type MetadataOptions struct {
	HTTPTokens              string `json:"HttpTokens"`
	HTTPEndpoint            string `json:"HttpEndpoint"`
	HTTPPutResponseHopLimit int    `json:"HttpPutResponseHopLimit"`
	InstanceMetadataTags    string
}

// BlockDevice is a volume that comes with the instance. Volumes have no
// effect here but that launching them needs permission.
type BlockDevice struct {
	DeviceName string
	Ebs        struct {
		DeleteOnTermination *bool
		Encrypted           bool
		VolumeSize          int
		VolumeType          string
		Iops                int
		Throughput          int
	}
}

// TagSpecification gives tags to the resources of one type that a launch makes.
type TagSpecification struct {
	ResourceType string
	Tags         []tag
}

// ParseLaunchTemplateData reads and checks a launch template's data as JSON.
// Its error names what is unknown.
func ParseLaunchTemplateData(text []byte) (LaunchTemplateData, error) {
	var d LaunchTemplateData
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return d, fmt.Errorf("LaunchTemplateData: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return d, errors.New("LaunchTemplateData: there is text after the value")
	}
	return d, d.check()
}

func (d LaunchTemplateData) check() error {
	if d.IamInstanceProfile.Arn != "" && d.IamInstanceProfile.Name != "" {
		return fail("InvalidParameterCombination", "IamInstanceProfile.arn and IamInstanceProfile.name may not be used together")
	}
	if d.InstanceType != "" {
		if _, ok := TypeNamed(d.InstanceType); !ok {
			return errType(d.InstanceType)
		}
	}
	if _, err := decodeUserData(d.UserData); err != nil {
		return err
	}
	if n := d.MetadataOptions.HTTPPutResponseHopLimit; n < 0 || n > 64 {
		return fail("InvalidParameterValue", "Value (%d) for parameter HttpPutResponseHopLimit is invalid: 1 to 64", n)
	}
	for _, t := range d.TagSpecifications {
		if err := checkTagged(t.ResourceType); err != nil {
			return err
		}
		if _, err := tagSet(t.Tags); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{
		{"InstanceInitiatedShutdownBehavior", d.InstanceInitiatedShutdownBehavior, []string{"stop", "terminate"}},
		{"CpuCredits", d.CreditSpecification.CPUCredits, []string{"standard", "unlimited"}},
		{"HttpEndpoint", d.MetadataOptions.HTTPEndpoint, []string{"enabled"}},
		{"HttpTokens", d.MetadataOptions.HTTPTokens, []string{"required"}},
		{"InstanceMetadataTags", d.MetadataOptions.InstanceMetadataTags, []string{"enabled", "disabled"}},
	} {
		if c.value != "" && !slices.Contains(c.allowed, c.value) {
			return fail("InvalidParameterValue", "Invalid value '%s' for %s: the local cloud has %v", c.value, c.name, c.allowed)
		}
	}
	return nil
}

func errType(name string) error {
	return fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", name)
}

// checkTagged says which resources a launch can tag.
func checkTagged(kind string) error {
	if kind == "instance" || kind == "volume" || kind == "network-interface" {
		return nil
	}
	return fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", kind)
}

// maxUserData is the limit on decoded user data, in bytes.
const maxUserData = 16 << 10

func decodeUserData(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fail("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if len(data) > maxUserData {
		return nil, fail("InvalidParameterValue", "User data is limited to %d bytes", maxUserData)
	}
	return data, nil
}

// template is a launch template with its versions, the first at index 0.
type template struct {
	id, name string
	created  time.Time
	tags     map[string]string
	versions []LaunchTemplateData
}

// CreateLaunchTemplate makes a template whose one version is the default.
func (s *Service) CreateLaunchTemplate(name string, data LaunchTemplateData, tags map[string]string) (id string, err error) {
	if err := data.check(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.templates {
		if t.name == name {
			return "", fail("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
	}
	id = newID("lt")
	s.templates[id] = &template{id, name, time.Now(), maps.Clone(tags), []LaunchTemplateData{data}}
	return id, nil
}

// DeleteLaunchTemplate removes a template. Instances made from it stay.
func (s *Service) DeleteLaunchTemplate(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.templates[id]; !ok {
		return errNoTemplate(id)
	}
	delete(s.templates, id)
	return nil
}

func errNoTemplate(id string) error {
	return fail("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", id)
}

// templateRef is how a launch names a template.
type templateRef struct {
	LaunchTemplateID   string `json:"LaunchTemplateId"`
	LaunchTemplateName string
	Version            string
}

// find resolves a reference. mu is held.
func (s *Service) find(ref templateRef) (*template, int, error) {
	if (ref.LaunchTemplateID == "") == (ref.LaunchTemplateName == "") {
		return nil, 0, fail("InvalidParameterCombination", "Exactly one of LaunchTemplateId and LaunchTemplateName must be given")
	}
	t, ok := s.templates[ref.LaunchTemplateID]
	if ref.LaunchTemplateID != "" && !ok {
		return nil, 0, errNoTemplate(ref.LaunchTemplateID)
	}
	if ref.LaunchTemplateName != "" {
		for _, other := range s.templates {
			if other.name == ref.LaunchTemplateName {
				t = other
			}
		}
		if t == nil {
			return nil, 0, fail("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", ref.LaunchTemplateName)
		}
	}
	number := 1 // the default version
	switch ref.Version {
	case "", "$Default":
	case "$Latest":
		number = len(t.versions)
	default:
		n, err := strconv.Atoi(ref.Version)
		if err != nil || n < 1 || n > len(t.versions) {
			return nil, 0, fail("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version %s for the launch template with ID %s.", ref.Version, t.id)
		}
		number = n
	}
	return t, number, nil
}

type templateItem struct {
	ID      string    `xml:"launchTemplateId"`
	Name    string    `xml:"launchTemplateName"`
	Created time.Time `xml:"createTime"`
	Creator string    `xml:"createdBy"`
	Default int       `xml:"defaultVersionNumber"`
	Latest  int       `xml:"latestVersionNumber"`
	Tags    []tag     `xml:"tagSet"`
}

func (s *Service) describeLaunchTemplates(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		LaunchTemplateID   []string `json:"LaunchTemplateId"`
		LaunchTemplateName []string
		Filter             []filter
		MaxResults         int
		NextToken          string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeLaunchTemplates", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range in.LaunchTemplateID {
		if s.templates[id] == nil {
			return nil, errNoTemplate(id)
		}
	}
	var found []templateItem
	for _, t := range sorted(s.templates) {
		ok, err := matches(in.Filter, func(name string) ([]string, bool) {
			if name == "launch-template-name" {
				return []string{t.name}, true
			}
			return tagField(t.tags, name)
		})
		if err != nil {
			return nil, err
		}
		named := slices.Contains(in.LaunchTemplateID, t.id) || slices.Contains(in.LaunchTemplateName, t.name)
		if ok && (named || len(in.LaunchTemplateID)+len(in.LaunchTemplateName) == 0) {
			found = append(found, templateItem{t.id, t.name, t.created, "arn:aws:iam::" + s.config.Account + ":root", 1, len(t.versions), tagItems(t.tags)})
		}
	}
	page, next, err := paginate(found, in.MaxResults, 1, 200, in.NextToken)
	return struct {
		Items     []templateItem `xml:"launchTemplates"`
		NextToken string         `xml:"nextToken,omitempty"`
	}{page, next}, err
}
