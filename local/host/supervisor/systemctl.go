package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/host/systemd"
)

// systemctl answers the instance's systemctl program: the verbs and options
// below, with systemd's exit codes (0 done, 1 failed, 3 not active, 4 no such
// unit, 5 not loaded). Anything else is refused with code 2.
func (s *supervisor) systemctl(args []string) Response {
	var words []string
	var now, quiet bool
	properties := []string(nil)
	values := false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--now":
			now = true
		case arg == "-q" || arg == "--quiet":
			quiet = true
		case arg == "--no-pager" || arg == "--system" || arg == "--full" || arg == "-l" || arg == "--no-ask-password":
		case arg == "--value":
			values = true
		case strings.HasPrefix(arg, "--property="):
			properties = append(properties, strings.Split(strings.TrimPrefix(arg, "--property="), ",")...)
		case (arg == "-p" || arg == "--property") && i+1 < len(args):
			i++
			properties = append(properties, strings.Split(args[i], ",")...)
		case strings.HasPrefix(arg, "-"):
			return refuse("systemctl", "option "+arg)
		default:
			words = append(words, arg)
		}
	}
	if len(words) == 0 {
		return refuse("systemctl", "a call without a verb")
	}
	verb, names := words[0], words[1:]
	if now && verb != "enable" && verb != "disable" {
		return refuse("systemctl", "--now with "+verb)
	}
	if verb == "daemon-reload" {
		if err := s.reload(); err != nil {
			return Response{Code: 1, Stderr: err.Error() + "\n"}
		}
		return Response{}
	}
	act, ok := map[string]func(name string) Response{
		"start": s.ctlStart, "stop": s.ctlStop, "restart": s.ctlRestart, "status": s.ctlStatus,
		"enable":     func(name string) Response { return s.ctlEnable(name, true, now) },
		"disable":    func(name string) Response { return s.ctlEnable(name, false, now) },
		"is-active":  func(name string) Response { return s.ctlIs(name, quiet, false) },
		"is-failed":  func(name string) Response { return s.ctlIs(name, quiet, true) },
		"is-enabled": func(name string) Response { return s.ctlIsEnabled(name, quiet) },
		"show":       func(name string) Response { return s.ctlShow(name, properties, values) },
		"cat":        s.ctlCat,
	}[verb]
	if !ok {
		return refuse("systemctl", verb)
	}
	if len(names) == 0 {
		return Response{Code: 1, Stderr: "systemctl " + verb + ": no unit named\n"}
	}
	var all Response
	for _, name := range names {
		one := act(fullName(name))
		all.Stdout += one.Stdout
		all.Stderr += one.Stderr
		all.Code = max(all.Code, one.Code)
	}
	return all
}

// refuse is what a program of the instance says about what it does not do.
func refuse(program, what string) Response {
	return Response{Code: 2, Stderr: fmt.Sprintf("%s: %s is not supported on an emulated instance\n", program, what)}
}

// missing is systemd's answer for a unit that cannot be used.
func missing(name string, err error) Response {
	if errors.Is(err, errNoUnit) {
		return Response{Code: 5, Stderr: fmt.Sprintf("Failed to use unit %s: Unit %s not found.\n", name, name)}
	}
	return Response{Code: 1, Stderr: fmt.Sprintf("Failed to load unit %s: %v\n", name, err)}
}

func (s *supervisor) ctlStart(name string) Response {
	v, t, err := s.load(name)
	if err != nil {
		return missing(name, err)
	}
	if t != nil {
		err = t.start()
	} else {
		err = v.start()
	}
	if err != nil {
		return Response{Code: 1, Stderr: fmt.Sprintf("Job for %s failed because the control process exited with error code.\n"+
			"See \"systemctl status %s\" and \"journalctl -u %s\" for details.\n", name, name, name)}
	}
	return Response{}
}

func (s *supervisor) ctlStop(name string) Response {
	v, t, err := s.load(name)
	if err != nil {
		return missing(name, err)
	}
	if t != nil {
		t.stop()
	} else {
		v.stop()
	}
	return Response{}
}

func (s *supervisor) ctlRestart(name string) Response {
	if r := s.ctlStop(name); r.Code != 0 {
		return r
	}
	return s.ctlStart(name)
}

func (s *supervisor) ctlEnable(name string, on, now bool) Response {
	u, err := s.read(name)
	if err != nil {
		return missing(name, err)
	}
	out, err := s.enable(u, on)
	if err != nil {
		return Response{Code: 1, Stderr: err.Error() + "\n"}
	}
	r := Response{Stderr: out} // systemctl tells of links on standard error
	if on && len(u.WantedBy) == 0 {
		r.Stderr += "The unit files have no installation config (WantedBy=).\n"
	}
	if now {
		act := s.ctlStop
		if on {
			act = s.ctlStart
		}
		more := act(name)
		r.Code, r.Stderr = more.Code, r.Stderr+more.Stderr
	}
	return r
}

func (s *supervisor) ctlIs(name string, quiet, failed bool) Response {
	state, code := "inactive", 3
	if st, err := s.status(name); err == nil {
		state = st.state
	} else if errors.Is(err, errNoUnit) {
		code = 4
	}
	if failed && state == "failed" || !failed && state == "active" {
		code = 0
	} else if failed {
		code = 1
	}
	if quiet {
		return Response{Code: code}
	}
	return Response{Code: code, Stdout: state + "\n"}
}

