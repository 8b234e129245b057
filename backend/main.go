// Command backend is the application that the benchmarked instances run. Any
// path answers with the instance's id and its cluster, after as much work as
// the query asks for.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairlead/fairlead/internal/instance"
)

// port is where the application listens.
const port = 8000

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
		fmt.Fprintln(stderr, "backend:", err)
		return 2
	}
	metadata := instance.NewMetadata(os.Getenv(instance.EndpointVariable))
	if o.check > 0 {
		err = check(ctx, o, metadata, stdout)
	} else {
		err = serve(ctx, o, metadata, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "backend:", err)
		return 1
	}
	return 0
}

// check proves that the backend on this instance serves.
func check(ctx context.Context, o options, m instance.Metadata, stdout io.Writer) error {
	addr := o.listen
	if addr == "" {
		me, err := instance.Locate(ctx, m, "", false, "-listen")
		if err != nil {
			return err
		}
		addr = me.At(port)
	}
	url := "http://" + addr + "/health"
	if err := instance.Probe(ctx, url, o.check); err != nil {
		return err
	}
	fmt.Fprintln(stdout, url, "is healthy")
	return nil
}

func address(o options, me instance.Identity) string { return cmp.Or(o.listen, me.At(port)) }
