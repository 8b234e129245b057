package states

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// references are the $names of a JSONata expression, found by its tokens: the
// JSONata library keeps its syntax tree to itself.
type references struct {
	Vars    []string        // every $name but $states, in order of appearance
	Local   map[string]bool // names that the expression binds itself (:=, parameters, @ and #)
	Members []string        // X of each $states.X
	Whole   bool            // $states stands without a member
	Root    bool            // $$ is used
}

// scan reads strings, quoted names, comments and regular expressions as such, so
// that a $ inside them counts for nothing.
func scan(text string) references {
	refs := references{Local: map[string]bool{}}
	seen := map[string]bool{}
	operand := false // the token before ended an operand, so that / divides
	params := false  // inside the parameter list of function(…)
	var before byte  // the last significant byte
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case strings.HasPrefix(text[i:], "/*"):
			if end := strings.Index(text[i+2:], "*/"); end >= 0 {
				i += end + 4
			} else {
				i = len(text)
			}
			continue
		case c == '"' || c == '\'' || c == '`':
			i = skipQuoted(text, i, c)
			operand = true
		case c == '/' && !operand:
			i = skipQuoted(text, i, '/')
			operand = true
		case c == '$':
			name, end := word(text, i+1)
			if name == "" && end < len(text) && text[end] == '$' {
				refs.Root = true
				end++
			}
			switch {
			case name == "states":
				if member := memberAfter(text, end); member != "" {
					refs.Members = append(refs.Members, member)
				} else {
					refs.Whole = true
				}
			case name != "":
				if !seen[name] {
					seen[name] = true
					refs.Vars = append(refs.Vars, name)
				}
				if params || before == '@' || before == '#' || strings.HasPrefix(strings.TrimLeft(text[end:], " \t\r\n"), ":=") {
					refs.Local[name] = true
				}
			}
			i, operand = end, true
		default:
			name, end := word(text, i)
			if name == "" {
				_, size := utf8.DecodeRuneInString(text[i:])
				i += size
				operand = c == ')' || c == ']' || c == '}'
				if c == ')' {
					params = false
				}
				break
			}
			i = end
			if (name == "function" || name == "λ") && strings.HasPrefix(strings.TrimLeft(text[end:], " \t\r\n"), "(") {
				params = true
			}
			operand = name != "and" && name != "or" && name != "in"
		}
		before = text[i-1]
	}
	return refs
}

// skipQuoted returns the index after the quoted text that opens at i.
func skipQuoted(text string, i int, quote byte) int {
	for i++; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return len(text)
}

func word(text string, from int) (string, int) {
	i := from
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) || r == utf8.RuneError {
			break
		}
		i += size
	}
	return text[from:i], i
}

// memberAfter is the name in ".name" or ".`name`" that follows at i.
func memberAfter(text string, i int) string {
	rest := strings.TrimLeft(text[i:], " \t\r\n")
	if !strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "..") {
		return ""
	}
	rest = strings.TrimLeft(rest[1:], " \t\r\n")
	if strings.HasPrefix(rest, "`") {
		if end := strings.IndexByte(rest[1:], '`'); end >= 0 {
			return rest[1 : 1+end]
		}
		return ""
	}
	name, _ := word(rest, 0)
	return name
}