func (s *supervisor) ctlIsEnabled(name string, quiet bool) Response {
	u, err := s.read(name)
	if err != nil {
		return missing(name, err)
	}
	state, code := s.enabled(u), 0
	if state == "disabled" {
		code = 1
	}
	if quiet {
		return Response{Code: code}
	}
	return Response{Code: code, Stdout: state + "\n"}
}

// status is one unit's state as systemctl shows it.
type status struct {
	unit               *systemd.Unit
	state, sub, result string
	since, next        time.Time
	main, restarts     int
	journal            *journal
}

func (s *supervisor) status(name string) (status, error) {
	v, t, err := s.load(name)
	if err != nil {
		return status{}, err
	}
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		return status{unit: t.unit, state: t.state, sub: t.sub, result: "success", since: t.since, next: t.next, journal: t.journal}, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	st := status{unit: v.unit, state: v.state, sub: v.sub, result: v.result, since: v.since, restarts: v.restarts, journal: v.journal}
	if v.main != nil {
		select {
		case <-v.main.done:
		default:
			st.main = v.main.pid
		}
	}
	return st, nil
}

func (s *supervisor) ctlStatus(name string) Response {
	st, err := s.status(name)
	if errors.Is(err, errNoUnit) {
		return Response{Code: 4, Stderr: fmt.Sprintf("Unit %s could not be found.\n", name)}
	}
	if err != nil {
		return missing(name, err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "● %s\n", describe(st.unit))
	fmt.Fprintf(&out, "     Loaded: loaded (%s/%s; %s)\n", unitDir, name, s.enabled(st.unit))
	reason := ""
	if st.state == "failed" {
		reason = " (Result: " + st.result + ")"
	}
	fmt.Fprintf(&out, "     Active: %s (%s)%s since %s\n", st.state, st.sub, reason, st.since.UTC().Format("Mon 2006-01-02 15:04:05 UTC"))
	if !st.next.IsZero() {
		fmt.Fprintf(&out, "    Trigger: %s\n", st.next.UTC().Format("Mon 2006-01-02 15:04:05 UTC"))
	}
	if st.main != 0 {
		fmt.Fprintf(&out, "   Main PID: %d\n", st.main)
	}
	for _, directive := range st.unit.NotEnforced {
		fmt.Fprintf(&out, "       Note: %s is not enforced here\n", directive)
	}
	tail, err := st.journal.tail(10)
	if err != nil {
		return Response{Code: 1, Stderr: err.Error() + "\n"}
	}
	if tail != "" {
		out.WriteString("\n" + tail)
	}
	code := 0
	if st.state != "active" {
		code = 3
	}
	return Response{Code: code, Stdout: out.String()}
}

func (s *supervisor) ctlShow(name string, wanted []string, valuesOnly bool) Response {
	st, err := s.status(name)
	load := "loaded"
	if errors.Is(err, errNoUnit) {
		st, load = status{state: "inactive", sub: "dead", result: "success", unit: &systemd.Unit{}}, "not-found"
	} else if err != nil {
		return missing(name, err)
	}
	all := [][2]string{{"Id", name}, {"LoadState", load}, {"ActiveState", st.state}, {"SubState", st.sub}, {"Result", st.result},
		{"MainPID", strconv.Itoa(st.main)}, {"NRestarts", strconv.Itoa(st.restarts)}, {"Description", st.unit.Description}}
	var out strings.Builder
	for _, p := range all {
		switch {
		case wanted != nil && !slices.Contains(wanted, p[0]):
		case valuesOnly:
			out.WriteString(p[1] + "\n")
		default:
			out.WriteString(p[0] + "=" + p[1] + "\n")
		}
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(all, func(p [2]string) bool { return p[0] == w }) {
			return refuse("systemctl show", "property "+w)
		}
	}
	return Response{Stdout: out.String()}
}

func (s *supervisor) ctlCat(name string) Response {
	text, err := s.readText(name)
	if err != nil {
		return missing(name, err)
	}
	return Response{Stdout: "# " + unitDir + "/" + name + "\n" + text}
}

// journalctl answers "journalctl -u UNIT [-n N] [--no-pager]".
func (s *supervisor) journalctl(args []string) Response {
	unit, n := "", -1
	for i := 0; i < len(args); i++ {
		arg, value, joined := strings.Cut(args[i], "=")
		take := func() string {
			if !joined && i+1 < len(args) {
				i++
				return args[i]
			}
			return value
		}
		switch arg {
		case "-u", "--unit", "-xeu", "-xu", "-eu":
			unit = fullName(take())
		case "-n", "--lines":
			var err error
			if n, err = strconv.Atoi(take()); err != nil || n < 0 {
				return Response{Code: 1, Stderr: "journalctl: the number of lines must be a number\n"}
			}
		case "--no-pager", "-q", "--quiet":
		default:
			return refuse("journalctl", args[i])
		}
	}
	if unit == "" || strings.Contains(unit, "/") {
		return refuse("journalctl", "a call without -u UNIT")
	}
	text, err := newJournal(s.journalDir(), unit).tail(n)
	if err != nil {
		return Response{Code: 1, Stderr: err.Error() + "\n"}
	}
	if text == "" {
		text = "-- No entries --\n"
	}
	return Response{Stdout: text}
}
