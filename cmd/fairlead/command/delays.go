package command

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Delays make the local AWS as slow as the real one: what is instant on this
// machine then takes the time given. Zero is instant.
type Delays struct {
	Boot         time.Duration // of an instance, from pending to running
	Registration time.Duration // of its SSM agent
	Shutdown     time.Duration // from shutting-down to terminated
	LoadBalancer time.Duration // of an ALB, from provisioning to active
	Lead         time.Duration // from the naming of a trial's first instant to that instant; zero: the local default
}

// awsDelays are what one may expect on AWS: medians, from memory.
const awsDelays = "boot=25s,registration=20s,alb=120s,lead=10s"

const delaysHelp = `make the local AWS as slow as AWS: "aws" (` + awsDelays + `)
or a list of boot, registration, shutdown, alb and lead with a duration each`

const longestDelay = 10 * time.Minute

func (d *Delays) field(name string) *time.Duration {
	switch name {
	case "boot":
		return &d.Boot
	case "registration":
		return &d.Registration
	case "shutdown":
		return &d.Shutdown
	case "alb":
		return &d.LoadBalancer
	case "lead":
		return &d.Lead
	}
	return nil
}

// parseDelays reads --delays and reports all mistakes at once.
func parseDelays(text string) (Delays, error) {
	var d Delays
	if text == "" {
		return d, nil
	}
	if text == "aws" {
		text = awsDelays
	}
	var problems []error
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		into := d.field(name)
		took, err := time.ParseDuration(value)
		switch {
		case into == nil:
			problems = append(problems, fmt.Errorf("--delays: %q is none of aws, boot=, registration=, shutdown=, alb= and lead=", part))
		case !ok || err != nil:
			problems = append(problems, fmt.Errorf("--delays: %q has no duration: write %s=25s", part, name))
		case took < 0 || took > longestDelay:
			problems = append(problems, fmt.Errorf("--delays: %s is %v: use 0s to %v", name, took, longestDelay))
		case seen[name]:
			problems = append(problems, fmt.Errorf("--delays: %s is given twice", name))
		default:
			*into = took
		}
		seen[name] = true
	}
	if d.Lead != 0 && d.Lead < 100*time.Millisecond {
		problems = append(problems, fmt.Errorf("--delays: lead is %v: workers need 100ms or more to start", d.Lead))
	}
	if len(problems) > 0 {
		return Delays{}, badInput{errors.Join(problems...)}
	}
	return d, nil
}
