// Package s3 is the object store of the local cloud: plain files that the user
// can open. A bucket is a directory and a key is a path below it.
//
// What S3 knows of an object besides its bytes lies in a directory of its own,
// never among the objects. A file without it, from an earlier run or put there
// by hand, is listed and read all the same, its ETag computed.
package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// Config says where buckets lie.
type Config struct {
	Region string
	// Owner is the account number.
	Owner string
	// Meta holds what S3 knows of the objects, and uploads under way.
	Meta string
	// Directory maps a bucket's name to the directory of its objects; the
	// directory is created.
	Directory func(bucket string) string
}

// Service is the store. It owns no goroutine and needs no closing; what is in
// its directories outlives it.
type Service struct {
	config Config

	mu      sync.RWMutex
	buckets map[string]*bucket
}

// New returns a store without buckets.
func New(c Config) (*Service, error) {
	if c.Meta == "" || c.Directory == nil {
		return nil, errors.New("s3: the configuration needs Meta and Directory")
	}
	return &Service{config: c, buckets: map[string]*bucket{}}, nil
}

// bucket is one open bucket. Its lock makes an object's bytes and its metadata
// change together; it is held for the moment of a commit or an open only.
type bucket struct {
	name    string
	dir     string // of the objects
	meta    string // of what S3 knows of them
	staging string // for objects on their way; on the same file system as dir
	root    *os.Root
	created time.Time

	mu     sync.RWMutex
	policy iam.Document
}

// ErrNoBucket says that there is no bucket of that name.
var ErrNoBucket = errors.New("the specified bucket does not exist")

// ErrNotEmpty says that a bucket with objects cannot be deleted.
var ErrNotEmpty = errors.New("BucketNotEmpty: The bucket you tried to delete is not empty")

// Names that S3 takes (User Guide, "Bucket naming rules"), but for the rule
// against names like IP addresses, which path-style addressing cannot confuse.
var validBucket = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// CreateBucket opens a bucket, with the objects that are already in its
// directory. For a bucket that is open it does nothing, as in us-east-1.
func (s *Service) CreateBucket(name string) error {
	if !validBucket.MatchString(name) {
		return fmt.Errorf("the bucket name %q is not 3 to 63 of a-z 0-9 . -", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] != nil {
		return nil
	}
	dir, err := filepath.Abs(s.config.Directory(name))
	if err != nil {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	b := &bucket{name: name, dir: dir, meta: filepath.Join(s.config.Meta, name, "objects"), created: time.Now().UTC()}
	for _, d := range []string{dir, b.meta, filepath.Join(s.config.Meta, name, "uploads")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	if b.staging, err = stagingFor(filepath.Join(s.config.Meta, name, "staging"), dir); err != nil {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	if err := sweepStaging(b.staging, b.created); err != nil {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	if b.root, err = os.OpenRoot(dir); err != nil {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	s.buckets[name] = b
	return nil
}

// hidden is the only name in a bucket's directory that is not an object's. It
// exists when metadata and objects lie on different file systems, which neither
// link(2) nor rename(2) can cross.
const hidden = ".fairlead-staging"

// stagingFor finds a directory from which files can be linked into dir.
func stagingFor(wanted, dir string) (string, error) {
	if err := os.MkdirAll(wanted, 0o755); err != nil {
		return "", err
	}
	probe, err := os.CreateTemp(wanted, "probe-*")
	if err != nil {
		return "", err
	}
	defer discard(probe.Name())
	defer probe.Close()
	target := filepath.Join(dir, hidden)
	err = os.Link(probe.Name(), target)
	if err == nil {
		return wanted, os.Remove(target)
	}
	if errors.Is(err, fs.ErrExist) { // left by an earlier run, here or as a directory
		if info, err := os.Lstat(target); err == nil && !info.IsDir() {
			return wanted, os.Remove(target)
		}
		return target, nil
	}
	return target, os.MkdirAll(target, 0o755)
}

// sweepStaging removes what a killed process left. An hour spares what another
// process of the same user may be writing right now.
func sweepStaging(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > time.Hour {
			discard(filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

// PutBucketPolicy gives a bucket its policy and refuses what is not evaluated.
func (s *Service) PutBucketPolicy(name string, d iam.Document) error {
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	for i, st := range d.Statements {
		if len(st.Principals) == 0 {
			return fmt.Errorf("bucket %s: policy: statement %d: it needs a Principal", name, i)
		}
		if len(st.Resources)+len(st.NotResources) == 0 {
			return fmt.Errorf("bucket %s: policy: statement %d: it needs a Resource", name, i)
		}
		for _, p := range st.Principals {
			if p.Kind != "AWS" {
				return fmt.Errorf("bucket %s: policy: statement %d: no service of the local cloud calls S3 as itself: principal %s", name, i, p.ID)
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.policy = d
	return nil
}

// DeleteBucket closes a bucket that has no objects, else it is ErrNotEmpty. The
// directory stays: it may be the user's.
func (s *Service) DeleteBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		return fmt.Errorf("bucket %s: %w", name, ErrNoBucket)
	}
	keys, err := b.keys("")
	if err != nil {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	if len(keys) > 0 {
		return fmt.Errorf("bucket %s: %w", name, ErrNotEmpty)
	}
	delete(s.buckets, name)
	return b.root.Close()
}

// Buckets are the names of the open buckets, in order.
func (s *Service) Buckets() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.buckets))
}

func (s *Service) bucket(name string) (*bucket, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("bucket %s: %w", name, ErrNoBucket)
}
