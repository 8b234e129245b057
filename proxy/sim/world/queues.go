package world

// finish is a request in service; at is the value of served at its end.
type finish struct {
	at  float64
	job uint64
}

// finishes is a heap, the first to end at [0].
type finishes []finish

func (h *finishes) add(f finish) {
	*h = append(*h, f)
	h.up(len(*h) - 1)
}

func (h finishes) up(i int) {
	f := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= f.at {
			break
		}
		h[i], i = h[parent], parent
	}
	h[i] = f
}

func (h finishes) down(i int) {
	f := h[i]
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].at < h[c].at {
			c++
		}
		if f.at <= h[c].at {
			break
		}
		h[i], i = h[c], c
	}
	h[i] = f
}

func (h *finishes) take() finish {
	f := (*h)[0]
	h.remove(0)
	return f
}

func (h *finishes) remove(i int) {
	old := *h
	last := len(old) - 1
	old[i] = old[last]
	*h = old[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h *finishes) drop(job uint64) bool {
	for i, f := range *h {
		if f.job == job {
			h.remove(i)
			return true
		}
	}
	return false
}

// queue is first in, first out.
type queue[T any] struct {
	ring []T // its length is a power of two
	head int
	n    int
}

func (q *queue[T]) empty() bool { return q.n == 0 }
func (q *queue[T]) len() int    { return q.n }
func (q *queue[T]) first() *T   { return &q.ring[q.head] }

func (q *queue[T]) get(i int) *T { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue[T]) put(x T) {
	if q.n == len(q.ring) {
		ring := make([]T, max(16, 2*q.n))
		for i := range q.n {
			ring[i] = *q.get(i)
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = x
	q.n++
}

func (q *queue[T]) take() T {
	x := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return x
}

// drop removes the first for which match holds, and tells whether there is one.
func (q *queue[T]) drop(match func(T) bool) bool {
	for i := range q.n {
		if match(*q.get(i)) {
			for ; i < q.n-1; i++ {
				*q.get(i) = *q.get(i + 1)
			}
			q.n--
			return true
		}
	}
	return false
}

// tournament knows which of n numbers is the smallest, the first one of equals.
type tournament struct {
	values []float64
	tree   []int32 // [1] is the winner; the children of [i] are [2i] and [2i+1]
	leaves int
}

func newTournament(n int) tournament {
	leaves := 1
	for leaves < n {
		leaves *= 2
	}
	t := tournament{values: make([]float64, leaves), tree: make([]int32, 2*leaves), leaves: leaves}
	for i := range leaves {
		t.values[i], t.tree[leaves+i] = never, int32(i)
	}
	for i := leaves - 1; i > 0; i-- {
		t.tree[i] = t.tree[2*i]
	}
	return t
}

func (t *tournament) set(i int, v float64) {
	t.values[i] = v
	for p := (t.leaves + i) / 2; p > 0; p /= 2 {
		a, b := t.tree[2*p], t.tree[2*p+1]
		if t.values[b] < t.values[a] {
			a = b
		}
		t.tree[p] = a
	}
}

func (t *tournament) winner() int  { return int(t.tree[1]) }
func (t *tournament) min() float64 { return t.values[t.tree[1]] }
