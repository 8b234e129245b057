package instance

import (
	"fmt"
	"net/http"
	"strconv"
)

// Since reads the query parameter of GET /stats?since=<unix seconds>. Without
// it, everything is meant.
func Since(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("since")
	if text == "" {
		return 0, nil
	}
	since, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("since=%s is not a Unix time in whole seconds", text)
	}
	return since, nil
}
