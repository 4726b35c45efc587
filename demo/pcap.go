package demo

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-nta/weir"
)

// PacketsFrom and PacketsUntil return the two hours of the last day of which
// there are packets: those of the DNS tunnel and the scan, with the beacon
// through all of them.
func PacketsFrom() time.Time { return LastDay().Add(5 * time.Hour) }

// PacketsUntil returns when these hours end.
func PacketsUntil() time.Time { return LastDay().Add(7*time.Hour + 5*time.Minute) }

// WritePcap writes the packets of two hours of the last day, as the sensor
// core-1 would have captured them, as a pcap file with microseconds and
// Ethernet. It holds the conversations of [Records] that began and ended in
// these hours, with the same counters, and their DNS messages. The random
// parts of handshakes and the contents of encrypted records are noise. It
// returns the error of w.
func WritePcap(w io.Writer, seed uint64) error {
	g := newGenerator()
	g.keep = true
	g.day(seed, Days-1)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	s := &scene{noise: rand.NewChaCha8(key)}
	for i := range g.talks {
		if t := &g.talks[i]; t.sensor == "core-1" && captured(t.start, t.start.Add(t.dur)) {
			s.talk(g, t)
		}
	}
	for i := range g.dns {
		if d := &g.dns[i]; captured(d.Time, d.Time.Add(d.RTT)) {
			if err := s.lookup(d); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(s.packets, func(a, b frame) int { return a.time.Compare(b.time) })
	return writePcap(w, s.packets)
}

func captured(from, until time.Time) bool {
	return !from.Before(PacketsFrom()) && until.Before(PacketsUntil())
}

// A frame is an Ethernet frame and when it was seen.
type frame struct {
	time  time.Time
	bytes []byte
}

// writePcap writes the format that libpcap calls 2.4 (draft-ietf-opsawg-pcap).
func writePcap(w io.Writer, packets []frame) error {
	const magic, snaplen, ethernet = 0xa1b2c3d4, 262144, 1
	out := bufio.NewWriter(w)
	var head []byte
	head = binary.LittleEndian.AppendUint32(head, magic)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	for _, v := range []uint32{0, 0, snaplen, ethernet} {
		head = binary.LittleEndian.AppendUint32(head, v)
	}
	_, _ = out.Write(head) // bufio keeps the first error for Flush
	for _, p := range packets {
		head = binary.LittleEndian.AppendUint32(head[:0], uint32(p.time.Unix()))
		head = binary.LittleEndian.AppendUint32(head, uint32(p.time.Nanosecond()/1000))
		head = binary.LittleEndian.AppendUint32(head, uint32(len(p.bytes)))
		head = binary.LittleEndian.AppendUint32(head, uint32(len(p.bytes)))
		_, _ = out.Write(head)
		_, _ = out.Write(p.bytes)
	}
	return out.Flush()
}

// A scene makes packets of conversations.
type scene struct {
	noise   *rand.ChaCha8
	packets []frame
	ids     uint16 // IP identification, the same counter for all hosts
}

func (s *scene) talk(g *generator, t *talk) {
	switch t.proto {
	case weir.TCP:
		s.tcp(g, t)
	case weir.UDP:
		s.udp(t)
	case weir.ICMPv4:
		s.ping(t)
	}
}

// A stream is a TCP connection while it is played: the packets in their
// order, still without times, which are spread evenly over the connection.
type stream struct {
	t     *talk
	steps []step
	seq   [2]uint32 // next sequence number of the originator and of the responder
}

type step struct {
	up      bool
	seq     uint32
	ack     uint32
	flags   weir.TCPFlags
	payload []byte
}

func (s *scene) tcp(g *generator, t *talk) {
	c := &stream{t: t, seq: [2]uint32{uint32(s.noise.Uint64()), uint32(s.noise.Uint64())}}
	c.send(true, weir.SYN, nil)
	switch {
	case t.unanswered:
	case t.refused:
		c.send(false, weir.RST|weir.ACK, nil)
	default:
		c.send(false, weir.SYN|weir.ACK, nil)
		c.send(true, weir.ACK, nil)
		s.speak(g, c)
		c.send(true, weir.FIN|weir.ACK, nil)
		c.send(false, weir.FIN|weir.ACK, nil)
		c.send(true, weir.ACK, nil)
	}
	for i := range c.steps {
		s.step(c, i)
	}
}

// speak sends what both sides say, turn by turn.
func (s *scene) speak(g *generator, c *stream) {
	var hs *handshake
	if c.t.client != nil {
		hs = g.handshake(c.t.client, c.t.server, c.t.sni)
	}
	heard := [2]int{}
	for i, turn := range c.t.turns(hs) {
		for rest := s.words(c.t, i, turn.n); len(rest) > 0; {
			n := min(turn.size, len(rest))
			c.send(turn.up, weir.PSH|weir.ACK, rest[:n])
			rest = rest[n:]
			from := side(turn.up, 0, 1)
			if heard[from]++; heard[from]%ackEvery == 0 {
				c.send(!turn.up, weir.ACK, nil)
			}
		}
	}
}

// words returns the n bytes of turn i.
func (s *scene) words(t *talk, i, n int) []byte {
	if t.client == nil {
		return random(s.noise, n)
	}
	switch i {
	case 0:
		return clientHello(t.client, t.sni, s.noise)
	case 1:
		return serverFlight(t.client, t.server, s.noise)
	case 2:
		return clientEnd(t.client, t.server, s.noise)
	case 3:
		return serverEnd(t.client, t.server, s.noise)
	}
	return applicationData(n, s.noise)
}

// send appends a segment and counts what it takes of the sequence numbers.
func (c *stream) send(up bool, flags weir.TCPFlags, payload []byte) {
	me, other := side(up, 0, 1), side(up, 1, 0)
	st := step{up: up, seq: c.seq[me], flags: flags, payload: payload}
	if flags&weir.ACK != 0 {
		st.ack = c.seq[other]
	}
	c.steps = append(c.steps, st)
	c.seq[me] += uint32(len(payload))
	if flags&(weir.SYN|weir.FIN) != 0 {
		c.seq[me]++
	}
}

// step adds the packet of the i-th step of c.
func (s *scene) step(c *stream, i int) {
	st := c.steps[i]
	var at time.Duration
	if last := len(c.steps) - 1; last > 0 {
		at = (c.t.dur * time.Duration(i) / time.Duration(last)).Truncate(time.Microsecond)
	}
	srcPort, dstPort := c.t.srcPort, c.t.port
	seq, ack := st.seq, st.ack
	if !st.up {
		srcPort, dstPort = dstPort, srcPort
		if c.t.refused {
			seq = 0 // RFC 9293, 3.10.7.1
		}
	}
	options := tcpOptions(c.t, st, at)
	var b []byte
	b = binary.BigEndian.AppendUint16(b, srcPort)
	b = binary.BigEndian.AppendUint16(b, dstPort)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, byte((20+len(options))/4<<4), byte(st.flags), 0xfa, 0xf0, 0, 0, 0, 0)
	b = append(b, options...)
	b = append(b, st.payload...)
	s.ip(c.t, st.up, at, b, 16)
}

// tcpOptions returns those of RFC 9293 and 7323: the size of segments, the
// permission of selective acknowledgements and the window scale with a SYN,
// timestamps with everything but the answer to a closed port.
func tcpOptions(t *talk, st step, at time.Duration) []byte {
	if st.flags&weir.RST != 0 {
		return nil
	}
	var b []byte
	if st.flags&weir.SYN != 0 {
		b = []byte{2, 4, 0x05, 0xb4, 4, 2}
	} else {
		b = []byte{1, 1}
	}
	clock := uint32(t.start.UnixMilli() + at.Milliseconds())
	b = binary.BigEndian.AppendUint32(append(b, 8, 10), clock)
	echo := clock - 1
	if st.flags&weir.ACK == 0 {
		echo = 0
	}
	b = binary.BigEndian.AppendUint32(b, echo)
	if st.flags&weir.SYN != 0 {
		b = append(b, 1, 3, 3, 7)
	}
	return b
}

// udp plays the datagrams of t, one up and one down in turn.
func (s *scene) udp(t *talk) {
	n := t.datagrams
	total := 2 * n
	if t.unanswered {
		total = n
	}
	for i := range total {
		up := t.unanswered || i%2 == 0
		k := i / (total / n)
		size := side(up, t.up, t.down)
		size = size*(k+1)/n - size*k/n
		var at time.Duration
		if total > 1 {
			at = (t.dur * time.Duration(i) / time.Duration(total-1)).Truncate(time.Microsecond)
		}
		s.datagram(t, up, at, s.datagramWords(t, up, size))
	}
}

func (s *scene) datagram(t *talk, up bool, at time.Duration, payload []byte) {
	srcPort, dstPort := t.srcPort, t.port
	if !up {
		srcPort, dstPort = dstPort, srcPort
	}
	var b []byte
	b = binary.BigEndian.AppendUint16(b, srcPort)
	b = binary.BigEndian.AppendUint16(b, dstPort)
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(payload)))
	b = append(b, 0, 0)
	s.ip(t, up, at, append(b, payload...), 6)
}

