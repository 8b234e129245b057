package ec2

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// filter is one Filter.N of a Describe call: the values are alternatives, and
// several filters must all hold.
type filter struct {
	Name  string
	Value []string
}

// matches says whether something passes all filters. field gives the values
// that it has under a filter's name, and false for a name that there is not.
func matches(filters []filter, field func(name string) ([]string, bool)) (bool, error) {
	all := true
	for _, f := range filters {
		have, ok := field(f.Name)
		if !ok {
			return false, fail("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		if !slices.ContainsFunc(f.Value, func(pattern string) bool {
			return slices.ContainsFunc(have, func(value string) bool { return wild(pattern, value) })
		}) {
			all = false // but look at the others' names too
		}
	}
	return all, nil
}

// wild matches a value with a filter's pattern: * is any text, ? any one
// character, a backslash takes the next character as it is.
func wild(pattern, value string) bool {
	if pattern == "" {
		return value == ""
	}
	switch c := pattern[0]; {
	case c == '*':
		for n := range len(value) + 1 {
			if wild(pattern[1:], value[n:]) {
				return true
			}
		}
		return false
	case value == "":
		return false
	case c == '\\' && len(pattern) > 1:
		return pattern[1] == value[0] && wild(pattern[2:], value[1:])
	case c == '?' || c == value[0]:
		return wild(pattern[1:], value[1:])
	}
	return false
}

// tagField answers the filters tag:<key> and tag-key.
func tagField(tags map[string]string, name string) ([]string, bool) {
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if value, has := tags[key]; has {
			return []string{value}, true
		}
		return nil, true
	}
	if name == "tag-key" {
		keys := make([]string, 0, len(tags))
		for key := range tags {
			keys = append(keys, key)
		}
		return keys, true
	}
	return nil, false
}

// paginate cuts one page out of a list. limit 0 is the greatest page; lists
// here are made in an order that stays, so that a token is a position.
func paginate[T any](all []T, limit, least, most int, token string) (page []T, next string, err error) {
	if limit != 0 && (limit < least || limit > most) {
		return nil, "", fail("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", limit, least, most)
	}
	from := 0
	if token != "" {
		text, decodeErr := base64.RawURLEncoding.DecodeString(token)
		if from, err = strconv.Atoi(string(text)); decodeErr != nil || err != nil || from < 0 {
			return nil, "", fail("InvalidNextToken", "The token '%s' is invalid", token)
		}
	}
	if limit == 0 {
		limit = most
	}
	from = min(from, len(all))
	to := min(from+limit, len(all))
	if to < len(all) {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return all[from:to], next, nil
}

func boolText(b bool) string { return strconv.FormatBool(b) }
