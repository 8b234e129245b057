package systemd

import (
	"errors"
	"fmt"
	"strings"
)

// errQuote is what an unbalanced quote gives.
var errQuote = errors.New("unbalanced quotes")

// Words splits a value into words as systemd.syntax(7) says: white space
// separates, 'single' and "double" quotes keep together, backslash escapes are
// C's. Specifiers other than %% are refused: nothing here would expand them.
func Words(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote byte
	in := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			text, n, err := escape(s[i+1:])
			if err != nil {
				return nil, err
			}
			word.WriteString(text)
			i += n
			in = true
		case c == '%':
			if i+1 >= len(s) || s[i+1] != '%' {
				return nil, fmt.Errorf("specifier in %q is not supported (write %%%% for a percent sign)", s)
			}
			word.WriteByte('%')
			i++
			in = true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		return nil, errQuote
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// escape reads what follows a backslash: the text it stands for and how many
// bytes it took.
func escape(s string) (string, int, error) {
	if s == "" {
		return "", 0, errors.New("backslash at the end")
	}
	simple := map[byte]string{'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
		'\\': `\`, '"': `"`, '\'': "'", 's': " "}
	if text, ok := simple[s[0]]; ok {
		return text, 1, nil
	}
	if s[0] == 'x' && len(s) >= 3 {
		var b byte
		if _, err := fmt.Sscanf(s[1:3], "%02x", &b); err == nil && b != 0 {
			return string([]byte{b}), 3, nil
		}
	}
	return "", 0, fmt.Errorf("escape \\%c is not supported", s[0])
}

// Command is one ExecStart or ExecStartPre line.
type Command struct {
	IgnoreFailure bool     // the "-" prefix
	Args          []string // Args[0] is the absolute path of the program
}

// parseCommand reads one command line. Of the prefixes only "-" is supported:
// the others change identity or the meaning of variables.
func parseCommand(value string) (Command, error) {
	words, err := Words(value)
	if err != nil {
		return Command{}, err
	}
	if len(words) == 0 {
		return Command{}, errors.New("empty command")
	}
	var c Command
	words[0], c.IgnoreFailure = strings.CutPrefix(words[0], "-")
	if !strings.HasPrefix(words[0], "/") {
		return Command{}, fmt.Errorf("%q: the program must be an absolute path, and of the prefixes only - is supported", words[0])
	}
	for _, w := range words[1:] {
		if w == ";" {
			return Command{}, errors.New("several commands on one line are not supported")
		}
	}
	c.Args = words
	return c, nil
}

// Expand replaces variables as systemd does: ${NAME} anywhere in a word by its
// value, $NAME as a whole word by its value split at white space (none when
// empty), $$ by a dollar sign. The program itself is never expanded.
func (c Command) Expand(env map[string]string) []string {
	out := []string{c.Args[0]}
	for _, word := range c.Args[1:] {
		if name, ok := strings.CutPrefix(word, "$"); ok && isName(name) {
			out = append(out, strings.Fields(env[name])...)
			continue
		}
		out = append(out, expandBraces(word, env))
	}
	return out
}

func expandBraces(word string, env map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(word); i++ {
		rest := word[i:]
		if strings.HasPrefix(rest, "$$") {
			out.WriteByte('$')
			i++
			continue
		}
		if end := strings.IndexByte(rest, '}'); strings.HasPrefix(rest, "${") && end > 0 && isName(rest[2:end]) {
			out.WriteString(env[rest[2:end]])
			i += end
			continue
		}
		out.WriteByte(word[i])
	}
	return out.String()
}

func isName(s string) bool {
	for i, c := range s {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
