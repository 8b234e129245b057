package ssm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// document is a Command document of schema version 2.2 (Systems Manager user
// guide, "Schemas, features, and examples"). What is not in these structures
// is refused when the document is made.
type document struct {
	SchemaVersion string               `json:"schemaVersion"`
	Description   string               `json:"description"`
	Parameters    map[string]parameter `json:"parameters"`
	MainSteps     []step               `json:"mainSteps"`
}

type parameter struct {
	Type           string          `json:"type"` // String or StringList
	Description    string          `json:"description"`
	DisplayType    string          `json:"displayType"` // how a console shows it
	Default        json.RawMessage `json:"default"`
	AllowedPattern string          `json:"allowedPattern"`
	AllowedValues  []string        `json:"allowedValues"`

	pattern  *regexp.Regexp
	fallback []string // nil: the parameter is required
}

type step struct {
	Action       string        `json:"action"`
	Name         string        `json:"name"`
	Precondition *precondition `json:"precondition"`
	Inputs       inputs        `json:"inputs"`
}

// precondition can only be the one that AWS's own examples carry.
type precondition struct {
	StringEquals []string `json:"StringEquals"`
}

type inputs struct {
	RunCommand       []string        `json:"runCommand"`
	TimeoutSeconds   json.RawMessage `json:"timeoutSeconds"` // a number, or text with a number or a parameter
	WorkingDirectory string          `json:"workingDirectory"`
}

// CreateDocument keeps a Command document, JSON of schema version 2.2.
func (s *Service) CreateDocument(name string, content []byte) error {
	if !regexp.MustCompile(`^[a-zA-Z0-9_\-.]{3,128}$`).MatchString(name) || strings.HasPrefix(strings.ToLower(name), "aws") {
		return fail("ValidationException", "%q is not a valid document name", name)
	}
	d, err := parseDocument(content)
	if err != nil {
		return fail("InvalidDocumentContent", "%s: %v", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.documents[name]; ok {
		return fail("DocumentAlreadyExists", "Document with name %s already exists.", name)
	}
	s.documents[name] = d
	return nil
}

// DeleteDocument removes a document. Commands that run from it go on.
func (s *Service) DeleteDocument(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.documents[name]; !ok {
		return errNoDocument(name)
	}
	delete(s.documents, name)
	return nil
}

func errNoDocument(name string) error {
	return fail("InvalidDocument", "Document with name %s does not exist.", name)
}

func parseDocument(content []byte) (*document, error) {
	d := &document{}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is text after the document")
	}
	if d.SchemaVersion != "2.2" {
		return nil, fmt.Errorf("schemaVersion %q is not supported, only 2.2", d.SchemaVersion)
	}
	for name, p := range d.Parameters {
		if err := p.prepare(); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		d.Parameters[name] = p
	}
	if len(d.MainSteps) == 0 {
		return nil, errors.New("mainSteps is empty")
	}
	seen := map[string]bool{}
	for _, s := range d.MainSteps {
		if err := d.checkStep(s); err != nil {
			return nil, fmt.Errorf("step %q: %w", s.Name, err)
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("two steps have the name %q", s.Name)
		}
		seen[s.Name] = true
	}
	return d, nil
}

func (p *parameter) prepare() (err error) {
	if p.Type != "String" && p.Type != "StringList" {
		return fmt.Errorf("type %q is not supported, only String and StringList", p.Type)
	}
	if p.AllowedPattern != "" {
		if p.pattern, err = regexp.Compile(p.AllowedPattern); err != nil {
			return err
		}
	}
	if p.Default == nil {
		return nil
	}
	if p.Type == "String" {
		p.fallback = make([]string, 1)
		err = json.Unmarshal(p.Default, &p.fallback[0])
	} else {
		p.fallback = []string{}
		err = json.Unmarshal(p.Default, &p.fallback)
	}
	if err != nil {
		return fmt.Errorf("default: %w", err)
	}
	return nil
}

func (d *document) checkStep(s step) error {
	if s.Action != "aws:runShellScript" {
		return fmt.Errorf("action %q is not supported, only aws:runShellScript", s.Action)
	}
	if s.Name == "" || len(s.Inputs.RunCommand) == 0 {
		return errors.New("a name and inputs.runCommand are needed")
	}
	if p := s.Precondition; p != nil && !slices.Equal(p.StringEquals, []string{"platformType", "Linux"}) {
		return errors.New(`precondition is supported only as {"StringEquals": ["platformType", "Linux"]}`)
	}
	for _, text := range append(slices.Clone(s.Inputs.RunCommand), s.Inputs.WorkingDirectory, s.Inputs.timeoutText()) {
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			if _, ok := d.Parameters[m[1]]; !ok {
				return fmt.Errorf("%s names no parameter of the document", m[0])
			}
		}
	}
	if text := s.Inputs.timeoutText(); !reference.MatchString(text) {
		_, err := seconds(text)
		return err
	}
	return nil
}

