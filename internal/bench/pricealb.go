package bench

import (
	"math"
	"time"
)

// Prices of an Application Load Balancer, and what one LCU-hour covers: an hour
// bills the greatest of new connections (25 a second), active connections (3,000
// a minute), processed bytes (1 GB) and rule evaluations (1,000 a second; the
// first ten rules are free, and no listener here has more). Read on 2026-09-20
// at https://aws.amazon.com/elasticloadbalancing/pricing/ (us-east-1). An
// internal load balancer has no public address to pay for.
const (
	usdALBHour = 0.0225
	usdLCUHour = 0.008

	newPerLCUHour     = 25 * 3600
	minutesPerLCUHour = 3000 * 60 // of active connections
	bytesPerLCUHour   = 1e9

	headBytes   = 1000 // at most, of a request's and its answer's heads
	answerBytes = 200  // of a node's answer without the bytes that the plan asks for
)

// BalancerUse is what a run asked of its Application Load Balancer, or would.
type BalancerUse struct {
	Seconds     float64 // from its creation to its end; 0 without one
	Requests    int
	Connections int     // opened, at the most
	Minutes     float64 // of connections that stay open
	Bytes       int64   // of bodies
}

// Plus adds what passed through; the life stays u's.
func (u BalancerUse) Plus(v BalancerUse) BalancerUse {
	u.Requests += v.Requests
	u.Connections += v.Connections
	u.Minutes += v.Minutes
	u.Bytes += v.Bytes
	return u
}

// Hours are the billed hours: a begun one is whole.
func (u BalancerUse) Hours() float64 { return math.Ceil(u.Seconds / 3600) }

// LCUHours are the billed capacity units, in hours. The dimensions are summed
// over the whole life, which for a run of one hour is what the hour averages.
func (u BalancerUse) LCUHours() float64 {
	bytes := float64(u.Bytes) + headBytes*float64(u.Requests)
	return max(float64(u.Connections)/newPerLCUHour, u.Minutes/minutesPerLCUHour, bytes/bytesPerLCUHour)
}

// HourlyUSD is the price of an hour of a balancer that is used as u says, in an hour.
func (u BalancerUse) HourlyUSD() float64 { return usdALBHour + u.LCUHours()*usdLCUHour }

// Through is what some time of the load asks of a balancer. Of a closed load the
// connections are known: it keeps them, and opens another after a failure. Of
// the others every request may open one. Such a connection is open for at most
// the request's timeout, a minute, and the idle timeout, a minute too, and so
// never weighs more as active than as new: 2 in 3,000 × 60 is 1 in 25 × 3,600.
func (l Load) Through(requests, errors int, bytes int64, seconds float64) BalancerUse {
	u := BalancerUse{Requests: requests, Connections: requests, Bytes: bytes}
	if l.Kind == LoadClosed {
		u.Connections = min(requests, l.Concurrency+errors)
		u.Minutes = float64(u.Connections) * (seconds/60 + 1)
	}
	return u
}

// expectedRequests is what one trial sends. Of a closed load nobody knows how
// fast it will be answered: within 5 ms beside its work, say.
func (l Load) expectedRequests(w Work) int {
	switch l.Kind {
	case LoadRate:
		return int(math.Ceil(l.Rate * time.Duration(l.Duration).Seconds()))
	case LoadClosed:
		each := 5*time.Millisecond + time.Duration(w.CPU) + time.Duration(w.Sleep)
		return int(float64(l.Concurrency) * float64(l.Duration) / float64(each))
	}
	return l.Requests
}
