package http1

import "net/http"

// Requests are refused with these. The texts go to the client.
var (
	errLongLine      = &Error{http.StatusRequestURITooLong, "the request line is too long"}
	errLongHead      = &Error{http.StatusRequestHeaderFieldsTooLarge, "the head is too large"}
	errManyFields    = &Error{http.StatusRequestHeaderFieldsTooLarge, "there are too many fields"}
	errBareLF        = bad("a line does not end in CRLF")
	errMethod        = bad("the method is not a token")
	errRequestLine   = bad("the request line is malformed")
	errVersion       = bad("the HTTP version is malformed")
	errUnsupported   = &Error{http.StatusHTTPVersionNotSupported, "this is HTTP/1.1"}
	errTarget        = bad("the request target is malformed")
	errConnect       = &Error{http.StatusNotImplemented, "there is no CONNECT here"}
	errFold          = bad("a field line begins with white space")
	errFieldName     = bad("a field name is not a token")
	errFieldSpace    = bad("there is white space before a colon")
	errFieldValue    = bad("a field value has a control character")
	errNoHost        = bad("there is no Host field")
	errTwoHosts      = bad("there is more than one Host field")
	errHost          = bad("the host is malformed")
	errTwoLengths    = bad("there is more than one Content-Length")
	errLength        = bad("the Content-Length is malformed")
	errLongBody      = &Error{http.StatusRequestEntityTooLarge, "the Content-Length is too large"}
	errBothFramings  = bad("there are Content-Length and Transfer-Encoding")
	errCoding        = bad("the Transfer-Encoding is not chunked alone")
	errUnknownCoding = &Error{http.StatusNotImplemented, "the transfer coding is not supported"}
	errCodingIn10    = bad("there is a Transfer-Encoding in HTTP/1.0")
	errExpectation   = &Error{http.StatusExpectationFailed, "the expectation is not supported"}
	errConnection    = bad("the Connection field is malformed")
	errManyOptions   = &Error{http.StatusRequestHeaderFieldsTooLarge, "the Connection field has too many options"}
	errNomination    = bad("the Connection field names a field that is for all")
	errMaxForwards   = bad("the Max-Forwards field is malformed")
	errTraceBody     = bad("a TRACE request has a body")
	errChunkSize     = bad("a chunk size is malformed")
	errChunkLarge    = &Error{http.StatusRequestEntityTooLarge, "a chunk is too large"}
	errChunkExt      = bad("a chunk extension is malformed")
	errLongChunkExt  = &Error{http.StatusRequestEntityTooLarge, "the chunk extensions are too long"}
	errChunkEnd      = bad("a chunk does not end in CRLF")
	errLongTrailer   = &Error{http.StatusRequestHeaderFieldsTooLarge, "the trailer section is too large"}
)

// Responses are refused with these, and with those above as 502.
var (
	errStatusLine  = badGateway("the status line is malformed")
	errStatus      = badGateway("the status is not between 100 and 599")
	errFramedEmpty = badGateway("a response that has no body says that it has one")
	errSwitch      = badGateway("a 101 response does not name a protocol")
)

// Gateway gives the error that a client sees if a node has made the mistake.
func (e *Error) Gateway() *Error {
	if e.Status == http.StatusBadGateway {
		return e
	}
	return &Error{http.StatusBadGateway, e.Reason}
}

func bad(reason string) *Error        { return &Error{http.StatusBadRequest, reason} }
func badGateway(reason string) *Error { return &Error{http.StatusBadGateway, reason} }
