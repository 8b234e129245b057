package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/local/gateway"
)

// checkKey refuses the keys that S3 takes and a directory cannot hold: they
// would leave the bucket, or name two things at once.
func checkKey(key string) error {
	why := ""
	switch {
	case key == "":
		why = "it is empty"
	case len(key) > 1024:
		return &gateway.Error{Code: "KeyTooLongError", Message: "Your key is too long: it has more than 1024 bytes"}
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		why = "it is not UTF-8 text"
	case strings.HasPrefix(key, "/") || strings.HasSuffix(key, "/") || strings.Contains(key, "//"):
		why = "a part between slashes is empty"
	default:
		for part := range strings.SplitSeq(key, "/") {
			switch {
			case part == "." || part == "..":
				why = "it has a part " + part
			case len(part) > 255:
				why = "a part is longer than 255 bytes"
			}
		}
		if first, _, _ := strings.Cut(key, "/"); first == hidden {
			why = "the name " + hidden + " is taken"
		}
	}
	if why == "" {
		return nil
	}
	return &gateway.Error{Code: "InvalidArgument", Message: fmt.Sprintf("the local cloud keeps objects as plain files and has none for the key %q: %s", key, why)}
}

// errCollision is what S3 does not know: a key that is a directory of others.
func errCollision(key string) error {
	return &gateway.Error{Code: "InvalidArgument", Message: fmt.Sprintf(
		"the local cloud keeps objects as plain files: the key %q and another object would be a file and a directory of the same name", key)}
}

func (b *bucket) path(key string) string { return filepath.Join(b.dir, filepath.FromSlash(key)) }

// metaPath is flat and by hash, so that no key's metadata is another's directory.
func (b *bucket) metaPath(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(b.meta, name[:2], name[2:]+".json")
}
