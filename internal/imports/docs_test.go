package imports

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	defined = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	named   = regexp.MustCompile("`(Test[A-Z]\\w*)`")
)

// TestDocsNameTestsThatExist: docs/aws.md says which test holds which rule, and a
// test that is renamed must not leave a rule to nobody.
func TestDocsNameTestsThatExist(t *testing.T) {
	const root = "../.."
	tests := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "build" || d.Name() == "results" || strings.HasPrefix(d.Name(), ".") && path != root):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, found := range defined.FindAllSubmatch(source, -1) {
			tests[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range named.FindAllSubmatch(text, -1) {
			rules++
			if name := string(found[1]); !tests[name] {
				t.Errorf("%s names %s, and there is no such test", filepath.Base(page), name)
			}
		}
	}
	if rules < 50 {
		t.Errorf("the pages name %d tests: is the list of docs/aws.md read?", rules)
	}
}
