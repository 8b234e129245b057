// Package gateway is the front of the local cloud: one port for all services.
// It checks the signature (AWS Signature Version 4), finds the service in the
// credential scope, reads the wire protocol and hands one Request to a Service.
package gateway

import (
	"context"
	"net/http"
	"net/url"

	"github.com/fairlead/fairlead/local/iam"
)

// Protocol is how a request was written on the wire, and so how it is answered.
type Protocol string

// The protocols of the services that the local cloud has.
const (
	JSON     Protocol = "json"     // awsJson1.0 and 1.1: X-Amz-Target names the operation
	Query    Protocol = "query"    // AWS Query: form in, XML out (STS, ELBv2, CloudWatch of old CLIs)
	EC2Query Protocol = "ec2query" // EC2's dialect of it
	CBOR     Protocol = "cbor"     // rpc-v2-cbor (CloudWatch of current Go SDKs)
	REST     Protocol = "rest"     // S3 (rest-xml) and Lambda (rest-json): method and path name the operation
)

// Request is one call whose signature has been checked.
type Request struct {
	Service   string // signing name: ec2, elasticloadbalancing, lambda, monitoring, s3, ssm, states, sts, …
	Region    string
	Operation string // empty for REST
	Protocol  Protocol
	ID        string // the request id that the answer carries
	Caller    iam.Caller
	HTTP      *http.Request
	Body      []byte // decoded from chunks, hash checked; nil for S3, which streams HTTP.Body (already de-chunked and checked at EOF)

	store *iam.Store
	form  url.Values // of Query and EC2Query
}

// Service answers calls of one AWS service.
type Service interface {
	ServeAWS(w http.ResponseWriter, r *Request)
}

// Operation answers one RPC-style call. It decodes its input with
// Request.Decode and returns the output structure, or an *Error.
type Operation func(ctx context.Context, r *Request) (any, error)

// Error is an error in the shape AWS gives it, in every protocol.
type Error struct {
	Code    string // "AccessDeniedException", "InvalidInstanceID.NotFound"
	Message string
	Status  int // HTTP status; 0 means 400
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }
