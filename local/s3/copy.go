package s3

import (
	"encoding/xml"
	"io"
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// copyObject copies within the store, with the source's metadata or with new.
func (c *call) copyObject() error {
	text, err := url.PathUnescape(c.HTTP.Header.Get("X-Amz-Copy-Source"))
	name, key, ok := strings.Cut(strings.TrimPrefix(text, "/"), "/")
	if err != nil || !ok {
		return &gateway.Error{Code: "InvalidArgument", Message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"}
	}
	if strings.Contains(key, "?versionId=") {
		return notImplemented("versions, in the copy source %q", text)
	}
	replace := false
	switch d := c.HTTP.Header.Get("X-Amz-Metadata-Directive"); d {
	case "", "COPY":
	case "REPLACE":
		replace = true
	default:
		return &gateway.Error{Code: "InvalidArgument", Message: "Unknown metadata directive: " + d}
	}
	if name == c.name && key == c.key && !replace {
		return &gateway.Error{Code: "InvalidRequest", Message: "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata."}
	}
	source, err := c.s.bucket(name)
	if err != nil {
		return err
	}
	if err := c.allowIn(source, "s3:GetObject", key, nil); err != nil {
		return err
	}
	if err := c.allow("s3:PutObject", c.key, nil); err != nil {
		return err
	}
	f, o, err := source.open(key)
	if err != nil {
		return err
	}
	defer f.Close()
	m := o.Metadata
	if replace {
		if m, err = c.metadata(); err != nil {
			return err
		}
		m.Checksums, m.ChecksumType = o.Metadata.Checksums, o.Metadata.ChecksumType
	}
	staged, err := stage(c.b.staging)
	if err != nil {
		return err
	}
	defer discard(staged.Name())
	_, err = io.Copy(staged, f)
	if closed := staged.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = c.b.commit(staged.Name(), c.key, o.ETag, m, condition{})
	}
	if err != nil {
		return err
	}
	copied, err := c.b.known(c.key)
	if err != nil {
		return err
	}
	return c.writeXML(struct {
		XMLName      xml.Name `xml:"CopyObjectResult"`
		Xmlns        string   `xml:"xmlns,attr"`
		ETag         string
		LastModified string
	}{Xmlns: namespace, ETag: quote(copied.ETag), LastModified: stamp(copied.Modified)})
}
