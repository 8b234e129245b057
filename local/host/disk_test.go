package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDiskOfAnEndedInstance(t *testing.T) {
	h := newHost(t, nil)
	i := start(t, h, "i-disk", nil)
	if out, errText, code := run(t, i, `for d in opt var/log; do echo x > "${FAIRLEAD_ROOT:-}/$d/mine"; done; echo x > $TMPDIR/mine`); code != 0 {
		t.Fatalf("code %d: %s%s", code, out, errText)
	}
	if err := i.Terminate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, kept := range map[string]bool{"root/opt/mine": false, "root/tmp/mine": false, "bin/supervisor": false, "root/var/log/mine": true, "journal": true} {
		if _, err := os.Stat(filepath.Join(i.Dir, path)); kept != (err == nil) {
			t.Errorf("%s: %v, want kept: %v", path, err, kept)
		}
	}
}

// What ran on an instance must not make the cloud remove anything else.
func TestLinksAreNotFollowed(t *testing.T) {
	i, outside := &Instance{Dir: t.TempDir()}, t.TempDir()
	keep := filepath.Join(outside, "tmp/keep")
	if err := os.MkdirAll(keep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(i.Dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"root/var", "root/opt"} {
		if err := os.Symlink(outside, filepath.Join(i.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	i.dropDisk()
	if _, err := os.Stat(keep); err != nil {
		t.Error(err)
	}
}
