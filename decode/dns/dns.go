// Package dns decodes messages of the DNS (RFC 1035, RFC 6891) and of what
// speaks its format: multicast DNS (RFC 6762), LLMNR (RFC 4795) and the
// NetBIOS name service (RFC 1002).
package dns

import (
	"encoding/binary"
	"errors"

	"github.com/weir-nta/weir"
)

// A Message is one decoded message. It points into the bytes it was decoded
// from and is valid as long as those are; decoding into it again reuses it.
// Names and data are made into text only when a Fill method asks for them.
type Message struct {
	ID                 uint16 // transaction identifier
	Response           bool   // QR
	Opcode             uint8
	Authoritative      bool   // AA
	Truncated          bool   // TC
	RecursionDesired   bool   // RD
	RecursionAvailable bool   // RA
	Code               uint16 // response code, with the upper bits of EDNS
	EDNSSize           uint16 // UDP payload size offered, 0 without EDNS

	// AnswersLeft is how many answers the last FillResponse left out, because
	// there were more than maxAnswers or their text was longer than maxText.
	AnswersLeft int

	msg      []byte
	asks     bool // there is a question
	question int  // where its name begins
	typ      uint16
	class    uint16
	answers  []record
	text     []byte // scratch
}

// A record is where a resource record of the answer section lies.
type record struct {
	typ, class      uint16
	ttl             uint32
	name, data, end int
}

const (
	headerSize = 12
	// maxAnswers and maxText, in bytes, bound what one message puts into a
	// record: a message over TCP has room for 4,000 addresses or 64 KB of
	// text. What is beyond is counted in AnswersLeft.
	maxAnswers = 256
	maxText    = 16 << 10
)

// The errors of Decode, each a reason why a message is damaged.
var (
	ErrShort   = errors.New("message ends too early")
	ErrLabel   = errors.New("label of unknown kind")
	ErrPointer = errors.New("compression pointer does not point back")
	ErrName    = errors.New("name longer than 255 octets")
)

// Decode reads b into m: header, question, and where the answers lie. Every
// section is walked. A message that says it was truncated (TC) may end
// within a record.
func Decode(m *Message, b []byte) error {
	*m = Message{answers: m.answers[:0], text: m.text[:0]}
	if len(b) < headerSize {
		return ErrShort
	}
	flags := binary.BigEndian.Uint16(b[2:])
	m.msg = b
	m.ID = binary.BigEndian.Uint16(b)
	m.Response = flags&0x8000 != 0
	m.Opcode = uint8(flags >> 11 & 15)
	m.Authoritative = flags&0x0400 != 0
	m.Truncated = flags&0x0200 != 0
	m.RecursionDesired = flags&0x0100 != 0
	m.RecursionAvailable = flags&0x0080 != 0
	m.Code = flags & 15

	err := m.walk()
	if m.Truncated && errors.Is(err, ErrShort) {
		return nil
	}
	return err
}

// walk walks all sections. Each turn of its loops moves forward by five bytes
// at least.
func (m *Message) walk() (err error) {
	b := m.msg
	off := headerSize
	for i := range binary.BigEndian.Uint16(b[4:]) {
		name := off
		if off, err = skipName(b, off); err != nil {
			return err
		}
		if off+4 > len(b) {
			return ErrShort
		}
		if i == 0 {
			if m.text, err = appendName(m.text[:0], b, name); err != nil {
				return err
			}
			m.asks, m.question = true, name
			m.typ, m.class = binary.BigEndian.Uint16(b[off:]), binary.BigEndian.Uint16(b[off+2:])
		}
		off += 4
	}
	const answer, additional = 0, 2
	for section := range 3 {
		for range binary.BigEndian.Uint16(b[6+2*section:]) {
			name := off
			if off, err = skipName(b, off); err != nil {
				return err
			}
			if off+10 > len(b) {
				return ErrShort
			}
			r := record{name: name, typ: binary.BigEndian.Uint16(b[off:]), class: binary.BigEndian.Uint16(b[off+2:]), ttl: binary.BigEndian.Uint32(b[off+4:])}
			r.data = off + 10
			r.end = r.data + int(binary.BigEndian.Uint16(b[off+8:]))
			if r.end > len(b) {
				return ErrShort
			}
			off = r.end
			switch {
			case section == answer && r.typ != typeOPT:
				m.answers = append(m.answers, r)
			case section == additional && r.typ == typeOPT:
				m.EDNSSize = r.class
				m.Code |= uint16(r.ttl >> 24 << 4)
			}
		}
	}
	return nil
}

// Looks reports whether b, a UDP payload on any port, is a DNS message: the
// header makes sense, there is at most one question, of a type and class that
// exist, and the sections end where b does.
func Looks(b []byte) bool {
	if len(b) < headerSize+5 {
		return false
	}
	return Begins(b) && plausible(b)
}

