package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/host/supervisor"
)

// unit is a script that writes a unit file.
func unit(name, text string) string {
	return "cat > ${FAIRLEAD_ROOT:-}/etc/systemd/system/" + name + " <<'EOF'\n" + text + "EOF\n"
}

func TestSystemctl(t *testing.T) {
	h := newHost(t, nil)
	i := start(t, h, "i-ctl", nil)
	for _, row := range []struct {
		why, script string
		code        int
		want        string // in output and errors
	}{
		{"a oneshot that succeeds is waited for", unit("ok.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo done > ${TMPDIR}/ok'\n") +
			"systemctl start ok && cat $TMPDIR/ok; systemctl is-active ok", 3, "done\ninactive"},
		{"one that remains is active", unit("stay.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n") +
			"systemctl start stay; systemctl is-active stay", 0, "active"},
		{"a failing start is told", unit("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n") +
			"systemctl start bad", 1, "Job for bad.service failed"},
		{"and its status and journal say why", "systemctl status bad; journalctl -u bad -n 5 --no-pager", 0, "status=7/FAILURE"},
		{"show, for scripts", "systemctl show bad -p ActiveState,Result --value", 0, "failed\nexit-code"},
		{"no such unit", "systemctl start nothing", 5, "Unit nothing.service not found."},
		{"a program that is not there", unit("gone.service", "[Service]\nExecStart=/opt/gone\n") + "systemctl start gone", 1, "Job for gone.service failed"},
		{"a directive that nothing implements", unit("odd.service", "[Service]\nExecStart=/bin/true\nWatchdogSec=1\n") + "systemctl start odd", 1, "WatchdogSec= in [Service] is not supported"},
		{"a failing ExecStartPre keeps the service from starting", unit("pre.service", "[Service]\nExecStartPre=/bin/false\nExecStart=/bin/sleep 100\n") +
			"systemctl start pre; systemctl is-active pre", 3, "failed"},
		{"enable and disable", unit("en.service", "[Service]\nExecStart=/bin/sleep 100\n[Install]\nWantedBy=multi-user.target\n") +
			"systemctl is-enabled en; systemctl enable --now en; systemctl is-enabled en; systemctl is-active en; systemctl disable --now en; systemctl is-active en", 3, "disabled\nenabled\nactive\ninactive"},
		{"a change needs daemon-reload", unit("ch.service", "[Service]\nType=oneshot\nExecStart=/bin/echo old\n") + "systemctl start ch\n" +
			unit("ch.service", "[Service]\nType=oneshot\nExecStart=/bin/echo new\n") +
			"systemctl start ch; systemctl daemon-reload; systemctl start ch; journalctl -u ch | grep -c -e ': old$' -e ': new$'", 0, "3"},
		{"verbs that nothing implements", "systemctl edit ok", 2, "systemctl: edit is not supported on an emulated instance"},
		{"options that nothing implements", "systemctl --user start ok", 2, "option --user"},
		{"a journal that follows", "journalctl -f", 2, "journalctl: -f is not supported"},
		{"other AWS commands", "aws ec2 describe-instances", 252, "only \"aws s3 cp"},
		{"restarting the machine", "reboot", 2, "not supported"},
		{"shutting down later", "shutdown -h +5", 2, "+5"},
	} {
		out, errText, code := run(t, i, row.script)
		if code != row.code || !strings.Contains(out+errText, row.want) {
			t.Errorf("%s: code %d, want %d with %q:\n%s%s", row.why, code, row.code, row.want, out, errText)
		}
	}
}

func TestHardeningIsListedNotEnforced(t *testing.T) {
	h := newHost(t, nil)
	i := start(t, h, "i-hard", nil)
	installWeb(t, i)
	text, err := os.ReadFile(filepath.Join(i.Dir, "journal/web.service.log"))
	if err != nil || !strings.Contains(string(text), "DynamicUser=yes is not enforced here") {
		t.Errorf("journal: %v\n%s", err, text)
	}
}

// until polls a script until it succeeds.
func until(t *testing.T, i *Instance, script string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		out, errText, code := run(t, i, script)
		if code == 0 {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: code %d\n%s%s", script, code, out, errText)
		}
	}
}

func TestServicesRestart(t *testing.T) {
	h := newHost(t, nil)
	i := start(t, h, "i-again", nil)
	run(t, i, unit("crash.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'sleep 0.02; exit 1'\nRestart=on-failure\nRestartSec=10ms\n")+
		unit("limit.service", "[Unit]\nStartLimitBurst=3\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=1ms\n")+
		unit("stop.service", "[Service]\nExecStart=/bin/sleep 100\nRestart=always\n")+
		"systemctl start crash; systemctl start limit; systemctl start stop")
	until(t, i, `[ "$(systemctl show crash -p NRestarts --value)" -ge 3 ]`)
	until(t, i, `[ "$(systemctl show limit -p Result --value)" = start-limit-hit ]`)
	out, _, _ := run(t, i, "kill -9 $(systemctl show stop -p MainPID --value); systemctl stop crash; systemctl is-active crash")
	if out != "inactive\n" {
		t.Errorf("a stopped service is %q", out)
	}
	until(t, i, `[ "$(systemctl show stop -p NRestarts --value)" -ge 1 ] && systemctl is-active stop`)
	if out, _, code := run(t, i, "systemctl stop stop; systemctl show stop -p ActiveState,SubState --value"); code != 0 || out != "inactive\ndead\n" {
		t.Errorf("after stop: %q", out)
	}
}

