package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/local"
)

// serve is `fairlead serve`: the local AWS stays up until Ctrl-C.
func (e engine) serve(ctx context.Context, o command.Serve) (int, error) {
	if err := loopback(o.Addr); err != nil {
		return command.ExitBadInput, err
	}
	scale := o.Scale
	if scale == 0 {
		lab, err := bench.ParsePlan([]byte(`{}`))
		if err != nil {
			return command.ExitFailed, err
		}
		scale = scaleFor(lab)
	}
	st, err := e.stand(ctx, standing{out: o.Out, data: o.Data, addr: o.Addr, scale: scale, delays: o.Delays, verbose: true})
	if err != nil && interrupted(ctx) {
		return command.ExitInterrupted, nil
	}
	if errors.Is(err, errResults) {
		return command.ExitBadInput, err
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return command.ExitFailed, fmt.Errorf("%w: end what listens there, or give another --addr", err)
	}
	if err != nil {
		return command.ExitFailed, err
	}
	c := st.cloud.OperatorCredentials()
	fmt.Fprintf(e.Out, `The local AWS is up; Ctrl-C ends it and all that it runs.

  export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=%s AWS_DEFAULT_REGION=%s
  unset AWS_SESSION_TOKEN AWS_PROFILE
  aws --endpoint-url %s stepfunctions start-execution --state-machine-arn %s --input '{"preset": "smoke"}'

Results bucket  s3://%s, the folder %s
Logs and state  %s
CPU             %.4g cores to each vCPU, of %d cores
`, c.AccessKeyID, c.SecretAccessKey, st.cloud.Region(), st.cloud.Region(), st.cloud.Endpoint(), st.machine,
		st.bucket, st.results, st.data, scale, runtime.NumCPU())
	<-ctx.Done()
	fmt.Fprintln(e.Err, "fairlead: taking the local AWS down")
	if err := st.close(); err != nil {
		return command.ExitFailed, err
	}
	return command.ExitDone, nil
}

// loopback refuses addresses that others could reach: whoever reaches the
// endpoint and has the credentials runs programs on this machine.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--addr %q: write HOST:PORT, such as 127.0.0.1:4566", addr)
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--addr %q is not a loopback address: the local AWS runs programs for whoever reaches it; use 127.0.0.1", addr)
	}
	return nil
}

// describe tells what was deployed, and what of it has no effect here.
func (e engine) describe(st *stand, s *local.Stack) {
	kinds := map[string]int{}
	var order []string
	for _, r := range s.Resources {
		if kinds[r.Type] == 0 {
			order = append(order, r.Type)
		}
		kinds[r.Type]++
	}
	fmt.Fprintf(e.Err, "Deployed the stack %s: %d resources\n", s.Name, len(s.Resources))
	for _, k := range order {
		fmt.Fprintf(e.Err, "  %3d  %s\n", kinds[k], k)
	}
	fmt.Fprintln(e.Err, "Declared in the template and without effect here:")
	reasons := map[string][]string{}
	order = nil
	for _, n := range s.NoEffect {
		what := n.Type
		if n.Property != "" {
			what += " " + n.Property
		}
		if reasons[n.Reason] == nil {
			order = append(order, n.Reason)
		}
		if !slices.Contains(reasons[n.Reason], what) {
			reasons[n.Reason] = append(reasons[n.Reason], what)
		}
	}
	for _, reason := range order {
		fmt.Fprintf(e.Err, "  %s:\n    %s\n", reason, strings.Join(reasons[reason], ", "))
	}
	fmt.Fprintf(e.Err, "Logs are in %s\n", st.data)
}
