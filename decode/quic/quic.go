package quic

import (
	"bytes"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/tls"
	"github.com/weir-nta/weir/internal/pieces"
)

// Bounds of the work for one conversation. Within them an attacker who sends
// packets that do not open costs 100 µs, and nothing after that.
const (
	// maxDatagrams is how many of each end are looked at. The hellos are in
	// the first; with a Retry, lost packets or early data before them it
	// takes some more.
	maxDatagrams = 32
	// maxKeys is how often keys are made, and maxOpened how many packets are
	// opened or tried.
	maxKeys   = 8
	maxOpened = 32
)

// A Reader reads the handshake of one conversation. It holds 300 octets, and
// what has come of a hello that is not whole, 8 KB at most of each end. A sender
// that says more than that, or of which no packet opens, is not read further.
type Reader struct {
	ends          [2]end
	id            [maxID]byte // that the client made up, from which keys are made
	idLength      uint8
	hasID         bool
	made, opened  uint8
	tellsOverlaps bool
	turned        bool // the client of QUIC is the end that did not begin
}

// An end is what has come of one of the two.
type end struct {
	datagrams uint8
	read      bool // its hello
	keys      *keys
	version   uint32        // that the keys are for
	said      pieces.Stream // in CRYPTO frames
}

// New returns a reader for a conversation that has just been recognised.
func New() *Reader { return &Reader{} }

// Read takes one datagram.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if r.turned {
		from = from.Other()
	}
	if from == dialog.Server && !r.hasID && r.isClients(b) {
		r.turned = !r.turned
		r.ends[0], r.ends[1] = r.ends[1], r.ends[0]
		from = dialog.Client
	}
	e := &r.ends[from]
	if e.datagrams++; e.datagrams > maxDatagrams {
		r.forget(from)
		return dialog.Stop
	}
	if version, ok := googleVersion(b); ok && from == dialog.Client {
		if r.googleHello(d, version, b[publicHeader:]); e.read {
			return dialog.Stop
		}
		return len(b)
	}
	for rest := b; len(rest) > 0; { // each packet has seven octets at least
		p, behind, ok := next(rest)
		if !ok {
			break
		}
		r.packet(d, from, &p)
		rest = behind
	}
	// The client goes on after its hello until that of the server is there: a
	// Retry or another version make it begin again with other keys.
	if r.ends[dialog.Client].read && r.ends[dialog.Server].read {
		r.forget(dialog.Client)
		r.forget(dialog.Server)
		return dialog.Stop
	}
	return len(b)
}

// isClients reports whether a datagram of the end that did not begin is from a
// client all the same: what came before was of another connection.
func (r *Reader) isClients(b []byte) bool {
	p, _, ok := next(b)
	if !ok || p.known == nil || !p.sealed() {
		return false
	}
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	return r.try(room, r.keys(&p, p.destination, dialog.Client), &p) != nil
}

// Lost never happens to datagrams.
func (r *Reader) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

// Close has nothing left to tell.
func (r *Reader) Close(*dialog.Dialog) {}

// forget gives back the memory that an end took.
func (r *Reader) forget(from dialog.End) {
	e := &r.ends[from]
	e.keys, e.said = nil, pieces.Stream{}
}

// googleHello takes a packet of Google's with a hello in the clear. Its
// version is told even if that says no more.
func (r *Reader) googleHello(d *dialog.Dialog, version uint32, b []byte) {
	t := handshakeOf(d)
	t.QUIC = versionName(version)
	d.TLS, r.ends[dialog.Client].read = t, googleHello(t, b)
}

func (r *Reader) packet(d *dialog.Dialog, from dialog.End, p *packet) {
	if p.known == nil {
		if isGoogle(p.version) && from == dialog.Client && !r.ends[from].read {
			r.googleHello(d, p.version, p.whole[5:])
		}
		return
	}
	if !p.sealed() || r.ends[from].read && from == dialog.Server {
		return
	}
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	frames := r.open(room, from, p)
	if frames == nil || r.ends[from].read {
		return
	}
	e := &r.ends[from]
	eachCrypto(frames, func(offset uint64, b []byte) bool { return e.said.Put(offset, b) })
	if e.said.Differs && !r.tellsOverlaps {
		r.tellsOverlaps = true
		r.tellOverlap(d, from)
	}
	r.hello(d, from, p)
}