func TestStopSignalsAndKills(t *testing.T) {
	h := newHost(t, nil)
	i := start(t, h, "i-stop", nil)
	out, errText, code := run(t, i, unit("deaf.service", "[Service]\nExecStart=/bin/bash -c 'trap \"\" TERM; echo ready; while :; do sleep 0.01; done'\nTimeoutStopSec=100ms\n")+
		unit("polite.service", "[Service]\nExecStart=/bin/bash -c 'trap \"echo bye; exit 0\" INT; echo ready; while :; do sleep 0.01; done'\nKillSignal=SIGINT\n")+`
for u in deaf polite; do
  systemctl start $u || exit 9
  for n in {1..200}; do journalctl -u $u | grep -q ready && break; done
  systemctl stop $u
done
systemctl show deaf -p Result --value; journalctl -u polite | grep -c bye`)
	if code != 0 || out != "timeout\n1\n" {
		t.Errorf("code %d: %s%s", code, out, errText)
	}
}

// The instance picks the moment itself, as the last thing before it turns the
// timer on, so that a slow machine does not miss it; what it did is read from
// outside, where it stays when the instance has ended.
func TestTimerShutsDown(t *testing.T) {
	h := newHost(t, nil)
	ttl := func(moment string) []byte {
		return []byte("#!/bin/bash\n" + unit("ttl.service", "[Service]\nType=oneshot\nExecStart=/usr/sbin/shutdown -h now\n") +
			unit("ttl.timer", "[Timer]\nOnCalendar=MOMENT\nPersistent=true\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n") +
			"at=$(date -u -d '" + moment + "' '+%Y-%m-%d %H:%M:%S UTC')\n" +
			"sed -i \"s/MOMENT/$at/\" ${FAIRLEAD_ROOT:-}/etc/systemd/system/ttl.timer\n" +
			"systemctl daemon-reload\nsystemctl enable --now ttl.timer\nsystemctl is-active ttl.timer\necho \"until $at.\"\n")
	}
	ends := start(t, h, "i-ttl", func(s *Spec) { s.UserData = ttl("4 seconds") })
	stays := start(t, h, "i-past", func(s *Spec) { s.UserData = ttl("1 hour ago") })
	select {
	case <-ends.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the timer did not end the instance")
	}
	text, err := os.ReadFile(filepath.Join(ends.Dir, "root/var/log/cloud-init-output.log"))
	if err != nil {
		t.Fatal(err)
	}
	before, moment, _ := strings.Cut(strings.TrimSpace(string(text)), "until ")
	at, err := time.Parse("2006-01-02 15:04:05 MST.", strings.SplitN(moment, "\n", 2)[0])
	if err != nil || !strings.Contains(before, "active\n") || strings.Contains(before, "inactive") {
		t.Fatalf("the user data said %q (%v)", text, err)
	}
	if ends.End() != ShutDown || time.Now().Before(at) {
		t.Errorf("ended %q at %v, want shut down after %v", ends.End(), time.Now(), at)
	}
	// A moment that has passed does not fire at the first activation (systemd.timer(5)).
	until(t, stays, "systemctl is-active ttl.timer && systemctl show ttl.timer -p SubState --value | grep elapsed")
}

func TestPrivateFolders(t *testing.T) {
	h := newHost(t, nil)
	a, b := start(t, h, "i-a", nil), start(t, h, "i-b", nil)
	for _, i := range []*Instance{a, b} {
		out, errText, code := run(t, i, `cd "${FAIRLEAD_ROOT:-}/opt" && ls -A && echo `+i.ID+` > mine && cat mine && echo x > $TMPDIR/of-`+i.ID+` && cd $TMPDIR && ls -d of-*`)
		if code != 0 || out != i.ID+"\nof-"+i.ID+"\n" {
			t.Errorf("%s: code %d: %s%s", i.ID, code, out, errText)
		}
		text, err := os.ReadFile(filepath.Join(i.Dir, "root/opt/mine"))
		if err != nil || string(text) != i.ID+"\n" {
			t.Errorf("from outside: %q, %v", text, err)
		}
	}
	if _, err := os.Stat("/opt/mine"); err == nil {
		t.Error("the machine's own /opt has the file")
	}
}

func TestJournalIsBounded(t *testing.T) {
	h := newHost(t, nil)
	i := start(t, h, "i-log", nil)
	run(t, i, unit("loud.service", "[Service]\nType=oneshot\nExecStart=/bin/bash -c 'head -c 100000 /dev/zero | tr \"\\\\0\" x; echo; yes 0123456789 | head -c 2000000; echo last'\n")+"systemctl start loud")
	until(t, i, "journalctl -u loud -n 20 | grep 'last$'")
	files, err := filepath.Glob(filepath.Join(i.Dir, "journal/loud.service.log*"))
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if len(files) != 2 || total > 17<<20 {
		t.Errorf("%d files of %d bytes", len(files), total)
	}
}

func TestScriptTimesOut(t *testing.T) {
	h := newHost(t, nil)
	i := start(t, h, "i-slow", nil)
	begin := time.Now()
	_, timedOut, err := i.Script(t.Context(), "slow", supervisor.Script{Text: "echo begun; sleep 1000", Timeout: 300 * time.Millisecond})
	if err != nil || !timedOut || time.Since(begin) > 5*time.Second {
		t.Errorf("timed out %v after %v, %v", timedOut, time.Since(begin), err)
	}
	if text, err := os.ReadFile(filepath.Join(i.Dir, "slow/stdout")); err != nil || string(text) != "begun\n" {
		t.Errorf("output before the timeout: %q, %v", text, err)
	}
}
