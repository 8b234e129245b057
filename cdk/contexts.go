package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// defaultStack is the stack's name; `-c stack=NAME` makes another one beside it.
const defaultStack = "fairlead"

// options are what `npx aws-cdk deploy -c KEY=VALUE` may say, by these keys.
type options struct {
	stack        string   // stack: the stack's name
	vpcID        string   // vpcId: a VPC that exists, in place of one of the stack's own
	subnetIDs    []string // subnetIds: with vpcId, its public subnets to use, comma-separated
	keepResults  bool     // keepResults: whether the results outlive the stack; true unless given
	labRole      string   // labRole: a role that exists, for accounts that can create none
	assetsBucket string   // assetsBucket: with labRole, the bucket for the programs
}

// keys are the contexts of this app, each with what its value must be.
var keys = map[string]*regexp.Regexp{
	"stack":        regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`),
	"vpcId":        regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`),
	"subnetIds":    regexp.MustCompile(`^subnet-[0-9a-f]{8,17}(,subnet-[0-9a-f]{8,17})*$`),
	"keepResults":  regexp.MustCompile(`^(true|false)$`),
	"labRole":      regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,64}$`),
	"assetsBucket": regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`),
}

// right says what the values of each key look like.
var right = map[string]string{
	"stack":        "a CloudFormation stack name: a letter, then letters, digits and hyphens, 128 in all at most",
	"vpcId":        "the id of a VPC, such as vpc-0123456789abcdef0",
	"subnetIds":    "ids of public subnets of that VPC, comma-separated, such as subnet-0123456789abcdef0,subnet-0fedcba9876543210",
	"keepResults":  "true or false",
	"labRole":      "the name of a role that exists, such as LabRole (not its ARN)",
	"assetsBucket": "the name of an S3 bucket",
}

// parseOptions reads the contexts, of which the CLI and the CDK add some of their
// own. The error names all mistakes, one a line.
func parseOptions(contexts map[string]any) (options, error) {
	var mistakes []error
	mistake := func(format string, values ...any) {
		mistakes = append(mistakes, fmt.Errorf(format, values...))
	}
	given := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(contexts)) {
		pattern, known := keys[key]
		if !known {
			if meant := near(key); meant != "" {
				mistake("context %s: there is none of this name; %s is %s", key, meant, right[meant])
			}
			continue
		}
		// From the command line it is text; cdk.json can also hold true and false.
		value := fmt.Sprint(contexts[key])
		if !pattern.MatchString(value) {
			mistake("context %s=%s: want %s", key, value, right[key])
		}
		given[key] = value
	}
	o := options{
		stack:        defaultStack,
		vpcID:        given["vpcId"],
		keepResults:  given["keepResults"] != "false",
		labRole:      given["labRole"],
		assetsBucket: given["assetsBucket"],
	}
	if name, ok := given["stack"]; ok {
		o.stack = name
	}
	if ids, ok := given["subnetIds"]; ok {
		o.subnetIDs = strings.Split(ids, ",")
		if _, ok := given["vpcId"]; !ok {
			mistake("context subnetIds: say which VPC they are in, too: -c vpcId=vpc-…")
		}
		sorted := slices.Sorted(slices.Values(o.subnetIDs))
		if distinct := len(slices.Compact(sorted)); distinct < len(o.subnetIDs) || distinct < 2 {
			mistake("context subnetIds=%s: want at least two different subnets, each in a zone of its own: a load balancer takes no others", ids)
		}
	}
	if o.vpcID != "" && o.subnetIDs == nil {
		mistake("context vpcId: say which of its public subnets to use, too: -c subnetIds=subnet-…,subnet-…; "+
			"`aws ec2 describe-subnets --filters Name=vpc-id,Values=%s` lists them", o.vpcID)
	}
	switch {
	case o.labRole != "" && o.assetsBucket == "":
		mistake("context labRole: an account that can create no roles cannot be bootstrapped either; " +
			"make a bucket for the programs with `aws s3 mb s3://NAME` and give it as well: -c assetsBucket=NAME")
	case o.labRole == "" && o.assetsBucket != "":
		mistake("context assetsBucket: it is for accounts with labRole; without, the programs go to the bucket of `npx aws-cdk bootstrap`")
	}
	return o, errors.Join(mistakes...)
}

// near finds the key that was probably meant: one that differs in case, in hyphens
// and underscores, or in a single letter at the end. Anything else belongs to others.
func near(name string) string {
	bare := func(s string) string {
		return strings.TrimSuffix(strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s)), "s")
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if bare(key) == bare(name) {
			return key
		}
	}
	return ""
}
