package elb

import (
	"cmp"
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
)

// resource is what the four kinds of resources have in common.
type resource struct {
	arn    string
	serial int64 // in the order of creation
	tags   map[string]string
}

func (r *resource) base() *resource { return r }

// page is the paging part of an input: all lists have the same.
type page struct {
	Marker   string
	PageSize *int
}

// maxPage is the longest page (API reference, PageSize: 1 to 400).
const maxPage = 400

// sorted lists resources in the order of their creation.
func sorted[R interface{ base() *resource }](all map[string]R) []R {
	out := make([]R, 0, len(all))
	for _, r := range all {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b R) int { return cmp.Compare(a.base().serial, b.base().serial) })
	return out
}

// cut takes one page out of a sorted list. A marker is the number of the first
// resource of its page, so that deletions in between lose nothing.
func cut[R interface{ base() *resource }](all []R, p page) (part []R, next string, err error) {
	size := maxPage
	if p.PageSize != nil {
		size = *p.PageSize
	}
	if size < 1 || size > maxPage {
		return nil, "", invalid("PageSize is %d, it must be 1 to %d", size, maxPage)
	}
	if p.Marker != "" {
		text, err := base64.RawURLEncoding.DecodeString(p.Marker)
		from, err2 := strconv.ParseInt(string(text), 10, 64)
		if err != nil || err2 != nil {
			return nil, "", invalid("The marker '%s' is not valid", p.Marker)
		}
		first := slices.IndexFunc(all, func(r R) bool { return r.base().serial >= from })
		if first < 0 {
			first = len(all)
		}
		all = all[first:]
	}
	if len(all) > size {
		next = base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, all[size].base().serial, 10))
		all = all[:size]
	}
	return all, next, nil
}

var (
	validName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
	validPath   = regexp.MustCompile(`^/[!-~]*$`)
	validStatus = regexp.MustCompile(`^[245]\d\d$`)
)

// checkName checks a name as CreateLoadBalancer and CreateTargetGroup do.
func checkName(kind, name string) error {
	switch {
	case name == "":
		return invalid("1 validation error detected: a %s name is required", kind)
	case len(name) > 32:
		return invalid("The %s name '%s' cannot be longer than '32' characters", kind, name)
	case !validName.MatchString(name):
		return invalid("The %s name '%s' can only contain characters that are alphanumeric characters and hyphens(-), and cannot begin or end with a hyphen", kind, name)
	}
	return nil
}
