// Command proxy is Fairlead's load balancer. It finds the running instances of
// its clusters by their tags, probes their health, and forwards /cluster1 and
// everything under it to the nodes of cluster1 by a strategy that can be
// changed while it runs.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairlead/fairlead/internal/instance"
)

// Ports of the service and of the admin endpoint.
const (
	dataPort  = 8000
	adminPort = 8001
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run gives the exit code: 0 stopped as asked (or healthy, with -check),
// 1 failed, 2 called wrongly.
func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	o, help, err := parse(args, stderr)
	if help {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "proxy:", err)
		return 2
	}
	metadata := instance.NewMetadata(os.Getenv(instance.EndpointVariable))
	if o.check > 0 {
		err = check(ctx, o, metadata, stdout)
	} else {
		err = serve(ctx, o, metadata, slog.New(slog.NewTextHandler(stdout, nil)))
	}
	if err != nil {
		fmt.Fprintln(stderr, "proxy:", err)
		return 1
	}
	return 0
}

// check proves that the proxy on this instance serves.
func check(ctx context.Context, o options, m instance.Metadata, stdout io.Writer) error {
	admin := o.admin
	if admin == "" {
		me, err := instance.Locate(ctx, m, "", false, "-admin")
		if err != nil {
			return err
		}
		admin = me.At(adminPort)
	}
	url := "http://" + admin + "/healthz"
	if err := instance.Probe(ctx, url, o.check); err != nil {
		return err
	}
	fmt.Fprintln(stdout, url, "is healthy")
	return nil
}

// addresses are where the data plane and the admin endpoint listen.
func addresses(o options, me instance.Identity) (data, admin string) {
	return cmp.Or(o.listen, me.At(dataPort)), cmp.Or(o.admin, me.At(adminPort))
}
