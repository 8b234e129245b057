package elb

import "github.com/fairlead/fairlead/local/glob"

// routes is what a listener does with requests: the first rule that matches,
// else the fallback. It is replaced as a whole when a call changes it.
type routes struct {
	rules    []route // by priority
	fallback route
}

// route sends to a group, or answers itself where group is nil.
type route struct {
	patterns []string
	group    *pool

	status            int
	contentType, body string
}

// find gives the route of a path.
func (t *routes) find(path string) *route {
	for i := range t.rules {
		for _, pattern := range t.rules[i].patterns {
			if glob.Match(pattern, path) {
				return &t.rules[i]
			}
		}
	}
	return &t.fallback
}
