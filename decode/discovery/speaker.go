package discovery

import (
	"unicode"
	"unicode/utf8"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

const (
	// maxTold is how many announcements one message makes.
	maxTold = 32
	// maxText is how long a text or name may be, in octets.
	maxText = 128
	// maxRecords is how many records or elements of one message are looked at.
	maxRecords = 64
)

// A speaker tells what one message says.
type speaker struct {
	d    *dialog.Dialog
	say  weir.Announcement // what all of it have in common
	left int
}

// newSpeaker returns that of a message of a conversation, sent by one of its ends.
func newSpeaker(d *dialog.Dialog, from dialog.End, protocol string) speaker {
	s := speaker{d: d, left: maxTold, say: weir.Announcement{Protocol: protocol, MAC: d.SrcMAC}}
	if from == dialog.Server {
		s.say.MAC = d.DstMAC
		d.Src, d.Dst, d.SrcPort, d.DstPort = d.Dst, d.Src, d.DstPort, d.SrcPort
	}
	return s
}

// tell announces one thing.
func (s *speaker) tell(a weir.Announcement) {
	if s.left == 0 {
		return
	}
	s.left--
	a.Protocol, a.MAC = s.say.Protocol, s.say.MAC
	s.d.Announce(a)
}

// text announces a thing that has a text, if it is not empty.
func (s *speaker) text(kind string, b []byte) {
	if t := printable(b); t != "" {
		s.tell(weir.Announcement{Kind: kind, Text: t})
	}
}

// printable returns b as text: letters of UTF-8 stay, other octets stand as
// \xHH, white space at the ends and zeros behind it are left out.
func printable(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] <= ' ') {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	var room [maxText + utf8.UTFMax]byte
	out := room[:0]
	for len(b) > 0 && len(out) < maxText {
		r, n := utf8.DecodeRune(b)
		if r != utf8.RuneError && unicode.IsPrint(r) {
			out = append(out, b[:n]...)
		} else {
			const hex = "0123456789abcdef"
			n = 1
			out = append(out, '\\', 'x', hex[b[0]>>4], hex[b[0]&15])
		}
		b = b[n:]
	}
	for len(out) > maxText {
		_, n := utf8.DecodeLastRune(out)
		out = out[:len(out)-n]
	}
	return string(out)
}
