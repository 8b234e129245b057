package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatternMatches(t *testing.T) {
	const event = `{"source":"aws.states","detail-type":"Step Functions Execution Status Change","detail":{"status":"FAILED","n":3.0,"stateMachineArn":"arn:x:Name","tags":["a","b"],"cause":null}}`
	for _, c := range []struct {
		why, pattern string
		want         bool
	}{
		{"an exact value", `{"source":["aws.states"]}`, true},
		{"one of several", `{"detail":{"status":["ABORTED","FAILED"]}}`, true},
		{"every member must match", `{"source":["aws.states"],"detail":{"status":["SUCCEEDED"]}}`, false},
		{"numbers compare by value", `{"detail":{"n":[3]}}`, true},
		{"a string is no number", `{"detail":{"n":["3"]}}`, false},
		{"null matches null", `{"detail":{"cause":[null]}}`, true},
		{"null does not match what is absent", `{"detail":{"absent":[null]}}`, false},
		{"prefix", `{"detail":{"stateMachineArn":[{"prefix":"arn:x:"}]}}`, true},
		{"an exact value is no prefix: children of Name/Label are not Name", `{"detail":{"stateMachineArn":["arn:x"]}}`, false},
		{"anything-but", `{"detail":{"status":[{"anything-but":["RUNNING","SUCCEEDED"]}]}}`, true},
		{"anything-but what it is", `{"detail":{"status":[{"anything-but":"FAILED"}]}}`, false},
		{"anything-but needs a value", `{"detail":{"absent":[{"anything-but":"x"}]}}`, false},
		{"exists", `{"detail":{"status":[{"exists":true}]}}`, true},
		{"does not exist", `{"detail":{"absent":[{"exists":false}]}}`, true},
		{"an array matches by any of its items", `{"detail":{"tags":["b"]}}`, true},
		{"an object is no leaf", `{"detail":[{"exists":true}]}`, false},
	} {
		p, err := ParsePattern([]byte(c.pattern))
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
		} else if got := p.Matches([]byte(event)); got != c.want {
			t.Errorf("%s: %s gives %v", c.why, c.pattern, got)
		}
	}
}

func TestRefusedRules(t *testing.T) {
	s := New(Config{Account: "000000000000", Region: "us-east-1"})
	defer s.Close()
	for _, c := range []struct {
		rule Rule
		says []string
	}{
		{Rule{Name: "r"}, []string{"needs an event pattern or a schedule"}},
		{Rule{Name: "a b", Schedule: "cron(0 * * * ? *)", TargetARNs: []string{"arn:aws:sns:us-east-1:000000000000:t"}}, []string{"rule name", "cron", "arn:aws:sns"}},
		{Rule{Name: "r", Pattern: json.RawMessage(`{"source":[{"suffix":"x"}]}`)}, []string{`"suffix" at source`}},
		{Rule{Name: "r", Pattern: json.RawMessage(`{"detail":{"x":[{"numeric":[">",1]}]}}`)}, []string{`"numeric" at detail.x`}},
		{Rule{Name: "r", Pattern: json.RawMessage(`{"$or":[{"source":["a"]}]}`)}, []string{"$or"}},
		{Rule{Name: "r", Pattern: json.RawMessage(`{"source":"aws.states"}`)}, []string{"source must be"}},
		{Rule{Name: "r", Pattern: json.RawMessage(`{"source":[]}`)}, []string{"at least one value"}},
		{Rule{Name: "r", Pattern: json.RawMessage(`{`)}, []string{"not valid JSON"}},
		{Rule{Name: "r", Schedule: "rate(1 minutes)"}, []string{"singular"}},
		{Rule{Name: "r", Schedule: "rate(0 minutes)"}, []string{"positive"}},
		{Rule{Name: "r", Schedule: "rate(5 minutes)", TargetARNs: slices.Repeat([]string{fn("f")}, 6)}, []string{"at most 5"}},
	} {
		_, err := s.Put(c.rule)
		for _, want := range c.says {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v does not say %q", c.rule, err, want)
			}
		}
	}
}

func fn(name string) string { return "arn:aws:lambda:us-east-1:000000000000:function:" + name }

type delivery struct{ fn, source, payload string }

type functions struct {
	mu     sync.Mutex
	got    []delivery
	refuse error
}

func (f *functions) InvokeAsync(arn string, payload []byte, service, source string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return f.refuse
	}
	f.got = append(f.got, delivery{arn, service + " " + source, string(payload)})
	return nil
}

func (f *functions) deliveries() []delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

func TestPublishGoesToMatchingRulesOnly(t *testing.T) {
	f := &functions{}
	s := New(Config{Account: "000000000000", Region: "us-east-1", Target: f})
	arn, err := s.Put(Rule{Name: "ended", Pattern: json.RawMessage(`{"source":["aws.states"],"detail":{"status":["FAILED"]}}`), TargetARNs: []string{fn("sweep")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(Rule{Name: "off", Disabled: true, Pattern: json.RawMessage(`{"source":["aws.states"]}`), TargetARNs: []string{fn("off")}}); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 15, 18, 0, 0, time.UTC)
	for _, status := range []string{"RUNNING", "FAILED"} {
		s.Publish(Event{Source: "aws.states", DetailType: "change", Resources: []string{"arn:x"}, Time: at, Detail: fmt.Appendf(nil, `{"status":%q}`, status)})
	}
	s.Close()
	got := f.deliveries()
	if len(got) != 1 || got[0].fn != fn("sweep") || got[0].source != "events.amazonaws.com "+arn {
		t.Fatalf("delivered %+v", got)
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(got[0].payload), &e); err != nil {
		t.Fatal(err)
	}
	if e["time"] != "2026-11-23T15:18:00Z" || e["detail-type"] != "change" || e["account"] != "000000000000" || e["version"] != "0" {
		t.Errorf("event %v", e)
	}
}

func TestRefusedDeliveryIsTold(t *testing.T) {
	f := &functions{refuse: errors.New("not permitted")}
	var told []string
	s := New(Config{Account: "000000000000", Region: "us-east-1", Target: f,
		Undelivered: func(rule, target string, err error) { told = append(told, target+": "+err.Error()) }})
	if _, err := s.Put(Rule{Name: "r", Pattern: json.RawMessage(`{"source":["x"]}`), TargetARNs: []string{fn("f")}}); err != nil {
		t.Fatal(err)
	}
	s.Publish(Event{Source: "x", Detail: json.RawMessage("{}")})
	s.Close()
	if len(told) != 1 || told[0] != fn("f")+": not permitted" {
		t.Errorf("told %q", told)
	}
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &functions{}
		s := New(Config{Account: "000000000000", Region: "us-east-1", Target: f})
		defer s.Close()
		if _, err := s.Put(Rule{Name: "sweep", Schedule: "rate(15 minutes)", TargetARNs: []string{fn("sweep")}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(46 * time.Minute)
		synctest.Wait()
		if n := len(f.deliveries()); n != 3 {
			t.Errorf("fired %d times in 46 minutes, want 3", n)
		}
		s.Delete("sweep")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(f.deliveries()); n != 3 {
			t.Errorf("a deleted rule fired: %d", n)
		}
	})
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{`{"source":["a",{"prefix":"b"}]}`, `{"detail":{"x":[{"anything-but":[1,"y"]}]}}`, `{"a":[{"exists":false}]}`} {
		f.Add(seed, `{"source":"a","detail":{"x":[1]}}`)
	}
	f.Fuzz(func(t *testing.T, pattern, event string) {
		if p, err := ParsePattern([]byte(pattern)); err == nil {
			p.Matches([]byte(event))
		}
	})
}
