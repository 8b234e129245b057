package systemd

import (
	"fmt"
	"strings"
)

// assignment is one "Name=Value" line with its section.
type assignment struct {
	section, name, value string
	line                 int
}

// assignments splits a unit file into its lines: comments begin with # or ;,
// a backslash at the end of a line joins it with the next.
func assignments(text string) ([]assignment, error) {
	var out []assignment
	section, joined, start := "", "", 0
	for i, raw := range strings.Split(text, "\n") {
		line := strings.TrimSpace(raw)
		if line != "" && (line[0] == '#' || line[0] == ';') {
			continue // also inside a joined line, as systemd does
		}
		if joined == "" {
			start = i + 1
		}
		if rest, ok := strings.CutSuffix(line, `\`); ok {
			joined += rest + " "
			continue
		}
		line, joined = strings.TrimSpace(joined+line), ""
		if line == "" {
			continue
		}
		if line[0] == '[' {
			if !strings.HasSuffix(line, "]") {
				return nil, fmt.Errorf("line %d: section header %q has no closing bracket", start, line)
			}
			section = line[1 : len(line)-1]
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d: %q is not an assignment", start, line)
		}
		if section == "" {
			return nil, fmt.Errorf("line %d: assignment outside of a section", start)
		}
		out = append(out, assignment{section, strings.TrimSpace(name), strings.TrimSpace(value), start})
	}
	if joined != "" {
		return nil, fmt.Errorf("line %d: the file ends in a continued line", start)
	}
	return out, nil
}
