package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

func TestRenderPutsTheProgramsIn(t *testing.T) {
	backend, proxy := strings.Repeat("b", 64), strings.Repeat("a", 64)
	rendered, err := Render(map[string]string{"backend": backend, "proxy": proxy, "lambdas": strings.Repeat("c", 64)})
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(rendered, &d); err != nil {
		t.Fatal(err)
	}
	environment := at(d.steps()["plan"].Properties, "Environment", "Variables")
	if got := text(at(environment, "FAIRLEAD_BACKEND_SHA256")); got != backend {
		t.Errorf("backend: %s", got)
	}
	if got := text(at(environment, "FAIRLEAD_PROXY_SHA256")); got != proxy {
		t.Errorf("proxy: %s", got)
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
	good := strings.Repeat("0", 64)
	for _, c := range []struct {
		why    string
		hashes map[string]string
		want   string
	}{
		{"one was not built", map[string]string{"backend": good}, "the SHA-256 of proxy is missing"},
		{"nothing was built", nil, "the SHA-256 of backend is missing"},
		{"an empty hash would be found only by the instances", map[string]string{"backend": "", "proxy": good}, "is not a SHA-256"},
		{"sha256sum compares text", map[string]string{"backend": strings.Repeat("A", 64), "proxy": good}, "lower-case"},
		{"a name with a mistake in it", map[string]string{"backend": good, "proxy": good, "lambda": good}, `no asset is named "lambda"`},
	} {
		_, err := Render(c.hashes)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error that says %q", c.why, err, c.want)
		}
	}
}
