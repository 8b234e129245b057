package admin

import (
	"fmt"
	"net/http"

	"github.com/fairlead/fairlead/proxy/cluster"
)

// Traces is the answer of GET /trace, by cluster.
type Traces map[string]Picks

// Picks are those recorded of one cluster, the oldest first.
type Picks struct {
	Running bool           `json:"running"` // more are to come
	Picks   []cluster.Pick `json:"picks"`
}

func (c Config) startTrace(w http.ResponseWriter, r *http.Request) {
	var want cluster.Trace
	err := decode(w, r, &want)
	if err == nil && (want.Picks < 0 || want.Picks > cluster.MostTraced || want.Every < 0) {
		err = fmt.Errorf("picks must be from 0 to %d, and every not below 0", cluster.MostTraced)
	}
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{
			"error": fmt.Sprintf(`the body is not {"picks": <number>, "every": <number>}: %v`, err),
		})
		return
	}
	for _, k := range c.Clusters {
		k.StartTrace(want)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c Config) traces(w http.ResponseWriter, _ *http.Request) {
	all := make(Traces, len(c.Clusters))
	for _, k := range c.Clusters {
		picks, running := k.Traced()
		if picks == nil {
			picks = []cluster.Pick{}
		}
		all[k.Name] = Picks{running, picks}
	}
	answer(w, http.StatusOK, all)
}
