package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// bedArgument makes this program the bed: a child of the bench that is the
// nodes and the clients at once. It is told its tasks on standard input and
// tells what came of them on standard output, a JSON object a line.
const bedArgument = "bed"

// mostConnections of the clients: what a process may usually have open, less
// the nodes' side of them.
const mostConnections = 400

// task is a load. It runs for Warm seconds, then it is measured for Seconds.
type task struct {
	Addr        string
	Path        string
	Connections int
	Rate        float64 // requests a second, at random moments; 0: each connection always has one in flight
	Warm        float64
	Seconds     float64
	Pid         int // of a process whose CPU time, with its descendants', is of interest; 0: none
}

// Stages that the bed tells of.
const (
	stageReady = "ready" // the nodes listen
	stageDone  = "done"  // a task's last answer is in, or given up
)

// news is what the bed tells.
type news struct {
	Stage string
	Nodes []string // ready
	Error string   // done: the load could not be made

	// Of done. CPU times are read by the bed itself: on a busy machine the
	// bench may hear of the measured part's end late. Good and Bad were answered in the measured part; the latencies
	// are of the good ones that were due in it, from when they were due.
	Elapsed  float64
	CPU      float64 // seconds of it that the bed used
	Used     float64 // seconds of it that task.Pid used
	Good     int
	Bad      int
	Why      string // the last bad one
	P50, P99 float64
}

// bed is the child, seen from the bench.
type bed struct {
	*child
	ctx   context.Context // of the bench: its end ends every wait
	nodes []string
	tasks *os.File
	news  chan news
}

func startBed(ctx context.Context, at seat) (*bed, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in, tasks, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), tasks.Close())
	}
	child, err := spawn(command{args: []string{self, bedArgument}}, at, in, w, os.Stderr)
	in.Close()
	w.Close()
	if err != nil {
		return nil, errors.Join(err, tasks.Close(), out.Close())
	}
	b := &bed{child: child, ctx: ctx, tasks: tasks, news: make(chan news, 8)}
	go func() {
		defer out.Close()
		defer close(b.news)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var n news
			if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
				n = news{Stage: stageDone, Error: err.Error()}
			}
			b.news <- n
		}
	}()
	ready, err := b.next(stageReady, startTime)
	if err != nil {
		b.stop()
		return nil, err
	}
	b.nodes = ready.Nodes
	return b, nil
}

// stop ends the bed: the end of its tasks is its own.
func (b *bed) stop() {
	b.tasks.Close()
	b.child.stop()
	for range b.news { // until its reader has ended
	}
}

// next waits for a stage.
func (b *bed) next(stage string, limit time.Duration) (news, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case n, ok := <-b.news:
		switch {
		case !ok:
			return n, fmt.Errorf("the bed: %w", errEnded)
		case n.Error != "":
			return n, errors.New(n.Error)
		case n.Stage != stage:
			return n, fmt.Errorf("the bed tells %q where %q comes next", n.Stage, stage)
		}
		return n, nil
	case <-b.ctx.Done():
		return news{}, context.Cause(b.ctx)
	case <-timer.C:
		return news{}, fmt.Errorf("the bed has not told %q for %s", stage, limit)
	}
}

// load has the bed make a load, and gives what came of it.
func (b *bed) load(t task) (news, error) {
	line, err := json.Marshal(t)
	if err != nil {
		return news{}, err
	}
	if _, err := b.tasks.Write(append(line, '\n')); err != nil {
		return news{}, err
	}
	const slack = 20 * time.Second
	return b.next(stageDone, slack+time.Duration((t.Warm+t.Seconds)*float64(time.Second)))
}

// tell writes a line of news.
func tell(w io.Writer, n news) error {
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
