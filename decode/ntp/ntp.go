// Package ntp reads the network time protocol (RFC 5905), its control messages
// (RFC 9327) and the private mode of ntpd (ntp_request.h), which reflect more
// than they are sent and so serve to attack others.
//
// It makes [weir.Command] records with app "ntp":
//
//	Command                   Status                          Client, Server
//	client                    stratum 2 refid 192.0.2.1       NTPv4
//	symmetric_active          likewise                        likewise
//	broadcast                 likewise                        (the sender is the client)
//	control read_variables    error of the answer             NTPv2
//	private monlist           error of the answer             NTPv2
//
// The reference identifier of stratum 1 is the name of its clock (GPS, PPS), of
// higher ones an address or, over IPv6, the beginning of a hash. Stratum 0 is a
// kiss of death: its Status is "kiss RATE", and Success false. Success is true
// where the server says that it is synchronised.
//
// A conversation is told once and again when the server's state changes, at most
// 8 times. Control and private commands are counted and told every minute, with
// Size the octets of the answers: compared with Count questions of some 48
// octets that is the amplification.
package ntp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// The modes (RFC 5905, figure 10).
const (
	symmetricActive  = 1
	symmetricPassive = 2
	client           = 3
	server           = 4
	broadcast        = 5
	control          = 6
	private          = 7
)

const (
	header = 48
	// maxTold is how often the time of one conversation is told.
	maxTold = 8
	// maxKinds is how many commands of modes 6 and 7 are counted apart. More
	// are counted with the last.
	maxKinds = 8
	every    = time.Minute
)

// A Reader reads one conversation: some 700 octets.
type Reader struct {
	asked   time.Time // of the first question within a minute that no answer was seen to
	mode    byte      // of that question
	version byte
	waits   bool
	flipped bool   // the one that seemed to begin is the server: its answer was seen first
	state   uint64 // what was told of the server: stratum and reference
	told    uint8
	kinds   []kind // of modes 6 and 7
}

// A kind is one command of modes 6 and 7, counted.
type kind struct {
	began   time.Time
	mode    byte
	code    byte
	version byte
	failed  byte // error code of an answer, 0 if none
	answers uint32
	count   uint64
	size    uint64 // octets of the answers
}

// New returns a Reader.
func New() *Reader { return &Reader{} }

// Read takes one datagram.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if len(b) < 8 {
		return len(b)
	}
	switch mode := b[0] & 7; mode {
	case control, private:
		r.command(d, mode, b)
	case client, symmetricActive, symmetricPassive, server, broadcast:
		if len(b) >= header {
			r.time(d, from, mode, b)
		}
	}
	return len(b)
}

// Lost does not happen to datagrams.
func (r *Reader) Lost(*dialog.Dialog, dialog.End, int) bool { return true }

// Close tells what was not answered, and what was counted.
func (r *Reader) Close(d *dialog.Dialog) {
	if r.waits && r.told == 0 {
		c := weir.Command{Endpoints: r.ends(d), Protocol: "ntp", Command: modeName(r.mode), Client: versionName(r.version), Count: 1}
		c.Time = r.asked
		d.Batch.Commands = append(d.Batch.Commands, c)
	}
	r.waits = false
	r.flush(d)
}

// time takes a packet that tells the time, or asks for it.
func (r *Reader) time(d *dialog.Dialog, from dialog.End, mode byte, b []byte) {
	version := b[0] >> 3 & 7
	if mode == server && from == dialog.Client || mode == client && from == dialog.Server {
		r.flipped = true
	}
	if r.flipped {
		from = from.Other()
	}
	if mode == client || from == dialog.Client && mode != server && mode != broadcast {
		if !r.waits || d.Time.Sub(r.asked) >= every { // a record is of the time in which it is told
			r.asked, r.mode, r.version, r.waits = d.Time, mode, version, true
		}
		if mode == client {
			return
		}
	}
	state := uint64(b[1])<<40 | uint64(b[0]>>6)<<32 | uint64(binary.BigEndian.Uint32(b[12:]))
	if r.told > 0 && state == r.state || r.told >= maxTold {
		r.waits = false
		return
	}
	c := weir.Command{Endpoints: r.ends(d), Protocol: "ntp", Command: modeName(mode), Count: 1}
	c.Status, c.Success = status(b, d.Src.Is4())
	c.Server = versionName(version)
	switch {
	case mode == broadcast:
		c.Client, c.Server = c.Server, "" // it is the client of the conversation who speaks
	case r.waits && from == dialog.Server:
		c.Time, c.Command, c.Client = r.asked, modeName(r.mode), versionName(r.version)
	case from == dialog.Client && mode != server:
		return // of two peers the one that began: what it says comes again in the answer's time
	default:
		c.Command = "client" // which was not seen
	}
	r.state, r.waits = state, false
	r.told++
	d.Batch.Commands = append(d.Batch.Commands, c)
}

// ends returns what records begin with: who asks, and who is asked.
func (r *Reader) ends(d *dialog.Dialog) weir.Endpoints {
	e := d.Endpoints
	if r.flipped {
		e.Src, e.Dst, e.SrcPort, e.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
	}
	return e
}

