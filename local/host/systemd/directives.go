package systemd

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// notEnforced are the directives that confine a service or account for it.
// They are read, listed in the journal and have no effect on an emulated instance.
var notEnforced = []string{
	"AmbientCapabilities", "CapabilityBoundingSet", "CPUAccounting", "DevicePolicy", "DynamicUser", "Group", "IPAccounting",
	"IPAddressAllow", "IPAddressDeny", "KeyringMode", "LockPersonality", "LogsDirectory", "MemoryAccounting", "MemoryDenyWriteExecute",
	"MemoryHigh", "MemoryMax", "NoNewPrivileges", "OOMScoreAdjust", "PrivateDevices", "PrivateMounts", "PrivateTmp", "PrivateUsers",
	"ProcSubset", "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
	"ProtectKernelTunables", "ProtectProc", "ProtectSystem", "ReadOnlyPaths", "ReadWritePaths", "RemoveIPC", "RestrictAddressFamilies",
	"RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "SupplementaryGroups", "SystemCallArchitectures",
	"SystemCallErrorNumber", "SystemCallFilter", "TasksMax", "UMask", "User",
}

// ordering directives of [Unit] have no effect because the targets that they
// may name are always reached here; naming another unit is refused.
var ordering = []string{"After", "Before", "Wants", "Requires", "PartOf", "BindsTo", "Conflicts"}

// set applies one line. An empty value resets a list, as in systemd.
func (u *Unit) set(a assignment) error {
	switch a.section {
	case "Unit":
		return u.setUnit(a.name, a.value)
	case "Install":
		switch a.name {
		case "WantedBy":
			u.WantedBy = append(u.WantedBy, strings.Fields(a.value)...)
			return nil
		}
	case "Service":
		return u.setService(a.name, a.value)
	case "Timer":
		return u.setTimer(a.name, a.value)
	}
	return fmt.Errorf("%s= in [%s] is not supported", a.name, a.section)
}

func (u *Unit) setUnit(name, value string) (err error) {
	switch name {
	case "Description":
		u.Description = value
	case "Documentation":
	case "StartLimitIntervalSec", "StartLimitBurst":
		if u.Service == nil {
			return fmt.Errorf("%s= is supported for services only", name)
		}
		if name == "StartLimitBurst" {
			u.Service.StartLimit, err = strconv.Atoi(value)
			return err
		}
		u.Service.StartInterval, err = Span(value)
		if u.Service.StartInterval == 0 {
			u.Service.StartLimit = 0
		}
	default:
		if !slices.Contains(ordering, name) {
			return fmt.Errorf("%s= in [Unit] is not supported", name)
		}
		for _, other := range strings.Fields(value) {
			if path.Ext(other) != ".target" {
				return fmt.Errorf("%s=%s: only targets, which are always reached here, are supported", name, other)
			}
		}
	}
	return err
}

func (u *Unit) setService(name, value string) (err error) {
	s := u.Service
	switch name {
	case "Type":
		return choose(&s.Type, name, value, "simple", "exec", "oneshot")
	case "Restart":
		return choose(&s.Restart, name, value, "no", "on-success", "on-failure", "on-abnormal", "always")
	case "KillMode":
		return choose(&s.KillMode, name, value, "control-group", "mixed", "process")
	case "RemainAfterExit":
		s.RemainAfterExit, err = boolean(value)
	case "ExecStart":
		return appendCommand(&s.ExecStart, value)
	case "ExecStartPre":
		return appendCommand(&s.ExecStartPre, value)
	case "Environment":
		words, err := Words(value)
		if err != nil {
			return err
		}
		if len(words) == 0 {
			s.Environment = nil
		}
		for _, w := range words {
			if name, _, ok := strings.Cut(w, "="); !ok || !isName(name) {
				return fmt.Errorf("%q in Environment= is not NAME=value", w)
			}
		}
		s.Environment = append(s.Environment, words...)
	case "EnvironmentFile":
		file, optional := strings.CutPrefix(value, "-")
		if !path.IsAbs(file) {
			return fmt.Errorf("EnvironmentFile=%s is not an absolute path", value)
		}
		s.EnvironmentFiles = append(s.EnvironmentFiles, EnvironmentFile{file, optional})
	case "WorkingDirectory":
		if !path.IsAbs(value) {
			return fmt.Errorf("WorkingDirectory=%s is not an absolute path", value)
		}
		s.WorkingDirectory = value
	case "RestartSec":
		s.RestartDelay, err = Span(value)
	case "TimeoutStartSec":
		s.TimeoutStart, err = timeout(value)
	case "TimeoutStopSec":
		s.TimeoutStop, err = timeout(value)
	case "TimeoutSec":
		s.TimeoutStop, err = timeout(value)
		s.TimeoutStart = s.TimeoutStop
	case "KillSignal":
		signal, ok := signals[strings.TrimPrefix(value, "SIG")]
		if !ok {
			return fmt.Errorf("KillSignal=%s is not supported", value)
		}
		s.KillSignal = signal
	case "LimitNOFILE":
		soft, _, _ := strings.Cut(value, ":")
		s.NoFile, err = strconv.ParseUint(soft, 10, 32)
	case "StandardOutput":
		s.StdoutJournal, err = output(name, value)
	case "StandardError":
		s.StderrJournal, err = output(name, value)
	case "SyslogIdentifier":
	default:
		if !slices.Contains(notEnforced, name) {
			return fmt.Errorf("%s= in [Service] is not supported", name)
		}
		u.NotEnforced = append(u.NotEnforced, name+"="+value)
	}
	return err
}

func (u *Unit) setTimer(name, value string) (err error) {
	t := u.Timer
	switch name {
	case "OnCalendar":
		at, err := Calendar(value)
		if err != nil {
			return err
		}
		t.OnCalendar = append(t.OnCalendar, at)
	case "OnActiveSec", "OnBootSec":
		after, err := Span(value)
		if err != nil {
			return err
		}
		if name == "OnActiveSec" {
			t.OnActive = append(t.OnActive, after)
		} else {
			t.OnBoot = append(t.OnBoot, after)
		}
	case "Persistent":
		t.Persistent, err = boolean(value)
	case "Unit":
		if path.Ext(value) != ".service" {
			return fmt.Errorf("%q in Unit=: a timer can start services only", value)
		}
		t.Unit = value
	case "AccuracySec": // timers here are always on time
		_, err = Span(value)
	default:
		return fmt.Errorf("%s= in [Timer] is not supported", name)
	}
	return err
}

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP,
	"QUIT": syscall.SIGQUIT, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

func choose(into *string, name, value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%s=%s is not supported (only %s)", name, value, strings.Join(allowed, ", "))
	}
	*into = value
	return nil
}

func appendCommand(into *[]Command, value string) error {
	if value == "" {
		*into = nil
		return nil
	}
	c, err := parseCommand(value)
	if err != nil {
		return err
	}
	*into = append(*into, c)
	return nil
}

func boolean(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "1", "yes", "y", "true", "t", "on":
		return true, nil
	case "0", "no", "n", "false", "f", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is not a boolean", value)
}

// timeout reads a span where 0 means "no limit", as systemd.service(5) says.
func timeout(value string) (time.Duration, error) {
	d, err := Span(value)
	if err == nil && d == 0 {
		d = infinite
	}
	return d, err
}

func output(name, value string) (journal bool, err error) {
	switch value {
	case "journal", "inherit", "":
		return true, nil
	case "null":
		return false, nil
	}
	return false, fmt.Errorf("%s=%s is not supported (only journal and null)", name, value)
}
