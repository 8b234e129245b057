package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestPackIsTheSameEachTime: the archive's hash is its key, and a new key replaces
// the code of ten functions.
func TestPackIsTheSameEachTime(t *testing.T) {
	folder := t.TempDir()
	source := filepath.Join(folder, "lambdas")
	if err := os.WriteFile(source, []byte("a program"), 0o644); err != nil {
		t.Fatal(err)
	}
	var archives [2][]byte
	for i := range archives {
		path := filepath.Join(folder, "lambdas.zip")
		if err := pack(source, "bootstrap", path); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = content
		later := source + ".later"
		if err := os.Rename(source, later); err != nil {
			t.Fatal(err)
		}
		source = later
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same program was packed into two different archives")
	}
	archive, err := zip.NewReader(bytes.NewReader(archives[0]), int64(len(archives[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode().Perm() != 0o755 {
		t.Errorf("the archive must hold one executable file named bootstrap, which is what provided.al2023 starts: %v", archive.File)
	}
}
