package programs

import (
	"fmt"
	"io"
	"time"
)

// teller says what is being compiled. It stays quiet while nothing is, so that
// an unchanged tree prints no line.
type teller struct {
	w        io.Writer
	terminal bool
	begun    time.Time
	count    int
	said     bool
}

func newTeller(w io.Writer, terminal bool) *teller {
	return &teller{w: w, terminal: terminal, begun: time.Now()}
}

func (t *teller) start(what string) {
	t.said = true
	fmt.Fprintln(t.w, "fairlead:", what)
}

// wait tells why nothing happens yet.
func (t *teller) wait(why string) { fmt.Fprintln(t.w, "fairlead:", why) }

func (t *teller) compiled(pkg string) {
	t.count++
	if !t.said && t.count > 3 {
		t.start("compiling what has changed")
	}
	if t.terminal && t.said {
		fmt.Fprintf(t.w, "\r\x1b[K  %d packages, %s", t.count, pkg)
	}
}

func (t *teller) end() {
	if !t.said {
		return
	}
	if t.terminal {
		fmt.Fprint(t.w, "\r\x1b[K")
	}
	packages := "packages"
	if t.count == 1 {
		packages = "package"
	}
	fmt.Fprintf(t.w, "fairlead: compiled %d %s in %v\n", t.count, packages, time.Since(t.begun).Round(time.Second))
}
