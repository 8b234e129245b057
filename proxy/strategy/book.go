package strategy

import "time"

// book keeps a record R of each node. Pick finds it by the node's place among
// the nodes, which seldom changes, and Done by the node's name. Neither
// allocates for a node that is known.
type book[R any] struct {
	pages map[string]*page[R]
	order []*page[R] // of the nodes of the last Pick, by place
	turn  int        // goes up with each sweep
	sweep time.Time  // when the next one is due
}

type page[R any] struct {
	id     string
	turn   int // in which it was last asked for
	record R
}

func newBook[R any]() book[R] { return book[R]{pages: make(map[string]*page[R])} }

// at gives the record of nodes[i], an empty one if the node is new.
func (b *book[R]) at(i int, n *Node) *R {
	if i < len(b.order) && b.order[i].id == n.ID {
		p := b.order[i]
		p.turn = b.turn
		return &p.record
	}
	p := b.page(n.ID)
	switch {
	case i < len(b.order):
		b.order[i] = p
	case i == len(b.order):
		b.order = append(b.order, p)
	}
	return &p.record
}

// of gives the record of the node with this name, an empty one if it is new.
func (b *book[R]) of(id string) *R { return &b.page(id).record }

func (b *book[R]) page(id string) *page[R] {
	p := b.pages[id]
	if p == nil {
		p = &page[R]{id: id}
		b.pages[id] = p
	}
	p.turn = b.turn
	return p
}

// forget drops the records that nobody has asked for since the sweep before,
// so that nodes that come and go do not fill the memory.
func (b *book[R]) forget(now time.Time) {
	if now.Before(b.sweep) {
		return
	}
	for id, p := range b.pages {
		if p.turn != b.turn {
			delete(b.pages, id)
		}
	}
	b.order = b.order[:0]
	b.turn++
	b.sweep = now.Add(forgetAfter)
}
