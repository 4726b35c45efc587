package meter

// A place is that of something in a queue which holds memory for a flow.
type place struct {
	older, newer *place
	f            *flow
	end          uint8 // of a head: whose octets
	credit       uint8 // how often it may be passed over when room is needed
}

// A queue knows what is to be driven out next.
type queue struct {
	oldest, newest *place
	n              int
}

func (q *queue) add(p *place) {
	p.older, p.newer = q.newest, nil
	if q.newest != nil {
		q.newest.newer = p
	} else {
		q.oldest = p
	}
	q.newest = p
	q.n++
}

func (q *queue) remove(p *place) {
	if p.older != nil {
		p.older.newer = p.newer
	} else {
		q.oldest = p.newer
	}
	if p.newer != nil {
		p.newer.older = p.older
	} else {
		q.newest = p.older
	}
	p.older, p.newer = nil, nil
	q.n--
}

// renew makes p the newest.
func (q *queue) renew(p *place) {
	if q.newest != p {
		q.remove(p)
		q.add(p)
	}
}
