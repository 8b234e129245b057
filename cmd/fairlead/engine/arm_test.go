package main

import (
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
)

// Instances of the other architecture have a launch template and programs of
// their own. Here their programs are the machine's, and the report says so.
func TestBothArchitectures(t *testing.T) {
	t.Parallel()
	plan := with(tiny, `{"clusters": [{"name": "arm", "instanceType": "t4g.micro", "count": 1}, {"name": "intel", "instanceType": "t2.micro", "count": 1}],
		"targets": [{"kind": "proxy", "strategy": "round-robin"}], "proxy": {"instanceType": "c7g.large"}}`)
	c := begin(t, setting{plan: plan})
	e := c.run(t.Context(), plan)
	if e.code != command.ExitDone {
		t.Fatalf("exit %d: %s; %q", e.code, e.sum.Reason, e.errs)
	}
	e.clean(3)
	conforms(t, filepath.Join(e.folder, "report.json"))

	// What each group was launched from and ran.
	r := read[bench.RunRecord](e, "plan.json")
	arm, intel := r.ImageOf("arm"), r.ImageOf("intel")
	if arm == (bench.Image{}) || r.ImageOf(bench.ProxyGroup) != arm || intel.NodeTemplate == arm.NodeTemplate || intel.Backend.URI == arm.Backend.URI {
		t.Errorf("images: arm %+v, proxy %+v, intel %+v", arm, r.ImageOf(bench.ProxyGroup), intel)
	}
	types := map[string]string{}
	for _, i := range read[bench.Fleet](e, "fleet.json").Instances {
		types[i.Group] = i.Type
	}
	if types["arm"] != "t4g.micro" || types["intel"] != "t2.micro" || types[bench.ProxyGroup] != "c7g.large" {
		t.Errorf("launched %v", types)
	}

	rep := read[bench.Report](e, "report.json")
	here := rep.Environment.Emulation
	if here == nil || here.Architecture == "" {
		t.Fatalf("emulation %+v", here)
	}
	other := "t4g.micro and c7g.large are arm64 on AWS"
	if here.Architecture == bench.ArchARM {
		other = "t2.micro is x86_64 on AWS"
	}
	other += "; here the machine's own " + here.Architecture + " programs ran"
	page, err := os.ReadFile(filepath.Join(e.folder, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for what, said := range map[string]string{"the report's warnings": strings.Join(rep.Warnings, "\n"), "the page": html.UnescapeString(string(page))} {
		if !strings.Contains(said, other) {
			t.Errorf("%s does not say %q", what, other)
		}
	}
}
