package s3

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

type listedObject struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm []string `xml:",omitempty"`
	ChecksumType      string   `xml:",omitempty"`
	Size              int64
	StorageClass      string
	Owner             *owner `xml:",omitempty"`
}

type listedPrefix struct{ Prefix string }

// listing is the answer of both versions; each fills in its own elements.
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Xmlns                 string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                string
	Marker                *string `xml:",omitempty"`
	NextMarker            string  `xml:",omitempty"`
	StartAfter            string  `xml:",omitempty"`
	ContinuationToken     string  `xml:",omitempty"`
	NextContinuationToken string  `xml:",omitempty"`
	KeyCount              *int    `xml:",omitempty"`
	MaxKeys               int
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []listedObject
	CommonPrefixes        []listedPrefix
}

func (c *call) listV1() error {
	marker := c.query.Get("marker")
	out, last, err := c.list(marker, true)
	if err != nil {
		return err
	}
	encodedMarker := c.encodeKey(marker)
	out.Marker = &encodedMarker
	// Without a delimiter clients go on from the last key themselves.
	if out.IsTruncated && out.Delimiter != "" {
		out.NextMarker = c.encodeKey(last)
	}
	return c.writeXML(out)
}

func (c *call) listV2() error {
	after := c.query.Get("start-after")
	token := c.query.Get("continuation-token")
	if c.query.Has("continuation-token") {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || token == "" {
			return &gateway.Error{Code: "InvalidArgument", Message: "The continuation token provided is incorrect"}
		}
		after = string(raw)
	}
	out, last, err := c.list(after, c.query.Get("fetch-owner") == "true")
	if err != nil {
		return err
	}
	count := len(out.Contents) + len(out.CommonPrefixes)
	out.KeyCount, out.ContinuationToken = &count, token
	out.StartAfter = c.encodeKey(c.query.Get("start-after"))
	if out.IsTruncated {
		out.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return c.writeXML(out)
}

// list makes one page of the keys after a key; last is where the next begins.
func (c *call) list(after string, withOwner bool) (out listing, last string, err error) {
	prefix, delimiter := c.query.Get("prefix"), c.query.Get("delimiter")
	if err := c.allow("s3:ListBucket", "", listKeys(prefix, delimiter, c.query.Has("delimiter"), c.query.Get("max-keys"))); err != nil {
		return out, "", err
	}
	limit := 1000
	if text := c.query.Get("max-keys"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 0 {
			return out, "", &gateway.Error{Code: "InvalidArgument", Message: "Argument maxKeys must be an integer between 0 and 2147483647"}
		}
		limit = min(limit, 1000)
	}
	encoding := c.query.Get("encoding-type")
	if encoding != "" && encoding != "url" {
		return out, "", &gateway.Error{Code: "InvalidArgument", Message: "Invalid Encoding Method specified in Request: " + encoding}
	}
	out = listing{
		Xmlns: namespace, Name: c.b.name, Prefix: c.encodeKey(prefix), Delimiter: c.encodeKey(delimiter),
		MaxKeys: limit, EncodingType: encoding,
	}
	keys, err := c.b.keys(prefix)
	if err != nil {
		return out, "", err
	}
	page, truncated := paginate(keys, prefix, delimiter, after, limit)
	out.IsTruncated = truncated
	for _, entry := range page {
		last = entry.text
		if entry.common {
			out.CommonPrefixes = append(out.CommonPrefixes, listedPrefix{c.encodeKey(entry.text)})
			continue
		}
		o, err := c.b.known(entry.text)
		if errors.Is(err, errNoKey) {
			continue // deleted meanwhile
		}
		if err != nil {
			return out, "", err
		}
		item := listedObject{Key: c.encodeKey(o.Key), LastModified: stamp(o.Modified), ETag: quote(o.ETag), Size: o.Size, StorageClass: "STANDARD", ChecksumType: o.Metadata.ChecksumType}
		for algorithm := range o.Metadata.Checksums {
			item.ChecksumAlgorithm = append(item.ChecksumAlgorithm, strings.ToUpper(algorithm))
		}
		if withOwner {
			who := c.owner()
			item.Owner = &who
		}
		out.Contents = append(out.Contents, item)
	}
	return out, last, nil
}

func (c *call) encodeKey(key string) string {
	if c.query.Get("encoding-type") != "url" {
		return key
	}
	// S3 keeps the slashes readable.
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// listEntry is a key, or a prefix that several keys have in common.
type listEntry struct {
	text   string
	common bool
}

// paginate rolls keys up by the delimiter, goes on after a key or a prefix, and
// stops at the limit. The keys are sorted and begin with the prefix.
func paginate(keys []string, prefix, delimiter, after string, limit int) (page []listEntry, truncated bool) {
	for _, key := range keys {
		entry := listEntry{text: key}
		if delimiter != "" {
			if i := strings.Index(key[len(prefix):], delimiter); i >= 0 {
				entry = listEntry{text: key[:len(prefix)+i+len(delimiter)], common: true}
			}
		}
		// A page may have ended with a prefix: all its keys are behind us.
		if key <= after || entry.common && entry.text == after || len(page) > 0 && page[len(page)-1] == entry {
			continue
		}
		if len(page) == limit {
			return page, limit > 0
		}
		page = append(page, entry)
	}
	return page, false
}

// keys are those with a prefix, in the order of their bytes. A directory's
// order differs from it: "a-b" is before "a/b".
func (b *bucket) keys(prefix string) ([]string, error) {
	start := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		start = prefix[:i]
		if !fs.ValidPath(start) {
			return nil, nil // no file has such a name
		}
	}
	var keys []string
	err := fs.WalkDir(b.root.FS(), start, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) || err != nil && name == start:
			return nil // no such directory, or deleted meanwhile
		case err != nil:
			return err
		case name == hidden:
			return fs.SkipDir
		case d.IsDir() && name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/"):
			return fs.SkipDir
		case d.Type().IsRegular() && strings.HasPrefix(name, prefix):
			keys = append(keys, name)
		}
		return nil
	})
	slices.Sort(keys)
	return keys, err
}
