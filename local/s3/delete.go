package s3

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"github.com/fairlead/fairlead/local/gateway"
)

func (c *call) deleteObject() error {
	if err := c.allow("s3:DeleteObject", c.key, nil); err != nil {
		return err
	}
	if err := c.b.remove(c.key); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteObjects deletes up to 1,000 keys, each with its own answer.
func (c *call) deleteObjects() error {
	var in struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []struct {
			Key   string
			Other []unknown `xml:",any"`
		}
		Other []unknown `xml:",any"`
	}
	if err := c.readXML(&in); errors.Is(err, io.EOF) {
		return &gateway.Error{Code: "MalformedXML", Message: "The request has no body."}
	} else if err != nil {
		return err
	}
	if len(in.Object) == 0 || len(in.Object) > 1000 {
		return &gateway.Error{Code: "MalformedXML", Message: "DeleteObjects takes 1 to 1000 keys."}
	}
	if err := refuseUnknown(in.Other); err != nil {
		return err
	}
	for _, o := range in.Object {
		if err := refuseUnknown(o.Other); err != nil {
			return err
		}
	}
	type deleted struct{ Key string }
	type failed struct{ Key, Code, Message string }
	out := struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Xmlns   string   `xml:"xmlns,attr"`
		Deleted []deleted
		Error   []failed
	}{Xmlns: namespace}
	for _, o := range in.Object {
		err := c.allow("s3:DeleteObject", o.Key, nil)
		if err == nil {
			err = c.b.remove(o.Key)
		}
		var e *gateway.Error
		switch {
		case errors.As(err, &e):
			out.Error = append(out.Error, failed{o.Key, e.Code, e.Message})
		case err != nil:
			out.Error = append(out.Error, failed{o.Key, "InternalError", err.Error()})
		case !in.Quiet:
			out.Deleted = append(out.Deleted, deleted{o.Key})
		}
	}
	return c.writeXML(out)
}
