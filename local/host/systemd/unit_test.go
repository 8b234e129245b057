package systemd

import (
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

const service = `# a comment
[Unit]
Description=The web server
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStartPre=-/usr/bin/mkdir -p /var/log/web
ExecStart=/opt/web/server -name "two words" \
  # a comment inside a continued line
  -port ${PORT} $EXTRA
Environment=PORT=8000 "NAME=a b"
Restart=on-failure
RestartSec=500ms
TimeoutStopSec=5
KillSignal=SIGINT
LimitNOFILE=65536
DynamicUser=yes
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
`

func TestParseService(t *testing.T) {
	u, err := Parse("web.service", service)
	if err != nil {
		t.Fatal(err)
	}
	s := u.Service
	if s.Type != "exec" || s.Restart != "on-failure" || s.RestartDelay != 500*time.Millisecond || s.TimeoutStop != 5*time.Second ||
		s.KillSignal != syscall.SIGINT || s.NoFile != 65536 || s.StartLimit != 0 {
		t.Errorf("service read wrongly: %+v", s)
	}
	if want := []string{"DynamicUser=yes", "ProtectSystem=strict"}; !reflect.DeepEqual(u.NotEnforced, want) {
		t.Errorf("not enforced = %v, want %v", u.NotEnforced, want)
	}
	if !s.ExecStartPre[0].IgnoreFailure {
		t.Error("the - prefix was not read")
	}
	got := s.ExecStart[0].Expand(map[string]string{"PORT": "8000", "EXTRA": "-a -b"})
	want := []string{"/opt/web/server", "-name", "two words", "-port", "8000", "-a", "-b"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("command = %q, want %q", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ why, name, text, want string }{
		{"a directive that nothing implements", "a.service", "[Service]\nExecStart=/bin/true\nWatchdogSec=5", "WatchdogSec="},
		{"a type that needs sd_notify", "a.service", "[Service]\nType=notify\nExecStart=/bin/true", "Type=notify"},
		{"a relative program", "a.service", "[Service]\nExecStart=true", "absolute path"},
		{"a prefix that changes privileges", "a.service", "[Service]\nExecStart=+/bin/true", "prefixes"},
		{"a specifier", "a.service", "[Service]\nExecStart=/bin/echo %n", "specifier"},
		{"nothing to start", "a.service", "[Unit]\nDescription=x", "ExecStart= is missing"},
		{"a dependency on another unit", "a.service", "[Unit]\nRequires=b.service\n[Service]\nExecStart=/bin/true", "b.service"},
		{"a repeating calendar", "a.timer", "[Timer]\nOnCalendar=daily", "absolute time"},
		{"a section of another unit type", "a.timer", "[Timer]\nOnActiveSec=1\n[Service]\nExecStart=/bin/true", "[Service]"},
		{"a unit type that is not run", "a.socket", "[Socket]\nListenStream=80", ".socket: only .service"},
		{"an unclosed quote", "a.service", "[Service]\nExecStart=/bin/echo \"x", "unbalanced"},
		{"text before a section", "a.service", "ExecStart=/bin/true", "outside of a section"},
	} {
		_, err := Parse(c.name, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that has %q", c.why, err, c.want)
		}
	}
}

func TestParseTimer(t *testing.T) {
	u, err := Parse("ttl.timer", "[Timer]\nOnCalendar=2026-11-23 15:04:05 UTC\nPersistent=true\nAccuracySec=1s\n")
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)
	if !u.Timer.Persistent || u.Timer.Unit != "ttl.service" || !u.Timer.OnCalendar[0].Equal(want) {
		t.Errorf("timer = %+v", u.Timer)
	}
}

func TestSpan(t *testing.T) {
	for in, want := range map[string]time.Duration{"5": 5 * time.Second, "1min 30s": 90 * time.Second, "200ms": 200 * time.Millisecond,
		"1.5h": 90 * time.Minute, "2min": 2 * time.Minute, "infinity": infinite} {
		if got, err := Span(in); err != nil || got != want {
			t.Errorf("Span(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "5 parsecs", "1e9999", "99999999999w"} {
		if got, err := Span(in); err == nil {
			t.Errorf("Span(%q) = %v, want an error", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(service)
	f.Add("[Timer]\nOnCalendar=2026-11-23 15:04:05 UTC")
	f.Fuzz(func(t *testing.T, text string) {
		if u, err := Parse("x.service", text); err == nil && len(u.Service.ExecStart) == 0 {
			t.Error("a service without a command was accepted")
		}
	})
}
