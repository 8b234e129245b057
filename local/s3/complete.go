package s3

import (
	"crypto/md5" // #nosec G501 -- an ETag is an MD5 by definition
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

type completePart struct {
	PartNumber        int
	ETag              string
	ChecksumCRC32     string
	ChecksumCRC32C    string
	ChecksumCRC64NVME string
	ChecksumSHA1      string
	ChecksumSHA256    string
	Other             []unknown `xml:",any"`
}

func (c *call) completeUpload() error {
	if err := c.allow("s3:PutObject", c.key, nil); err != nil {
		return err
	}
	cond, err := c.writeCondition()
	if err != nil {
		return err
	}
	u, dir, err := c.upload()
	if err != nil {
		return err
	}
	var in struct {
		XMLName xml.Name       `xml:"CompleteMultipartUpload"`
		Part    []completePart `xml:"Part"`
		Other   []unknown      `xml:",any"`
	}
	// The checksum headers here are of the object, not of this body.
	promised := c.HTTP.Header
	c.HTTP.Header = withoutChecksums(promised)
	if err := c.readXML(&in); errors.Is(err, io.EOF) || err == nil && len(in.Part) == 0 {
		return &gateway.Error{Code: "MalformedXML", Message: "You must specify at least one part"}
	} else if err != nil {
		return err
	}
	if err := refuseUnknown(in.Other); err != nil {
		return err
	}
	a, err := c.assemble(u, dir, in.Part)
	if err != nil {
		return err
	}
	defer discard(a.path)
	if err := a.matches(u, promised); err != nil {
		return err
	}
	m := u.Metadata
	if u.Algorithm != "" {
		m.Checksums, m.ChecksumType = map[string]string{u.Algorithm: a.sum}, u.Type
	}
	if err := c.b.commit(a.path, c.key, a.etag, m, cond); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	out := struct {
		XMLName  xml.Name `xml:"CompleteMultipartUploadResult"`
		Xmlns    string   `xml:"xmlns,attr"`
		Location string
		Bucket   string
		Key      string
		ETag     string
	}{Xmlns: namespace, Location: "http://" + c.HTTP.Host + "/" + c.b.name + "/" + c.key, Bucket: c.b.name, Key: c.key, ETag: quote(a.etag)}
	return c.writeXML(out)
}

// assembled is the whole object on disk.
type assembled struct {
	path string
	size int64
	etag string // MD5 of the parts' MD5s, and their number
	sum  string // of the upload's algorithm
}

// assemble checks the listed parts and joins them into a staged file.
func (c *call) assemble(u upload, dir string, list []completePart) (a assembled, err error) {
	whole, sums := hash.Hash(nil), hash.Hash(nil)
	if u.Algorithm != "" {
		whole, sums = checksums[u.Algorithm](), checksums[u.Algorithm]()
	}
	etags := md5.New() // #nosec G401
	f, err := stage(c.b.staging)
	if err != nil {
		return a, err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			discard(f.Name())
		}
	}()
	for i := 1; i < len(list); i++ {
		if list[i].PartNumber > list[i-1].PartNumber {
			continue
		}
		return a, &gateway.Error{Code: "InvalidPartOrder", Message: "The list of parts was not in ascending order."}
	}
	for i, want := range list {
		var p part
		if err := readJSON(partPath(dir, want.PartNumber)+".json", &p); err != nil || !want.is(p) {
			return a, &gateway.Error{Code: "InvalidPart", Message: fmt.Sprintf("One or more of the specified parts could not be found: part %d was not uploaded with this entity tag and checksum.", want.PartNumber)}
		}
		if err := refuseUnknown(want.Other); err != nil {
			return a, err
		}
		if p.Size < minPart && i < len(list)-1 {
			return a, &gateway.Error{Code: "EntityTooSmall", Message: fmt.Sprintf("Your proposed upload is smaller than the minimum allowed size: part %d has %d bytes.", p.Number, p.Size)}
		}
		into := io.Writer(f)
		if whole != nil {
			into = io.MultiWriter(f, whole)
			raw, _ := base64.StdEncoding.DecodeString(p.Sums[u.Algorithm]) // written by us
			sums.Write(raw)
		}
		n, err := appendFile(into, partPath(dir, p.Number))
		if err != nil {
			return a, err
		}
		a.size += n
		raw, _ := hex.DecodeString(p.ETag) // written by us
		etags.Write(raw)
	}
	a.path = f.Name()
	a.etag = fmt.Sprintf("%x-%d", etags.Sum(nil), len(list))
	switch u.Type {
	case fullObject:
		a.sum = encode(whole)
	case composite:
		a.sum = fmt.Sprintf("%s-%d", encode(sums), len(list))
	}
	return a, nil
}

// is reports whether a part is the one that the client means.
func (want completePart) is(p part) bool {
	if unquote(want.ETag) != p.ETag {
		return false
	}
	for algorithm, sum := range map[string]string{
		"crc32": want.ChecksumCRC32, "crc32c": want.ChecksumCRC32C, "crc64nvme": want.ChecksumCRC64NVME, "sha1": want.ChecksumSHA1, "sha256": want.ChecksumSHA256,
	} {
		if sum != "" && p.Sums[algorithm] != sum {
			return false
		}
	}
	return true
}

// matches compares the object with what the client says of the whole.
func (a assembled) matches(u upload, h http.Header) error {
	err := func(what string) error {
		return &gateway.Error{Code: "BadDigest", Message: "The " + what + " you specified did not match what the parts make."}
	}
	if size := h.Get("X-Amz-Mp-Object-Size"); size != "" && size != strconv.FormatInt(a.size, 10) {
		return err("object size")
	}
	if kind := h.Get("X-Amz-Checksum-Type"); kind != "" && kind != u.Type {
		return err("checksum type")
	}
	for algorithm := range checksums {
		want := h.Get(checksumPrefix + algorithm)
		if want != "" && (algorithm != u.Algorithm || want != a.sum && want+"-"+a.sum[strings.LastIndexByte(a.sum, '-')+1:] != a.sum) {
			return err(strings.ToUpper(algorithm))
		}
	}
	return nil
}

func withoutChecksums(h http.Header) http.Header {
	h = h.Clone()
	for algorithm := range checksums {
		h.Del(checksumPrefix + algorithm)
	}
	h.Del("X-Amz-Sdk-Checksum-Algorithm")
	return h
}

func appendFile(to io.Writer, name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(to, f)
}