// snmpGet asks for the up-time of a device (RFC 3416); the answer differs in
// the kind of message and in the value.
const snmpGet = "\x30\x29\x02\x01\x01\x04\x06public\xa0\x1c\x02\x04\x01\x02\x03\x04\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x05\x00"

func (s *scene) datagramWords(t *talk, up bool, n int) []byte {
	b := random(s.noise, n)
	switch t.app {
	case "ntp": // version 4, mode 3 and 4, stratum 2 (RFC 5905)
		copy(b, []byte{side[byte](up, 0x23, 0x24), 2, 10, 0xe9})
	case "snmp":
		copy(b, snmpGet)
		b[13] = side[byte](up, 0xa0, 0xa2)
	}
	return b
}

// ping plays an echo and its reply.
func (s *scene) ping(t *talk) {
	data := random(s.noise, t.up)
	for _, up := range []bool{true, false} {
		b := append([]byte{side[byte](up, 8, 0), 0, 0, 0, 0, 1, 0, 1}, data...)
		s.ip(t, up, side(up, 0, t.dur), b, 2)
	}
}

// lookup plays a DNS transaction.
func (s *scene) lookup(d *weir.DNSTransaction) error {
	t := &talk{proto: weir.UDP, start: d.Time, src: d.Src, dst: d.Dst, srcPort: d.SrcPort, port: d.DstPort}
	query, err := dnsMessage(d, false)
	if err != nil {
		return err
	}
	s.datagram(t, true, 0, query)
	if !d.Answered() {
		return nil
	}
	response, err := dnsMessage(d, true)
	if err != nil {
		return err
	}
	s.datagram(t, false, d.RTT, response)
	return nil
}

