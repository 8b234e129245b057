package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// NodeHeader is where a node names itself in each answer.
const NodeHeader = "X-Fairlead-Node"

// HTTP is the Prober of the real world: GET /health over a connection of its
// own, kept open, so that a probe measures the node and not the handshake.
type HTTP struct{ transport *http.Transport }

var _ Prober = (*HTTP)(nil)

// NewHTTP gives an HTTP prober. Close ends its connections.
func NewHTTP() *HTTP {
	return &HTTP{&http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true, IdleConnTimeout: 30 * time.Second}}
}

// Close closes the idle connections.
func (p *HTTP) Close() { p.transport.CloseIdleConnections() }

// Probe passes if the node answers 200 and does not name itself as another
// one: an address may have gone to a new instance.
func (p *HTTP) Probe(ctx context.Context, t Target) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Addr+"/health", nil)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return 0, fmt.Errorf("no answer from %s within the probe's time", t.Addr)
		}
		return 0, err
	}
	defer res.Body.Close()
	const most = 4 << 10 // reading to the end keeps the connection; a long body is not worth it
	if _, err := io.CopyN(io.Discard, res.Body, most); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	latency := max(time.Since(start), 1) // 0 would mean: never probed
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s answers %s", t.Addr, res.Status)
	}
	if id := res.Header.Get(NodeHeader); id != "" && id != t.ID {
		return 0, fmt.Errorf("%s is now %s, not %s", t.Addr, id, t.ID)
	}
	return latency, nil
}
