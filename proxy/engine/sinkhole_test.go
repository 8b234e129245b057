package engine

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// A node that fails at once must not draw the load to itself: with the default
// strategy, hardly any client sees it.
func TestSinkhole(t *testing.T) {
	const requests = 4000
	broken := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	r := newRig(t, DefaultLimits(), broken, backend(t, echoPath), backend(t, echoPath), backend(t, echoPath))
	if err := r.cluster.SetStrategy(strategy.Default); err != nil {
		t.Fatal(err)
	}
	var done, errs atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for done.Add(1) <= requests {
				res, err := r.client.Get(r.url + "/one")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					errs.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if errs.Load() == 0 || errs.Load() > requests/100 {
		t.Errorf("%d of %d requests failed, want some and at most 1 %%", errs.Load(), requests)
	}
}