var types = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "TXT": dnsmessage.TypeTXT, "SRV": dnsmessage.TypeSRV, "PTR": dnsmessage.TypePTR,
}

var codes = map[string]dnsmessage.RCode{"NXDOMAIN": dnsmessage.RCodeNameError}

// dnsMessage returns the query or the response of d.
func dnsMessage(d *weir.DNSTransaction, response bool) ([]byte, error) {
	name, err := dnsmessage.NewName(d.Query + ".")
	if err != nil {
		return nil, fmt.Errorf("name %q: %w", d.Query, err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: d.ID, Response: response, RecursionDesired: d.RecursionDesired},
		Questions: []dnsmessage.Question{{Name: name, Type: types[d.Type], Class: dnsmessage.ClassINET}},
	}
	if response {
		m.RecursionAvailable, m.RCode = d.RecursionAvailable, codes[d.Code]
		for i, a := range d.Answers {
			body, err := dnsAnswer(d.Type, a)
			if err != nil {
				return nil, err
			}
			h := dnsmessage.ResourceHeader{Name: name, Type: types[d.Type], Class: dnsmessage.ClassINET, TTL: d.TTLs[i]}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
		}
	}
	if d.EDNSSize > 0 {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(int(d.EDNSSize), dnsmessage.RCodeSuccess, false); err != nil {
			return nil, err
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	return m.Pack()
}

func dnsAnswer(typ, data string) (dnsmessage.ResourceBody, error) {
	switch typ {
	case "A":
		ip, err := netip.ParseAddr(data)
		return &dnsmessage.AResource{A: ip.As4()}, err
	case "AAAA":
		ip, err := netip.ParseAddr(data)
		return &dnsmessage.AAAAResource{AAAA: ip.As16()}, err
	case "TXT":
		return &dnsmessage.TXTResource{TXT: []string{data}}, nil
	case "SRV":
		return srvAnswer(data)
	}
	return nil, fmt.Errorf("no answer of type %q", typ)
}

func srvAnswer(data string) (dnsmessage.ResourceBody, error) {
	target, err := dnsmessage.NewName(srvTarget(data) + ".")
	if err != nil {
		return nil, err
	}
	var n [3]uint16
	for i, field := range strings.Fields(data)[:3] {
		v, err := strconv.ParseUint(field, 10, 16)
		if err != nil {
			return nil, err
		}
		n[i] = uint16(v)
	}
	return &dnsmessage.SRVResource{Priority: n[0], Weight: n[1], Port: n[2], Target: target}, nil
}

// ip adds a packet of t: Ethernet, IPv4 and the segment, datagram or message
// b, whose checksum belongs at the offset given.
func (s *scene) ip(t *talk, up bool, at time.Duration, b []byte, checksum int) {
	const ethernet, shortest, ttlHere, ttlThere = 14, 60, 128, 55
	src, dst := t.src, t.dst
	if !up {
		src, dst = dst, src
	}
	bytes := make([]byte, 0, max(shortest, ethernet+ipHeader+len(b)))
	bytes = append(bytes, mac(dst)...)
	bytes = append(bytes, mac(src)...)
	bytes = append(bytes, 8, 0)
	s.ids++
	ttl := side[byte](src.IsPrivate(), ttlHere, ttlThere)
	bytes = append(bytes, 0x45, 0)
	bytes = binary.BigEndian.AppendUint16(bytes, uint16(ipHeader+len(b)))
	bytes = binary.BigEndian.AppendUint16(bytes, s.ids)
	bytes = append(bytes, 0x40, 0, ttl, byte(t.proto), 0, 0)
	bytes = append(bytes, src.AsSlice()...)
	bytes = append(bytes, dst.AsSlice()...)
	binary.BigEndian.PutUint16(bytes[ethernet+10:], fold(sum(0, bytes[ethernet:])))

	var pseudo uint32
	if t.proto != weir.ICMPv4 { // RFC 9293, 3.1, and RFC 768
		pseudo = sum(uint32(t.proto)+uint32(len(b)), bytes[ethernet+12:ethernet+20])
	}
	c := fold(sum(pseudo, b))
	if t.proto == weir.UDP {
		c = cmp.Or(c, 0xffff) // 0 says that there is none
	}
	binary.BigEndian.PutUint16(b[checksum:], c)
	bytes = append(bytes, b...)
	for len(bytes) < shortest { // as the wire pads it
		bytes = append(bytes, 0)
	}
	s.packets = append(s.packets, frame{t.start.Add(at), bytes})
}

// sum adds the 16-bit words of b (RFC 1071).
func sum(n uint32, b []byte) uint32 {
	for len(b) > 1 {
		n += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) > 0 {
		n += uint32(b[0]) << 8
	}
	return n
}

func fold(n uint32) uint16 {
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return ^uint16(n)
}

// mac returns the hardware address of a host: one made of its address, that
// of the gateway for hosts outside, and those that groups are mapped to (RFC
// 1112, 6.4).
func mac(a netip.Addr) []byte {
	b := a.As4()
	switch {
	case a == broadcast:
		return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	case a.IsMulticast():
		return []byte{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
	case !a.IsPrivate() && a != unspecified:
		return []byte{0x02, 0, 0, 0, 0, 1}
	}
	return []byte{0x02, 1, b[0], b[1], b[2], b[3]}
}