// reference is {{ Name }} as SSM replaces it; "ssm:" and other prefixes are
// caught too, so that they are refused and not run as text.
var reference = regexp.MustCompile(`\{\{\s*([a-zA-Z0-9_:./-]+)\s*\}\}`)

func (i inputs) timeoutText() string { return strings.Trim(string(i.TimeoutSeconds), `"`) }

// defaultTimeout is SSM's executionTimeout.
const defaultTimeout = time.Hour

func seconds(text string) (time.Duration, error) {
	if text == "" {
		return defaultTimeout, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 172800 {
		return 0, fmt.Errorf("timeoutSeconds %q is not a number from 1 to 172800", text)
	}
	return time.Duration(n) * time.Second, nil
}

// values checks a command's parameters and fills in the defaults.
func (d *document) values(given map[string][]string) (map[string][]string, error) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := d.Parameters[name]; !ok {
			return nil, fail("InvalidParameters", "Document schema doesn't have the parameter %s", name)
		}
	}
	out := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		p := d.Parameters[name]
		values, ok := given[name]
		if !ok {
			values = p.fallback
		}
		if values == nil {
			return nil, fail("InvalidParameters", "Parameter %s is required", name)
		}
		if p.Type == "String" && len(values) != 1 {
			return nil, fail("InvalidParameters", "Parameter %s is a String and must have one value", name)
		}
		for _, v := range values {
			if p.pattern != nil && !p.pattern.MatchString(v) {
				return nil, fail("InvalidParameters", "Parameter %s: the value does not match the allowedPattern %s", name, p.AllowedPattern)
			}
			if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, v) {
				return nil, fail("InvalidParameters", "Parameter %s: the value is not one of %v", name, p.AllowedValues)
			}
		}
		out[name] = values
	}
	return out, nil
}

// script is one step with its parameters pasted in.
type script struct {
	name, text, workingDirectory string
	timeout                      time.Duration
}

func (d *document) scripts(values map[string][]string) ([]script, error) {
	paste := func(text string) string {
		return reference.ReplaceAllStringFunc(text, func(m string) string {
			return strings.Join(values[reference.FindStringSubmatch(m)[1]], "\n")
		})
	}
	out := make([]script, len(d.MainSteps))
	for n, s := range d.MainSteps {
		lines := make([]string, len(s.Inputs.RunCommand))
		for i, line := range s.Inputs.RunCommand {
			lines[i] = paste(line)
		}
		timeout, err := seconds(paste(s.Inputs.timeoutText()))
		if err != nil {
			return nil, fail("InvalidParameters", "%v", err)
		}
		out[n] = script{s.Name, strings.Join(lines, "\n") + "\n", paste(s.Inputs.WorkingDirectory), timeout}
	}
	return out, nil
}

// shellDocument is AWS-RunShellScript, which every account has.
func shellDocument() *document {
	d, err := parseDocument([]byte(`{"schemaVersion":"2.2","parameters":{"commands":{"type":"StringList"},"workingDirectory":{"type":"String","default":""},
		"executionTimeout":{"type":"String","default":"3600","allowedPattern":"^[1-9][0-9]{0,5}$"}},
		"mainSteps":[{"action":"aws:runShellScript","name":"aws:runShellScript","inputs":{"runCommand":["{{ commands }}"],
		"workingDirectory":"{{ workingDirectory }}","timeoutSeconds":"{{ executionTimeout }}"}}]}`))
	if err != nil {
		panic(err) // a constant of the source; a test makes it
	}
	return d
}

const shellDocumentName = "AWS-RunShellScript"

// document finds a document and its ARN. mu is held.
func (s *Service) document(name string) (*document, string, error) {
	if name == shellDocumentName {
		return shellDocument(), "arn:aws:ssm:" + s.config.Region + "::document/" + name, nil
	}
	arn := "arn:aws:ssm:" + s.config.Region + ":" + s.config.Account + ":document/" + name
	d, ok := s.documents[name]
	if !ok {
		return nil, arn, errNoDocument(name)
	}
	return d, arn, nil
}
