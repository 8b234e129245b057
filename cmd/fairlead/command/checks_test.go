package command

import (
	"bytes"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

func TestPrintChecks(t *testing.T) {
	var out bytes.Buffer
	if err := PrintChecks(&out, nil); err != nil || out.Len() > 0 {
		t.Errorf("no checks: %q, %v", &out, err)
	}
	err := PrintChecks(&out, []bench.Check{
		{What: "vCPU quota", Status: bench.CheckShort, Detail: "14 vCPUs needed, 0 in use, the quota is 5"},
		{What: "t2.micro offered", Status: bench.CheckOK, Detail: "in us-east-1a"},
		{What: "free plan", Status: bench.CheckUnknown, Detail: "would be refused t2.micro"},
	})
	const want = "" +
		"account  short  vCPU quota        14 vCPUs needed, 0 in use, the quota is 5\n" +
		"         ok     t2.micro offered  in us-east-1a\n" +
		"         ?      free plan         would be refused t2.micro\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, &out)
	}
}
