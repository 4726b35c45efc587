// Package dhcp reads the dynamic configuration of hosts: DHCP (RFC 2131, its
// options RFC 2132, RFC 3396, RFC 4702) and DHCPv6 (RFC 8415, RFC 4704, RFC 6939).
//
// An exchange crosses conversations: the client asks from 0.0.0.0 to all, the
// server answers from its address to all or to the address that it gives. So one
// [Reader] reads all DHCP that a meter sees and joins the messages of an
// exchange, which is one [weir.DHCPMessage]: of DHCP by transaction identifier
// and link-layer address, of DHCPv6 by the client's identifier (DUID), since
// there a request has another transaction identifier than the solicitation
// before it. It is told when it is complete (ACK, NAK, REPLY, or what has no
// answer), after 30 seconds of the traffic's clock, or when the conversation
// that its last message belongs to ends. Where client and server are metered by
// different meters, each tells what its part says.
package dhcp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

const (
	// maxPending is how many exchanges wait for their end, at about 500 octets
	// each. At the limit the oldest is told as it is: whoever invents clients
	// makes exchanges be told in parts.
	maxPending = 512
	// watch is how long messages are joined; Zeek's DHCP::max_txid_watch_time.
	watch = 30 * time.Second
	// maxMessages is how many messages one record tells. More begin another.
	maxMessages = 32
	// maxText is how long a name or class may be, in octets.
	maxText = 255
	// maxRequested is how many options a fingerprint lists.
	maxRequested = 128
)

// A Reader reads all conversations of DHCP of one meter.
type Reader struct {
	pending []exchange // in the order in which they began
	message message    // being read
}

// New returns a Reader.
func New() *Reader { return &Reader{} }

// A key tells exchanges apart.
type key struct {
	v6     bool
	id     uint32 // transaction identifier, of DHCP
	client uint64 // link-layer address, of DHCPv6 the DUID: a hash where it is longer
}

// An exchange is one that may go on.
type exchange struct {
	key
	flow   weir.Endpoints // that the last message belongs to
	last   netip.Addr     // server that has sent the last message, invalid if the client has
	told   bool           // its record was made: what may still come is repetition
	asked  bool           // the client was heard
	record weir.DHCPMessage
}

// A message is what one message says, of either version.
type message struct {
	key
	name       string // of its type
	fromClient bool
	ends       bool // the exchange, by its type
	sender     netip.Addr
	record     weir.DHCPMessage // what it says, to be merged
	relay      netip.Addr       // that has passed it on
	mac        string           // of the device that has sent it, if that is seen
	hardware   [6]byte          // the client's link-layer address, not written yet
}

// Read takes one datagram.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	m := &r.message
	*m = message{sender: d.Src, mac: d.SrcMAC}
	if from == dialog.Server {
		m.sender, m.mac = d.Dst, d.DstMAC
	}
	ok := false
	if d.Src.Is4() {
		ok = m.v4(b)
	} else {
		ok = m.v6message(b)
	}
	if !ok {
		return len(b)
	}
	r.expire(d)
	m.announce(d)
	r.take(d, m)
	return len(b)
}

// Lost does not happen to datagrams.
func (r *Reader) Lost(*dialog.Dialog, dialog.End, int) bool { return true }

// Close tells what waits in a conversation that is over.
func (r *Reader) Close(d *dialog.Dialog) {
	r.expire(d)
	for i := range r.pending {
		if x := &r.pending[i]; same(&x.flow, &d.Endpoints) {
			x.tell(d)
		}
	}
	r.pending = slices.DeleteFunc(r.pending, func(x exchange) bool { return same(&x.flow, &d.Endpoints) })
}

func same(a, b *weir.Endpoints) bool {
	return a.Src == b.Src && a.Dst == b.Dst && a.SrcPort == b.SrcPort && a.DstPort == b.DstPort
}

// expire tells the exchanges that have been watched for long enough.
func (r *Reader) expire(d *dialog.Dialog) {
	n := 0
	for n < len(r.pending) && d.Time.Sub(r.pending[n].record.Time) >= watch {
		r.pending[n].tell(d)
		n++
	}
	r.drop(n)
}

// drop forgets the n oldest.
func (r *Reader) drop(n int) {
	if n > 0 {
		r.pending = slices.Delete(r.pending, 0, n)
	}
}

// tell makes the record, once.
func (x *exchange) tell(d *dialog.Dialog) {
	if !x.told {
		x.told = true
		if !x.asked && x.record.Assigned.IsValid() {
			x.record.Src = x.record.Assigned // nothing shows that it had none
		}
		d.Batch.DHCP = append(d.Batch.DHCP, x.record)
		x.record.Messages = slices.Clone(x.record.Messages) // the batch is not to be written to any more
	}
}

