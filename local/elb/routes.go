package elb

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
			if matches(pattern, path) {
				return &t.rules[i]
			}
		}
	}
	return &t.fallback
}

// matches compares a path with a pattern in which * stands for any run of
// characters and ? for any one. Case counts.
func matches(pattern, path string) bool {
	p, t := 0, 0
	star, mark := -1, 0 // the last *, and where in path it was tried to end
	for t < len(path) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == path[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
