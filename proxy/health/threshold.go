package health

// threshold turns single probes into a state that one lost packet does not
// change.
type threshold struct {
	healthy bool
	known   bool // has been healthy
	against int  // probes in a row that contradict the state
}

// observe takes in one probe and tells whether it changed the state. A node
// that has never been healthy is so after its first pass, since it has just
// been started and nothing speaks against it.
func (s *threshold) observe(passed bool, rise, fall int) (changed bool) {
	if passed == s.healthy {
		s.against = 0
		return false
	}
	s.against++
	need := fall
	if passed {
		need = rise
		if !s.known {
			need = 1
		}
	}
	if s.against < need {
		return false
	}
	s.healthy, s.known, s.against = passed, true, 0
	return true
}

// doubtful is true while the node is not settled as healthy: the next probe
// should come soon.
func (s *threshold) doubtful() bool { return !s.healthy || s.against > 0 }
