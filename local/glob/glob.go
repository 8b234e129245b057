// Package glob matches texts with the wildcards of AWS's policies and of load
// balancers' rules.
package glob

// Match reports whether text matches a pattern in which * stands for any run of
// characters and ? for any one. Case counts.
func Match(pattern, text string) bool {
	p, t := 0, 0
	star, mark := -1, 0 // the last *, and where in text it was tried to end
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
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
