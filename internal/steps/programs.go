package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// callTime is the deadline of one request to a program on an instance. A node
// under load answers late; one that is gone does not answer at all.
const callTime = 5 * time.Second

// maxAnswer bounds what is read of an answer: an hour of seconds is 300 KB.
const maxAnswer = 4 << 20

// programs calls the backend and the proxy on the fleet's instances.
type programs struct{ http *http.Client }

// balancer is the proxy's GET /stats, as far as Aim looks.
type balancer struct {
	Clusters map[string]struct {
		Nodes []struct {
			ID      string `json:"id"`
			Healthy bool   `json:"healthy"`
		} `json:"nodes"`
	} `json:"clusters"`
}

// samples is GET /stats of either program.
type samples struct {
	VCPUs     float64          `json:"vcpus"`
	CPUs      float64          `json:"cpus"`
	Emulation *bench.Emulation `json:"emulation"`
	Seconds   []bench.Second   `json:"seconds"`
}

func nodeAddr(i bench.Instance) string  { return addr(i, bench.NodePort) }
func proxyAddr(i bench.Instance) string { return addr(i, bench.ProxyPort) }

// controlAddr is where an instance's program tells of itself: a proxy keeps
// that apart from the port whose every path is the clusters'.
func controlAddr(i bench.Instance) string {
	if i.Role == bench.RoleProxy {
		return addr(i, bench.ProxyAdminPort)
	}
	return nodeAddr(i)
}

func addr(i bench.Instance, port int) string { return i.PrivateIP + ":" + strconv.Itoa(port) }

func (p programs) setStrategy(ctx context.Context, proxy bench.Instance, strategy string) error {
	body, err := json.Marshal(map[string]string{"strategy": strategy})
	if err != nil {
		return err
	}
	_, err = p.call(ctx, http.MethodPut, controlAddr(proxy), "/strategy", body)
	return err
}

func (p programs) reset(ctx context.Context, proxy bench.Instance) error {
	_, err := p.call(ctx, http.MethodPost, controlAddr(proxy), "/reset", nil)
	return err
}

// healthy tells which nodes of a cluster the proxy would send requests to.
func (p programs) healthy(ctx context.Context, proxy bench.Instance, cluster string) (map[string]bool, error) {
	raw, err := p.call(ctx, http.MethodGet, controlAddr(proxy), "/stats?since="+strconv.FormatInt(time.Now().Unix(), 10), nil)
	if err != nil {
		return nil, err
	}
	var b balancer
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("statistics of %s: %w", proxy.ID, err)
	}
	healthy := map[string]bool{}
	for _, n := range b.Clusters[cluster].Nodes {
		healthy[n.ID] = n.Healthy
	}
	return healthy, nil
}

// samples reads the seconds that began at or after since.
func (p programs) samples(ctx context.Context, i bench.Instance, since int64) (samples, error) {
	var s samples
	raw, err := p.call(ctx, http.MethodGet, controlAddr(i), "/stats?since="+strconv.FormatInt(since, 10), nil)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("statistics of %s: %w", i.ID, err)
	}
	return s, nil
}

func (p programs) health(ctx context.Context, i bench.Instance) error {
	_, err := p.call(ctx, http.MethodGet, nodeAddr(i), "/health", nil)
	return err
}

// call wants status 200 and gives the body.
func (p programs) call(ctx context.Context, method, addr, path string, body []byte) ([]byte, error) {
	answer, err := p.send(ctx, method, addr, path, body)
	if err != nil {
		return nil, err
	}
	if answer.status/100 != 2 {
		return nil, fmt.Errorf("%s %s%s: status %d: %s", method, addr, path, answer.status, firstLine(answer.body))
	}
	return answer.body, nil
}

// answer is a response read to its end.
type answer struct {
	status int
	node   string // X-Fairlead-Node
	body   []byte
}

func (p programs) send(ctx context.Context, method, addr, path string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		if outer := new(url.Error); errors.As(err, &outer) {
			err = outer.Err // "dial tcp <address>: …" says it all; the URL only makes a long line
		}
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("%s %s%s: %w", method, addr, path, err)
	}
	return answer{status: resp.StatusCode, node: resp.Header.Get("X-Fairlead-Node"), body: raw}, nil
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line[:min(len(line), 200)]
}
