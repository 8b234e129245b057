package s3

import (
	"crypto/md5" // #nosec G501 -- an ETag is an MD5 by definition
	"encoding/hex"
	"errors"
	"io"
)

// These are for the other services of the local cloud: S3 without a request and
// without policies. Errors are *gateway.Error (NoSuchKey, InvalidArgument) or
// wrap ErrNoBucket.

// Open opens an object; the caller closes the file.
func (s *Service) Open(bucket, key string) (io.ReadSeekCloser, Object, error) {
	b, err := s.bucket(bucket)
	if err != nil {
		return nil, Object{}, err
	}
	f, o, err := b.open(key)
	if err != nil {
		return nil, Object{}, err
	}
	return f, o, nil
}

// Get returns an object's bytes.
func (s *Service) Get(bucket, key string) ([]byte, error) {
	f, _, err := s.Open(bucket, key)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// Put writes an object.
func (s *Service) Put(bucket, key, contentType string, data []byte) error {
	b, err := s.bucket(bucket)
	if err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	f, err := stage(b.staging)
	if err != nil {
		return err
	}
	defer discard(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	sum := md5.Sum(data) // #nosec G401
	m := Metadata{}
	if contentType != "" {
		m.Headers = map[string]string{"Content-Type": contentType}
	}
	return b.commit(f.Name(), key, hex.EncodeToString(sum[:]), m, condition{})
}

// List returns the objects whose keys have a prefix, in the keys' order.
func (s *Service) List(bucket, prefix string) ([]Object, error) {
	b, err := s.bucket(bucket)
	if err != nil {
		return nil, err
	}
	keys, err := b.keys(prefix)
	if err != nil {
		return nil, err
	}
	var objects []Object
	for _, key := range keys {
		o, err := b.known(key)
		if errors.Is(err, errNoKey) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}
