package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"

	"github.com/fairlead/fairlead/cdk/template"
)

var update = flag.Bool("update", false, "renew cdk/template/template.json and student.json")

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// goldens are the committed templates and the contexts that make them.
var goldens = map[string]options{
	"template/template.json": {stack: defaultStack, keepResults: true},
	"template/student.json":  {stack: defaultStack, keepResults: true, labRole: "LabRole", assetsBucket: template.StudentBucket},
}

// TestGolden keeps the committed templates equal to what the app synthesizes.
func TestGolden(t *testing.T) {
	need(t, "node", "the golden templates are not compared")
	for file, o := range goldens {
		t.Run(filepath.Base(file), func(t *testing.T) {
			output := t.TempDir()
			got, err := synthesize(o, t.TempDir(), output)
			if err != nil {
				t.Fatal(err)
			}
			for _, violation := range violations(t, output) {
				t.Errorf("the CDK's validation: %s; correct it, or acknowledge it in place with the reason", violation)
			}
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the app synthesizes another template than %s; look at the difference with `go test ./cdk -update` and git diff\nfirst difference: %s",
					file, firstDifference(want, got))
			}
		})
	}
}

// violations lists what the CDK's own checks of the template found, but for what
// is acknowledged. The report is not written where they found nothing at all.
func violations(t *testing.T, folder string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, "validation-report.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var report struct {
		PluginReports []struct {
			Violations []struct{ RuleName, Description string }
		}
	}
	if err == nil {
		err = json.Unmarshal(raw, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, plugin := range report.PluginReports {
		for _, v := range plugin.Violations {
			all = append(all, v.RuleName+" "+v.Description)
		}
	}
	return all
}

// placeholders writes what stands for the programs in the golden templates.
func placeholders(folder string) (map[string]program, error) {
	programs := map[string]program{}
	for _, asset := range template.Assets() {
		path := filepath.Join(folder, filepath.Base(asset.Key))
		if err := os.WriteFile(path, asset.Stub(), 0o755); err != nil {
			return nil, err
		}
		made, err := load(path)
		if err != nil {
			return nil, err
		}
		programs[asset.Name] = made
	}
	return programs, nil
}

// synthesize makes a golden template: with placeholders for the programs, and
// with stable keys in place of the CDK's content hashes.
func synthesize(o options, programsFolder, outputFolder string) ([]byte, error) {
	programs, err := placeholders(programsFolder)
	if err != nil {
		return nil, err
	}
	app := newApp(outputFolder)
	newStack(app, o, programs)
	app.Synth(nil)

	text, err := os.ReadFile(filepath.Join(outputFolder, o.stack+".template.json"))
	if err != nil {
		return nil, err
	}
	keys, err := uploadedKeys(filepath.Join(outputFolder, o.stack+".assets.json"))
	if err != nil {
		return nil, err
	}
	for _, asset := range template.Assets() {
		key, ok := keys[programs[asset.Name].sha256]
		if !ok {
			return nil, fmt.Errorf("the CDK uploads no asset with the content of %s", asset.Name)
		}
		text = bytes.ReplaceAll(text, []byte(key), []byte(asset.Key))
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	var pretty bytes.Buffer
	encoder := json.NewEncoder(&pretty)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(tree); err != nil {
		return nil, err
	}
	return pretty.Bytes(), nil
}

// uploadedKeys reads the CDK's asset manifest: the object key of each file that it
// uploads, by the SHA-256 of the file's content.
func uploadedKeys(manifest string) (map[string]string, error) {
	raw, err := os.ReadFile(manifest)
	if err != nil {
		return nil, err
	}
	var parsed struct {
		Files map[string]struct {
			Source       struct{ Path string }
			Destinations map[string]struct{ ObjectKey string }
		}
	}
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, file := range parsed.Files {
		if strings.HasSuffix(file.Source.Path, ".template.json") {
			continue
		}
		staged, err := load(filepath.Join(filepath.Dir(manifest), file.Source.Path))
		if err != nil {
			return nil, err
		}
		for _, destination := range file.Destinations {
			keys[staged.sha256] = destination.ObjectKey
		}
	}
	return keys, nil
}

func firstDifference(want, got []byte) string {
	wants, gots := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range max(len(wants), len(gots)) {
		var w, g string
		if i < len(wants) {
			w = wants[i]
		}
		if i < len(gots) {
			g = gots[i]
		}
		if w != g {
			return fmt.Sprintf("line %d\n  golden: %s\n  synth:  %s", i+1, w, g)
		}
	}
	return "none"
}
