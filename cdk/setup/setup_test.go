package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// instance is a folder that stands for an instance's root, with commands that
// write down how they are called.
type instance struct {
	t      *testing.T
	root   string
	bin    string
	values map[string]string
}

// program stands for the backend: it answers -check with what the file beside it
// named "broken" says.
const program = `#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
[ ! -e "$FAIRLEAD_ROOT/broken" ]
`

func newInstance(t *testing.T) *instance {
	i := &instance{t: t, root: t.TempDir(), bin: t.TempDir()}
	i.write(filepath.Join(i.root, "object"), program)
	for name, script := range map[string]string{
		"aws":        "cp \"$FAIRLEAD_ROOT/object\" \"${@: -1}\"",
		"systemctl":  "",
		"journalctl": "echo 'the log of the service'",
	} {
		i.write(filepath.Join(i.bin, name), "#!/bin/bash\necho \""+name+" $*\" >> \"$CALLS\"\n"+script+"\n")
	}
	sum := sha256.Sum256([]byte(program))
	i.values = map[string]string{
		"Artifact":  "s3://bucket/assets/backend",
		"Sha256":    hex.EncodeToString(sum[:]),
		"Service":   "backend",
		"Arguments": "-cluster cluster1",
	}
	return i
}

func (i *instance) write(path, content string) {
	i.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		i.t.Fatal(err)
	}
}

// setup pastes the values in as SSM does and runs the document's lines.
func (i *instance) setup() (output, calls string, err error) {
	i.t.Helper()
	all := lines()
	parts := make([]string, len(all))
	for n := range all {
		parts[n] = all[n].(string)
	}
	text := regexp.MustCompile(`\{\{ (\w+) \}\}`).ReplaceAllStringFunc(strings.Join(parts, "\n"), func(token string) string {
		return i.values[strings.Trim(token, "{} ")]
	})
	file := filepath.Join(i.t.TempDir(), "_script.sh")
	i.write(file, text)
	log := filepath.Join(i.t.TempDir(), "calls")
	cmd := exec.Command("bash", file)
	cmd.Env = []string{"PATH=" + i.bin + ":/usr/bin:/bin", "FAIRLEAD_ROOT=" + i.root, "CALLS=" + log}
	out, err := cmd.CombinedOutput()
	called, _ := os.ReadFile(log)
	return string(out), string(called), err
}

func (i *instance) read(path string) string {
	i.t.Helper()
	content, err := os.ReadFile(filepath.Join(i.root, path))
	if err != nil {
		i.t.Fatal(err)
	}
	return string(content)
}

