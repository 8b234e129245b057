// Package supervisor is the init of one emulated instance: a small systemd.
//
// It is process 1 of the instance's PID and mount namespace (or, where the
// machine refuses namespaces, a subreaper), lays private folders over the
// machine's, runs units and scripts, keeps a journal per unit and serves the
// systemctl, journalctl and shutdown programs of the instance over a socket.
//
//	cloud process ── pipe: Boot, then nothing; its end is ours ──► supervisor ──► services, scripts
//	                 socket: one Request and one Response a call ─►
//
// When the cloud process dies, however it dies, the kernel kills the supervisor
// (Pdeathsig), and with process 1 its namespace; without namespaces the pipe's
// end tells it to kill its tree.
package supervisor

import "time"

// Boot is what the supervisor is told when it starts.
type Boot struct {
	Dir        string   `json:"dir"`        // the instance's folder
	Name       string   `json:"name"`       // the instance's id, for log lines
	Env        []string `json:"env"`        // whole environment of everything on the instance
	Private    []string `json:"private"`    // folders of the instance of its own
	Namespaced bool     `json:"namespaced"` // started in PID and mount namespaces
	Throttle   float64  `json:"throttle"`   // cores to keep to by stopping and continuing; 0: a cgroup does it, or nothing
	UserData   []byte   `json:"userData"`   // a script to run at boot
}

// Ready is the supervisor's one answer to Boot.
type Ready struct {
	Root  string `json:"root"`  // prefix of the private folders; empty: they stand at their own paths
	Error string `json:"error"` // why the instance cannot run
}

// Request is one call over the control socket.
type Request struct {
	Op     string   `json:"op"`               // systemctl, journalctl, shutdown, run, poweroff or usage
	Args   []string `json:"args,omitempty"`   // of systemctl, journalctl, shutdown
	Script *Script  `json:"script,omitempty"` // of run
}

// Response is what a call gave, as a program would: text and exit code.
type Response struct {
	Code    int           `json:"code"`
	Stdout  string        `json:"stdout,omitempty"`
	Stderr  string        `json:"stderr,omitempty"`
	Timeout bool          `json:"timeout,omitempty"` // of run: the script was killed at its timeout
	Usage   time.Duration `json:"usage,omitempty"`   // of usage: CPU time of the tree since boot
}

// Script is a shell script to run on the instance. Output beyond MaxOutput
// bytes of each stream is dropped.
type Script struct {
	Text             string        `json:"text"`
	Dir              string        `json:"dir"` // folder for script.sh, stdout and stderr; made if missing
	WorkingDirectory string        `json:"workingDirectory,omitempty"`
	Timeout          time.Duration `json:"timeout,omitempty"`
}

// MaxOutput bounds each stream of a script, in bytes.
const MaxOutput = 1 << 20

// Programs are the names under which this binary serves on an instance.
var Programs = []string{"aws", "systemctl", "journalctl", "shutdown", "poweroff", "halt", "reboot"}
