package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestNothingOfTheUsersEnvironmentPasses sets the trap of a user whose own
// environment points at the real AWS.
func TestNothingOfTheUsersEnvironmentPasses(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real", "AWS_SESSION_TOKEN": "real",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com", "AWS_CONFIG_FILE": "/home/me/.aws/config",
		"AWS_EC2_METADATA_DISABLED": "true", "HTTP_PROXY": "http://proxy:3128", "https_proxy": "http://proxy:3128", "HOME": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	h := newHost(t, nil)
	i := start(t, h, "i-env", nil)
	out, _, _ := run(t, i, "env")
	installWeb(t, i)
	allowed := []string{"PATH", "HOME", "TMPDIR", "LANG", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "FAIRLEAD_INSTANCE", "FAIRLEAD_ROOT", "HOST_TEST", "PWD", "SHLVL", "_"}
	for who, text := range map[string]string{"a script": out, "a service": get(t, i, "/environ")} {
		got := map[string]string{}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			got[name] = value
			if !slices.Contains(allowed, name) {
				t.Errorf("%s has %s", who, line)
			}
		}
		for name, want := range map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
			"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://" + i.Addr.String() + ":1338/"} {
			if got[name] != want {
				t.Errorf("%s has %s=%q, want %q", who, name, got[name], want)
			}
		}
		if strings.HasPrefix(got["HOME"], os.Getenv("HOME")) {
			t.Errorf("%s has the user's home %s", who, got["HOME"])
		}
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, text, _ := net.SplitHostPort(l.Addr().String())
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Dir: t.TempDir(), Registry: filepath.Join(t.TempDir(), "registry"), Ports: []int{port}})
	if err == nil {
		h.Close(context.Background())
	}
	if err == nil || !strings.Contains(err.Error(), "port "+text+", which instances need, is in use") {
		t.Errorf("error %v", err)
	}
}

func TestTwoHostsHaveDifferentAddresses(t *testing.T) {
	a, b := newHost(t, nil), newHost(t, nil)
	if a.Range() == b.Range() {
		t.Errorf("both have %v", a.Range())
	}
}

func TestAddressesComeAgainLate(t *testing.T) {
	a := &addresses{base: netip.AddrFrom4([4]byte{127, 20, 0, 0}), used: map[byte]bool{}}
	first, err := a.take()
	if err != nil {
		t.Fatal(err)
	}
	a.release(first)
	for n := range 244 {
		next, err := a.take()
		if err != nil {
			t.Fatal(err)
		}
		if next == first {
			t.Fatalf("%v came again after %d others", first, n)
		}
	}
	if next, err := a.take(); err != nil || next != first {
		t.Errorf("the last free address is %v, %v, want %v", next, err, first)
	}
	if _, err := a.take(); !errors.Is(err, ErrFull) {
		t.Errorf("a full range gives %v", err)
	}
}
