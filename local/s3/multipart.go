package s3

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

const (
	fullObject  = "FULL_OBJECT"
	composite   = "COMPOSITE"
	minPart     = 5 << 20 // of every part but the last (User Guide, "Multipart upload limits")
	maxPart     = 10000
	uploadFile  = "upload.json"
	uploadsName = "uploads"
)

// upload is a multipart upload under way, in a directory of its own:
// upload.json, and per part a file and what is known of it.
type upload struct {
	Key       string
	Metadata  Metadata
	Algorithm string // of the object's checksum; empty: none
	Type      string // FULL_OBJECT or COMPOSITE
}

type part struct {
	Number int
	Size   int64
	ETag   string
	Sums   map[string]string
}

var validUpload = regexp.MustCompile(`^[A-Z2-7]{26}$`) // rand.Text

func (c *call) uploadDir(id string) string {
	return filepath.Join(c.s.config.Meta, c.b.name, uploadsName, id)
}

func (c *call) createUpload() error {
	if err := c.allow("s3:PutObject", c.key, nil); err != nil {
		return err
	}
	m, err := c.metadata()
	if err != nil {
		return err
	}
	u := upload{Key: c.key, Metadata: m, Algorithm: strings.ToLower(c.HTTP.Header.Get("X-Amz-Checksum-Algorithm")), Type: c.HTTP.Header.Get("X-Amz-Checksum-Type")}
	if u.Algorithm != "" {
		if checksums[u.Algorithm] == nil {
			return &gateway.Error{Code: "InvalidRequest", Message: "Checksum algorithm provided is unsupported: " + u.Algorithm}
		}
		usual := composite
		if u.Algorithm == "crc64nvme" {
			usual = fullObject
		}
		u.Type = cmp.Or(u.Type, usual)
	}
	// A CRC can be of the whole, a SHA only of the parts' sums (User Guide,
	// "Checking object integrity"); CRC64NVME only of the whole.
	sha := strings.HasPrefix(u.Algorithm, "sha")
	if u.Type != "" && u.Type != fullObject && u.Type != composite || u.Type != "" && u.Algorithm == "" ||
		sha && u.Type == fullObject || u.Algorithm == "crc64nvme" && u.Type == composite {
		return &gateway.Error{Code: "InvalidRequest", Message: fmt.Sprintf("The %s checksum type cannot be used with the %q checksum algorithm.", u.Type, u.Algorithm)}
	}
	id := rand.Text()
	if err := os.MkdirAll(c.uploadDir(id), 0o755); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(c.uploadDir(id), uploadFile), u); err != nil {
		return err
	}
	if u.Algorithm != "" {
		c.w.Header().Set("X-Amz-Checksum-Algorithm", strings.ToUpper(u.Algorithm))
		c.w.Header().Set("X-Amz-Checksum-Type", u.Type)
	}
	return c.writeXML(struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		Xmlns    string   `xml:"xmlns,attr"`
		Bucket   string
		Key      string
		UploadID string `xml:"UploadId"`
	}{Xmlns: namespace, Bucket: c.b.name, Key: c.key, UploadID: id})
}

// upload finds the upload that a request names, for this key.
func (c *call) upload() (upload, string, error) {
	var u upload
	id := c.query.Get("uploadId")
	missing := &gateway.Error{Code: "NoSuchUpload", Message: "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", Status: http.StatusNotFound}
	if !validUpload.MatchString(id) {
		return u, "", missing
	}
	err := readJSON(filepath.Join(c.uploadDir(id), uploadFile), &u)
	if errors.Is(err, fs.ErrNotExist) || err == nil && u.Key != c.key {
		return u, "", missing
	}
	return u, c.uploadDir(id), err
}

func (c *call) uploadPart() error {
	if err := c.allow("s3:PutObject", c.key, nil); err != nil {
		return err
	}
	number, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil || number < 1 || number > maxPart {
		return &gateway.Error{Code: "InvalidArgument", Message: "Part number must be an integer between 1 and 10000, inclusive"}
	}
	u, dir, err := c.upload()
	if err != nil {
		return err
	}
	got, err := c.receive(dir, u.Algorithm)
	if err != nil {
		return err
	}
	defer discard(got.path)
	p := part{Number: number, Size: got.size, ETag: got.etag, Sums: got.sums}
	c.b.mu.Lock()
	err = errors.Join(os.Rename(got.path, partPath(dir, number)), writeJSON(partPath(dir, number)+".json", p))
	c.b.mu.Unlock()
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", quote(p.ETag))
	writeChecksums(c.w.Header(), Metadata{Checksums: p.Sums})
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func partPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("part-%05d", number))
}

func (c *call) abortUpload() error {
	if err := c.allow("s3:AbortMultipartUpload", c.key, nil); err != nil {
		return err
	}
	_, dir, err := c.upload()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) listParts() error {
	if err := c.allow("s3:ListMultipartUploadParts", c.key, nil); err != nil {
		return err
	}
	_, dir, err := c.upload()
	if err != nil {
		return err
	}
	type listed struct {
		PartNumber int
		ETag       string
		Size       int64
	}
	out := struct {
		XMLName     xml.Name `xml:"ListPartsResult"`
		Xmlns       string   `xml:"xmlns,attr"`
		Bucket      string
		Key         string
		UploadID    string `xml:"UploadId"`
		MaxParts    int
		IsTruncated bool
		Part        []listed
	}{Xmlns: namespace, Bucket: c.b.name, Key: c.key, UploadID: c.query.Get("uploadId"), MaxParts: maxPart}
	files, err := filepath.Glob(filepath.Join(dir, "part-*.json")) // in order: numbers have five digits
	if err != nil {
		return err
	}
	for _, name := range files {
		var p part
		if err := readJSON(name, &p); err != nil {
			return err
		}
		out.Part = append(out.Part, listed{p.Number, quote(p.ETag), p.Size})
	}
	return c.writeXML(out)
}

func writeJSON(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

func readJSON(name string, into any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
