package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// Gateway is the one port. Register services before or while it serves.
type Gateway struct {
	store  *iam.Store
	region string
	now    func() time.Time // the clock that signatures are compared with

	mu       sync.RWMutex
	services map[string]Service
}

// New returns a gateway without services for one region ("us-east-1").
func New(store *iam.Store, region string) *Gateway {
	return &Gateway{store: store, region: region, now: time.Now, services: map[string]Service{}}
}

// Register makes a service reachable by its signing name, the one in the
// credential scope: "monitoring" for CloudWatch, "states" for Step Functions.
func (g *Gateway) Register(service string, s Service) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.services[service] = s
}

// ServeHTTP checks, routes and answers one call.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := &Request{HTTP: hr, Region: g.region, ID: newRequestID(), store: g.store}
	sig, err := parseSignature(hr)
	// Errors are answered in the caller's protocol, also when the signature is
	// what is wrong, so the protocol is found out first.
	r.Service = sig.service
	if perr := r.detect(); err == nil {
		err = perr
	}
	switch {
	case errors.Is(err, errUnsigned):
		err = r.fail(codeMissingToken, http.StatusForbidden, "Request is missing Authentication Token: the local cloud answers signed requests only")
	case err == nil:
		err = g.admit(r, sig)
	}
	if err != nil {
		WriteError(w, r, err)
		return
	}
	g.mu.RLock()
	service, ok := g.services[r.Service]
	g.mu.RUnlock()
	if !ok {
		WriteError(w, r, g.unregistered(r))
		return
	}
	service.ServeAWS(w, r)
}

// admit checks the signature and the body, and fills in who calls.
func (g *Gateway) admit(r *Request, sig signature) error {
	credentials, caller, err := g.verify(r, sig)
	if err != nil {
		return err
	}
	r.Caller = caller
	if r.Service == "s3" {
		return streamBody(r, sig, credentials)
	}
	if r.Body, err = readBody(r, sig); err != nil {
		return err
	}
	r.HTTP.Body = io.NopCloser(bytes.NewReader(r.Body))
	return r.parse()
}

func (g *Gateway) unregistered(r *Request) error {
	g.mu.RLock()
	names := slices.Sorted(maps.Keys(g.services))
	g.mu.RUnlock()
	message := fmt.Sprintf("the local cloud has no service %q; it has %s", r.Service, strings.Join(names, ", "))
	return &Error{Code: r.code(codeUnknownOperation), Message: message, Status: http.StatusNotFound}
}

// Authorize asks whether the caller may do an action ("s3:PutObject") on a
// resource (its ARN, or "*"), and gives the refusal in the service's own words.
func (r *Request) Authorize(action, resource string, keys iam.Keys) error {
	return r.refuse(r.store.Authorize(r.Caller, action, resource, r.Keys(keys)))
}

// AuthorizeWith also asks the resource's own policy.
func (r *Request) AuthorizeWith(policy iam.Document, action, resource string, keys iam.Keys) error {
	return r.refuse(r.store.AuthorizeWith(r.Caller, policy, action, resource, r.Keys(keys)))
}

// Keys adds the condition keys that come with every request to those given.
func (r *Request) Keys(more iam.Keys) iam.Keys {
	keys := iam.Keys{"aws:RequestedRegion": {r.Region}}
	if host, _, err := net.SplitHostPort(r.HTTP.RemoteAddr); err == nil {
		keys["aws:SourceIp"] = []string{host}
	}
	maps.Copy(keys, more)
	return keys
}

// Table is the service of a set of operations by name. An operation that is
// not in it is refused by name.
func Table(operations map[string]Operation) Service { return table(operations) }

type table map[string]Operation

func (t table) ServeAWS(w http.ResponseWriter, r *Request) {
	operation, ok := t[r.Operation]
	if !ok {
		WriteError(w, r, UnknownOperation(r, r.Operation))
		return
	}
	out, err := operation(r.HTTP.Context(), r)
	if err != nil {
		WriteError(w, r, err)
		return
	}
	WriteOutput(w, r, out)
}

// UnknownOperation is the refusal of an operation that the local cloud does not
// have, in the code that the request's protocol uses for it.
func UnknownOperation(r *Request, name string) *Error {
	return &Error{
		Code:    r.code(codeUnknownOperation),
		Message: fmt.Sprintf("the local cloud does not implement %s:%s", r.Service, name),
		Status:  r.unknownStatus(),
	}
}
