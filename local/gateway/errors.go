package gateway

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/fairlead/fairlead/local/iam"
)

// refuse turns an *iam.Denied into the service's own error.
func (r *Request) refuse(err error) error {
	var denied *iam.Denied
	if !errors.As(err, &denied) {
		return err
	}
	switch r.Protocol {
	case EC2Query:
		return r.fail(codeAccessDenied, http.StatusForbidden, "You are not authorized to perform this operation. %s", denied)
	case JSON, CBOR:
		return r.fail(codeAccessDenied, http.StatusBadRequest, "%s", denied)
	}
	return r.fail(codeAccessDenied, http.StatusForbidden, "%s", denied)
}

// AsError is an error in AWS's shape: an *Error as it is, an *iam.Denied in the
// service's code, anything else as the service's internal failure.
func (r *Request) AsError(err error) *Error {
	var e *Error
	if errors.As(r.refuse(err), &e) {
		out := *e
		out.Status = cmp.Or(out.Status, http.StatusBadRequest)
		return &out
	}
	return r.fail(codeInternal, http.StatusInternalServerError, "%s", err)
}

// WriteError answers a request with an error in its protocol.
func WriteError(w http.ResponseWriter, r *Request, err error) {
	e := r.AsError(err)
	header := w.Header()
	header.Del("Content-Length")
	header.Set("X-Amzn-Requestid", r.ID)
	fault := "Sender"
	if e.Status >= 500 {
		fault = "Receiver"
	}
	var body []byte
	switch {
	case r.Protocol == CBOR:
		header.Set("Smithy-Protocol", "rpc-v2-cbor")
		header.Set("Content-Type", "application/cbor")
		body = cbor.Encode(cbor.Map{"__type": cbor.String(e.Code), "message": cbor.String(e.Message)})
	case r.Protocol == JSON:
		header.Set("Content-Type", r.jsonType())
		body = mustJSON(map[string]string{"__type": e.Code, "message": e.Message})
	case r.Protocol == REST && r.Service == "lambda":
		header.Set("Content-Type", "application/json")
		body = mustJSON(map[string]string{"Type": map[string]string{"Sender": "User", "Receiver": "Service"}[fault], "Message": e.Message})
	default:
		header.Set("Content-Type", "text/xml;charset=UTF-8")
		body = r.errorXML(e, fault)
	}
	if r.Protocol == CBOR || r.Protocol == JSON || r.Service == "lambda" {
		header.Set("X-Amzn-Errortype", e.Code)
		// Services that once spoke Query are asked for the error's old code too
		// (Smithy, "awsQueryCompatible").
		if r.HTTP.Header.Get("X-Amzn-Query-Mode") == "true" {
			header.Set("X-Amzn-Query-Error", e.Code+";"+fault)
		}
	}
	w.WriteHeader(e.Status)
	if r.HTTP.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone; there is nobody to tell
	}
}

func (r *Request) errorXML(e *Error, fault string) []byte {
	code, message := escapeXML(e.Code), escapeXML(e.Message)
	switch {
	case r.Service == "s3" || r.Protocol == REST:
		return fmt.Appendf(nil, "%s<Error><Code>%s</Code><Message>%s</Message><Resource>%s</Resource><RequestId>%s</RequestId></Error>",
			xml.Header, code, message, escapeXML(r.HTTP.URL.Path), r.ID)
	case r.Protocol == EC2Query:
		return fmt.Appendf(nil, "%s<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>",
			xml.Header, code, message, r.ID)
	}
	return fmt.Appendf(nil, "<ErrorResponse><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
		fault, code, message, r.ID)
}

// jsonType answers in the version of awsJson that was asked in.
func (r *Request) jsonType() string {
	if strings.Contains(r.HTTP.Header.Get("Content-Type"), "x-amz-json-1.0") {
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

// mustJSON encodes what cannot fail: strings in maps.
func mustJSON(v map[string]string) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func escapeXML(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(io.Writer(&b), []byte(text)) // a Builder does not fail
	return b.String()
}
