package live

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/packetring"
)

const (
	// slice is after how many packets a worker looks at the time: well below a
	// millisecond of work for a full ring.
	slice = 4096
	// settled is how long after its time a packet is surely handed over: the
	// kernel's timer and what its steps are coarse by.
	settled = 3 * retireMillis * time.Millisecond
	// tickEvery is how often a worker counts, and hands on what it has.
	tickEvery = time.Second
)

// A worker meters the share of a point's packets that fanout gives it. What is
// not atomic or guarded belongs to its goroutine.
type worker struct {
	source  *Source
	point   *point
	rings   []*ring                // by interface of the point, nil while there is none
	coming  []atomic.Pointer[ring] // to take the place of the ring before
	decoder *packet.Decoder
	meter   *meter.Meter
	packet  packet.Packet
	watch   observer
	keep    *packetring.Writer // nil: packets are not kept
	ticked  time.Time
	last    int64     // packets at that time
	quiet   time.Time // since when nothing has come; zero if something has
	through time.Time
	poll    []unix.PollFd

	packets, bytes, outgoing, cut, merged, dropped int64
	latest                                         int64 // time of a packet

	records, flows atomic.Int64

	mu     sync.Mutex
	seen   Seen // as of the last tick
	vlan   [4096 / 64]uint64
	read   packet.Counters
	seenAt int64 // time of the latest packet
}

// run meters until the source is to stop.
func (w *worker) run() error {
	w.ticked = time.Now()
	for {
		w.adopt()
		n, early, err := w.take(slice)
		if err != nil {
			return err
		}
		if w.source.stopping.Load() {
			return w.end()
		}
		if now := time.Now(); now.Sub(w.ticked) >= tickEvery {
			if err := w.tick(now); err != nil {
				return err
			}
		}
		switch {
		case n > 0:
			w.quiet = time.Time{}
		case early: // what is there waits for the other interfaces of the point
			time.Sleep(time.Millisecond)
		default:
			w.wait()
		}
	}
}

// take meters up to so many packets, those of several rings in the order of
// their time. Early says that there are more, too young to be sure that no
// other ring will bring an older one.
func (w *worker) take(most int) (n int, early bool, err error) {
	var horizon int64
	for n < most {
		var first *unix.Tpacket3Hdr
		var at int
		var ts int64
		all := true
		for i, r := range w.rings {
			if r == nil {
				continue
			}
			h := r.header()
			if h == nil {
				all = false
				continue
			}
			if t := int64(h.Sec)*1e9 + int64(h.Nsec); first == nil || t < ts {
				first, at, ts = h, i, t
			}
		}
		if first == nil {
			return n, false, nil
		}
		if !all {
			if horizon == 0 {
				horizon = time.Now().Add(-settled).UnixNano()
			}
			if ts > horizon && !w.source.stopping.Load() {
				return n, true, nil
			}
		}
		if !w.source.mayTake() {
			return n, false, nil
		}
		n++
		err := w.handle(at, first, ts)
		w.rings[at].skip()
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// handle meters one packet where it lies.
func (w *worker) handle(at int, h *unix.Tpacket3Hdr, ts int64) error {
	r := w.rings[at]
	data, wire := r.packet(h)
	if w.source.config.stamp != nil {
		ts = w.source.config.stamp(w.packets)
	}
	if w.keep != nil {
		w.keep.Packet(ts, uint32(r.kind), data, wire)
	}
	w.packets++
	w.latest = ts
	w.bytes += int64(wire)
	if h.Snaplen < h.Len {
		w.cut++
	}
	if wire > int(r.link.longest.Load()) {
		w.merged++
	}
	if r.outgoing() {
		w.outgoing++
	}
	p := &w.packet
	switch err := w.decoder.Decode(p, r.kind, data, wire, ts); err {
	case nil:
		w.watch.see(ts, p)
		return w.meter.Packet(ts, p)
	case packet.ErrNotIP:
		if p.Frame != 0 { // what devices say of themselves below IP
			return w.meter.Frame(ts, p)
		}
	case packet.ErrHeader:
		if p.Bytes != 0 { // else nobody can be said to have sent it
			w.meter.Oddity(ts, p, "malformed_header", "")
		}
	}
	return nil
}

// wait waits for the kernel to hand something over. Where it does not, time
// passes all the same.
func (w *worker) wait() {
	w.poll = w.poll[:0]
	for _, r := range w.rings {
		if r != nil {
			w.poll = append(w.poll, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR})
		}
	}
	before := time.Now()
	n, err := unix.Poll(w.poll, retireMillis)
	if err != nil || n > 0 {
		w.faults()
		return
	}
	w.quiet = before
}

// faults fetches what befell the sockets, so that polling waits again. What it
// means for the interface, who looks after the links finds out.
func (w *worker) faults() {
	for i, f := range w.poll {
		if f.Revents&unix.POLLERR == 0 {
			continue
		}
		for _, r := range w.rings {
			if r != nil && int32(r.fd) == w.poll[i].Fd {
				r.fault()
			}
		}
	}
}

// tick counts, and hands on what there is. A quiet link is told the time, up to
// which all that has come has been metered.
func (w *worker) tick(now time.Time) error {
	w.publish(now)
	w.ticked = now
	if w.keep != nil {
		w.keep.Flush()
	}
	if w.quiet.IsZero() || w.source.config.stamp != nil {
		return w.meter.Flush()
	}
	return w.meter.Advance(w.quiet.Add(-settled).UnixNano())
}

// publish makes the state of things known to others.
func (w *worker) publish(now time.Time) {
	for _, r := range w.rings {
		if r != nil {
			w.dropped += r.dropped()
		}
	}
	rate := float64(w.packets-w.last) / max(now.Sub(w.ticked).Seconds(), 0.001)
	w.last = w.packets
	s := Seen{Packets: w.packets, Bytes: w.bytes, Outgoing: w.outgoing, Cut: w.cut, Merged: w.merged, Dropped: w.dropped}
	w.watch.tell(&s, now, rate)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.vlan, w.read, w.seenAt = s, w.watch.vlans, w.decoder.Counters(), w.latest
}

// adopt takes a ring for an interface that was away in the place of its old
// one, when nothing is left of that.
func (w *worker) adopt() {
	for i := range w.coming {
		r := w.coming[i].Load()
		if r == nil {
			continue
		}
		old := w.rings[i]
		if old != nil && old.header() != nil || !w.coming[i].CompareAndSwap(r, nil) {
			continue
		}
		if old != nil {
			w.dropped += old.dropped()
			old.close()
		}
		w.rings[i] = r
	}
}

// end meters what the kernel holds and lets it take in no more, and ends what
// has not ended.
func (w *worker) end() error {
	for _, r := range w.rings {
		if r != nil {
			_ = r.filter(takeNone) // else what comes in the meantime is metered as well
		}
	}
	for until := time.Now().Add(settled); ; {
		n, _, err := w.take(slice)
		if err != nil {
			return err
		}
		if n == 0 {
			if time.Now().After(until) || w.source.enough() {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	w.publish(time.Now())
	if w.keep != nil {
		w.keep.Flush()
	}
	return w.meter.Close()
}

func (w *worker) close() {
	for i, r := range w.rings {
		for _, r := range []*ring{r, w.coming[i].Swap(nil)} {
			if r != nil {
				r.close()
			}
		}
	}
}

// handOn gives a batch to who carries them.
func (w *worker) handOn(b *weir.Batch) error {
	w.records.Add(int64(b.Len()))
	w.flows.Add(int64(len(b.Flows)))
	return w.source.handOn(w, b)
}
