package iam

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/glob"
)

// Condition is one operator on one key: true when a value of the request
// matches one of the values (for a negated operator: none of them).
type Condition struct {
	Key      string // as written
	Values   []string
	Operator string // as written, with its prefix and suffix

	compare  func(want, have string) bool
	negated  bool
	ifExists bool
	set      string // "", "ForAllValues" or "ForAnyValue"
	null     bool
}

// globalKeys are the aws: keys that the store or the services give a value, or
// of which AWS, too, gives none for a call like ours. A name that ends in "/"
// is a family.
var globalKeys = []string{
	"aws:CurrentTime", "aws:EpochTime", "aws:SecureTransport", "aws:SourceIp", "aws:RequestedRegion",
	"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:PrincipalIsAWSService", "aws:ViaAWSService",
	"aws:userid", "aws:username", "aws:SourceAccount", "aws:TagKeys", "aws:RequestTag/", "aws:ResourceTag/",
}

// serviceKeys are the keys that the local cloud's services give with an
// authorisation, and those of which AWS, too, gives none, because the service
// here refuses the header or the parameter that they stand for. A condition on
// any other would never see a value: a Deny would not deny.
var serviceKeys = []string{
	"cloudwatch:namespace",
	"ec2:AvailabilityZone", "ec2:CreateAction", "ec2:EbsOptimized", "ec2:Encrypted", "ec2:ImageID", "ec2:ImageType",
	"ec2:InstanceID", "ec2:InstanceMarketType", "ec2:InstanceProfile", "ec2:InstanceType", "ec2:IsLaunchTemplateResource",
	"ec2:LaunchTemplate", "ec2:MetadataHttpEndpoint", "ec2:MetadataHttpPutResponseHopLimit", "ec2:MetadataHttpTokens",
	"ec2:Owner", "ec2:Public", "ec2:Region", "ec2:ResourceTag/", "ec2:RootDeviceType", "ec2:SecurityGroupID", "ec2:Subnet",
	"ec2:SubnetID", "ec2:Tenancy", "ec2:VolumeSize", "ec2:VolumeType", "ec2:Vpc",
	"elasticloadbalancing:CreateAction", "elasticloadbalancing:ListenerProtocol", "elasticloadbalancing:ResourceTag/", "elasticloadbalancing:Scheme",
	"elasticloadbalancing:SecurityGroup", "elasticloadbalancing:Subnet",
	"iam:AWSServiceName", "iam:PassedToService",
	"lambda:SourceFunctionArn",
	"s3:delimiter", "s3:max-keys", "s3:prefix", "s3:x-amz-acl", "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id",
	"ssm:resourceTag/",
	"sts:ExternalId", "sts:RoleSessionName",
}

func checkKey(name string) error {
	lower := strings.ToLower(name)
	if !strings.Contains(lower, ":") {
		return fmt.Errorf("the condition key %q has no prefix such as s3: before it", name)
	}
	for _, known := range slices.Concat(globalKeys, serviceKeys) {
		known = strings.ToLower(known)
		if lower == known || strings.HasSuffix(known, "/") && strings.HasPrefix(lower, known) && len(lower) > len(known) {
			return nil
		}
	}
	return fmt.Errorf("the local cloud has no value for the condition key %q", name)
}

type operator struct {
	compare func(want, have string) bool
	check   func(want string) error // of a value when the policy is parsed; nil: any
	negated bool
}

// operators are those of the IAM User Guide, "IAM JSON policy elements:
// Condition operators", without the binary and the IP address ones.
var operators = map[string]operator{
	"StringEquals":              {compare: func(w, h string) bool { return w == h }},
	"StringNotEquals":           {compare: func(w, h string) bool { return w == h }, negated: true},
	"StringEqualsIgnoreCase":    {compare: strings.EqualFold},
	"StringNotEqualsIgnoreCase": {compare: strings.EqualFold, negated: true},
	"StringLike":                {compare: glob.Match},
	"StringNotLike":             {compare: glob.Match, negated: true},
	"ArnEquals":                 {compare: likeARN},
	"ArnLike":                   {compare: likeARN},
	"ArnNotEquals":              {compare: likeARN, negated: true},
	"ArnNotLike":                {compare: likeARN, negated: true},
	"Bool":                      {compare: strings.EqualFold, check: checkBool},
	"Null":                      {compare: strings.EqualFold, check: checkBool},
	"NumericEquals":             {compare: numeric(func(c int) bool { return c == 0 }), check: checkNumber},
	"NumericNotEquals":          {compare: numeric(func(c int) bool { return c == 0 }), check: checkNumber, negated: true},
	"NumericLessThan":           {compare: numeric(func(c int) bool { return c < 0 }), check: checkNumber},
	"NumericLessThanEquals":     {compare: numeric(func(c int) bool { return c <= 0 }), check: checkNumber},
	"NumericGreaterThan":        {compare: numeric(func(c int) bool { return c > 0 }), check: checkNumber},
	"NumericGreaterThanEquals":  {compare: numeric(func(c int) bool { return c >= 0 }), check: checkNumber},
	"DateEquals":                {compare: date(func(c int) bool { return c == 0 }), check: checkDate},
	"DateNotEquals":             {compare: date(func(c int) bool { return c == 0 }), check: checkDate, negated: true},
	"DateLessThan":              {compare: date(func(c int) bool { return c < 0 }), check: checkDate},
	"DateLessThanEquals":        {compare: date(func(c int) bool { return c <= 0 }), check: checkDate},
	"DateGreaterThan":           {compare: date(func(c int) bool { return c > 0 }), check: checkDate},
	"DateGreaterThanEquals":     {compare: date(func(c int) bool { return c >= 0 }), check: checkDate},
}

