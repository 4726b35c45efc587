package industrial

import (
	"encoding/binary"
	"fmt"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// Kinds of S7comm messages.
const (
	s7Job     = 1
	s7Ack     = 2
	s7AckData = 3
	s7User    = 7
)

var s7Functions = map[uint8]string{
	0x00: "cpu_services", 0x04: "read_var", 0x05: "write_var", 0x1a: "request_download", 0x1b: "download_block", 0x1c: "download_ended",
	0x1d: "start_upload", 0x1e: "upload", 0x1f: "end_upload", 0x28: "pi_service", 0x29: "plc_stop", 0xf0: "setup_communication",
}

// s7Groups are the groups of user data functions.
var s7Groups = map[uint8]string{
	0: "mode_transition", 1: "programmer_commands", 2: "cyclic_data", 3: "block_functions", 4: "cpu_functions", 5: "security", 7: "time_functions",
}

// An s7comm reads a conversation with a controller of Siemens.
type s7comm struct{ talk }

// NewS7comm returns a reader of one conversation of S7comm.
func NewS7comm() dialog.Reader { return &s7comm{} }

func (r *s7comm) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	const tpkt = 4 // RFC 1006, 6
	if len(b) < tpkt {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if b[0] != 3 || n < tpkt+3 || n > 16<<10 {
		return dialog.Stop
	}
	if len(b) < n {
		return 0
	}
	body := b[tpkt:n]
	const data = 0xf0 // ISO 8073, 13.7
	if body[1] == data && 1+int(body[0]) < len(body) {
		r.message(d, body[1+body[0]:])
	}
	return n
}

func (r *s7comm) message(d *dialog.Dialog, b []byte) {
	const header = 10
	if b[0] == 0x72 { // the newer protocol, which is not public
		r.commands.Add(d, weir.Command{Protocol: "s7comm", Command: "s7comm_plus"})
		return
	}
	if len(b) < header || b[0] != 0x32 {
		return
	}
	kind, id, size := b[1], uint32(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))
	switch kind {
	case s7Job:
		if parameters := b[header:]; len(parameters) > 0 && size > 0 {
			r.ask(d, id, s7Request(parameters[:min(size, len(parameters))]))
		}
	case s7Ack, s7AckData:
		if len(b) >= header+2 {
			r.answer(d, id, s7Error(b[header], b[header+1]))
		}
	case s7User:
		r.user(d, id, b[header:])
	}
}

// s7Request names a job. Read and write name their first item, the others the
// block or service that they are about.
func s7Request(b []byte) weir.Command {
	c := weir.Command{Protocol: "s7comm", Command: name(s7Functions, b[0])}
	switch b[0] {
	case 0x04, 0x05:
		// Count, and the first item: 12 0a 10, transport size, length, number of
		// the data block, area, address.
		if len(b) >= 14 && b[2] == 0x12 && b[4] == 0x10 {
			c.Object = fmt.Sprintf("%s address %d", s7Area(b[10], binary.BigEndian.Uint16(b[8:])), (int(b[11])<<16|int(b[12])<<8|int(b[13]))>>3)
		}
	case 0x1a, 0x1d, 0x1b, 0x1c, 0x1e, 0x1f:
		if len(b) > 9 && 9+int(b[8]) <= len(b) {
			c.Object = uri.Printable(b[9:9+int(b[8])], 64)
		}
	case 0x28, 0x29:
		if n := len(b) - 1; n > 0 && len(b) > 1 {
			// The name of the service is the last text, behind its length.
			for i := 1; i < len(b); i++ {
				if int(b[i]) == len(b)-i-1 && b[i] > 0 {
					c.Object = uri.Printable(b[i+1:], 64)
					break
				}
			}
		}
	}
	return c
}

func s7Area(area uint8, block uint16) string {
	switch area {
	case 0x81:
		return "inputs"
	case 0x82:
		return "outputs"
	case 0x83:
		return "flags"
	case 0x84:
		return fmt.Sprintf("db%d", block)
	case 0x1c:
		return "counters"
	case 0x1d:
		return "timers"
	}
	return fmt.Sprintf("area 0x%02x", area)
}

func s7Error(class, code uint8) string {
	if class == 0 && code == 0 {
		return ""
	}
	return fmt.Sprintf("error 0x%02x%02x", class, code)
}

// user reads a user data function: 00 01 12, length, method, type and group,
// subfunction.
func (r *s7comm) user(d *dialog.Dialog, id uint32, b []byte) {
	if len(b) < 7 || b[2] != 0x12 {
		return
	}
	const request, response = 4, 8
	switch group := b[5] & 0x0f; b[5] >> 4 {
	case request:
		r.ask(d, id, weir.Command{Protocol: "s7comm", Command: name(s7Groups, group), Object: fmt.Sprintf("subfunction %d", b[6])})
	case response:
		failure := ""
		if len(b) >= 12 {
			failure = s7Error(b[10], b[11])
		}
		r.answer(d, id, failure)
	}
}

// Lost ends the reading: where the next message begins is not known.
func (r *s7comm) Lost(*dialog.Dialog, dialog.End, int) bool { return false }
