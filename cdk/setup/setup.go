// Package setup is the SSM command document that turns a fresh instance into a
// node or a proxy: the script, its parameters and what each may hold.
package setup

import (
	_ "embed"
	"strings"
)

//go:embed setup.sh
var script string

// Parameter is one of the document's parameters. SSM pastes the value into the
// script as text, so Pattern, anchored at both ends, is what keeps it data.
type Parameter struct {
	Name        string
	Description string
	Pattern     string
}

// Parameters lists what a command must pass, in the order the script uses them.
func Parameters() []Parameter {
	return []Parameter{
		{"Artifact", "S3 URI of the program.", `^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9][A-Za-z0-9/._-]{0,511}$`},
		{"Sha256", "SHA-256 of the program, lower-case hex.", `^[0-9a-f]{64}$`},
		{"Service", "Which program it is.", `^(backend|proxy)$`},
		// No quote, dollar, backslash or percent: the arguments pass through bash
		// once and through a systemd unit once.
		{"Arguments", "The program's flags.", `^-[A-Za-z0-9 =,.:/_-]{1,999}$`},
	}
}

// Document is the content of an AWS::SSM::Document of type Command, schema 2.2.
func Document() map[string]any {
	parameters := map[string]any{}
	for _, p := range Parameters() {
		parameters[p.Name] = map[string]any{
			"type":           "String",
			"description":    p.Description,
			"allowedPattern": p.Pattern,
		}
	}
	return map[string]any{
		"schemaVersion": "2.2",
		"description":   "Installs a Fairlead program, starts it and proves that it answers.",
		"parameters":    parameters,
		"mainSteps": []any{map[string]any{
			"action": "aws:runShellScript",
			"name":   "setup",
			"inputs": map[string]any{
				// The default is an hour; a download of some megabytes and a 10 s check
				// that take longer than this have failed.
				"timeoutSeconds": "120",
				"runCommand":     lines(),
			},
		}},
	}
}

func lines() []any {
	var all []any
	for line := range strings.Lines(script) {
		all = append(all, strings.TrimSuffix(line, "\n"))
	}
	return all
}
