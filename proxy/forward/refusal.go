package forward

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"syscall"

	"github.com/fairlead/fairlead/proxy/cluster"
)

// refusal is the JSON body of an answer that the proxy itself gives.
type refusal struct {
	Error   string `json:"error"`             // the status in words
	Reason  string `json:"reason,omitempty"`  // what happened
	Cluster string `json:"cluster,omitempty"` // where
	Node    string `json:"node,omitempty"`    // on which instance, if it got that far
}

// notFound answers every path that belongs to no cluster. What clusters there
// are is nobody's business who does not know.
func notFound(w http.ResponseWriter) {
	write(w, http.StatusNotFound, refusal{Error: "not found"})
}

// fail answers for a request that no node has answered:
// 503 there is no node to ask, 504 the node took too long, 502 anything else.
func fail(w http.ResponseWriter, r *http.Request, clusterName string, err error) {
	if r.Context().Err() != nil {
		return // nobody is listening any more
	}
	body := refusal{Reason: reason(err), Cluster: clusterName}
	var try *tryError
	if errors.As(err, &try) {
		body.Node = try.node
	}
	status := http.StatusBadGateway
	var none *cluster.NoNodeError
	switch {
	case errors.As(err, &none):
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	case isTimeout(err):
		status = http.StatusGatewayTimeout
	}
	write(w, status, body)
}

// reason puts the usual causes in words without addresses and ports.
func reason(err error) string {
	var none *cluster.NoNodeError
	switch {
	case errors.As(err, &none):
		return none.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the node refuses connections"
	case isTimeout(err) && isDialError(err):
		return "the node does not accept connections in time"
	case isTimeout(err):
		return "the node does not answer in time"
	case errors.Is(err, syscall.ECONNRESET):
		return "the node has reset the connection"
	}
	var try *tryError
	if errors.As(err, &try) {
		return try.err.Error()
	}
	return err.Error()
}

func write(w http.ResponseWriter, status int, r refusal) {
	if r.Error == "" {
		r.Error = http.StatusText(status)
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // four strings
	}
	text = append(text, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h["Via"] = viaOnly
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error means that the client is gone
}
