// Package socks reads what is asked of a proxy by SOCKS 4 and 4A (the memos of
// Ying-Da Lee and of NEC) and SOCKS 5 (RFC 1928, RFC 1929): whom to connect to,
// by whom, and how that ended, as one [weir.Command]. Its object is the host or
// address with the port, its client the version of the protocol, its status the
// code of the reply in the words of the standard.
//
// After a reply that grants a connection the conversation is given back to be
// recognised anew: as TLS, HTTP or whatever is said through the proxy. Of
// passwords nothing is kept; a method of authentication without a standard here
// (GSS-API, private ones) ends the reading, for what follows may be encrypted.
package socks

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

const (
	maxUser = 128
	maxHost = 255
)

// A reader reads one conversation.
type reader struct {
	client clientState
	server serverState
	asked  bool // a request has been read
	bound  bool // BIND: the first of two replies has come
	record weir.Command
}

// A clientState is what the client is to say next.
type clientState uint8

const (
	saysVersion  clientState = iota
	waits                    // for the method that the server chooses
	saysPassword             // RFC 1929
	saysRequest
	saysNothing // but what is for the far end
)

// A serverState is what the server is to say next.
type serverState uint8

const (
	answersVersion serverState = iota
	answersPassword
	answersRequest
	answers4
	ended
)

// New returns a reader.
func New() dialog.Reader { return &reader{} }

// Read implements [dialog.Reader].
func (r *reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	used := 0
	for used < len(b) && !d.IsAnew() { // each turn takes something or is the last
		n := 0
		if from == dialog.Client {
			n = r.fromClient(d, b[used:])
		} else {
			n = r.fromServer(d, b[used:])
		}
		if n < 0 {
			return dialog.Stop
		}
		if n == 0 {
			break
		}
		used += n
	}
	return used
}

// stop ends the reading of both ends: something is not as it should be.
func (r *reader) stop() int {
	r.client, r.server = saysNothing, ended
	return dialog.Stop
}

func (r *reader) fromClient(d *dialog.Dialog, b []byte) int {
	switch r.client {
	case saysVersion:
		switch b[0] {
		case 4:
			return r.request4(d, b)
		case 5:
			if len(b) < 2 || len(b) < 2+int(b[1]) {
				return 0
			}
			r.client = waits
			return 2 + int(b[1])
		}
		return r.stop()
	case waits: // there are clients that do not: what they say shows what they expect
		switch b[0] {
		case 1:
			return r.password(d, b)
		case 5:
			return r.request5(d, b)
		}
		return 0
	case saysPassword:
		return r.password(d, b)
	case saysRequest:
		return r.request5(d, b)
	}
	if r.server == ended {
		return dialog.Stop
	}
	return 0 // what is for the far end is recognised when the server has granted it
}

// request4 reads the request of SOCKS 4; one to an address 0.0.0.x has a name
// behind it (4A).
func (r *reader) request4(d *dialog.Dialog, b []byte) int {
	const fixed = 8
	if len(b) <= fixed {
		return 0
	}
	user, rest, ok := bytes.Cut(b[fixed:], []byte{0})
	if !ok {
		return r.tooLong(len(b) - fixed)
	}
	used := fixed + len(user) + 1
	host := netip.AddrFrom4([4]byte(b[4:8])).String()
	if binary.BigEndian.Uint32(b[4:])>>8 == 0 && b[7] != 0 {
		name, _, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return r.tooLong(len(rest))
		}
		used += len(name) + 1
		host = uri.Printable(name, maxHost)
	}
	r.request(d, "socks4", b[1], host, binary.BigEndian.Uint16(b[2:]))
	r.record.User = uri.Printable(user, maxUser)
	r.server = answers4
	return used
}

// tooLong waits for the end of a name, but not for ever.
func (r *reader) tooLong(n int) int {
	const longest = 1 << 10
	if n > longest {
		return r.stop()
	}
	return 0
}

// request5 reads the request of SOCKS 5.
func (r *reader) request5(d *dialog.Dialog, b []byte) int {
	if b[0] != 5 {
		return r.stop()
	}
	host, port, used := address5(b)
	if used < 0 {
		return r.stop()
	}
	if used > 0 {
		r.request(d, "socks5", b[1], host, port)
	}
	return used
}

// address5 reads the address of a request or reply of SOCKS 5. Used is 0 if more
// has to come, negative if it is none.
func address5(b []byte) (host string, port uint16, used int) {
	const v4, name, v6 = 1, 3, 4
	if len(b) < 5 {
		return "", 0, 0
	}
	begin, n := 4, 0
	switch b[3] {
	case v4:
		n = 4
	case v6:
		n = 16
	case name:
		begin, n = 5, int(b[4])
	default:
		return "", 0, -1
	}
	if len(b) < begin+n+2 {
		return "", 0, 0
	}
	at := b[begin : begin+n]
	if a, ok := netip.AddrFromSlice(at); ok && b[3] != name {
		host = a.String()
	} else {
		host = uri.Printable(at, maxHost)
	}
	return host, binary.BigEndian.Uint16(b[begin+n:]), begin + n + 2
}

