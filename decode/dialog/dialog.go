// Package dialog is what the meter and the decoders of application protocols
// agree on: how a conversation is shown to a [Reader] and where that tells what
// it has read.
package dialog

import (
	"net/netip"

	"github.com/weir-nta/weir"
)

// An End is one of the two ends of a conversation.
type End uint8

// The ends.
const (
	Client End = iota // which began the conversation
	Server
)

// Other returns the other end.
func (e End) Other() End { return e ^ 1 }

// Stop is what a [Reader] returns when it wants nothing more of that end.
const Stop = -1

// A Reader reads one conversation of one protocol. It belongs to the goroutine
// of its meter, keeps a bounded state and nothing of the octets it is shown, and
// never panics, whatever these are. It is made when its protocol has been
// recognised, and then shown everything from the beginning.
//
// It tells what it has read by appending records to the batch of the [Dialog],
// as soon as it knows: detectors go by the clock of the traffic and may have no
// use for what comes minutes late.
type Reader interface {
	// Read takes what one end has sent. Of a stream these are the octets in
	// their order, from where the last call for this end left off: it returns
	// how many it took, and those it left are shown again when more have come
	// (up to a bound of 16 KB, after which they are lost). It may return more
	// than there are: as many of the octets to come are passed over (a body).
	// Of datagrams b is one of them, and what is returned means nothing
	// but [Stop], which ends the reading of this end.
	Read(d *Dialog, from End, b []byte) int
	// Lost says that n octets of a stream were missed: what comes next is what
	// is behind them. It returns false if the reader cannot find its way any
	// more, which ends the reading of this end.
	Lost(d *Dialog, from End, n int) bool
	// Close says that the conversation is over: what waits for an answer is
	// told without.
	Close(d *Dialog)
}

// A Dialog is what a [Reader] is told of its conversation. It is valid during
// the call only.
type Dialog struct {
	// Endpoints of the conversation. Time is that of the packet being read.
	// Records begin as a copy of it.
	weir.Endpoints
	// SrcMAC and DstMAC are the link-layer addresses in that packet, as records
	// write them, of the client and of the server; empty where there are none.
	SrcMAC, DstMAC string
	// Batch takes the records.
	Batch *weir.Batch
	// App is the name of the protocol in the flow record; the reader may make
	// it more precise.
	App string
	// TLS and HTTP are what the flow record tells of its handshake, nil if
	// nothing yet. A reader may set them, and afterwards write into them.
	TLS  *weir.TLS
	HTTP *weir.HTTP

	// Ahead counts, when Close is called, the octets of each end that were passed
	// over and have not come.
	Ahead [2]uint64

	// Odd and Expect, if set, take what is told with [Dialog.TellOdd] and
	// [Dialog.ExpectFlow]. They are for the meter.
	Odd    func(from End, name, detail string)
	Expect func(Expected)

	announce func(*weir.Announcement)
	said     weir.Announcement // shown to announce, so that repeating one costs no memory
	anew     bool
}

// An Expected is a TCP connection that a conversation agrees on, such as that
// for the data of FTP.
type Expected struct {
	From, To netip.Addr // who will begin it, and with whom
	Port     uint16     // of To
	App      string     // the name of what it carries
}

// ExpectFlow says that another connection is to come, which is named then and
// not looked into: what crosses it is a file, whatever it looks like.
func (d *Dialog) ExpectFlow(e Expected) {
	if d.Expect != nil {
		d.Expect(e)
	}
}

// TellOdd tells of something odd in what an end has sent. Name is one of a
// fixed list of the decoder.
func (d *Dialog) TellOdd(from End, name, detail string) {
	if d.Odd != nil {
		d.Odd(from, name, detail)
		return
	}
	o := weir.Oddity{Time: d.Time, Sensor: d.Sensor, Src: d.Src, Dst: d.Dst, SrcPort: d.SrcPort, DstPort: d.DstPort, Proto: d.Proto, Name: name, Detail: detail, Count: 1}
	if from == Server {
		o.Src, o.Dst, o.SrcPort, o.DstPort = o.Dst, o.Src, o.DstPort, o.SrcPort
	}
	d.Batch.Oddities = append(d.Batch.Oddities, o)
}

// Reset prepares d for a call of a reader; announce takes the announcements.
// It is for the meter, and for tests of readers.
func (d *Dialog) Reset(e weir.Endpoints, b *weir.Batch, announce func(*weir.Announcement)) {
	*d = Dialog{Endpoints: e, Batch: b, announce: announce}
}

// Anew says that what both ends send from here on is another protocol, to be
// recognised from its beginning: TLS after STARTTLS, anything after a CONNECT.
// What the reader leaves of b, and what it has not been shown of the other end,
// is part of it. The reader is closed and not called again.
func (d *Dialog) Anew() { d.anew = true }

// IsAnew reports whether Anew was called since the Reset.
func (d *Dialog) IsAnew() bool { return d.anew }

// Announce tells what a device says of itself, with the endpoints of d, unless
// it was told within the hour.
func (d *Dialog) Announce(a weir.Announcement) {
	a.Endpoints = d.Endpoints
	if d.announce != nil {
		d.said = a
		d.announce(&d.said)
	} else {
		d.Batch.Announcements = append(d.Batch.Announcements, a)
	}
}
