package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// cloud is as much of AWS as the proxy asks: who its nodes are, and a place
// for its metrics.
type cloud struct {
	url    string
	server *http.Server
	wait   sync.WaitGroup
}

// startCloud serves an EC2 that knows the nodes as members of cluster1.
func startCloud(ctx context.Context, nodes []string) (*cloud, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	answer, err := instances(nodes)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	c := &cloud{url: "http://" + l.Addr().String()}
	c.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "PutMetricData"):
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.Header().Set("Content-Type", "application/cbor")
			_, _ = w.Write([]byte{0xa0}) // an empty map
		case r.FormValue("Action") == "DescribeInstances":
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write([]byte(answer))
		default:
			http.Error(w, "not part of this cloud", http.StatusNotImplemented)
		}
	})}
	c.wait.Go(func() { _ = c.server.Serve(l) })
	return c, nil
}

func (c *cloud) stop() {
	_ = c.server.Close()
	c.wait.Wait()
}

// instances is EC2's answer to DescribeInstances.
func instances(nodes []string) (string, error) {
	var x strings.Builder
	x.WriteString(`<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet>`)
	for i, n := range nodes {
		ip, _, err := net.SplitHostPort(n)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&x, `<item><instanceId>i-%d</instanceId><instanceState><code>16</code><name>running</name></instanceState>`+
			`<privateIpAddress>%s</privateIpAddress><tagSet><item><key>fairlead:group</key><value>cluster1</value></item></tagSet></item>`, i, ip)
	}
	x.WriteString(`</instancesSet></item></reservationSet></DescribeInstancesResponse>`)
	return x.String(), nil
}
