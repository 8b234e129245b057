package lambda

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxUnzipped is AWS's limit for a deployment package, unzipped.
const maxUnzipped = 250 << 20

// Objects is where code comes from. Get's error for a missing object says so;
// the caller closes what it got.
type Objects interface {
	Get(ctx context.Context, bucket, key string) (io.ReadCloser, error)
}

// bundle is an unpacked deployment package. Functions with the same content
// share the folder, which nothing writes to afterwards.
type bundle struct {
	dir    string
	sha256 string // base64, as CodeSha256 shows it
	size   int64
}

// unpack fetches the zip and unpacks it below dir, once per content.
func unpack(ctx context.Context, objects Objects, c Code, dir string) (bundle, error) {
	src, err := objects.Get(ctx, c.Bucket, c.Key)
	if err != nil {
		return bundle{}, invalid("Error occurred while GetObject. S3 Error: %v", err)
	}
	defer src.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return bundle{}, err
	}
	tmp, err := os.CreateTemp(dir, "zip-")
	if err != nil {
		return bundle{}, err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(tmp, sum), src)
	if err != nil {
		return bundle{}, fmt.Errorf("read s3://%s/%s: %w", c.Bucket, c.Key, err)
	}
	digest := sum.Sum(nil)
	b := bundle{
		dir:    filepath.Join(dir, hex.EncodeToString(digest)),
		sha256: base64.StdEncoding.EncodeToString(digest),
		size:   size,
	}
	if _, err := os.Stat(b.dir); err == nil {
		return b, nil
	}
	// Unpacked aside and renamed, so that a folder that exists is whole.
	part, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		return bundle{}, err
	}
	defer os.RemoveAll(part)
	if err := unzip(tmp, size, part); err != nil {
		return bundle{}, fmt.Errorf("s3://%s/%s: %w", c.Bucket, c.Key, err)
	}
	if err := os.Chmod(part, 0o755); err != nil {
		return bundle{}, err
	}
	if err := os.Rename(part, b.dir); err != nil {
		if _, there := os.Stat(b.dir); there == nil {
			return b, nil // another creation of the same content was faster
		}
		return bundle{}, err
	}
	return b, nil
}

func unzip(src io.ReaderAt, size int64, dir string) error {
	z, err := zip.NewReader(src, size)
	if err != nil {
		return invalid("Could not unzip uploaded file. Please check your file, then try to upload again. (%v)", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxUnzipped)
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, "/")
		if !filepath.IsLocal(name) {
			return invalid("the zip names %q, which lies outside of it", f.Name)
		}
		if f.FileInfo().IsDir() {
			if err := root.MkdirAll(name, 0o755); err != nil {
				return err
			}
			continue
		}
		if !f.Mode().IsRegular() {
			return invalid("the zip holds %q, which is neither a file nor a folder", f.Name)
		}
		n, err := extract(root, f, name, left)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

func extract(root *os.Root, f *zip.File, name string, limit int64) (int64, error) {
	if parent := filepath.Dir(name); parent != "." {
		if err := root.MkdirAll(parent, 0o755); err != nil {
			return 0, err
		}
	}
	in, err := f.Open()
	if err != nil {
		return 0, invalid("unzip %s: %v", name, err)
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode().Perm()|0o444)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(in, limit+1))
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return n, invalid("unzip %s: %v", name, err)
	}
	if n > limit {
		return n, invalid("Unzipped size must be smaller than %d bytes", maxUnzipped)
	}
	return n, nil
}
