// Package dialogtest shows a reader of package dialog what two ends say, as the
// meter does: in pieces, with what was left shown again.
package dialogtest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// A Turn is what one end says.
type Turn struct {
	From dialog.End
	Data string
}

// Client returns what the client says.
func Client(data string) Turn { return Turn{dialog.Client, data} }

// Server returns what the server says.
func Server(data string) Turn { return Turn{dialog.Server, data} }

// Base is when a conversation begins here, and between whom it is.
var Base = weir.Endpoints{
	Time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Sensor: "test", Proto: weir.TCP,
	Src: netip.MustParseAddr("10.10.1.23"), Dst: netip.MustParseAddr("10.20.0.15"), SrcPort: 51512, DstPort: 4000,
}

// maxLeft is how many unread octets of an end are kept, as the meter does.
const maxLeft = 16 << 10

// A Told is what a reader has made of a conversation.
type Told struct {
	weir.Batch
	App  string
	TLS  *weir.TLS
	HTTP *weir.HTTP
	// Rest is what both ends sent after the reader had said that it is another
	// protocol; Anew says that it did.
	Rest [2]string
	Anew bool
}

// Brief writes a command in one line: what is always the same of a conversation
// and what is empty is left out.
func Brief(c *weir.Command) string {
	text := c.Command
	for _, f := range []struct{ name, value string }{{"object", c.Object}, {"user", c.User}, {"status", c.Status}, {"success", c.Success}, {"server", c.Server}} {
		if f.value != "" {
			text += " " + f.name + "=" + f.value
		}
	}
	if c.Size > 0 {
		text += fmt.Sprint(" size=", c.Size)
	}
	if c.Count != 1 {
		text += fmt.Sprint(" count=", c.Count)
	}
	return text
}

// Brief writes the commands told, a line each.
func (t *Told) Brief() string {
	var out []string
	for i := range t.Commands {
		out = append(out, Brief(&t.Commands[i]))
	}
	return strings.Join(out, "\n")
}

// Stream shows r a conversation over TCP in pieces of at most size octets, a
// millisecond apart, and closes it.
func Stream(r dialog.Reader, size int, turns ...Turn) *Told {
	p := player{r: r, told: &Told{}}
	for _, t := range turns {
		for b := []byte(t.Data); len(b) > 0; {
			n := min(size, len(b))
			p.segment(t.From, b[:n])
			b = b[n:]
		}
	}
	return p.close()
}

// Datagrams shows r a conversation over UDP and closes it.
func Datagrams(r dialog.Reader, turns ...Turn) *Told {
	p := player{r: r, told: &Told{}}
	for _, t := range turns {
		if !p.ends[t.From].done {
			p.read(t.From, []byte(t.Data))
		}
	}
	return p.close()
}

type player struct {
	r    dialog.Reader
	told *Told
	now  time.Duration
	ends [2]struct {
		left []byte
		skip int
		done bool
	}
}

func (p *player) ask(what func(d *dialog.Dialog)) {
	var d dialog.Dialog
	e := Base
	e.Time = e.Time.Add(p.now)
	d.Reset(e, &p.told.Batch, nil)
	d.App, d.TLS, d.HTTP = p.told.App, p.told.TLS, p.told.HTTP
	what(&d)
	p.told.App, p.told.TLS, p.told.HTTP = d.App, d.TLS, d.HTTP
	p.told.Anew = p.told.Anew || d.IsAnew()
}

func (p *player) read(from dialog.End, b []byte) (used int) {
	p.now += time.Millisecond
	p.ask(func(d *dialog.Dialog) { used = p.r.Read(d, from, b) })
	p.ends[from].done = used < 0
	return used
}

// segment takes the next octets of one end.
func (p *player) segment(from dialog.End, b []byte) {
	e := &p.ends[from]
	if p.told.Anew {
		p.told.Rest[from] += string(b)
		return
	}
	n := min(e.skip, len(b))
	e.skip -= n
	e.left = append(e.left, b[n:]...)
	for len(e.left) > 0 && !e.done && !p.told.Anew {
		used := p.read(from, e.left)
		if used <= 0 {
			break
		}
		e.skip = max(used-len(e.left), 0)
		e.left = e.left[min(used, len(e.left)):]
	}
	if p.told.Anew {
		p.told.Rest[from] += string(e.left)
		p.told.Rest[from.Other()] += string(p.ends[from.Other()].left)
		e.left = nil
	}
	if len(e.left) > maxLeft && !e.done {
		p.ask(func(d *dialog.Dialog) { e.done = !p.r.Lost(d, from, len(e.left)) })
		e.left = nil
	}
	if e.done {
		e.left = nil
	}
}

func (p *player) close() *Told {
	p.ask(func(d *dialog.Dialog) {
		d.Ahead = [2]uint64{uint64(p.ends[0].skip), uint64(p.ends[1].skip)}
		p.r.Close(d)
	})
	return p.told
}

// Fuzz feeds readers made by open what a fuzzer invents: the seeds are
// conversations, and each octet of how says which end sends the next piece and
// how long that is. Nothing may panic, and what is said in one piece or in many is
// told alike is for the tests of each reader.
func Fuzz(f *testing.F, open func() dialog.Reader, seeds ...[]Turn) {
	for _, s := range seeds {
		var all, how []byte
		for _, t := range s {
			all = append(all, t.Data...)
			for n := len(t.Data); n > 0; n -= 127 {
				how = append(how, byte(t.From)<<7|byte(min(n, 127)))
			}
		}
		f.Add(all, how)
	}
	f.Fuzz(func(t *testing.T, all, how []byte) {
		p := player{r: open(), told: &Told{}}
		q := player{r: open(), told: &Told{}}
		for _, h := range how {
			n := min(int(h&127), len(all))
			from := dialog.End(h >> 7)
			p.segment(from, all[:n])
			if !q.ends[from].done {
				q.read(from, all[:n])
			}
			if h&127 == 0 && !p.ends[from].done {
				p.ask(func(d *dialog.Dialog) { p.ends[from].done = !p.r.Lost(d, from, 100) })
				p.ends[from].left = nil
			}
			all = all[n:]
		}
		p.close()
		q.close()
	})
}

// All returns a reader that shows what it is shown to several others, for
// fuzzing them at once. It takes what the first one takes.
func All(readers ...dialog.Reader) dialog.Reader { return all(readers) }

type all []dialog.Reader

func (a all) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	for _, r := range a[1:] {
		r.Read(d, from, b)
	}
	return a[0].Read(d, from, b)
}

func (a all) Lost(d *dialog.Dialog, from dialog.End, n int) bool {
	for _, r := range a[1:] {
		r.Lost(d, from, n)
	}
	return a[0].Lost(d, from, n)
}

func (a all) Close(d *dialog.Dialog) {
	for _, r := range a {
		r.Close(d)
	}
}