// status says what a packet tells of its sender's clock.
func status(b []byte, v4 bool) (status, success string) {
	const unsynchronised = 3
	stratum, id := b[1], b[12:16]
	switch {
	case stratum == 0:
		if word := ascii(id); word != "" {
			return "kiss " + word, "false"
		}
		return "unsynchronised", "false"
	case stratum >= 16 || b[0]>>6 == unsynchronised:
		return "unsynchronised", "false"
	}
	status = "stratum " + strconv.Itoa(int(stratum))
	word := ascii(id)
	switch {
	case stratum == 1 && word != "":
		status += " refid " + word
	case v4 && id[0] != 0:
		status += " refid " + netip.AddrFrom4([4]byte(id)).String()
	case id[0] != 0 || stratum > 1:
		status += " refid 0x" + strconv.FormatUint(1<<32|uint64(binary.BigEndian.Uint32(id)), 16)[1:]
	}
	return status, "true"
}

// ascii returns a word of up to four capitals, digits or signs, "" if it is none.
func ascii(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == 0 || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	return uri.Printable(b, 4)
}

func versionName(v byte) string { return "NTPv" + strconv.Itoa(int(v)) }

func modeName(mode byte) string {
	switch mode {
	case symmetricActive:
		return "symmetric_active"
	case symmetricPassive:
		return "symmetric_passive"
	case broadcast:
		return "broadcast"
	}
	return "client"
}

// command counts a message of mode 6 or 7.
func (r *Reader) command(d *dialog.Dialog, mode byte, b []byte) {
	var code, failed byte
	answer := false
	if mode == control {
		answer, code = b[1]&0x80 != 0, b[1]&0x1f
		if b[1]&0x40 != 0 {
			failed = b[4]
		}
	} else {
		answer, code = b[0]&0x80 != 0, b[3]
		failed = b[4] >> 4
	}
	if len(r.kinds) > 0 && d.Time.Sub(r.kinds[0].began) >= every {
		r.flush(d)
	}
	k := r.kind(d, mode, code)
	if !answer {
		k.count++
		k.version = b[0] >> 3 & 7
		return
	}
	k.answers++
	k.size += uint64(len(b))
	if failed != 0 {
		k.failed = failed
	}
}

// kind returns the place where a command is counted.
func (r *Reader) kind(d *dialog.Dialog, mode, code byte) *kind {
	for i := range r.kinds {
		if k := &r.kinds[i]; k.mode == mode && k.code == code {
			return k
		}
	}
	if len(r.kinds) == maxKinds {
		return &r.kinds[maxKinds-1]
	}
	r.kinds = append(r.kinds, kind{began: d.Time, mode: mode, code: code})
	return &r.kinds[len(r.kinds)-1]
}

// flush tells what was counted.
func (r *Reader) flush(d *dialog.Dialog) {
	for i := range r.kinds {
		k := &r.kinds[i]
		c := weir.Command{Endpoints: d.Endpoints, Protocol: "ntp", Count: max(k.count, 1), Size: k.size}
		c.Time = k.began
		if k.count > 0 {
			c.Client = versionName(k.version)
		}
		c.Command = "private " + name(privateCodes[:], k.code)
		errors := privateErrors[:]
		if k.mode == control {
			c.Command, errors = "control "+name(controlCodes[:], k.code), controlErrors[:]
		}
		switch {
		case k.failed != 0:
			c.Status, c.Success = name(errors, k.failed), "false"
		case k.answers > 0:
			c.Status, c.Success = "ok", "true"
		}
		d.Batch.Commands = append(d.Batch.Commands, c)
	}
	r.kinds = r.kinds[:0]
}

func name(list []string, code byte) string {
	if int(code) < len(list) && list[code] != "" {
		return list[code]
	}
	return strconv.Itoa(int(code))
}

// controlCodes are the operations of mode 6 (RFC 9327, 2.2), controlErrors its
// errors (3.4).
var (
	controlCodes = [...]string{
		1: "read_status", 2: "read_variables", 3: "write_variables", 4: "read_clock_variables", 5: "write_clock_variables",
		6: "set_trap", 7: "trap_response", 8: "configure", 9: "save_configuration", 10: "read_mru", 11: "read_ordered_list",
		12: "request_nonce", 31: "unset_trap",
	}
	controlErrors = [...]string{
		1: "authentication failure", 2: "invalid format", 3: "invalid operation", 4: "unknown association", 5: "unknown variable",
		6: "invalid value", 7: "prohibited",
	}
)

// privateCodes are the requests of mode 7 (ntp_request.h of ntp 4.2.6),
// privateErrors its errors.
var (
	privateCodes = [...]string{
		0: "peer_list", 1: "peer_list_sum", 2: "peer_info", 3: "peer_stats", 4: "sys_info", 5: "sys_stats", 6: "io_stats",
		7: "mem_stats", 8: "loop_info", 9: "timer_stats", 10: "config", 11: "unconfig", 12: "set_sys_flag", 13: "clr_sys_flag",
		14: "monitor", 15: "nomonitor", 16: "get_restrict", 17: "restrict_addflags", 18: "restrict_subflags", 19: "unrestrict",
		20: "monlist", 21: "reset_stats", 22: "reset_peer", 23: "reread_keys", 26: "trust_key", 27: "untrust_key", 28: "auth_info",
		29: "traps", 30: "add_trap", 31: "clr_trap", 32: "request_key", 33: "control_key", 34: "get_ctlstats", 36: "get_clock_info",
		37: "set_clock_fudge", 38: "get_kernel", 39: "get_clockbug_info", 42: "monlist", 44: "host_associations", 45: "if_stats",
		46: "if_reload",
	}
	privateErrors = [...]string{
		1: "incompatible implementation", 2: "unimplemented", 3: "format error", 4: "no data", 7: "authentication failure",
	}
)
