package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/fairlead/fairlead/local/host/cpu"
)

// socket is the control socket's name in the instance's folder.
const socket = "control.sock"

// listen opens the control socket through a file descriptor of its folder,
// because a socket's path may have 107 bytes only and folders of users (and of
// tests) are longer.
func listen(dir string) (net.Listener, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return new(net.ListenConfig).Listen(context.Background(), "unix", fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), socket))
}

// Call makes one request to the supervisor of the instance whose folder is
// dir. Ending ctx ends the call, and the script that it runs.
func Call(ctx context.Context, dir string, q Request) (Response, error) {
	f, err := os.Open(dir)
	if err != nil {
		return Response{}, err
	}
	defer f.Close()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), socket))
	if err != nil {
		return Response{}, fmt.Errorf("instance: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var r Response
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return r, errors.Join(ctx.Err(), fmt.Errorf("instance: %w", err))
	}
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		return r, errors.Join(ctx.Err(), fmt.Errorf("instance: %w", err))
	}
	return r, nil
}

// serve answers until the listener is closed.
func (s *supervisor) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.answer(conn)
	}
}

func (s *supervisor) answer(conn net.Conn) {
	defer conn.Close()
	decoder := json.NewDecoder(conn)
	var q Request
	if err := decoder.Decode(&q); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the caller hangs up: its script is cancelled
		var none json.RawMessage
		_ = decoder.Decode(&none) // nothing comes but the end
		cancel()
	}()
	if err := json.NewEncoder(conn).Encode(s.do(ctx, q)); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor: answer:", err)
	}
}

func (s *supervisor) do(ctx context.Context, q Request) Response {
	switch q.Op {
	case "systemctl":
		return s.systemctl(q.Args)
	case "journalctl":
		return s.journalctl(q.Args)
	case "shutdown":
		return s.shutdown(q.Args)
	case "poweroff":
		s.powerOff()
		return Response{}
	case "run":
		return s.runScript(ctx, *q.Script)
	case "usage":
		return Response{Usage: cpu.Usage() + s.processes.usage()}
	}
	return Response{Code: 2, Stderr: "supervisor: unknown request " + q.Op + "\n"}
}

// shutdown answers "shutdown [-h|-P] now" and poweroff.
func (s *supervisor) shutdown(args []string) Response {
	for _, arg := range args {
		switch arg {
		case "-h", "-P", "--halt", "--poweroff", "now", "+0":
		default:
			return refuse("shutdown", arg)
		}
	}
	if len(args) > 0 && args[len(args)-1] != "now" && args[len(args)-1] != "+0" {
		return refuse("shutdown", "a time other than now")
	}
	s.powerOff()
	return Response{}
}
