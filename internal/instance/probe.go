package instance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// probeEvery is the pause between two tries of Probe.
const probeEvery = 50 * time.Millisecond

// Probe asks url until it answers 200 or wait is over. The set-up of an
// instance runs it, by the program's -check flag, to prove that the service
// it has just started serves. The error tells what the last try saw.
func Probe(ctx context.Context, url string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true} // no proxy from the environment: this is our own address
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	pause := time.NewTicker(probeEvery)
	defer pause.Stop()
	var last error
	for {
		err := ask(ctx, client, url)
		if err == nil {
			return nil
		}
		// A try that only ran out of time tells less than the one before it.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not become healthy within %s: %w", url, wait, last)
		case <-pause.C:
		}
	}
}

func ask(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	const enough = 200 // of the body, for a message
	text, _ := io.ReadAll(io.LimitReader(res.Body, enough))
	return fmt.Errorf("answered %s %s", res.Status, strings.TrimSpace(string(text)))
}
