package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/cdk/template"
)

// program is a built asset: a file to upload, and the SHA-256 of its content.
// The CDK's own asset hash is of something else and is only a name.
type program struct {
	path   string
	sha256 string
}

// build compiles the programs into folder, by asset name. The same source gives
// the same bytes, so that nothing is uploaded or replaced without a change.
//
// There is one go build for each architecture: it compiles once what the programs
// share, and leaves alone what is up to date. Not both at the same time: either
// may need 1.7 GB.
func build(ctx context.Context, folder string, log io.Writer) (map[string]program, error) {
	byArch := map[string][]template.Asset{}
	for _, asset := range template.Assets() {
		byArch[asset.Arch] = append(byArch[asset.Arch], asset)
	}
	programs := map[string]program{}
	for _, arch := range slices.Sorted(maps.Keys(byArch)) {
		output := filepath.Join(folder, arch)
		if err := os.MkdirAll(output, 0o755); err != nil {
			return nil, err
		}
		if err := compile(ctx, arch, byArch[arch], output, log); err != nil {
			return nil, fmt.Errorf("build for linux/%s: %w", arch, err)
		}
		for _, asset := range byArch[arch] {
			made, err := load(filepath.Join(output, filepath.Base(asset.Package)))
			if err == nil && asset.Entry != "" {
				made, err = pack(made, asset.Entry)
			}
			if err != nil {
				return nil, fmt.Errorf("build %s: %w", asset.Name, err)
			}
			programs[asset.Name] = made
		}
	}
	return programs, nil
}

// compile puts each program into output under the name of its package's folder.
func compile(ctx context.Context, arch string, assets []template.Asset, output string, log io.Writer) error {
	args := []string{
		"build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w",
		// The EC2 SDK is 45 s and 3.2 GB to compile; without inlining, 24 s and 1.7 GB.
		"-gcflags=github.com/aws/aws-sdk-go-v2/service/ec2/...=-l",
		"-o", output + string(filepath.Separator),
	}
	var names []string
	for _, asset := range assets {
		names = append(names, asset.Name)
		args = append(args, asset.Package)
	}
	fmt.Fprintf(log, "building %s for linux/%s\n", strings.Join(names, ", "), arch)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

// pack writes a zip archive beside the program, with it as the one executable file
// and no clock in it. The archive's comment is the program's SHA-256: one that has
// it already is up to date, which saves a second of compression.
func pack(made program, entry string) (program, error) {
	archive := made.path + ".zip"
	if had, err := zip.OpenReader(archive); err == nil {
		current := had.Comment == made.sha256
		if err := had.Close(); err == nil && current {
			return load(archive)
		}
	}
	content, err := os.ReadFile(made.path)
	if err != nil {
		return program{}, err
	}
	var packed bytes.Buffer
	writer := zip.NewWriter(&packed)
	header := &zip.FileHeader{Name: entry, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o755)
	file, err := writer.CreateHeader(header)
	if err == nil {
		_, err = file.Write(content)
	}
	if err == nil {
		err = writer.SetComment(made.sha256)
	}
	if err == nil {
		err = writer.Close()
	}
	if err == nil {
		// All or nothing: half an archive must not be found by the next build.
		err = os.WriteFile(archive+".new", packed.Bytes(), 0o644)
	}
	if err == nil {
		err = os.Rename(archive+".new", archive)
	}
	if err != nil {
		return program{}, err
	}
	return load(archive)
}

func load(path string) (program, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return program{}, err
	}
	content, err := os.ReadFile(absolute)
	if err != nil {
		return program{}, err
	}
	sum := sha256.Sum256(content)
	return program{path: absolute, sha256: hex.EncodeToString(sum[:])}, nil
}
