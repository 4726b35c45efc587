package ssh

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of what is read.
const (
	maxBanner = 255  // RFC 4253, 4.2
	maxLine   = 4096 // of what a server says before it
	maxLines  = 64   // of them
	// maxPacket is the longest packet that is taken for one: OpenSSH's
	// PACKET_MAX_SIZE. RFC 4253, 6.1 asks for 35,000.
	maxPacket = 256 << 10
	// maxWhole is the longest packet that is read and not passed over: as
	// much as is kept of a stream. KEXINIT has 1 to 3 KB.
	maxWhole = 12 << 10
	// maxPlain is how many packets of an end are read before encryption.
	maxPlain = 32
)

// Messages (RFC 4250, 4.1). The replies of the server with its host key have
// three numbers, by key exchange.
const (
	kexInit     = 20
	newKeys     = 21
	kexRSAKey   = 30 // RFC 4432
	kexReply    = 31 // RFC 4253, RFC 5656; also a group (RFC 4419)
	kexGEXReply = 33 // RFC 4419; GSS-API's host key (RFC 4462)
)

// A Reader reads one connection. It holds 500 octets, and 3 KB of a proposal
// until the other end has made its own.
type Reader struct {
	session weir.SSHSession
	begun   time.Time
	ends    [2]end
	logon   logon
	told    bool
}

// An end is what has come of one of the two.
type end struct {
	phase phase
	count uint8  // lines, then packets
	offer *offer // until both have made theirs
	seal  seal
}

type phase uint8

const (
	greeting phase = iota // up to the line with the version
	plain                 // packets in the clear
	sealed                // encrypted packets
	over                  // nothing more is wanted
)

// New returns a reader for a connection that has just been recognised.
func New() *Reader { return &Reader{} }

// Read takes the next octets of an end.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if r.begun.IsZero() {
		r.begun = d.Time
	}
	e := &r.ends[from]
	used := 0
	if e.phase == greeting {
		used = r.greeting(from, b)
	}
	if e.phase == plain {
		used += r.packets(from, b[used:])
	}
	if e.phase == sealed && used < len(b) {
		used += r.sealed(from, b[used:])
	}
	if r.settled() {
		r.tell(d)
	}
	if r.told || e.phase == over {
		return dialog.Stop
	}
	return used
}

// Lost ends what can be known of packets in the clear. Of encrypted ones whose
// length is not, the next segment begins one again; but what was missed may
// have been what decides.
func (r *Reader) Lost(_ *dialog.Dialog, from dialog.End, _ int) bool {
	e := &r.ends[from]
	r.logon.unsure = true
	if e.phase == sealed && !e.seal.open {
		return true
	}
	e.phase = over
	return false
}

// Close tells of the connection what is known.
func (r *Reader) Close(d *dialog.Dialog) { r.tell(d) }

// settled reports whether nothing more can be learned.
func (r *Reader) settled() bool {
	c, s := &r.ends[dialog.Client], &r.ends[dialog.Server]
	switch {
	case r.logon.done || r.logon.packets >= maxPackets:
		return true
	case r.session.Version == 1 && c.phase != greeting && s.phase != greeting:
		return true
	case c.phase >= sealed && s.phase >= sealed && !s.seal.known:
		return true
	}
	return c.phase == over && s.phase == over
}

// tell hands on the record, once.
func (r *Reader) tell(d *dialog.Dialog) {
	s := &r.session
	if r.told || s.Client == "" && s.Server == "" {
		return
	}
	r.told = true
	s.Endpoints = d.Endpoints
	s.Time = r.begun
	s.Auth, s.Attempts = r.logon.outcome(&r.ends[dialog.Client].seal)
	d.Batch.SSH = append(d.Batch.SSH, *s)
	r.ends[0].offer, r.ends[1].offer = nil, nil
}

// greeting reads lines up to the one with the version. A server may send
// others before it.
func (r *Reader) greeting(from dialog.End, b []byte) (used int) {
	e := &r.ends[from]
	for e.phase == greeting { // each turn takes a line
		line, rest, whole := bytes.Cut(b[used:], []byte("\n"))
		if !whole {
			if len(line) > maxLine {
				e.phase = over
			}
			return used
		}
		used = len(b) - len(rest)
		if bytes.HasPrefix(line, []byte("SSH-")) {
			r.version(from, bytes.TrimSuffix(line, []byte("\r")))
			e.phase, e.count = plain, 0
			return used
		}
		if e.count++; e.count > maxLines {
			e.phase = over
		}
	}
	return used
}