// repeats reports whether m says nothing new of an exchange that was told: the
// same answer of the same server again.
func (x *exchange) repeats(m *message) bool {
	return !m.fromClient && x.last == m.sender && slices.Contains(x.record.Messages, m.name)
}

// begin sets the ends of a new exchange: until they are known, who has no
// address yet and everybody.
func (x *exchange) begin(m *message) {
	e := &x.record.Endpoints
	e.Src, e.SrcPort, e.DstPort = netip.IPv4Unspecified(), clientPort, serverPort
	e.Dst = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if m.v6 {
		e.Src, e.SrcPort, e.DstPort = netip.IPv6Unspecified(), clientPort6, serverPort6
		e.Dst = allServers
	}
}

// Ports (RFC 2131, 4.1; RFC 8415, 7.2) and the group of servers (7.1).
const (
	clientPort, serverPort   = 68, 67
	clientPort6, serverPort6 = 546, 547
)

var allServers = netip.MustParseAddr("ff02::1:2")

// add merges a message: what comes later is more certain, but for the first
// fingerprint, which is that of the widest question.
func (x *exchange) add(m *message) {
	r, n := &x.record, &m.record
	r.Messages = append(r.Messages, m.name)
	if n.Src.IsValid() {
		r.Src = n.Src
	}
	if n.MAC != "" {
		r.MAC = n.MAC
	} else if m.hardware != [6]byte{} && r.MAC == "" {
		r.MAC = macText(m.hardware[:])
	}
	x.last = netip.Addr{}
	x.asked = x.asked || m.fromClient
	if m.fromClient {
		later(&r.Host, n.Host)
		later(&r.FQDN, n.FQDN)
		later(&r.Vendor, n.Vendor)
		if r.Fingerprint == "" {
			r.Fingerprint = n.Fingerprint
		}
		if n.Requested.IsValid() {
			r.Requested = n.Requested
		}
		if n.Server.IsValid() && !r.Server.IsValid() {
			r.Server = n.Server // that the client has chosen, or takes its leave of
		}
		return
	}
	x.last = m.sender
	later(&r.Domain, n.Domain)
	if n.Assigned.IsValid() {
		r.Assigned = n.Assigned
	}
	if n.Lease > 0 {
		r.Lease = n.Lease
	}
	if n.Server.IsValid() {
		r.Server, r.Dst = n.Server, n.Server
	}
	if m.name == "NAK" { // what was offered was not given
		r.Assigned, r.Lease = netip.Addr{}, 0
	}
	if r.FQDN == "" {
		r.FQDN = n.FQDN
	}
	if r.Host == "" {
		r.Host = n.Host // servers may repeat it or set it
	}
}

func later(old *string, new string) {
	if new != "" {
		*old = new
	}
}

// announce tells who serves or passes on. The server is the sender, unless a
// relay has passed it on.
func (m *message) announce(d *dialog.Dialog) {
	before := d.Endpoints
	if m.sender == d.Dst {
		d.Src, d.Dst, d.SrcPort, d.DstPort = d.Dst, d.Src, d.DstPort, d.SrcPort
	}
	if m.relay.IsValid() && !m.relay.IsUnspecified() {
		d.Src = m.relay
		mac := ""
		if m.sender == m.relay {
			mac = m.mac
		}
		d.Announce(weir.Announcement{Protocol: "dhcp", Kind: "role", Text: "dhcp relay", Addr: m.relay, MAC: mac})
	}
	if !m.fromClient && m.record.Server.IsValid() {
		d.Src = m.record.Server
		mac := ""
		if !m.relay.IsValid() || m.relay.IsUnspecified() {
			d.Src, mac = m.sender, m.mac
		}
		d.Announce(weir.Announcement{Protocol: "dhcp", Kind: "role", Text: "dhcp server", Addr: m.record.Server, MAC: mac})
	}
	d.Endpoints = before
}

// take adds a message to its exchange.
func (r *Reader) take(d *dialog.Dialog, m *message) {
	i := slices.IndexFunc(r.pending, func(x exchange) bool { return x.key == m.key })
	if i >= 0 && r.pending[i].told {
		if r.pending[i].repeats(m) {
			return
		}
		r.pending = slices.Delete(r.pending, i, i+1) // the same client asks again, or another server answers
		i = -1
	}
	if i < 0 {
		if len(r.pending) >= maxPending {
			r.pending[0].tell(d)
			r.drop(1)
		}
		r.pending = append(r.pending, exchange{key: m.key, record: weir.DHCPMessage{Endpoints: d.Endpoints}})
		i = len(r.pending) - 1
		r.pending[i].begin(m)
	}
	x := &r.pending[i]
	x.flow = d.Endpoints
	x.add(m)
	if m.ends || len(x.record.Messages) >= maxMessages {
		x.tell(d)
	}
}