// request notes what is asked for.
func (r *reader) request(d *dialog.Dialog, version string, command byte, host string, port uint16) {
	r.client, r.asked = saysNothing, true
	r.record.Endpoints = d.Endpoints
	r.record.Protocol, r.record.Client = "socks", version
	r.record.Object = join(host, port)
	switch command {
	case 1:
		r.record.Command = "connect"
	case 2:
		r.record.Command = "bind"
	case 3:
		r.record.Command = "udp_associate"
	default:
		r.record.Command = "command_" + strconv.Itoa(int(command))
	}
}

// join writes host and port; an IPv6 address stands in brackets.
func join(host string, port uint16) string {
	if bytes.IndexByte([]byte(host), ':') >= 0 {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(port))
}

// password reads the user of RFC 1929.
func (r *reader) password(d *dialog.Dialog, b []byte) int {
	if b[0] != 1 {
		return r.stop()
	}
	if len(b) < 2 || len(b) < 3+int(b[1]) {
		return 0
	}
	n := 3 + int(b[1])
	n += int(b[n-1])
	if len(b) < n {
		return 0
	}
	r.record.User = uri.Printable(b[2:2+int(b[1])], maxUser)
	r.record.Endpoints = d.Endpoints
	r.client = saysRequest
	return n
}

func (r *reader) fromServer(d *dialog.Dialog, b []byte) int {
	switch r.server {
	case answersVersion:
		if b[0] != 5 {
			return r.stop()
		}
		if len(b) < 2 {
			return 0
		}
		r.method(d, b[1])
		return 2
	case answersPassword:
		if len(b) < 2 {
			return 0
		}
		if b[0] != 1 {
			return r.stop()
		}
		r.server = answersRequest
		if b[1] != 0 {
			r.refused(d, "authentication failed")
		}
		return 2
	case answersRequest:
		if b[0] != 5 {
			return r.stop()
		}
		_, _, used := address5(b)
		if used < 0 {
			return r.stop()
		}
		if used > 0 {
			r.reply(d, b[1] == 0, status5(b[1]))
		}
		return used
	case answers4:
		if b[0] != 0 {
			return r.stop()
		}
		const fixed = 8
		if len(b) < fixed {
			return 0
		}
		r.reply(d, b[1] == 90, status4(b[1]))
		return fixed
	}
	return dialog.Stop
}

// method takes how the server wants the client to authenticate.
func (r *reader) method(d *dialog.Dialog, method byte) {
	const none, password, unacceptable = 0, 2, 0xff
	switch method {
	case none:
		r.server = answersRequest
		if r.client == waits {
			r.client = saysRequest
		}
	case password:
		r.server = answersPassword
		if r.client == waits {
			r.client = saysPassword
		}
	case unacceptable:
		r.refused(d, "no acceptable methods")
	default:
		r.stop()
	}
}

// refused tells of a client that was not let in.
func (r *reader) refused(d *dialog.Dialog, status string) {
	one := weir.Command{Endpoints: d.Endpoints, Protocol: "socks", Command: "authenticate", User: r.record.User, Status: status, Success: "false", Client: "socks5", Count: 1}
	d.Batch.Commands = append(d.Batch.Commands, one)
	r.asked = false
	r.stop()
}

// reply tells how a request ended.
func (r *reader) reply(d *dialog.Dialog, granted bool, status string) {
	if !r.asked {
		r.stop()
		return
	}
	r.record.Status, r.record.Success = status, "false"
	if granted {
		r.record.Success = "true"
	}
	if granted && r.record.Command == "bind" && !r.bound {
		r.bound = true // the second reply comes with the connection
		return
	}
	command := r.record.Command
	r.tell(d)
	r.stop()
	if granted && command != "udp_associate" {
		d.Anew()
	}
}

func (r *reader) tell(d *dialog.Dialog) {
	r.asked = false
	r.record.Count = 1
	d.Batch.Commands = append(d.Batch.Commands, r.record)
}

// status5 returns the words of a reply (RFC 1928, 6).
func status5(code byte) string {
	names := [...]string{"succeeded", "general SOCKS server failure", "connection not allowed by ruleset", "network unreachable", "host unreachable",
		"connection refused", "TTL expired", "command not supported", "address type not supported"}
	if int(code) < len(names) {
		return names[code]
	}
	return "code " + strconv.Itoa(int(code))
}

// status4 returns the words of a reply of SOCKS 4.
func status4(code byte) string {
	switch code {
	case 90:
		return "request granted"
	case 91:
		return "request rejected or failed"
	case 92:
		return "request rejected because SOCKS server cannot connect to identd on the client"
	case 93:
		return "request rejected because the client program and identd report different user-ids"
	}
	return "code " + strconv.Itoa(int(code))
}

// Lost implements [dialog.Reader]: what was missed was all there is to read.
func (r *reader) Lost(*dialog.Dialog, dialog.End, int) bool {
	r.stop()
	return false
}

// Close implements [dialog.Reader].
func (r *reader) Close(d *dialog.Dialog) {
	if r.asked {
		r.tell(d)
	}
}
