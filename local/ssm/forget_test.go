package ssm

import (
	"fmt"
	"testing"
	"time"
)

// TestForgottenCommands: the oldest command that has ended makes room, and one
// that runs is kept whatever its age.
func TestForgottenCommands(t *testing.T) {
	s := New(Config{})
	defer s.Close()
	for n := range maxKept {
		i := &invocation{ended: time.Now()}
		if n == 0 {
			i.ended = time.Time{}
		}
		s.commands = append(s.commands, &command{id: fmt.Sprint(n), invocations: []*invocation{i}})
	}
	s.forget()
	if len(s.commands) != maxKept-1 || s.commands[0].id != "0" || s.commands[1].id != "2" {
		t.Errorf("%d commands are left, beginning with %s and %s", len(s.commands), s.commands[0].id, s.commands[1].id)
	}
}
