package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/fairlead/fairlead/local/host/supervisor"
)

// Applet runs this binary as one of an instance's programs when it was called
// by the name of one: supervisor, aws, systemctl, journalctl, shutdown, …
// main calls it before anything else, and so does TestMain of a package whose
// tests start instances.
func Applet(args []string) (exitCode int, handled bool) {
	if len(args) == 0 {
		return 0, false
	}
	name := filepath.Base(args[0])
	if name == "supervisor" {
		return supervisor.Main(), true
	}
	// The name alone is not enough: only an instance's environment has this.
	dir := os.Getenv("FAIRLEAD_INSTANCE")
	if dir == "" || !slices.Contains(supervisor.Programs, name) {
		return 0, false
	}
	if name == "aws" {
		return awsCommand(context.Background(), args[1:], os.Stdout, os.Stderr), true
	}
	return ask(name, args[1:], dir, os.Stdout, os.Stderr), true
}

// ask hands a call to the instance's supervisor and prints its answer.
func ask(name string, args []string, dir string, stdout, stderr io.Writer) int {
	q := supervisor.Request{Op: name, Args: args}
	switch name {
	case "poweroff":
		q.Op, q.Args = "shutdown", append(args, "now")
	case "halt", "reboot":
		fmt.Fprintf(stderr, "%s: not supported on an emulated instance\n", name)
		return 2
	}
	r, err := supervisor.Call(context.Background(), dir, q)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	fmt.Fprint(stdout, r.Stdout)
	fmt.Fprint(stderr, r.Stderr)
	return r.Code
}
