package lambda

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/local/gateway"
)

func TestLogsAndTail(t *testing.T) {
	r := &roles{}
	s := open(t, Config{Roles: r})
	s.AddLogGroup("/aws/lambda/log")
	deploy(t, s, "log")
	res := invoke(t, s, "log", `{"n":1}`)
	if len(res.LogTail) != tailSize || !bytes.Contains(res.LogTail, []byte("yyyend\nEND RequestId: "+res.RequestID)) || !bytes.Contains(res.LogTail, []byte("REPORT RequestId: ")) {
		t.Errorf("tail of %d bytes: %q", len(res.LogTail), res.LogTail)
	}
	b, err := os.ReadFile(s.LogFile("log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"START RequestId: " + res.RequestID, ` said {"n":1}` + "\n", "yyyend\n", "Init Duration: ", "Memory Size: 128 MB\tMax Memory Used: "} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the log lacks %q:\n%s", want, b)
		}
	}
	// The second event's tail begins anew, and its log is complete too.
	if again := invoke(t, s, "log", `{"n":2}`); bytes.Contains(again.LogTail, []byte(res.RequestID)) {
		t.Error("the tail holds another event's lines")
	}
	for _, want := range []string{"logs:CreateLogStream arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/log:log-stream:", "logs:PutLogEvents arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/log:log-stream:"} {
		if !slices.ContainsFunc(r.asked, func(a string) bool { return strings.HasPrefix(a, want) }) {
			t.Errorf("%s was not asked; asked: %q", want, r.asked)
		}
	}
}

func TestWithoutLogPermissionThereAreNoLogs(t *testing.T) {
	for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:CreateLogGroup"} {
		t.Run(action, func(t *testing.T) {
			s := open(t, Config{Roles: &roles{denied: map[string]bool{action: true}}})
			deploy(t, s, "log")
			if r := invoke(t, s, "log", `{}`); r.FunctionError != "" {
				t.Errorf("the function failed: %s", r.Payload)
			}
			if b, err := os.ReadFile(s.LogFile("log")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%v, log %q", err, b)
			}
		})
	}
}

func TestTracingUsesItsPermissions(t *testing.T) {
	r := &roles{}
	s := open(t, Config{Roles: r})
	deploy(t, s, "echo", func(f *Function) { f.Tracing = "Active" })
	invoke(t, s, "echo", `{}`)
	for _, want := range []string{"xray:PutTraceSegments *", "xray:PutTelemetryRecords *"} {
		if !slices.Contains(r.asked, want) {
			t.Errorf("%s was not asked; asked: %q", want, r.asked)
		}
	}
}

func TestCreationIsRefused(t *testing.T) {
	base := Function{Name: "f", Handler: "echo", Runtime: "provided.al2023", Role: "arn:aws:iam::000000000000:role/r", Code: Code{"code", "self"}}
	for _, c := range []struct {
		why    string
		denied string
		change func(*Function)
		want   string
	}{
		{"the trust policy does not name Lambda", "", func(f *Function) { f.Role += "untrusted" }, "cannot be assumed by Lambda"},
		{"no network interface can be made", "ec2:CreateNetworkInterface", func(f *Function) { f.VPC = &VPC{Subnets: []string{"subnet-1"}} }, "does not have permissions to call CreateNetworkInterface on EC2"},
		{"nor seen", "ec2:DescribeNetworkInterfaces", func(f *Function) { f.VPC = &VPC{} }, "DescribeNetworkInterfaces"},
		{"the code is not there", "", func(f *Function) { f.Code.Key = "nothing" }, "NoSuchKey"},
		{"the code is no zip", "", func(f *Function) { f.Code.Key = "text" }, "Could not unzip"},
		{"the zip leaves its folder", "", func(f *Function) { f.Code.Key = "slip" }, "outside"},
		{"a reserved variable", "", func(f *Function) { f.Environment = map[string]string{"AWS_REGION": "x"} }, "reserved keys"},
		{"a variable that leads to the real AWS", "", func(f *Function) { f.Environment = map[string]string{"AWS_ENDPOINT_URL_S3": "x"} }, "reserved keys"},
		{"another one", "", func(f *Function) { f.Environment = map[string]string{"https_proxy": "x"} }, "past the local cloud"},
		{"a runtime that we do not have", "", func(f *Function) { f.Runtime = "python3.13" }, "not implemented"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := open(t, Config{
				Roles:   &roles{denied: map[string]bool{c.denied: true}},
				Objects: objects{"self": self(t), "text": []byte("hello"), "slip": zipped(t, map[string]string{"../bootstrap*": "x"})},
			})
			f := base
			c.change(&f)
			_, err := s.Create(t.Context(), f)
			var e *gateway.Error
			if !errors.As(err, &e) || e.Code != "InvalidParameterValueException" || !strings.Contains(e.Message, c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSameContentIsUnpackedOnce(t *testing.T) {
	s := open(t, Config{})
	deploy(t, s, "echo")
	deploy(t, s, "count")
	entries, err := os.ReadDir(s.cfg.Dir + "/code")
	if err != nil || len(entries) != 1 {
		t.Errorf("unpacked %v, %v", entries, err)
	}
}

func TestServiceInvokesByTheFunctionsPolicy(t *testing.T) {
	s := open(t, Config{})
	deploy(t, s, "echo")
	rule := "arn:aws:events:us-east-1:000000000000:rule/Sweep"
	in := Invocation{Function: "echo", Source: Source{"events.amazonaws.com", rule}}
	var e *gateway.Error
	if _, err := s.Invoke(t.Context(), in); !errors.As(err, &e) || e.Code != "AccessDeniedException" {
		t.Errorf("without a permission: %v", err)
	}
	if err := s.Permit("echo", Permission{ID: "p", Action: "lambda:InvokeFunction", Principal: "events.amazonaws.com", SourceARN: rule}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Invoke(t.Context(), in); err != nil {
		t.Errorf("with the permission: %v", err)
	}
	in.Source.ARN += "2"
	if _, err := s.Invoke(t.Context(), in); !errors.As(err, &e) || e.Code != "AccessDeniedException" {
		t.Errorf("another rule: %v", err)
	}
}
