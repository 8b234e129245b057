package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// account is the environment of a user whose AWS account is a served local AWS.
func (s served) account(h home) []string {
	return h.environ(append([]string{"AWS_ENDPOINT_URL=" + s.endpoint}, s.keys...)...)
}

// `run --aws` starts, follows and fetches by AWS's API alone: its folder holds
// the same files as the bucket, and it knows nothing of the local AWS.
func TestRunInAnAccount(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve(t)
	user := newHome(t)
	p := user.start(t, s.account(user), built.launcher, "run", "--aws", "--preset", "smoke", "--out", user.out)
	if code := p.wait(t, 2*time.Minute); code != 0 {
		t.Fatalf("exit %d\n%s\n%s", code, p.out.String(), p.err.String())
	}
	contains(t, "standard output", p.out.String(), "cluster1/proxy/peak-ewma", "Report: ")
	contains(t, "standard error", p.err.String(), "account 000000000000, us-east-1, stack fairlead: about", "console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/arn:")
	theirs, mine := objects(t, s.out), objects(t, user.out)
	if len(mine) == 0 || len(mine) != len(theirs) {
		t.Errorf("fetched %d files, and the bucket has %d", len(mine), len(theirs))
	}
	for name, text := range theirs {
		if mine[name] != text {
			t.Errorf("%s is not what the bucket has", name)
		}
	}
	if exists(user.clouds()) {
		t.Error("a local AWS was started")
	}
	s.stop(t)
}

// Ctrl-C stops the execution, and the stack's own sweep ends the fleet.
func TestInterruptedRunInAnAccount(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve(t)
	user := newHome(t)
	p := user.start(t, user.environ(s.keys...), built.launcher, "run", "--aws", "--endpoint-url", s.endpoint, "--preset", "smoke", "--out", user.out)
	s.inBlocks(t, p)
	p.signal(syscall.SIGINT)
	if code := p.wait(t, time.Minute); code != 130 {
		t.Errorf("exit %d, want 130\n%s", code, p.err.String())
	}
	found, _ := filepath.Glob(filepath.Join(user.out, "runs/*"))
	if len(found) != 1 {
		t.Fatalf("runs %v", found)
	}
	user.partial(t, found[0])
	s.stop(t)
}

func TestAccountMistakes(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve(t)
	keys := strings.Join(s.keys, "\n")
	for _, tt := range []struct {
		why  string
		env  []string
		args []string
		want []string
	}{
		{"no such stack", s.account(s.home), []string{"--stack", "other"}, []string{"no stack other in us-east-1", "npx aws-cdk@2.1148.1 deploy", "--stack"}},
		{"no region", []string{"AWS_ENDPOINT_URL=" + s.endpoint, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y"}, nil, []string{"no AWS region: give --region"}},
		{"no credentials", []string{"AWS_ENDPOINT_URL=" + s.endpoint, "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=us-east-1"}, nil, []string{"no AWS credentials: run aws configure"}},
		{"no such profile", s.account(s.home), []string{"--profile", "nobody"}, []string{"nobody"}},
	} {
		h := newHome(t)
		env := tt.env
		if !strings.Contains(strings.Join(env, "\n"), keys) {
			env = h.environ(env...)
		}
		p := h.start(t, env, built.launcher, append([]string{"run", "--aws", "--preset", "smoke", "--out", h.out}, tt.args...)...)
		if code := p.wait(t, time.Minute); code != 2 {
			t.Errorf("%s: exit %d, want 2", tt.why, code)
		}
		contains(t, tt.why, p.err.String(), tt.want...)
		if len(objects(t, s.out)) > 0 {
			t.Errorf("%s: something was started", tt.why)
		}
	}
	s.stop(t)
}

// objects are the files below a results folder, by name.
func objects(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
