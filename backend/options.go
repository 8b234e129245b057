package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	cluster  string
	listen   string
	instance string
	check    time.Duration
	drain    time.Duration
	limits   limits
}

// parse reads the flags. The error names every mistake.
func parse(args []string, stderr io.Writer) (o options, help bool, err error) {
	f := flag.NewFlagSet("backend", flag.ContinueOnError)
	f.SetOutput(stderr)
	o.limits = limits{cpu: time.Second, sleep: 10 * time.Second, bytes: 10 << 20}
	f.StringVar(&o.cluster, "cluster", "", "name of the cluster that this instance belongs to")
	f.StringVar(&o.listen, "listen", "", "address to serve on (default: the instance's private address, port 8000)")
	f.StringVar(&o.instance, "instance", "", "id to answer with (default: the instance's)")
	f.DurationVar(&o.check, "check", 0, "do not serve: wait so long at most for the backend on this instance to be healthy, exit 0 if it is")
	f.DurationVar(&o.drain, "drain", 30*time.Second, "how long requests may go on after SIGTERM")
	f.DurationVar(&o.limits.cpu, "max-cpu", o.limits.cpu, "most CPU work that a request may ask for")
	f.DurationVar(&o.limits.sleep, "max-sleep", o.limits.sleep, "longest sleep that a request may ask for")
	f.Var(&o.limits.bytes, "max-bytes", "largest padding that a request may ask for, in bytes, KiB, MiB or GiB")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, true, nil
	case err != nil:
		return o, false, errors.New("see the usage above") // flag has said what is wrong
	}
	if f.NArg() > 0 {
		return o, false, fmt.Errorf("unexpected argument %q: everything is said with flags", f.Arg(0))
	}
	if o.check < 0 {
		return o, false, fmt.Errorf("-check %s is negative", o.check)
	}
	if o.check > 0 {
		return o, false, nil // needs nothing else
	}
	var wrong []error
	if o.cluster == "" {
		wrong = append(wrong, errors.New("-cluster is missing"))
	}
	if o.drain <= 0 {
		wrong = append(wrong, fmt.Errorf("-drain %s is not positive", o.drain))
	}
	if o.limits.cpu < 0 {
		wrong = append(wrong, fmt.Errorf("-max-cpu %s is negative", o.limits.cpu))
	}
	if o.limits.sleep < 0 {
		wrong = append(wrong, fmt.Errorf("-max-sleep %s is negative", o.limits.sleep))
	}
	return o, false, errors.Join(wrong...)
}

// size is a number of bytes; as a flag it may have a unit: "10MiB".
type size int64

var units = []struct {
	name  string
	bytes size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

func (s *size) Set(text string) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		const most = 1 << 40
		if err != nil || n < 0 || n > most/int64(u.bytes) {
			break
		}
		*s = size(n) * u.bytes
		return nil
	}
	return errors.New("not a size like 1024, 64KiB or 10MiB")
}

func (s *size) String() string {
	for _, u := range units {
		if *s >= u.bytes && *s%u.bytes == 0 {
			return strconv.FormatInt(int64(*s/u.bytes), 10) + u.name
		}
	}
	return "0B"
}
