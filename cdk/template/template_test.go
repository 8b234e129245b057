package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// built are SHA-256 as programs might have, each another.
func built() map[string]string {
	sums := map[string]string{}
	for i, asset := range Assets() {
		sums[asset.Name] = strings.Repeat(string("abcdef"[i]), 64)
	}
	return sums
}

func TestRenderPutsTheProgramsIn(t *testing.T) {
	sums := built()
	rendered, err := Render(sums)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(rendered, &d); err != nil {
		t.Fatal(err)
	}
	environment := at(d.steps()["plan"].Properties, "Environment", "Variables")
	for variable, name := range map[string]string{
		"BACKEND_SHA256_X86_64": "backend", "BACKEND_SHA256_ARM64": "backend-arm64",
		"PROXY_SHA256_X86_64": "proxy", "PROXY_SHA256_ARM64": "proxy-arm64",
	} {
		if got := text(at(environment, "FAIRLEAD_"+variable)); got != sums[name] {
			t.Errorf("%s: %s", variable, got)
		}
	}
	for _, asset := range Assets() {
		stub := sha256.Sum256(asset.Stub())
		if strings.Contains(string(rendered), hex.EncodeToString(stub[:])) {
			t.Errorf("the placeholder of %s is still there", asset.Name)
		}
		if !strings.Contains(string(rendered), asset.Key) {
			t.Errorf("the template does not refer to %s", asset.Key)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(map[string]string)
		want   string
	}{
		{"one was not built", func(m map[string]string) { delete(m, "proxy") }, "the SHA-256 of proxy is missing"},
		{"nor for the other architecture", func(m map[string]string) { delete(m, "backend-arm64") }, "the SHA-256 of backend-arm64 is missing"},
		{"nothing was built", func(m map[string]string) { clear(m) }, "the SHA-256 of backend is missing"},
		{"an empty hash would be found only by the instances", func(m map[string]string) { m["backend"] = "" }, "is not a SHA-256"},
		{"sha256sum compares text", func(m map[string]string) { m["backend"] = strings.Repeat("A", 64) }, "lower-case"},
		{"a name with a mistake in it", func(m map[string]string) { m["lambda"] = m["lambdas"] }, `no asset is named "lambda"`},
	} {
		sums := built()
		c.change(sums)
		_, err := Render(sums)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error that says %q", c.why, err, c.want)
		}
	}
}
