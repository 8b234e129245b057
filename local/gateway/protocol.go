package gateway

import (
	"crypto/rand"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// newRequestID makes an id in the form of a UUID, as most services' are.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// detect finds the protocol, and the operation where path or header name it.
func (r *Request) detect() error {
	target := r.HTTP.Header.Get("X-Amz-Target")
	smithy := r.HTTP.Header.Get("Smithy-Protocol")
	media, _, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	switch {
	case r.Service == "s3" || r.Service == "lambda":
		r.Protocol = REST
	case smithy != "":
		r.Protocol = CBOR
		if smithy != "rpc-v2-cbor" {
			return &Error{Code: "UnknownOperationException", Message: fmt.Sprintf("the local cloud does not speak the protocol %q", smithy), Status: http.StatusNotFound}
		}
		// /service/<Name>/operation/<Op>, perhaps after a prefix (Smithy RPC v2 CBOR, "URI").
		parts := strings.Split(strings.Trim(r.HTTP.URL.Path, "/"), "/")
		n := len(parts)
		if r.HTTP.Method != http.MethodPost || n < 4 || parts[n-4] != "service" || parts[n-2] != "operation" {
			return &Error{Code: "UnknownOperationException", Message: "an rpc-v2-cbor request is a POST to /service/<Name>/operation/<Operation>", Status: http.StatusNotFound}
		}
		r.Operation = parts[n-1]
	case target != "":
		r.Protocol = JSON
		r.Operation = target[strings.LastIndexByte(target, '.')+1:]
	case media == "application/x-www-form-urlencoded" || r.HTTP.URL.Query().Has("Action"):
		r.Protocol = Query
		if r.Service == "ec2" {
			r.Protocol = EC2Query
		}
	default:
		r.Protocol = REST
	}
	return nil
}

// parse reads the form of the query protocols once the body is known.
func (r *Request) parse() error {
	if r.Protocol != Query && r.Protocol != EC2Query {
		return nil
	}
	text := r.HTTP.URL.RawQuery
	if r.HTTP.Method == http.MethodPost {
		text = string(r.Body)
		for name := range r.HTTP.URL.Query() {
			if !SignatureParameter(name) {
				return &Error{Code: "MalformedQueryString", Message: fmt.Sprintf("the parameter %q stands in the URL of a POST, whose parameters are in its body", name)}
			}
		}
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return &Error{Code: "MalformedQueryString", Message: err.Error()}
	}
	for name := range form {
		if SignatureParameter(name) {
			delete(form, name)
		}
	}
	r.form = form
	if r.Operation = form.Get("Action"); r.Operation == "" {
		return &Error{Code: "MissingAction", Message: "the request has no Action"}
	}
	return nil
}

// condition is a failure that every service has, under a code of its own.
type condition int

const (
	codeAccessDenied condition = iota
	codeUnknownOperation
	codeUnknownMember
	codeBadInput
	codeInternal
	codeMissingToken
	codeUnknownKey
	codeExpiredToken
	codeBadSignature
	codeSkew
)

// codes are those of each API reference's "Common Errors" page; columns: JSON
// and CBOR, Query, EC2, S3.
var codes = map[condition][4]string{
	codeAccessDenied:     {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "AccessDenied"},
	codeUnknownOperation: {"UnknownOperationException", "InvalidAction", "InvalidAction", "NotImplemented"},
	codeUnknownMember:    {"ValidationException", "ValidationError", "UnknownParameter", "NotImplemented"},
	codeBadInput:         {"SerializationException", "MalformedInput", "InvalidParameterValue", "InvalidRequest"},
	codeInternal:         {"InternalFailure", "InternalFailure", "InternalError", "InternalError"},
	codeMissingToken:     {"MissingAuthenticationTokenException", "MissingAuthenticationToken", "MissingAuthenticationToken", "AccessDenied"},
	codeUnknownKey:       {"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidAccessKeyId"},
	codeExpiredToken:     {"ExpiredTokenException", "ExpiredToken", "RequestExpired", "ExpiredToken"},
	codeBadSignature:     {"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "SignatureDoesNotMatch"},
	codeSkew:             {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"},
}

func (r *Request) code(c condition) string {
	column := 0
	switch {
	case r.Service == "s3" || r.Service == "" && r.Protocol == REST:
		column = 3
	case r.Protocol == Query:
		column = 1
	case r.Protocol == EC2Query:
		column = 2
	}
	return codes[c][column]
}

func (r *Request) fail(c condition, status int, format string, args ...any) *Error {
	return &Error{Code: r.code(c), Message: fmt.Sprintf(format, args...), Status: status}
}

func (r *Request) unknownStatus() int {
	switch {
	case r.Service == "s3":
		return http.StatusNotImplemented
	case r.Protocol == CBOR || r.Protocol == REST:
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}
