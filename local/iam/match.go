package iam

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/local/glob"
)

// likeARN compares the six parts of two ARNs one by one, so that a wildcard
// does not reach over a colon, except in the last part (IAM User Guide,
// "Resource": wildcards in ARNs).
func likeARN(pattern, arn string) bool {
	if pattern == "*" {
		return true
	}
	p, a := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(p) != 6 || len(a) != 6 {
		return false
	}
	for i := range p {
		if !glob.Match(p[i], a[i]) {
			return false
		}
	}
	return true
}

// likeAction ignores case, as AWS does for action names.
func likeAction(pattern, action string) bool {
	return glob.Match(strings.ToLower(pattern), strings.ToLower(action))
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// checkVariables refuses ${…} that the store could not fill in.
func checkVariables(text string) error {
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if name == "*" || name == "?" || name == "$" {
			return fmt.Errorf("the local cloud does not evaluate the escape ${%s}", name)
		}
		if strings.Contains(name, ",") {
			return fmt.Errorf("the local cloud does not evaluate variables with a default: ${%s}", name)
		}
		if err := checkKey(name); err != nil {
			return fmt.Errorf("variable ${%s}: %w", name, err)
		}
	}
	return nil
}

// expand fills ${…} in from the keys. ok is false when a key is absent or has
// several values: then, as on AWS, the text matches nothing.
func expand(text string, keys lowerKeys) (expanded string, ok bool) {
	ok = true
	expanded = variable.ReplaceAllStringFunc(text, func(match string) string {
		values := keys[strings.ToLower(match[2:len(match)-1])]
		// A value with a wildcard would widen the pattern it stands in.
		if len(values) != 1 || strings.ContainsAny(values[0], "*?") {
			ok = false
			return ""
		}
		return values[0]
	})
	return expanded, ok
}

// lowerKeys are condition keys by lower-case name: AWS compares the names of
// condition keys without regard to case.
type lowerKeys map[string][]string
