package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

const (
	namespace  = "http://s3.amazonaws.com/doc/2006-03-01/"
	timeLayout = "2006-01-02T15:04:05.000Z"
	maxXML     = 2 << 20 // 1,000 keys of 1,024 bytes, and their elements
)

type owner struct {
	ID          string
	DisplayName string `xml:",omitempty"`
}

// owner has a canonical user id of 64 hex digits, as every AWS account.
func (c *call) owner() owner {
	sum := sha256.Sum256([]byte(c.s.config.Owner))
	return owner{ID: hex.EncodeToString(sum[:])}
}

func (c *call) listBuckets() error {
	if err := c.Authorize("s3:ListAllMyBuckets", "*", nil); err != nil {
		return err
	}
	type entry struct{ Name, CreationDate string }
	out := struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		Xmlns   string   `xml:"xmlns,attr"`
		Owner   owner
		Buckets struct{ Bucket []entry }
	}{Xmlns: namespace, Owner: c.owner()}
	for _, name := range c.s.Buckets() {
		if b, err := c.s.bucket(name); err == nil { // else it has just been deleted
			out.Buckets.Bucket = append(out.Buckets.Bucket, entry{name, b.created.Format(timeLayout)})
		}
	}
	return c.writeXML(out)
}

func (c *call) createBucket() error {
	if err := c.Authorize("s3:CreateBucket", "arn:aws:s3:::"+c.name, nil); err != nil {
		return err
	}
	var in struct {
		XMLName            xml.Name `xml:"CreateBucketConfiguration"`
		LocationConstraint string
		Other              []unknown `xml:",any"`
	}
	if err := c.readXML(&in); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := refuseUnknown(in.Other); err != nil {
		return err
	}
	if in.LocationConstraint != "" && in.LocationConstraint != c.s.config.Region {
		return &gateway.Error{Code: "IllegalLocationConstraintException", Message: fmt.Sprintf("The local cloud has the region %s only, not %s.", c.s.config.Region, in.LocationConstraint)}
	}
	if !validBucket.MatchString(c.name) {
		return &gateway.Error{Code: "InvalidBucketName", Message: "The specified bucket is not valid: " + c.name}
	}
	if err := c.s.CreateBucket(c.name); err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+c.name)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) headBucket() error {
	if err := c.allow("s3:ListBucket", "", nil); err != nil {
		return err
	}
	c.w.Header().Set("X-Amz-Bucket-Region", c.s.config.Region)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) bucketLocation() error {
	if err := c.allow("s3:GetBucketLocation", "", nil); err != nil {
		return err
	}
	out := struct {
		XMLName xml.Name `xml:"LocationConstraint"`
		Xmlns   string   `xml:"xmlns,attr"`
		Region  string   `xml:",chardata"`
	}{Xmlns: namespace, Region: c.s.config.Region}
	if out.Region == "us-east-1" {
		out.Region = "" // the first region has no constraint
	}
	return c.writeXML(out)
}

// listKeys are the condition keys of a listing.
func listKeys(prefix, delimiter string, hasDelimiter bool, maxKeys string) iam.Keys {
	keys := iam.Keys{"s3:prefix": {prefix}}
	if hasDelimiter {
		keys["s3:delimiter"] = []string{delimiter}
	}
	if maxKeys != "" {
		keys["s3:max-keys"] = []string{maxKeys}
	}
	return keys
}

func (c *call) writeXML(out any) error {
	text, err := xml.Marshal(out)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/xml")
	_, _ = c.w.Write(append([]byte(xml.Header), text...)) // the client is gone; there is nobody to tell
	return nil
}

// readXML reads the body, with its checksums. io.EOF: it is empty.
func (c *call) readXML(into any) error {
	v, err := newVerifier(c.HTTP)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(io.TeeReader(c.HTTP.Body, v), maxXML+1))
	if err != nil {
		return err
	}
	if len(text) > maxXML {
		return &gateway.Error{Code: "EntityTooLarge", Message: "the XML body is larger than 2 MiB"}
	}
	if _, err := v.verify(); err != nil {
		return err
	}
	if len(text) == 0 {
		return io.EOF
	}
	if err := xml.Unmarshal(text, into); err != nil {
		return &gateway.Error{Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema: " + err.Error()}
	}
	return nil
}

// unknown catches elements that an input structure does not have.
type unknown struct{ XMLName xml.Name }

func refuseUnknown(list []unknown) error {
	for _, u := range list {
		return notImplemented("the element <%s>", u.XMLName.Local)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }
