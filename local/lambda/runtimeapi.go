package lambda

import (
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
)

// runtimeAPI answers the functions' processes. Each has its own first path
// element, so one port serves all of them. "Using the Lambda runtime API for
// custom runtimes", AWS developer guide.
type runtimeAPI struct{ *Service }

// RuntimeHandler serves the Runtime API at Config.RuntimeAPI. It needs no
// signature: the address a process was given is its secret.
func (s *Service) RuntimeHandler() http.Handler {
	api := &runtimeAPI{s}
	mux := http.NewServeMux()
	const base = "/{sandbox}/2018-06-01/runtime"
	mux.HandleFunc("GET "+base+"/invocation/next", api.with(api.next))
	mux.HandleFunc("POST "+base+"/invocation/{id}/response", api.with(api.response))
	mux.HandleFunc("POST "+base+"/invocation/{id}/error", api.with(api.failure))
	mux.HandleFunc("POST "+base+"/init/error", api.with(api.initError))
	return mux
}

func (a *runtimeAPI) with(h func(*sandbox, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sb, err := a.sandboxByID(r.PathValue("sandbox"))
		if err != nil {
			refuse(w, http.StatusForbidden, "InvalidSandbox", err.Error())
			return
		}
		h(sb, w, r)
	}
}

func (a *runtimeAPI) next(sb *sandbox, w http.ResponseWriter, r *http.Request) {
	if !sb.next() {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition from Running to Ready failed: the invocation has not been answered")
		return
	}
	var e *event
	select {
	case <-r.Context().Done():
		return
	case <-sb.exited:
		return
	case <-a.ctx.Done():
		return
	case e = <-sb.work:
	}
	sb.begin(e)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(e.payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", e.requestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(e.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", e.arn)
	h.Set("Lambda-Runtime-Trace-Id", e.traceID)
	_, _ = w.Write(e.payload) // a process that is gone shows in its exit
}

func (a *runtimeAPI) response(sb *sandbox, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidResponse", err.Error())
		return
	}
	id := r.PathValue("id")
	if len(body) > maxResponse {
		sb.answer(id, tooLarge(), true)
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
		return
	}
	// A runtime whose response broke while it was being written says so in trailers.
	failed := false
	if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		failed = true
		if body, err = base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body")); err != nil || len(body) == 0 {
			body = failure(kind, "the function's response ended early")
		}
	}
	a.accept(w, sb.answer(id, body, failed))
}

func (a *runtimeAPI) failure(sb *sandbox, w http.ResponseWriter, r *http.Request) {
	if body, ok := posted(w, r); ok {
		a.accept(w, sb.answer(r.PathValue("id"), body, true))
	}
}

func (a *runtimeAPI) initError(sb *sandbox, w http.ResponseWriter, r *http.Request) {
	if body, ok := posted(w, r); ok {
		a.accept(w, sb.failInit(body))
	}
}

// posted reads the error document of a runtime; an empty one is made from the
// header that carries the error's type.
func posted(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResponse))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
		return nil, false
	}
	if len(body) == 0 {
		body = failure(r.Header.Get("Lambda-Runtime-Function-Error-Type"), "")
	}
	return body, true
}

func (a *runtimeAPI) accept(w http.ResponseWriter, known bool) {
	if !known {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`+"\n")
}

func refuse(w http.ResponseWriter, status int, errorType, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(failure(errorType, message))
}