func TestSetupInstallsAndProves(t *testing.T) {
	i := newInstance(t)
	output, calls, err := i.setup()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	folder := i.root + "/opt/fairlead/"
	want := "aws s3 cp --only-show-errors s3://bucket/assets/backend " + folder + "backend.download\n" +
		"systemctl daemon-reload\n" +
		"systemctl enable fairlead-backend.service\n" +
		"systemctl restart fairlead-backend.service\n" +
		"backend -check 10s\n"
	if calls != want {
		t.Errorf("called:\n%s\nwant:\n%s", calls, want)
	}
	unit := i.read("etc/systemd/system/fairlead-backend.service")
	for _, directive := range []string{
		"ExecStart=" + folder + "backend -cluster cluster1\n", "Restart=always\n", "LimitNOFILE=65536\n",
		"DynamicUser=yes\n", "NoNewPrivileges=yes\n", "ProtectSystem=strict\n", "CapabilityBoundingSet=\n", "WantedBy=multi-user.target\n",
	} {
		if !strings.Contains(unit, directive) {
			t.Errorf("the unit lacks %q:\n%s", directive, unit)
		}
	}
	left, err := filepath.Glob(folder + "*")
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestSetupTwice: a command whose answer was lost is sent again.
func TestSetupTwice(t *testing.T) {
	i := newInstance(t)
	if output, _, err := i.setup(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	i.values["Arguments"] = "-cluster cluster2"
	output, calls, err := i.setup()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if strings.Contains(calls, "aws") {
		t.Errorf("the program was there and was fetched again:\n%s", calls)
	}
	if !strings.Contains(calls, "systemctl restart fairlead-backend.service") {
		t.Errorf("the service was not restarted:\n%s", calls)
	}
	if unit := i.read("etc/systemd/system/fairlead-backend.service"); !strings.Contains(unit, "-cluster cluster2") {
		t.Errorf("the unit kept its old arguments:\n%s", unit)
	}
}

func TestSetupReplacesAnOlderProgram(t *testing.T) {
	i := newInstance(t)
	if err := os.MkdirAll(i.root+"/opt/fairlead", 0o755); err != nil {
		t.Fatal(err)
	}
	i.write(i.root+"/opt/fairlead/backend", "#!/bin/bash\nexit 1\n")
	if output, _, err := i.setup(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if got := i.read("opt/fairlead/backend"); got != program {
		t.Errorf("installed: %s", got)
	}
}

func TestSetupRefusesAnotherProgram(t *testing.T) {
	i := newInstance(t)
	i.values["Sha256"] = strings.Repeat("0", 64)
	output, calls, err := i.setup()
	if err == nil || !strings.Contains(output, "does not have the SHA-256") {
		t.Errorf("err %v, output %s", err, output)
	}
	if strings.Contains(calls, "systemctl") {
		t.Errorf("what was not verified was started:\n%s", calls)
	}
	if _, err := os.Stat(i.root + "/opt/fairlead/backend"); err == nil {
		t.Error("what was not verified was installed")
	}
}

func TestSetupTellsWhyAServiceDoesNotAnswer(t *testing.T) {
	i := newInstance(t)
	i.write(i.root+"/broken", "")
	output, calls, err := i.setup()
	if err == nil {
		t.Fatal("setup succeeded although the service does not answer")
	}
	if !strings.Contains(calls, "systemctl status") || !strings.Contains(output, "the log of the service") {
		t.Errorf("called:\n%s\noutput:\n%s", calls, output)
	}
}

// TestPatterns: what passes is pasted between single quotes into bash, and into a
// systemd unit, where $, % and \ mean something.
func TestPatterns(t *testing.T) {
	sha := strings.Repeat("0123456789abcdef", 4)
	good := map[string][]string{
		"Artifact": {"s3://cdk-hnb659fds-assets-000000000000-us-east-1/assets/backend", "s3://cdk-hnb659fds-assets-000000000000-us-east-1/" + sha + "." + sha},
		"Sha256":   {sha},
		"Service":  {"backend", "proxy"},
		"Arguments": {"-cluster cluster1", "-stack fairlead -run 2026-11-23T15-00-00_ab -clusters cluster1,cluster2",
			"-cluster=c -listen 127.4.0.2:8000 -max-body 1048576"},
	}
	bad := map[string][]string{
		"Artifact": {"", "https://bucket/key", "s3://bucket", "s3://bucket/", "s3://Bucket/key", "s3://bucket/a b", "s3://bucket/'", "x s3://bucket/key"},
		"Sha256":   {"", sha + "0", strings.ToUpper(sha), sha[1:], sha + " "},
		"Service":  {"", "backend2", "../backend", "backend proxy"},
		"Arguments": {"", "cluster", "-a '", "-a \"", "-a $(id)", "-a `id`", "-a; id", "-a && id", "-a %h", `-a \n`, "-a\nExecStartPre=id",
			"-a > /etc/passwd", "-" + strings.Repeat("a", 1024)},
	}
	for _, p := range Parameters() {
		pattern := regexp.MustCompile(p.Pattern)
		for _, value := range good[p.Name] {
			if !pattern.MatchString(value) {
				t.Errorf("%s refuses %q", p.Name, value)
			}
		}
		for _, value := range bad[p.Name] {
			if pattern.MatchString(value) {
				t.Errorf("%s takes %q", p.Name, value)
			}
		}
		if !strings.Contains(script, fmt.Sprintf("'{{ %s }}'", p.Name)) {
			t.Errorf("the script does not use %s between single quotes", p.Name)
		}
	}
	if used := strings.Count(script, "{{ "); used != len(Parameters()) {
		t.Errorf("the script has %d values pasted in, and the document %d parameters", used, len(Parameters()))
	}
}
