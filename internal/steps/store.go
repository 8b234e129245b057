package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Store keeps the run's objects: the results bucket.
//
// Get of a key that does not exist is ErrNotFound only for a caller who may
// list the bucket; S3 tells others AccessDenied. So what may be missing is
// listed first.
type Store interface {
	// Get reads an object. Errors: ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put writes or replaces an object.
	Put(ctx context.Context, key string, body []byte) error
	// PutIfAbsent writes an object that must not exist. Errors: ErrExists,
	// ErrConflict if another write was under way: nothing is known, put again.
	PutIfAbsent(ctx context.Context, key string, body []byte) error
	// GetVersion reads an object, and which version of it was read.
	// Errors: ErrNotFound.
	GetVersion(ctx context.Context, key string) (body []byte, version string, err error)
	// PutIfVersion replaces an object that nobody has written since the version
	// was read. Errors: ErrChanged if somebody has, ErrConflict as PutIfAbsent's.
	PutIfVersion(ctx context.Context, key, version string, body []byte) error
	// List gives all keys with the prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Errors of a Store.
var (
	ErrNotFound = errors.New("no such object")
	ErrExists   = errors.New("the object exists already")
	ErrChanged  = errors.New("the object has changed")
	ErrConflict = errors.New("another write to the object is under way")
)

func getJSON[T any](ctx context.Context, s Store, key string) (T, error) {
	var v T
	raw, err := s.Get(ctx, key)
	if err != nil {
		return v, fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("read %s: %w", key, err)
	}
	return v, nil
}

// encode writes JSON that is good to read: users open these files.
func encode(v any) ([]byte, error) { return json.MarshalIndent(v, "", " ") }

func putJSON(ctx context.Context, s Store, key string, v any) error {
	raw, err := encode(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if err := s.Put(ctx, key, raw); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

// exists looks for one key by listing it.
func exists(ctx context.Context, s Store, key string) (bool, error) {
	keys, err := s.List(ctx, key)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", key, err)
	}
	return slices.Contains(keys, key), nil
}

// claim writes body under key unless the key exists, and gives what is there
// now. The caller compares it with what it wrote: a put may have succeeded
// although its answer was lost, and is then refused when it is repeated.
func claim(ctx context.Context, s Store, key string, body []byte) (holder []byte, err error) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := s.PutIfAbsent(ctx, key, body)
		switch {
		case err == nil:
			return body, nil
		case errors.Is(err, ErrExists):
			holder, err := s.Get(ctx, key)
			if err != nil {
				return nil, fmt.Errorf("read the holder of %s: %w", key, err)
			}
			return holder, nil
		case !errors.Is(err, ErrConflict):
			return nil, fmt.Errorf("claim %s: %w", key, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("claim %s: %w", key, err)
		}
	}
}

// record reads plan.json.
func record(ctx context.Context, s Store, run string) (bench.RunRecord, error) {
	return getJSON[bench.RunRecord](ctx, s, bench.RunKeys{Run: run}.Plan())
}