// parseConditions turns the Condition block into a list in a stable order.
func parseConditions(block map[string]map[string]valueList) ([]Condition, error) {
	var list []Condition
	for name, keys := range block {
		set, rest := "", name
		if prefix, after, ok := strings.Cut(name, ":"); ok {
			if prefix != "ForAllValues" && prefix != "ForAnyValue" {
				return nil, fmt.Errorf("the condition operator %q is unknown", name)
			}
			set, rest = prefix, after
		}
		base := strings.TrimSuffix(rest, "IfExists")
		op, ok := operators[base]
		if !ok || base == "Null" && rest != name || base == "Null" && base != rest {
			return nil, fmt.Errorf("the local cloud does not evaluate the condition operator %q", name)
		}
		for key, values := range keys {
			if err := checkKey(key); err != nil {
				return nil, err
			}
			if strings.EqualFold(key, "aws:TagKeys") && set == "" && base != "Null" {
				return nil, fmt.Errorf("the condition key %q has several values and needs ForAllValues or ForAnyValue", key)
			}
			for _, v := range values {
				err := checkVariables(v)
				if err == nil && op.check != nil {
					err = op.check(v)
				}
				if err != nil {
					return nil, fmt.Errorf("condition %s on %s: %w", name, key, err)
				}
			}
			list = append(list, Condition{
				Key: key, Values: values, Operator: name,
				compare: op.compare, negated: op.negated, ifExists: base != rest, set: set, null: base == "Null",
			})
		}
	}
	slices.SortFunc(list, func(a, b Condition) int {
		return cmp.Or(strings.Compare(a.Operator, b.Operator), strings.Compare(a.Key, b.Key))
	})
	return list, nil
}

// holds evaluates the condition, as the IAM User Guide's "Evaluation logic for
// multiple context keys or values" tells.
func (c Condition) holds(keys lowerKeys) bool {
	have, exists := keys[strings.ToLower(c.Key)]
	exists = exists && len(have) > 0
	if c.null {
		return slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, "true") == !exists })
	}
	if !exists {
		// ForAllValues over nothing is true; an absent key equals nothing.
		return c.ifExists || c.set == "ForAllValues" || c.negated && c.set == ""
	}
	matches := func(have string) bool {
		return slices.ContainsFunc(c.Values, func(want string) bool {
			want, ok := expand(want, keys)
			return ok && c.compare(want, have)
		}) != c.negated
	}
	none := func(v string) bool { return !matches(v) }
	// Without a set operator a negated test means "none of the values".
	if c.set == "ForAllValues" || c.set == "" && c.negated {
		return !slices.ContainsFunc(have, none)
	}
	return slices.ContainsFunc(have, matches)
}

func numeric(test func(int) bool) func(want, have string) bool {
	return func(want, have string) bool {
		w, err1 := strconv.ParseFloat(want, 64)
		h, err2 := strconv.ParseFloat(have, 64)
		return err1 == nil && err2 == nil && test(cmp.Compare(h, w))
	}
}

func date(test func(int) bool) func(want, have string) bool {
	return func(want, have string) bool {
		w, err1 := parseDate(want)
		h, err2 := parseDate(have)
		return err1 == nil && err2 == nil && test(h.Compare(w))
	}
}

func parseDate(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, nil
	}
	return time.Parse(time.RFC3339, text)
}

func checkBool(v string) error {
	if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
		return fmt.Errorf("the value %q is not true or false", v)
	}
	return nil
}

func checkNumber(v string) error {
	if _, err := strconv.ParseFloat(v, 64); err != nil {
		return fmt.Errorf("the value %q is not a number", v)
	}
	return nil
}

func checkDate(v string) error {
	if _, err := parseDate(v); err != nil {
		return fmt.Errorf("the value %q is not an ISO 8601 date or epoch seconds", v)
	}
	return nil
}
