package industrial

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// dnp3Functions are the function codes of the application layer (IEEE 1815, 4.2.2).
var dnp3Functions = map[uint8]string{
	0: "confirm", 1: "read", 2: "write", 3: "select", 4: "operate", 5: "direct_operate", 6: "direct_operate_nr", 7: "immed_freeze",
	8: "immed_freeze_nr", 9: "freeze_clear", 10: "freeze_clear_nr", 11: "freeze_at_time", 12: "freeze_at_time_nr", 13: "cold_restart",
	14: "warm_restart", 15: "initialize_data", 16: "initialize_appl", 17: "start_appl", 18: "stop_appl", 19: "save_config",
	20: "enable_unsolicited", 21: "disable_unsolicited", 22: "assign_class", 23: "delay_measure", 24: "record_current_time",
	25: "open_file", 26: "close_file", 27: "delete_file", 28: "get_file_info", 29: "authenticate_file", 30: "abort_file",
	31: "activate_config", 32: "authenticate_req", 33: "authenticate_err", 129: "response", 130: "unsolicited_response", 131: "authenticate_resp",
}

// A dnp3 reads a conversation between a master and an outstation. The master
// need not be the client, so requests are told by their function.
type dnp3 struct{ talk }

// NewDNP3 returns a reader of one conversation of DNP3, over TCP or UDP.
func NewDNP3() dialog.Reader { return &dnp3{} }

func (r *dnp3) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	const header = 10 // start, length, control, destination, source, check
	if len(b) < header {
		return 0
	}
	n := int(b[2])
	if b[0] != 0x05 || b[1] != 0x64 || n < 5 {
		return resync(b)
	}
	data := n - 5
	whole := header + data + (data+15)/16*2 // two octets of check for each 16 of data
	if len(b) < whole {
		return 0
	}
	to, src := binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
	r.frame(d, to, src, b[header:header+min(data, 16)]) // the first block holds all that is read
	return whole
}

// resync passes over octets up to the next start of a frame.
func resync(b []byte) int {
	if i := bytes.Index(b[1:], []byte{0x05, 0x64}); i >= 0 {
		return 1 + i
	}
	return len(b) - 1
}

// frame reads the first fragment of a message: its function is there.
func (r *dnp3) frame(d *dialog.Dialog, to, src uint16, b []byte) {
	const first = 0x40 // of the transport header
	if len(b) < 3 || b[0]&first == 0 {
		return
	}
	sequence, function := uint32(b[1]&0x0f), b[2]
	switch function {
	case 0: // confirms an answer
	case 129, 131:
		if len(b) >= 5 {
			r.answer(d, id(src, to, sequence), indications(binary.BigEndian.Uint16(b[3:])))
		}
	case 130:
		r.commands.Add(d, weir.Command{Protocol: "dnp3", Command: "unsolicited_response", Object: fmt.Sprintf("station %d", src)})
	default:
		c := weir.Command{Protocol: "dnp3", Command: name(dnp3Functions, function), Object: fmt.Sprintf("station %d", to) + group(b[3:])}
		if function == 6 || function == 8 || function == 10 || function == 12 { // those that want no answer
			r.commands.Add(d, c)
			return
		}
		r.ask(d, id(to, src, sequence), c)
	}
}

// id tells requests of several stations behind one address apart.
func id(outstation, master uint16, sequence uint32) uint32 {
	return uint32(outstation)<<16 ^ uint32(master)<<4 | sequence
}

// group returns the first kind of objects that a request is about.
func group(b []byte) string {
	if len(b) < 2 || b[0] == 0 {
		return ""
	}
	return fmt.Sprintf(" g%dv%d", b[0], b[1])
}

// indications returns what an outstation says went wrong (IEEE 1815, 4.5): the
// second octet but its last bits.
func indications(iin uint16) string {
	for _, e := range []struct {
		bit  uint16
		name string
	}{{0x01, "function_not_supported"}, {0x02, "object_unknown"}, {0x04, "parameter_error"}, {0x10, "already_executing"}, {0x20, "config_corrupt"}} {
		if iin&e.bit != 0 {
			return e.name
		}
	}
	return ""
}

// Lost goes on with the next frame that begins.
func (r *dnp3) Lost(*dialog.Dialog, dialog.End, int) bool { return true }
