package ec2

import (
	"testing"
	"time"
)

func TestHopLimit(t *testing.T) {
	for text, ok := range map[string]bool{`1`: true, `64`: true, `65`: false, `-1`: false} {
		if _, err := ParseLaunchTemplateData([]byte(`{"MetadataOptions":{"HttpPutResponseHopLimit":` + text + `}}`)); ok != (err == nil) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestForgottenInstances: an hour after its end an instance is in no answer. A
// launch that was asked for again with its token by then ended in a panic.
func TestForgottenInstances(t *testing.T) {
	s := New(Config{})
	for id, ago := range map[string]time.Duration{"i-00000001": 2 * time.Hour, "i-00000002": time.Minute} {
		s.instances[id] = &instance{id: id, reservation: "r-" + id, subnet: &subnet{}, kind: Type{threads: 1}, state: terminated, changedAt: time.Now().Add(-ago)}
	}
	for id, kept := range map[string]bool{"i-00000001": false, "i-00000002": true} {
		if _, err := s.named([]string{id}); kept != (err == nil) {
			t.Errorf("%s by its id: %v", id, err)
		}
		if made := s.reservationOf("r-" + id); kept != (made != nil) {
			t.Errorf("the reservation of %s: %v", id, made)
		}
	}
	if len(s.instances) != 1 {
		t.Errorf("%d instances are kept", len(s.instances))
	}
}
