// Package refusal words the answers that the proxy itself gives: no such
// cluster, no node to ask, a node that failed. Both data planes say the same.
package refusal

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"syscall"

	"github.com/fairlead/fairlead/proxy/cluster"
)

// Body is the JSON body of such an answer.
type Body struct {
	Error   string `json:"error"`             // the status in words
	Reason  string `json:"reason,omitempty"`  // what happened
	Cluster string `json:"cluster,omitempty"` // where
	Node    string `json:"node,omitempty"`    // on which instance, if it got that far
}

// ContentType is that of every refusal.
const ContentType = "application/json"

// RetryAfter is the value of the Retry-After field that goes with a 503, in
// seconds.
const RetryAfter = "1"

// NotFound answers every path that belongs to no cluster. What clusters there
// are is nobody's business who does not know.
func NotFound() (status int, b Body) {
	return http.StatusNotFound, Body{Error: "not found"}
}

// BusyError says that a node has as many requests as it may, and as many more
// are waiting, or one has waited for too long. Nothing was sent.
type BusyError struct{}

func (*BusyError) Error() string { return "the node has too many requests already" }

// TryError is what happened to a request on a node.
type TryError struct {
	Node string // its id
	Err  error
}

func (e *TryError) Error() string { return e.Node + ": " + e.Err.Error() }
func (e *TryError) Unwrap() error { return e.Err }

// Of answers for a request that no node has answered: 503 there is no node to
// ask or it has too much to do, 504 the node took too long, 502 anything else.
func Of(clusterName string, err error) (status int, b Body) {
	b = Body{Reason: reason(err), Cluster: clusterName}
	var try *TryError
	if errors.As(err, &try) {
		b.Node = try.Node
	}
	var none *cluster.NoNodeError
	var busy *BusyError
	switch {
	case errors.As(err, &none), errors.As(err, &busy):
		return http.StatusServiceUnavailable, b
	case IsTimeout(err):
		return http.StatusGatewayTimeout, b
	}
	return http.StatusBadGateway, b
}

// reason puts the usual causes in words without addresses and ports.
func reason(err error) string {
	var none *cluster.NoNodeError
	switch {
	case errors.As(err, &none):
		return none.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the node refuses connections"
	case IsTimeout(err) && IsDial(err):
		return "the node does not accept connections in time"
	case IsTimeout(err):
		return "the node does not answer in time"
	case errors.Is(err, syscall.ECONNRESET):
		return "the node has reset the connection"
	}
	var try *TryError
	if errors.As(err, &try) {
		return try.Err.Error()
	}
	return err.Error()
}

// IsDial tells that no connection came about, so that nothing was sent.
func IsDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// IsTimeout tells that the node was given as long as it may take.
func IsTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// JSON is the body as it is sent.
func (b Body) JSON(status int) []byte {
	if b.Error == "" {
		b.Error = http.StatusText(status)
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // four strings
	}
	return append(text, '\n')
}
