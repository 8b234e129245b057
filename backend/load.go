package main

import (
	"net/http"
	"strconv"
	"time"
)

// loadHeader tells in each answer, and in that of GET /load, the requests that
// the node is working on, and the latency in µs that it expects of one that
// comes now: "3;1250". 0 µs: it cannot say.
const loadHeader = "X-Fairlead-Load"

// telling gives the value of loadHeader. own is 1 in the answer to a request
// that is itself among those in flight.
func (a *app) telling(own int) string {
	inFlight, latency := a.load.Load(time.Now(), own)
	var text [32]byte
	b := strconv.AppendInt(text[:0], int64(inFlight), 10)
	return string(strconv.AppendInt(append(b, ';'), latency.Microseconds(), 10))
}

// tellLoad answers the probes of a proxy. It is neither counted nor logged.
func (a *app) tellLoad(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(nodeHeader, a.me.ID)
	w.Header().Set(loadHeader, a.telling(0))
	w.WriteHeader(http.StatusNoContent)
}
