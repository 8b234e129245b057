// Package command is the command line of fairlead: its commands, flags, help
// and checks. What the commands do is passed in, because two programs share
// this line: the launcher, which is light and compiles, and the engine, which
// holds the local cloud.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/internal/bench"
)

// Exit codes.
const (
	ExitDone        = 0
	ExitFailed      = 1 // the run failed, or a threshold
	ExitBadInput    = 2
	ExitLeaked      = 3   // something may still be running
	ExitInterrupted = 130 // 128 + SIGINT
)

// Run is what `fairlead run` was asked.
type Run struct {
	Plan     bench.Plan
	PlanJSON []byte // as given, for the execution's input
	Out      string
	JSON     bool
	Verbose  bool
	Delays   Delays
	AWS      *Account // nil: on this machine
}

// Serve is what `fairlead serve` was asked.
type Serve struct {
	Addr   string
	Data   string
	Out    string
	Scale  float64
	Delays Delays
}

// Report is what `fairlead report` was asked.
type Report struct {
	Path string // a run's folder, or its report.json
	HTML bool   // write report.html again
	JSON bool
}

// Actions do the work. Each returns an exit code; an error is printed and
// makes the code ExitFailed at least.
type Actions struct {
	Run    func(ctx context.Context, o Run) (int, error)
	Serve  func(ctx context.Context, o Serve) (int, error)
	Report func(ctx context.Context, o Report) (int, error)
}

// IO is where a command reads and writes.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// Execute runs one command line, args without the program's name.
func Execute(ctx context.Context, args []string, s IO, do Actions) int {
	code := ExitDone
	root := tree(&code, s, do)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(s.Err, "fairlead:", err)
		var plan *bench.PlanError
		var input badInput
		switch {
		case errors.As(err, &plan), errors.As(err, &input):
			return ExitBadInput
		case code != ExitDone:
			return code
		}
		return ExitFailed
	}
	return code
}

// badInput is an error of the command line itself.
type badInput struct{ error }

func tree(code *int, s IO, do Actions) *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Benchmark EC2 clusters through their load balancers, in one Step Functions execution",
		Long: `Fairlead launches clusters of EC2 instances, benchmarks them through a load
balancer and reports which balancer, strategy and instance type serves the load
best, and at what price. Without an AWS account it runs whole on this machine:
the same template, deployed on a small local AWS.`,
		Example: `  fairlead run                       the lab: 4 × t2.micro against 4 × t2.large
  fairlead run --preset smoke        the same in seconds
  fairlead plan my.json              what would run, how long, at what cost
  fairlead run --aws                 the lab in your account, on the stack of cdk deploy
  fairlead serve                     keep the local AWS up for the aws CLI`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return badInput{fmt.Errorf("unknown command %q: use run, plan, serve or report; fairlead --help tells more", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return badInput{fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())}
	})
	root.AddCommand(runCommand(code, do), planCommand(s), serveCommand(code, do), reportCommand(code, do))
	return root
}

func runCommand(code *int, do Actions) *cobra.Command {
	var o Run
	var preset, delays string
	var aws bool
	var account Account
	cmd := &cobra.Command{
		Use:   "run [plan.json]",
		Short: "Run a plan whole on this machine, or in an AWS account",
		Long: `Deploys the template on a local AWS, starts the state machine with the plan,
follows it and prints the result. The results folder receives the bucket's
layout: runs/<run>/report.html, report.json, trials.csv, nodes.csv and more.

With --aws the execution runs in your account, on the stack that cdk deploy has
made, and the results are fetched from its bucket. Credentials and region are
found as the aws CLI finds them. Ctrl-C stops the execution there as well.

Without a plan file it runs a preset; "-" reads the plan from standard input.

Exit codes: 0 done; 1 the run or a threshold failed; 2 bad input, nothing was
started; 3 something may still be running; 130 interrupted.`,
		Args: atMostOne("plan file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if err := checkAccount(cmd, aws, account); err != nil {
				return err
			}
			if o.Delays, err = parseDelays(delays); err != nil {
				return err
			}
			if o.Plan, o.PlanJSON, err = readPlan(cmd.InOrStdin(), args, preset); err != nil {
				return err
			}
			if aws {
				o.AWS = &account
			}
			*code, err = do.Run(cmd.Context(), o)
			return err
		},
	}
	presetFlag(cmd, &preset)
	cmd.Flags().StringVar(&o.Out, "out", "results", "folder that receives the results")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print the outcome as one JSON object")
	cmd.Flags().StringVar(&delays, "delays", "", delaysHelp)
	accountFlags(cmd, &aws, &account)
	cmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "print what the local AWS deploys, and where its logs are")
	return cmd
}

func serveCommand(code *int, do Actions) *cobra.Command {
	var o Serve
	var delays string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Keep the local AWS up, for the aws CLI and SDKs",
		Long: `Deploys the template on a local AWS and keeps it up until Ctrl-C. It prints the
endpoint and credentials to use; all AWS calls of the system go there, and
what it does not implement it refuses by name.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return badInput{fmt.Errorf("serve takes flags only, and %q was given; fairlead serve --help lists them", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Scale < 0 || o.Scale > 1 {
				return badInput{fmt.Errorf("--cpu-scale is %g: use a number from 0 (chosen for the lab preset) to 1", o.Scale)}
			}
			var err error
			if o.Delays, err = parseDelays(delays); err != nil {
				return err
			}
			*code, err = do.Serve(cmd.Context(), o)
			return err
		},
	}
	cmd.Flags().StringVar(&o.Addr, "addr", "127.0.0.1:4566", "address of the endpoint")
	cmd.Flags().StringVar(&o.Data, "data", "", "folder for logs and state (default: a folder in the user's cache, removed at the end)")
	cmd.Flags().StringVar(&o.Out, "out", "results", "folder that is the results bucket")
	cmd.Flags().StringVar(&delays, "delays", "", delaysHelp)
	cmd.Flags().Float64Var(&o.Scale, "cpu-scale", 0, "cores given to each vCPU; 0 fits the lab preset to this machine")
	return cmd
}

func reportCommand(code *int, do Actions) *cobra.Command {
	var o Report
	cmd := &cobra.Command{
		Use:   "report DIR|FILE",
		Short: "Print a stored run, or write its HTML again",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badInput{fmt.Errorf("report takes one run's folder or report.json, such as results/runs/<run>")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Path = args[0]
			if _, err := os.Stat(o.Path); err != nil {
				return badInput{err}
			}
			var err error
			*code, err = do.Report(cmd.Context(), o)
			return err
		},
	}
	cmd.Flags().BoolVar(&o.HTML, "html", false, "write report.html beside report.json again")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print report.json")
	return cmd
}

func presetFlag(cmd *cobra.Command, preset *string) {
	about := "plan to run without a file:"
	for _, p := range bench.Presets() {
		about += "\n" + p.Name + ": " + p.About
	}
	cmd.Flags().StringVar(preset, "preset", "", about)
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return badInput{fmt.Errorf("%s takes at most one %s, and %d were given", cmd.Name(), what, len(args))}
		}
		return nil
	}
}
