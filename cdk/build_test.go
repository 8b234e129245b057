package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPackIsTheSameEachTime: the archive's hash is its key, and a new key replaces
// the code of all functions.
func TestPackIsTheSameEachTime(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		archives[i] = packed(t, filepath.Join(t.TempDir(), "lambdas"), "a program")
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

// TestPackIsUpToDate: an archive is left alone while it holds this program, and
// replaced when it does not, or is broken.
func TestPackIsUpToDate(t *testing.T) {
	source := filepath.Join(t.TempDir(), "lambdas")
	first := packed(t, source, "a program")
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(source+".zip", past, past); err != nil {
		t.Fatal(err)
	}
	packed(t, source, "a program")
	if info, err := os.Stat(source + ".zip"); err != nil || !info.ModTime().Equal(past) {
		t.Errorf("the same program was packed again: %v, %v", info.ModTime(), err)
	}
	if second := packed(t, source, "b program"); bytes.Equal(first, second) {
		t.Error("another program of the same length was not packed")
	}
	if err := os.WriteFile(source+".zip", first[:len(first)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if mended := packed(t, source, "a program"); !bytes.Equal(first, mended) {
		t.Error("half an archive was taken for a whole one")
	}
}

func packed(t *testing.T, source, content string) []byte {
	t.Helper()
	if err := os.WriteFile(source, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	made, err := load(source)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := pack(made, "bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(archive.path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
