package systemd

import (
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"
)

// Unit is one loaded unit file.
type Unit struct {
	Name        string // "web.service"
	Description string
	Service     *Service // for *.service
	Timer       *Timer   // for *.timer
	WantedBy    []string
	NotEnforced []string // "DynamicUser=yes": read, and without effect here
}

// Service is the [Service] section. Durations are zero-free: defaults are filled.
type Service struct {
	Type             string // simple, exec or oneshot
	RemainAfterExit  bool
	ExecStartPre     []Command
	ExecStart        []Command // exactly one unless Type is oneshot
	Environment      []string  // "NAME=value"
	EnvironmentFiles []EnvironmentFile
	WorkingDirectory string        // empty: /
	Restart          string        // no, on-success, on-failure, on-abnormal or always
	RestartDelay     time.Duration // RestartSec=
	StartLimit       int           // starts per StartInterval before the unit is given up; 0: no limit
	StartInterval    time.Duration
	TimeoutStart     time.Duration
	TimeoutStop      time.Duration
	KillSignal       syscall.Signal
	KillMode         string // control-group, mixed or process
	NoFile           uint64 // 0: inherited
	StdoutJournal    bool
	StderrJournal    bool
}

// EnvironmentFile is one file of "NAME=value" lines.
type EnvironmentFile struct {
	Path     string
	Optional bool // the "-" prefix
}

// Timer is the [Timer] section. Any of the three moments may be set.
type Timer struct {
	OnCalendar []time.Time
	OnActive   []time.Duration // after the timer's activation
	OnBoot     []time.Duration // after the instance's boot
	Persistent bool
	Unit       string
}

// Parse reads a unit file. Its error names each directive that is not known.
func Parse(name, text string) (*Unit, error) {
	u := &Unit{Name: name}
	sections := map[string]bool{"Unit": true, "Install": true}
	stem := strings.TrimSuffix(name, path.Ext(name))
	switch path.Ext(name) {
	case ".service":
		u.Service = &Service{Type: "simple", Restart: "no", RestartDelay: 100 * time.Millisecond, StartLimit: 5, StartInterval: 10 * time.Second,
			TimeoutStart: 90 * time.Second, TimeoutStop: 90 * time.Second, KillSignal: syscall.SIGTERM, KillMode: "control-group",
			StdoutJournal: true, StderrJournal: true}
		sections["Service"] = true
	case ".timer":
		u.Timer = &Timer{Unit: stem + ".service"}
		sections["Timer"] = true
	default:
		return nil, fmt.Errorf("%s: only .service and .timer units are supported", name)
	}
	if strings.ContainsAny(stem, "@/%") || stem == "" {
		return nil, fmt.Errorf("%s: template units and paths are not supported", name)
	}
	lines, err := assignments(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var problems []string
	for _, a := range lines {
		if !sections[a.section] {
			problems = append(problems, fmt.Sprintf("line %d: section [%s] is not supported in this unit", a.line, a.section))
			continue
		}
		if err := u.set(a); err != nil {
			problems = append(problems, fmt.Sprintf("line %d: %v", a.line, err))
		}
	}
	problems = append(problems, u.check()...)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s: %s", name, strings.Join(problems, "; "))
	}
	return u, nil
}

func (u *Unit) check() []string {
	var problems []string
	if s := u.Service; s != nil {
		if len(s.ExecStart) == 0 {
			problems = append(problems, "ExecStart= is missing")
		}
		if len(s.ExecStart) > 1 && s.Type != "oneshot" {
			problems = append(problems, "more than one ExecStart= needs Type=oneshot")
		}
		if s.Type == "oneshot" && (s.Restart == "always" || s.Restart == "on-success") {
			problems = append(problems, "Restart="+s.Restart+" is not allowed with Type=oneshot")
		}
	}
	if t := u.Timer; t != nil && len(t.OnCalendar)+len(t.OnActive)+len(t.OnBoot) == 0 {
		problems = append(problems, "the timer has no time (OnCalendar=, OnActiveSec= or OnBootSec=)")
	}
	return problems
}