// open opens an Initial packet: with the keys that have opened the last, else,
// if it is of the client, with those that its own identifier makes. These change
// after a Retry, and with another attempt on the same ports.
func (r *Reader) open(room *room, from dialog.End, p *packet) []byte {
	e := &r.ends[from]
	if r.hasID && (e.keys == nil || e.version != p.version) {
		e.keys, e.version = r.keys(p, r.id[:r.idLength], from), p.version
	}
	if frames := r.try(room, e.keys, p); frames != nil {
		return frames
	}
	if from != dialog.Client || r.hasID && bytes.Equal(p.destination, r.id[:r.idLength]) {
		return nil
	}
	k := r.keys(p, p.destination, from)
	frames := r.try(room, k, p)
	if frames == nil {
		return nil
	}
	r.idLength, r.hasID = uint8(copy(r.id[:], p.destination)), true
	e.keys, e.version = k, p.version
	if !e.read {
		e.said = pieces.Stream{}
	}
	r.ends[dialog.Server] = end{datagrams: r.ends[dialog.Server].datagrams, read: r.ends[dialog.Server].read}
	return frames
}

func (r *Reader) try(room *room, k *keys, p *packet) []byte {
	if k == nil || r.opened >= maxOpened {
		return nil
	}
	r.opened++
	return k.open(room, p.whole, p.number)
}

func (r *Reader) keys(p *packet, id []byte, from dialog.End) *keys {
	if r.made >= maxKeys {
		return nil
	}
	r.made++
	if from == dialog.Client {
		return newKeys(p.known, id, ofClient)
	}
	return newKeys(p.known, id, ofServer)
}

// hello reads the hello of an end if it is whole. An end that says something
// else is not read further.
func (r *Reader) hello(d *dialog.Dialog, from dialog.End, p *packet) {
	e := &r.ends[from]
	t := handshakeOf(d)
	var ok, again bool
	switch msg := message(&e.said); {
	case p.version == q050number && from == dialog.Client:
		ok = clientHello(t, e.said.Append(nil, e.said.Ready()))
	case msg == nil:
		return
	case from == dialog.Client:
		ok = tls.ClientHello(t, msg, 'q')
	default:
		again, ok = tls.ServerHello(t, msg)
		e.said.Skip(len(msg))
	}
	if e.read = !again; e.read {
		e.said = pieces.Stream{}
	}
	if !ok {
		return
	}
	if from == dialog.Server || !r.ends[dialog.Server].read {
		t.QUIC = versionName(p.version) // the one agreed, else the one offered
	}
	d.TLS = t
}

// handshakeOf returns what the flow tells of the handshake, or something new to
// be told of it.
func handshakeOf(d *dialog.Dialog) *weir.TLS {
	if d.TLS == nil {
		return &weir.TLS{}
	}
	return d.TLS
}

// tellOverlap tells that an end sent different octets for the same place of
// its hello, once for each conversation: a reader and the other end may take
// different ones.
func (r *Reader) tellOverlap(d *dialog.Dialog, from dialog.End) {
	o := weir.Oddity{
		Time: d.Time, Sensor: d.Sensor, Src: d.Src, Dst: d.Dst, SrcPort: d.SrcPort, DstPort: d.DstPort, Proto: d.Proto,
		Name: "quic_crypto_overlap", Count: 1,
	}
	if (from == dialog.Server) != r.turned {
		o.Src, o.Dst, o.SrcPort, o.DstPort = o.Dst, o.Src, o.DstPort, o.SrcPort
	}
	d.Batch.Oddities = append(d.Batch.Oddities, o)
}
