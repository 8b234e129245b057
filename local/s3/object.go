package s3

import (
	"crypto/md5" // #nosec G501 -- an ETag is an MD5 by definition
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// Object is what is known of one object.
type Object struct {
	Key      string
	Size     int64
	ETag     string // without quotes
	Modified time.Time
	Path     string // of the file
	Metadata Metadata
}

// Metadata is what a client stored beside the bytes.
type Metadata struct {
	Headers      map[string]string // Content-Type, Cache-Control, …, as they are sent back
	User         map[string]string // x-amz-meta-…, without the prefix
	Checksums    map[string]string // base64 by algorithm in lower case
	ChecksumType string            // FULL_OBJECT or COMPOSITE
}

// sidecar is the file beside an object. It holds for the file of that size and
// time only: whoever edits an object with another tool gets a fresh ETag.
type sidecar struct {
	Key      string
	Size     int64
	Modified time.Time
	ETag     string
	Metadata Metadata
}

// condition is what a conditional write asks of the object that is there.
type condition struct {
	ifNoneMatch bool   // there must be none
	ifMatch     string // its ETag, without quotes
}

// errPrecondition is the answer to a conditional write that lost.
var errPrecondition = &gateway.Error{Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold", Status: 412}

// commit makes a finished file of the staging directory the object. With
// ifNoneMatch it does so by link(2), which fails if the name exists, so one of
// many writers wins, whatever process they are in.
func (b *bucket) commit(staged, key, etag string, m Metadata, c condition) error {
	info, err := os.Stat(staged)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.ifMatch != "" {
		have, err := b.stat(key)
		if err != nil {
			return err
		}
		if have.ETag != c.ifMatch {
			return errPrecondition
		}
	}
	if err := b.place(staged, key, c.ifNoneMatch); err != nil {
		return err
	}
	return b.writeSidecar(sidecar{Key: key, Size: info.Size(), Modified: info.ModTime(), ETag: etag, Metadata: m})
}

func (b *bucket) place(staged, key string, exclusive bool) error {
	target := b.path(key)
	if dir := path.Dir(key); dir != "." {
		if err := b.root.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
			if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) {
				return errCollision(key)
			}
			return err
		}
	}
	if info, err := os.Lstat(target); err == nil && info.IsDir() {
		return errCollision(key)
	}
	var err error
	if exclusive {
		if err = os.Link(staged, target); errors.Is(err, fs.ErrExist) {
			return errPrecondition
		}
	} else {
		err = os.Rename(staged, target)
	}
	return err
}

// open opens an object with what is known of it, as of one moment.
func (b *bucket) open(key string) (*os.File, Object, error) {
	if err := checkKey(key); err != nil {
		return nil, Object{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.openLocked(key)
}

func (b *bucket) openLocked(key string) (*os.File, Object, error) {
	// Not to block on a named pipe that somebody put there.
	f, err := b.root.OpenFile(filepath.FromSlash(key), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, Object{}, errNoKey
	}
	if err != nil {
		return nil, Object{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoKey
	}
	var o Object
	if err == nil {
		o, err = b.describe(key, info, f)
	}
	if err != nil {
		f.Close()
		return nil, Object{}, err
	}
	return f, o, nil
}

var errNoKey = &gateway.Error{Code: "NoSuchKey", Message: "The specified key does not exist.", Status: 404}

// known is what is known of an object.
func (b *bucket) known(key string) (Object, error) {
	f, o, err := b.open(key)
	if err != nil {
		return Object{}, err
	}
	return o, f.Close()
}

// stat is known for who holds the lock.
func (b *bucket) stat(key string) (Object, error) {
	f, o, err := b.openLocked(key)
	if err != nil {
		return Object{}, err
	}
	return o, f.Close()
}

// describe reads the sidecar, or, when there is none for this file, computes
// the ETag from the bytes and remembers it.
func (b *bucket) describe(key string, info fs.FileInfo, f io.ReadSeeker) (Object, error) {
	o := Object{Key: key, Size: info.Size(), Modified: info.ModTime().UTC(), Path: b.path(key)}
	var s sidecar
	text, err := os.ReadFile(b.metaPath(key))
	if err == nil && json.Unmarshal(text, &s) == nil && s.Size == o.Size && s.Modified.Equal(o.Modified) {
		o.ETag, o.Metadata = s.ETag, s.Metadata
		return o, nil
	}
	sum := md5.New() // #nosec G401
	if _, err := io.Copy(sum, f); err != nil {
		return o, fmt.Errorf("compute the ETag of %s: %w", key, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return o, err
	}
	o.ETag = hex.EncodeToString(sum.Sum(nil))
	return o, b.writeSidecar(sidecar{Key: key, Size: o.Size, Modified: info.ModTime(), ETag: o.ETag})
}

// writeSidecar replaces the sidecar at once, so that no reader sees half of it.
func (b *bucket) writeSidecar(s sidecar) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	target := b.metaPath(s.Key)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(target), "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		discard(f.Name())
		return fmt.Errorf("write what is known of %s: %w", s.Key, err)
	}
	return nil
}

// remove deletes an object; one that is not there is no error, as in S3. The
// directories that this leaves empty go too: S3 has none.
func (b *bucket) remove(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	info, err := b.root.Lstat(filepath.FromSlash(key))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = b.root.Remove(filepath.FromSlash(key))
	}
	if err != nil {
		return err
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if b.root.Remove(filepath.FromSlash(dir)) != nil {
			break // not empty
		}
	}
	if err := os.Remove(b.metaPath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
