package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
)

// Commands runs a document's script on instances: Systems Manager.
type Commands interface {
	// Online tells which of the instances have registered and are connected.
	Online(ctx context.Context, ids []string) ([]string, error)
	// Send starts the document on one instance. Errors: ErrNotYet if the
	// instance is not registered after all.
	Send(ctx context.Context, c Command) (commandID string, err error)
	// Result tells how the command goes. Errors: ErrNotYet if the service does
	// not know of it yet.
	Result(ctx context.Context, commandID, instance string) (CommandResult, error)
}

// Command is a document with its parameters.
type Command struct {
	Document   string
	Instance   string
	Parameters map[string]string
}

// CommandResult is the state of one command on one instance.
type CommandResult struct {
	Status string // Pending, InProgress, Delayed, Cancelling; at the end Success, Failed, TimedOut or Cancelled
	Detail string // more exact: "DeliveryTimedOut", "ExecutionTimedOut", …
	Stderr string // the first 24,000 characters
}

// ErrNotYet is an answer that will soon be another.
var ErrNotYet = errors.New("not known yet")

// setupTime bounds Setup where the function's own time does not: on AWS
// registration alone takes 150 s in the tail.
const setupTime = 5 * time.Minute

// sendTime is how long an instance that is online may still be refused: one
// that has ended meanwhile is refused for good.
const sendTime = 30 * time.Second

// Setup installs and starts the group's program on each of its instances.
type Setup struct {
	Store    Store
	Commands Commands
}

// SetupIn is what Launch started.
type SetupIn struct {
	Run       string           `json:"run"`
	Group     string           `json:"group"`
	Instances []bench.Instance `json:"instances"`
}

// SetupOut tells how many are set up.
type SetupOut struct {
	Group string `json:"group"`
	Nodes int    `json:"nodes"`
}

// Run sends to each instance on its own as soon as it is online, because one
// unregistered instance fails a call for many. Errors: *SetupFailed, of the
// first that failed; commands on the others run on and are not waited for.
func (s *Setup) Run(ctx context.Context, in SetupIn) (SetupOut, error) {
	r, err := record(ctx, s.Store, in.Run)
	if err != nil {
		return SetupOut{}, err
	}
	ctx, cancel := within(ctx, setupTime)
	defer cancel()
	all, ctx := errgroup.WithContext(ctx)

	online := map[string]chan struct{}{}
	for _, i := range in.Instances {
		online[i.ID] = make(chan struct{})
	}
	for _, i := range in.Instances {
		all.Go(func() error { return s.install(ctx, r, i, online[i.ID]) })
	}
	all.Go(func() error { return s.watch(ctx, online) })
	if err := all.Wait(); err != nil {
		return SetupOut{}, err
	}
	return SetupOut{Group: in.Group, Nodes: len(in.Instances)}, nil
}

// watch closes each instance's channel when it is online. It reads the map and
// changes a copy: the installers read it too.
func (s *Setup) watch(ctx context.Context, online map[string]chan struct{}) error {
	var waiting []string
	for id := range online {
		waiting = append(waiting, id)
	}
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		here, err := s.Commands.Online(ctx, waiting)
		if err != nil {
			return false, err
		}
		now := map[string]bool{}
		for _, id := range here {
			now[id] = true
		}
		var rest []string
		for _, id := range waiting {
			if now[id] {
				close(online[id])
			} else {
				rest = append(rest, id)
			}
		}
		waiting = rest
		return len(waiting) == 0, nil
	})
	if ctx.Err() != nil {
		err = nil // the installers tell which node is missing
	}
	return err
}

func (s *Setup) install(ctx context.Context, r bench.RunRecord, i bench.Instance, online <-chan struct{}) error {
	failed := func(format string, args ...any) error {
		return &SetupFailed{Node: i.ID, Group: i.Group, Reason: fmt.Sprintf(format, args...)}
	}
	select {
	case <-online:
	case <-ctx.Done():
		return failed("it did not register with Systems Manager in time: see its way out to the internet and its instance profile")
	}
	var id string
	sending, cancel := within(ctx, sendTime)
	defer cancel()
	err := poll(sending, func(ctx context.Context) (bool, error) {
		var err error
		id, err = s.Commands.Send(ctx, command(r, i))
		if errors.Is(err, ErrNotYet) {
			return false, nil
		}
		return true, err
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return failed("Systems Manager takes no command for it: has it ended?")
	case err != nil:
		return failed("the command could not be sent: %v", err)
	}
	var result CommandResult
	err = poll(ctx, func(ctx context.Context) (bool, error) {
		var err error
		result, err = s.Commands.Result(ctx, id, i.ID)
		if errors.Is(err, ErrNotYet) {
			return false, nil
		}
		switch result.Status {
		case "Success", "Failed", "TimedOut", "Cancelled":
			return true, err
		}
		return false, err
	})
	switch {
	case ctx.Err() != nil:
		return failed("command %s did not end in time", id)
	case err != nil:
		return failed("command %s could not be followed: %v", id, err)
	case result.Status != "Success":
		return failed("%s", why(result))
	}
	return nil
}

// why is the line that tells most: the script's last words.
func why(r CommandResult) string {
	lines := strings.Split(strings.TrimSpace(r.Stderr), "\n")
	for len(lines) > 0 {
		line := strings.TrimSpace(lines[len(lines)-1])
		// The agent itself ends with this line, which says nothing.
		if line != "" && !strings.HasPrefix(line, "failed to run commands:") {
			return line
		}
		lines = lines[:len(lines)-1]
	}
	if r.Detail != "" {
		return "the command ended as " + r.Detail + " and said nothing"
	}
	return "the command ended as " + r.Status + " and said nothing"
}

// command is the document's parameters for one instance. Each is pasted into
// a shell, and held to a pattern by the document.
func command(r bench.RunRecord, i bench.Instance) Command {
	program, service := r.ImageOf(i.Group).Program(i.Role), "backend"
	arguments := "-cluster " + i.Group
	if i.Role == bench.RoleProxy {
		service = "proxy"
		var clusters []string
		for _, c := range r.Plan.Clusters {
			clusters = append(clusters, c.Name)
		}
		// The client gives up first, so that a slow node is its timeout and not the proxy's 504.
		patience := time.Duration(r.Plan.Load.Timeout) + time.Second
		arguments = "-stack " + r.Stack + " -run " + r.Run + " -clusters " + strings.Join(clusters, ",") + " -answer-timeout " + patience.String()
	}
	return Command{Document: r.Document, Instance: i.ID, Parameters: map[string]string{
		"Artifact": program.URI, "Sha256": program.SHA256, "Service": service, "Arguments": arguments,
	}}
}
