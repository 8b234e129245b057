package engine

import "sync/atomic"

// phase is what a session waits for.
type phase uint64

const (
	busy    phase = iota // not waiting, or someone else keeps the time
	idle                 // the first byte of a request
	head                 // the rest of its head
	node                 // the node's answer, or that it takes the request
	client               // that the client takes the answer
	tunnel               // nothing: bytes pass both ways for as long as they like
	ringing              // the alarm has gone off: at is a cause
	phases  = 8
)

// cause is why an alarm went off.
type cause int64

const (
	none     cause = iota
	timeout        // what was waited for did not come in time
	gone           // the client is not there any more
	draining       // the proxy is stopping, and the connection is quiet
	faulty         // the client has sent what is not a body
	cut            // the proxy has stopped waiting
)

// alarm is one word that says what its session waits for, and until when. The
// session sets it, which costs one atomic exchange; the watch reads it every
// tick and makes it go off. Deadlines set at each read and write would cost
// more than the parsing.
//
// Who makes it go off must be the first to change the word, and then ends the
// wait by setting a deadline in the past on the connection that is waited for.
// The session learns of it at its next set, at the latest, and does not use
// that connection again, so that it does not matter how late the deadline
// comes.
type alarm struct{ word atomic.Uint64 }

// set begins a wait until the given moment, and gives the cause if the alarm
// went off during the last one.
func (a *alarm) set(p phase, until int64) cause {
	return rang(a.word.Swap(uint64(until)*phases | uint64(p)))
}

// get is the state as of now.
func (a *alarm) get() (w uint64, p phase, until int64) {
	w = a.word.Load()
	return w, phase(w % phases), int64(w / phases)
}

// ring makes the alarm go off, unless its state is not w any more.
func (a *alarm) ring(w uint64, c cause) bool {
	return a.word.CompareAndSwap(w, uint64(c)*phases|uint64(ringing))
}

// move changes the moment of a wait that another goroutine may have ended.
func (a *alarm) move(from phase, old, until int64) bool {
	return a.word.CompareAndSwap(uint64(old)*phases|uint64(from), uint64(until)*phases|uint64(from))
}

func rang(w uint64) cause {
	if phase(w%phases) == ringing {
		return cause(w / phases)
	}
	return none
}
