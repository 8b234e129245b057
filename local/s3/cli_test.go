package s3_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// aws runs the real command. Its environment is built from nothing, so that no
// setting of the user's reaches it.
func (c *cloud) aws(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the aws command is not installed: its requests are not tried")
	}
	keys := c.store.Operator()
	command := exec.CommandContext(t.Context(), path, append([]string{"--endpoint-url", c.url}, args...)...)
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=",
		"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey,
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

func TestCommandLine(t *testing.T) {
	c := newCloud(t)
	work := t.TempDir()
	small, large := []byte("small\n"), bytes.Repeat([]byte("0123456789abcdef"), 20<<16) // 20 MiB: three parts
	for name, data := range map[string][]byte{"small.txt": small, "large.bin": large} {
		if err := os.WriteFile(filepath.Join(work, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(want string, args ...string) {
		t.Helper()
		out, err := c.aws(t, args...)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("aws %s: %v\n%s\nwant %q", strings.Join(args, " "), err, out, want)
		}
	}
	same := func(name string, want []byte) {
		t.Helper()
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s holds %d bytes, want %d (%v)", name, len(got), len(want), err)
		}
	}
	local := func(name string) string { return filepath.Join(work, name) }

	run("results", "s3", "ls")
	run("upload", "s3", "cp", local("small.txt"), "s3://results/runs/a b+c/small.txt")
	run("upload", "s3", "cp", local("large.bin"), "s3://results/runs/large.bin")
	same(filepath.Join(c.dir, "runs", "large.bin"), large)
	run("PRE a b+c/", "s3", "ls", "s3://results/runs/")
	run("runs/a b+c/small.txt", "s3", "ls", "--recursive", "s3://results")
	run("download", "s3", "cp", "s3://results/runs/large.bin", local("back.bin"))
	same(local("back.bin"), large)
	run("download", "s3", "sync", "s3://results", local("copy"))
	same(filepath.Join(work, "copy", "runs", "a b+c", "small.txt"), small)
	run("copy", "s3", "cp", "s3://results/runs/a b+c/small.txt", "s3://results/again.txt")
	same(filepath.Join(c.dir, "again.txt"), small)
	run("delete", "s3", "rm", "--recursive", "s3://results/runs")
	run("make_bucket", "s3", "mb", "s3://another")

	if out, err := c.aws(t, "s3api", "get-bucket-acl", "--bucket", "results"); err == nil || !strings.Contains(out, "NotImplemented") {
		t.Errorf("get-bucket-acl: %v %s", err, out)
	}
	if left, err := os.ReadDir(c.dir); err != nil || len(left) != 1 {
		t.Errorf("left in the bucket: %v (%v)", left, err)
	}
}
