// Package template holds the golden templates: what the CDK app synthesizes, byte
// for byte, when the programs are replaced by placeholders. They are what the local
// cloud deploys. `go test ./cdk -update` renews them.
//
// This package imports the standard library only, so that whoever deploys the
// template needs neither Node.js nor the CDK.
package template

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

//go:embed template.json
var golden []byte

// student is the template of an account that can create no roles.
//
//go:embed student.json
var student []byte

// StudentBucket is the bucket, made by hand, that holds the programs for the
// template of RenderStudent.
const StudentBucket = "fairlead-assets"

// Asset is a program that the template refers to by its key in the bootstrap
// bucket, cdk-hnb659fds-assets-<account>-<region>.
type Asset struct {
	Name    string // "lambdas", "backend" and "proxy", with "-arm64" for that architecture
	Key     string // S3 key in the golden template
	Package string // the Go package to build, relative to the module's root
	Entry   string // the file's name inside a zip archive; empty: the object is the program itself
	Arch    string // GOARCH that the template asks for
	Hashed  bool   // the template also holds the program's SHA-256
}

// Assets lists the programs, each with the key under which the golden template
// expects it.
func Assets() []Asset {
	return []Asset{
		{Name: "lambdas", Key: "assets/lambdas.zip", Package: "./lambdas", Entry: "bootstrap", Arch: "arm64"},
		{Name: "backend", Key: "assets/backend", Package: "./backend", Arch: "amd64", Hashed: true},
		{Name: "backend-arm64", Key: "assets/backend-arm64", Package: "./backend", Arch: "arm64", Hashed: true},
		{Name: "proxy", Key: "assets/proxy", Package: "./proxy", Arch: "amd64", Hashed: true},
		{Name: "proxy-arm64", Key: "assets/proxy-arm64", Package: "./proxy", Arch: "arm64", Hashed: true},
	}
}

// Stub is the placeholder that stands for the program when the golden template
// is synthesized. Its SHA-256 is what the golden holds in the program's place.
func (a Asset) Stub() []byte {
	return []byte("fairlead placeholder: " + a.Name + "\n")
}

// Render gives the template of an ordinary account with the placeholders' SHA-256 replaced by
// the programs' own, lower-case hex by asset name. It fails on a hash that is
// missing or malformed, and on a name that no asset has.
func Render(sha256Of map[string]string) ([]byte, error) {
	return render(golden, sha256Of)
}

// RenderStudent is Render for an account that can create no roles: everything runs
// under its LabRole, and the programs are in StudentBucket.
func RenderStudent(sha256Of map[string]string) ([]byte, error) {
	return render(student, sha256Of)
}

func render(golden []byte, sha256Of map[string]string) ([]byte, error) {
	assets := Assets()
	for name := range sha256Of {
		if !slices.ContainsFunc(assets, func(a Asset) bool { return a.Name == name }) {
			return nil, fmt.Errorf("template: no asset is named %q", name)
		}
	}
	rendered := bytes.Clone(golden)
	for _, asset := range assets {
		if !asset.Hashed {
			continue
		}
		real, ok := sha256Of[asset.Name]
		if !ok {
			return nil, fmt.Errorf("template: the SHA-256 of %s is missing", asset.Name)
		}
		if raw, err := hex.DecodeString(real); err != nil || len(raw) != sha256.Size || real != strings.ToLower(real) {
			return nil, fmt.Errorf("template: %q, given for %s, is not a SHA-256 in lower-case hex", real, asset.Name)
		}
		stub := sha256.Sum256(asset.Stub())
		if !bytes.Contains(rendered, []byte(hex.EncodeToString(stub[:]))) {
			return nil, fmt.Errorf("template: the golden template does not hold the placeholder of %s; renew it", asset.Name)
		}
		rendered = bytes.ReplaceAll(rendered, []byte(hex.EncodeToString(stub[:])), []byte(real))
	}
	return rendered, nil
}