// version takes the identification of an end. Version 1.99 is a server's that
// speaks both (RFC 4253, 5.1).
func (r *Reader) version(from dialog.End, line []byte) {
	s := &r.session
	text := uri.Printable(line, maxBanner)
	if from == dialog.Client {
		s.Client = text
		r.logon.begins(line)
	} else {
		s.Server = text
	}
	switch rest := line[len("SSH-"):]; {
	case bytes.HasPrefix(rest, []byte("2.")):
		if s.Version == 0 {
			s.Version = 2
		}
	case bytes.HasPrefix(rest, []byte("1.99-")):
		if other := r.ends[from.Other()].phase; other != greeting && s.Version == 0 {
			s.Version = 2 // both speak both
		}
	case bytes.HasPrefix(rest, []byte("1.")):
		s.Version = 1
	}
}

// packets reads packets in the clear (RFC 4253, 6).
func (r *Reader) packets(from dialog.End, b []byte) (used int) {
	const header = 5 // length of the packet and of its padding
	e := &r.ends[from]
	for e.phase == plain && len(b)-used > header { // each turn takes a packet
		p := b[used:]
		n := 4 + int(binary.BigEndian.Uint32(p))
		pad := int(p[4])
		if e.count++; n > maxPacket || n < header+1+pad || e.count > maxPlain || r.session.Version == 1 {
			e.phase = over
			return used
		}
		if n > len(p) {
			if n > maxWhole {
				return used + n // passes over what is to come
			}
			e.count--
			return used
		}
		r.message(from, p[header], p[header+1:n-pad])
		used += n
	}
	return used
}

// message takes a message in the clear.
func (r *Reader) message(from dialog.End, typ byte, body []byte) {
	e := &r.ends[from]
	switch {
	case typ == kexInit && e.offer == nil:
		r.kexInit(from, body)
	case typ == newKeys:
		e.phase = sealed
	case from == dialog.Server && (typ == kexReply || typ == kexGEXReply || typ == kexRSAKey) && r.session.HostKey == "":
		key, kind := hostKey(body)
		r.session.HostKey = key
		if r.session.HostKeyType == "" {
			r.session.HostKeyType = kind
		}
	}
}

// kexInit takes the proposal of an end. With that of the other it says what
// both have agreed on.
func (r *Reader) kexInit(from dialog.End, body []byte) {
	o, ok := readOffer(body)
	if !ok {
		return
	}
	s := &r.session
	if from == dialog.Client {
		s.HASSH = o.hassh(cipherUp, macUp, compressionUp)
	} else {
		s.HASSHServer = o.hassh(cipherDown, macDown, compressionDown)
	}
	r.ends[from].offer = o.clone()
	c, v := r.ends[dialog.Client].offer, r.ends[dialog.Server].offer
	if c == nil || v == nil {
		return
	}
	s.KeyExchange = agreed(c, v, keyExchange)
	s.HostKeyType = agreed(c, v, hostKeyType)
	s.Cipher = agreed(c, v, cipherUp)
	r.ends[dialog.Client].seal = sealOf(s.Cipher, agreed(c, v, macUp), agreed(c, v, compressionUp))
	r.ends[dialog.Server].seal = sealOf(agreed(c, v, cipherDown), agreed(c, v, macDown), agreed(c, v, compressionDown))
	*c, *v = offer{}, offer{}
}

// sealed takes encrypted octets: packets where their length can be read, else
// what has come at once.
func (r *Reader) sealed(from dialog.End, b []byte) (used int) {
	e := &r.ends[from]
	if !e.seal.open {
		r.packet(from, len(b))
		return len(b)
	}
	for len(b)-used >= 4 && !r.logon.done { // each turn takes a packet
		n := 4 + int(binary.BigEndian.Uint32(b[used:])) + e.seal.mac
		if n > maxPacket {
			r.logon.unsure = true
			e.phase = over
			return used
		}
		r.packet(from, n)
		used += n
		if used > len(b) {
			return used // passes over what is to come
		}
	}
	return used
}

// packet takes the size of an encrypted packet.
func (r *Reader) packet(from dialog.End, n int) {
	up, down := &r.ends[dialog.Client].seal, &r.ends[dialog.Server].seal
	switch {
	case !down.known: // sizes say nothing
	case from == dialog.Client:
		r.logon.client(n)
	default:
		r.logon.server(n, up, down)
	}
}
