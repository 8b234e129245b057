package host

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
	"github.com/fairlead/fairlead/local/s3"
)

// TestAwsS3Cp downloads through the front with the role that the metadata
// service hands out: signed, checked, authorised.
func TestAwsS3Cp(t *testing.T) {
	const account = "000000000000"
	store := iam.NewStore(account)
	trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	read, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::assets/mine"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.PutRole(iam.Role{Name: "node", Trust: trust, Policies: map[string]iam.Document{"grants": read}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	objects, err := s3.New(s3.Config{Region: "us-east-1", Owner: account, Meta: filepath.Join(dir, "meta"),
		Directory: func(bucket string) string { return filepath.Join(dir, bucket) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.CreateBucket("assets"); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("a program ", 300_000)
	for _, key := range []string{"mine", "theirs"} {
		if err := objects.Put("assets", key, "application/octet-stream", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	front := gateway.New(store, "us-east-1")
	front.Register("s3", objects)
	server := httptest.NewServer(front)
	defer server.Close()
	h := newHost(t, func(c *Config) {
		c.Endpoint = server.URL
		c.Credentials = func(role, session string) (iam.Credentials, error) {
			keys, _, err := store.AssumeRole(role, session, "ec2.amazonaws.com", time.Hour)
			return keys, err
		}
	})
	i := start(t, h, "i-cp", nil)
	for _, row := range []struct {
		why, command string
		code         int
		want         string
	}{
		{"a file", "aws s3 cp s3://assets/mine $TMPDIR/a --only-show-errors && wc -c < $TMPDIR/a", 0, "3000000\n"},
		{"it says so", "aws s3 cp --no-progress s3://assets/mine $TMPDIR/b", 0, "download: s3://assets/mine to "},
		{"into a folder", "mkdir -p $TMPDIR/d && aws s3 cp s3://assets/mine $TMPDIR/d/ && ls $TMPDIR/d", 0, "mine\n"},
		{"what the role may not read", "aws s3 cp s3://assets/theirs $TMPDIR/c; code=$?; ls $TMPDIR/c*; exit $code", 1, "AccessDenied"},
		{"what is not there leaves no file", "aws s3 cp s3://nowhere/x $TMPDIR/c; code=$?; ls $TMPDIR | grep ^c && exit 9; exit $code", 1, "download failed: s3://nowhere/x"},
		{"uploads", "aws s3 cp $TMPDIR/a s3://assets/mine", 252, "only \"aws s3 cp s3://BUCKET/KEY FILE\""},
		{"unknown options", "aws s3 cp s3://assets/mine x --acl public-read", 252, "--acl"},
	} {
		out, errText, code := run(t, i, row.command)
		if code != row.code || !strings.Contains(out+errText, row.want) {
			t.Errorf("%s: code %d, want %d with %q:\n%s%s", row.why, code, row.code, row.want, out, errText)
		}
	}
	text, err := os.ReadFile(filepath.Join(i.Dir, "root/tmp/a"))
	if err != nil || string(text) != body {
		t.Errorf("the file has %d bytes, want %d (%v)", len(text), len(body), err)
	}
	for _, g := range store.Usage() {
		if g.Action == "s3:GetObject" && g.Allowed != 3 {
			t.Errorf("the role's grant allowed %d calls, want 3", g.Allowed)
		}
	}
}
