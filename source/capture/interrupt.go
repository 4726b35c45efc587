package capture

import (
	"context"
	"io"
)

// interruptible returns a reader that stops waiting for from when ctx is done.
// A pipe cannot be told to give up, so a goroutine of its own reads it, into
// two buffers that go back and forth. It ends with the input, or with the
// first bytes after ctx is done; a pipe that stays silent keeps it until the
// program ends.
func interruptible(ctx context.Context, from io.Reader) io.Reader {
	p := &pump{ctx: ctx, full: make(chan chunk), empty: make(chan []byte, 2)}
	p.empty <- make([]byte, pumpSize)
	p.empty <- make([]byte, pumpSize)
	go p.run(from)
	return p
}

// pumpSize is what a pipe of Linux holds, four times.
const pumpSize = 256 << 10

type pump struct {
	ctx   context.Context
	full  chan chunk
	empty chan []byte
	now   chunk
	rest  []byte // of now, what has not been read
}

// A chunk is what one Read gave.
type chunk struct {
	buffer []byte
	n      int
	err    error
}

func (p *pump) run(from io.Reader) {
	for {
		var c chunk
		select {
		case c.buffer = <-p.empty:
		case <-p.ctx.Done():
			return
		}
		c.n, c.err = from.Read(c.buffer)
		select {
		case p.full <- c:
		case <-p.ctx.Done():
			return
		}
		if c.err != nil {
			return
		}
	}
}

func (p *pump) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.now.buffer != nil {
			p.empty <- p.now.buffer // there is room for both
			p.now.buffer = nil
		}
		select {
		case p.now = <-p.full:
			p.rest = p.now.buffer[:p.now.n]
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
