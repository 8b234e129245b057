package forward

import (
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/proxy/refusal"
)

// fail answers for a request that no node has answered.
func fail(w http.ResponseWriter, r *http.Request, clusterName string, err error) {
	if r.Context().Err() != nil {
		return // nobody is listening any more
	}
	status, body := refusal.Of(clusterName, err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", refusal.RetryAfter)
	}
	write(w, status, body)
}

func write(w http.ResponseWriter, status int, b refusal.Body) {
	text := b.JSON(status)
	h := w.Header()
	h.Set("Content-Type", refusal.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h["Via"] = viaOnly
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error means that the client is gone
}
