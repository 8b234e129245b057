package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// work is what a request asks for: /any/path?cpu=1ms&sleep=5ms&bytes=1024&fail=0.01
type work struct {
	cpu   time.Duration // nominal, see burn
	sleep time.Duration
	bytes int64   // of padding in the answer
	fail  float64 // probability of answering 500 instead
}

// limits are what the operator lets one request ask for.
type limits struct {
	cpu   time.Duration
	sleep time.Duration
	bytes size
}

// mistake is one thing wrong with a request.
type mistake struct {
	Parameter string `json:"parameter"`
	Given     string `json:"given"`
	Problem   string `json:"problem"`
}

// parseWork reads the work out of a query. Parameters that it does not know
// are left alone: they may be the path's own. It gives all mistakes at once.
func parseWork(rawQuery string, l limits) (w work, wrong []mistake) {
	if rawQuery == "" {
		return w, nil
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return w, []mistake{{"", rawQuery, "the query cannot be read: " + err.Error()}}
	}
	complain := func(name, problem string) {
		wrong = append(wrong, mistake{name, strings.Join(query[name], ", "), problem})
	}
	value := func(name string) (string, bool) {
		switch values := query[name]; len(values) {
		case 0:
			return "", false
		case 1:
			return values[0], true
		default:
			complain(name, "given more than once")
			return "", false
		}
	}
	duration := func(name string, most time.Duration, into *time.Duration) {
		text, ok := value(name)
		if !ok {
			return
		}
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			complain(name, "not a duration like 1ms or 2.5s")
		case d < 0 || d > most:
			complain(name, fmt.Sprintf("must be from 0s to %s", most))
		default:
			*into = d
		}
	}
	duration("cpu", l.cpu, &w.cpu)
	duration("sleep", l.sleep, &w.sleep)
	if text, ok := value("bytes"); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			complain("bytes", "not a whole number of bytes like 1024")
		case n < 0 || n > int64(l.bytes):
			complain("bytes", fmt.Sprintf("must be from 0 to %d", l.bytes))
		default:
			w.bytes = n
		}
	}
	if text, ok := value("fail"); ok {
		p, err := strconv.ParseFloat(text, 64)
		if err != nil || !(p >= 0 && p <= 1) { // the second also refuses NaN
			complain("fail", "not a probability from 0 to 1 like 0.01")
		} else {
			w.fail = p
		}
	}
	return w, wrong
}