// Begins reports whether b may be the beginning of a DNS message, of which the
// header at least is there: that makes sense.
func Begins(b []byte) bool {
	if len(b) < headerSize {
		return false
	}
	flags := binary.BigEndian.Uint16(b[2:])
	response, opcode, code := flags&0x8000 != 0, flags>>11&15, flags&15
	questions, answers, authorities := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(b[8:])
	additional := binary.BigEndian.Uint16(b[10:])
	const query, notify, update = 0, 4, 5
	switch {
	case flags&0x40 != 0, code > 10, opcode != query && opcode != notify && opcode != update:
		return false
	case !response && (code != 0 || questions != 1 || flags&0x0480 != 0 && opcode == query):
		return false // only responses have AA and RA
	case opcode == query && !response && (answers > 0 || authorities > 0):
		return false
	case questions > 1, questions+answers+authorities == 0, additional > 64, authorities > 64:
		return false
	}
	return true
}

// plausible walks the sections without keeping anything.
func plausible(b []byte) bool {
	off, err := headerSize, error(nil)
	if binary.BigEndian.Uint16(b[4:]) == 1 {
		if off, err = skipName(b, off); err != nil || off+4 > len(b) {
			return false
		}
		typ, class := binary.BigEndian.Uint16(b[off:]), binary.BigEndian.Uint16(b[off+2:])
		if !knownType(typ) || !knownClass(class&0x7fff) {
			return false
		}
		off += 4
	}
	records := int(binary.BigEndian.Uint16(b[6:])) + int(binary.BigEndian.Uint16(b[8:])) + int(binary.BigEndian.Uint16(b[10:]))
	for range records {
		if off, err = skipName(b, off); err != nil || off+10 > len(b) {
			return false
		}
		typ, class := binary.BigEndian.Uint16(b[off:]), binary.BigEndian.Uint16(b[off+2:])
		if typ == 0 || typ != typeOPT && !knownClass(class&0x7fff) {
			return false
		}
		off += 10 + int(binary.BigEndian.Uint16(b[off+8:]))
	}
	return off == len(b)
}

// Dialect names what of the DNS family runs on a pair of ports: mdns, llmnr
// or nbns on theirs, else dns.
func Dialect(srcPort, dstPort uint16) string {
	for _, port := range [...]uint16{dstPort, srcPort} {
		switch port {
		case 53:
			return "dns"
		case 5353:
			return "mdns"
		case 5355:
			return "llmnr"
		case 137:
			return "nbns"
		}
	}
	return "dns"
}

// FillQuery sets what a query says. D.App, which must be set before, says how
// names are to be read.
func (m *Message) FillQuery(d *weir.DNSTransaction) {
	d.ID = m.ID
	d.RecursionDesired = m.RecursionDesired
	d.EDNSSize = m.EDNSSize
	m.fillQuestion(d)
}

// FillResponse sets what a response says, and if d has no query yet, what it
// repeats of that: without a question, as hosts announce themselves by multicast
// (RFC 6762, 8.3), the name of the first answer. Of an answer that cannot be
// read it gives the bytes.
func (m *Message) FillResponse(d *weir.DNSTransaction) {
	if d.Type == "" {
		m.FillQuery(d)
	}
	if d.Query == "" && len(m.answers) > 0 {
		d.Query, _ = m.nameText(m.answers[0].name, d.App == "nbns")
	}
	d.Code = CodeName(m.Code)
	d.Authoritative = m.Authoritative
	d.Truncated = m.Truncated
	d.RecursionAvailable = m.RecursionAvailable
	m.AnswersLeft = 0
	d.Answers, d.TTLs = nil, nil
	if len(m.answers) == 0 {
		return
	}
	n := min(len(m.answers), maxAnswers)
	d.Answers, d.TTLs = make([]string, 0, n), make([]uint32, 0, n)
	total := 0
	for i := range m.answers[:n] {
		r := &m.answers[i]
		m.text = m.appendData(m.text[:0], r, d.App == "nbns")
		if total += len(m.text); total > maxText {
			break
		}
		d.Answers = append(d.Answers, string(m.text))
		d.TTLs = append(d.TTLs, r.ttl)
	}
	m.AnswersLeft = len(m.answers) - len(d.Answers)
}

func (m *Message) fillQuestion(d *weir.DNSTransaction) {
	if !m.asks {
		return
	}
	d.Type, d.Class = TypeName(m.typ, d.App), ClassName(m.class, d.App)
	d.Query, _ = m.nameText(m.question, d.App == "nbns") // Decode has walked this name already: it cannot fail
}

// nameText returns the name at off, as far as it can be read.
func (m *Message) nameText(off int, netbios bool) (string, error) {
	var err error
	if m.text, err = appendName(m.text[:0], m.msg, off); err == nil && netbios {
		m.text = appendNetBIOS(m.text[:0], m.msg, off)
	}
	if err != nil {
		return "", err
	}
	return string(m.text), nil
}
