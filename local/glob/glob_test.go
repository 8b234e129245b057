package glob

import "testing"

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/cluster1", "/cluster1", true},
		{"/cluster1", "/cluster10", false},
		{"/cluster1/*", "/cluster1", false},
		{"/cluster1/*", "/cluster1/", true},
		{"/cluster1/*", "/cluster1/a/b", true},
		{"/Cluster1", "/cluster1", false},
		{"*.jpg", "/img/a.jpg", true},
		{"*.jpg", "/img/a.jpg.png", false},
		{"/img/?.jpg", "/img/a.jpg", true},
		{"/img/?.jpg", "/img/ab.jpg", false},
		{"/*/b/*/d", "/a/b/c/b/d", true},
		{"*", "", true},
		{"", "/", false},
		{"**?", "/", true},
	} {
		if got := Match(test.pattern, test.path); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.path, got)
		}
	}
}

// Patterns are compared in linear space and without recursion.
func FuzzMatch(f *testing.F) {
	f.Add("/a*b?c", "/axxbyc")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		var slow func(p, s string) bool
		slow = func(p, s string) bool {
			switch {
			case p == "":
				return s == ""
			case p[0] == '*':
				return slow(p[1:], s) || s != "" && slow(p, s[1:])
			case s == "":
				return false
			}
			return (p[0] == '?' || p[0] == s[0]) && slow(p[1:], s[1:])
		}
		if len(pattern) > 12 || len(path) > 24 {
			return
		}
		if got := Match(pattern, path); got != slow(pattern, path) {
			t.Errorf("%q matches %q: %v", pattern, path, got)
		}
	})
}
