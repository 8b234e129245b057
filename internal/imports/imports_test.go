// Package imports holds the test that keeps the house's walls: which package
// may import which. docs/architecture.md draws them.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/proxy/strategy"
)

const module = "github.com/fairlead/fairlead/"

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", module+"...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, module)] = p
	}
	if len(all) < 10 {
		t.Fatalf("go list names only %d packages", len(all))
	}
	return all
}

// within tells whether a package is dir or lies below it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func TestImportRules(t *testing.T) {
	all := packages(t)
	rules := []struct {
		why    string
		from   []string // packages below these …
		except []string
		not    func(imported string) bool // … import nothing for which this holds
		tests  bool                       // in their tests neither
	}{
		{"the vocabulary stands on the standard library alone", []string{"internal/bench"}, nil,
			func(i string) bool { return strings.Contains(i, ".") }, false},
		{"the local cloud knows AWS, not benchmarks", []string{"local"}, nil,
			func(i string) bool { return strings.HasPrefix(i, module) && !within(i, module+"local") }, true},
		{"the proxy and the backend are programs of their own", []string{"proxy", "backend"}, nil,
			func(i string) bool {
				return within(i, module+"internal/steps") || within(i, module+"local") || within(i, module+"lambdas") || within(i, module+"cmd")
			}, false},
		{"only cmd/fairlead joins the local cloud with the rest", []string{"internal", "lambdas", "proxy", "backend", "cdk", "workflows"}, nil,
			func(i string) bool { return within(i, module+"local") }, false},
		{"the EC2 SDK is slow to compile: one package imports it", []string{"cmd", "internal", "lambdas", "proxy", "backend", "cdk", "workflows", "local"}, []string{"internal/fleet"},
			func(i string) bool { return within(i, "github.com/aws/aws-sdk-go-v2/service/ec2") }, true},
		{"only cdk imports the CDK", []string{"cmd", "internal", "lambdas", "proxy", "backend", "local", "workflows", "cdk/template"}, nil,
			func(i string) bool {
				return strings.HasPrefix(i, "github.com/aws/aws-cdk-go/") || strings.HasPrefix(i, "github.com/aws/jsii")
			}, true},
		{"steps are used by the Lambda program only", []string{"internal", "proxy", "backend", "local", "workflows", "cdk", "cmd"}, []string{"internal/steps"},
			func(i string) bool { return within(i, module+"internal/steps") }, false},
		{"the steps reach AWS over interfaces of their own", []string{"internal/steps"}, nil,
			func(i string) bool {
				return within(i, module+"internal/fleet") || strings.HasPrefix(i, "github.com/aws/aws-sdk-go-v2/service/")
			}, false},
		{"a strategy decides and does no input or output", []string{"proxy/strategy"}, nil,
			func(i string) bool { return strings.Contains(i, ".") || within(i, "net") || within(i, "os") }, false},
		{"measuring and judging stand on the vocabulary", []string{"internal/load", "internal/stat"}, nil,
			func(i string) bool {
				return within(i, module+"internal/steps") || within(i, module+"internal/fleet") || within(i, module+"internal/report")
			}, false},
	}
	for _, r := range rules {
		matched := 0
		for name, p := range all {
			if !slices.ContainsFunc(r.from, func(d string) bool { return within(name, d) }) ||
				slices.ContainsFunc(r.except, func(d string) bool { return within(name, d) }) {
				continue
			}
			matched++
			imports := p.Imports
			if r.tests {
				imports = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
			}
			for _, i := range imports {
				if r.not(i) {
					t.Errorf("%s imports %s: %s", name, strings.TrimPrefix(i, module), r.why)
				}
			}
		}
		if matched == 0 {
			t.Errorf("no package is judged by the rule %q", r.why)
		}
	}
	for _, light := range []string{"cmd/fairlead", "cdk/template"} {
		for _, d := range all[light].Deps {
			if strings.Contains(d, "aws-sdk-go") || d == "net/http" {
				t.Errorf("%s depends on %s: it must compile in seconds, because nothing can be said before", light, d)
			}
		}
	}
	for name, p := range all {
		if within(name, "cmd") && slices.Contains(p.Deps, "github.com/aws/aws-sdk-go-v2/service/ec2") {
			t.Errorf("%s depends on the EC2 SDK, which would be compiled before anything is said", name)
		}
	}
}

func TestPlanKnowsTheProxysStrategies(t *testing.T) {
	a, b := slices.Sorted(slices.Values(bench.Strategies())), slices.Sorted(slices.Values(strategy.Names()))
	if !slices.Equal(a, b) {
		t.Errorf("the plan accepts %v, the proxy has %v", a, b)
	}
}
