package world

// job is one request.
type job struct {
	arrived  float64 // at its proxy, which sends it on at once
	reached  float64 // its node
	work     float64
	proxy    int32
	node     int32
	stage    int32
	found    int32 // requests that were at the node when it came
	measured bool
	over     bool // answered or given up
}

// jobs holds the requests from begin, the oldest that is not over, to end, by
// the number in which they arrived.
type jobs struct {
	ring       []job // its length is a power of two
	begin, end uint64
}

func newJobs() jobs { return jobs{ring: make([]job, 1024)} }

func (q *jobs) at(id uint64) *job { return &q.ring[id&uint64(len(q.ring)-1)] }

func (q *jobs) oldest() (*job, bool) { return q.at(q.begin), q.begin < q.end }

func (q *jobs) add() *job {
	if q.end-q.begin == uint64(len(q.ring)) {
		bigger := jobs{make([]job, 2*len(q.ring)), q.begin, q.end}
		for id := q.begin; id < q.end; id++ {
			*bigger.at(id) = *q.at(id)
		}
		*q = bigger
	}
	q.end++
	return q.at(q.end - 1)
}

func (q *jobs) shrink() {
	for q.begin < q.end && q.at(q.begin).over {
		q.begin++
	}
}
