package industrial

import (
	"encoding/binary"
	"fmt"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// bacnetConfirmed are the services that want an answer (ASHRAE 135, 21).
var bacnetConfirmed = map[uint8]string{
	0: "acknowledge_alarm", 1: "confirmed_cov_notification", 2: "confirmed_event_notification", 3: "get_alarm_summary", 4: "get_enrollment_summary",
	5: "subscribe_cov", 6: "atomic_read_file", 7: "atomic_write_file", 8: "add_list_element", 9: "remove_list_element", 10: "create_object",
	11: "delete_object", 12: "read_property", 14: "read_property_multiple", 15: "write_property", 16: "write_property_multiple",
	17: "device_communication_control", 18: "confirmed_private_transfer", 19: "confirmed_text_message", 20: "reinitialize_device",
	21: "vt_open", 22: "vt_close", 23: "vt_data", 26: "read_range", 27: "life_safety_operation", 28: "subscribe_cov_property", 29: "get_event_information",
}

// bacnetUnconfirmed are those that want none.
var bacnetUnconfirmed = map[uint8]string{
	0: "i_am", 1: "i_have", 2: "unconfirmed_cov_notification", 3: "unconfirmed_event_notification", 4: "unconfirmed_private_transfer",
	5: "unconfirmed_text_message", 6: "time_synchronization", 7: "who_has", 8: "who_is", 9: "utc_time_synchronization", 10: "write_group",
}

// A bacnet reads a conversation of BACnet/IP.
type bacnet struct{ talk }

// NewBACnet returns a reader of one conversation of BACnet/IP.
func NewBACnet() dialog.Reader { return &bacnet{} }

func (r *bacnet) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if apdu, ok := bacnetAPDU(b); ok {
		r.apdu(d, from, apdu)
	}
	return len(b)
}

// bacnetAPDU returns what the virtual link and the network layer carry (annex J
// and clause 6); false for messages of these layers themselves.
func bacnetAPDU(b []byte) ([]byte, bool) {
	const forwarded, distribute, unicast, broadcast = 4, 9, 10, 11
	if len(b) < 6 || b[0] != 0x81 {
		return nil, false
	}
	at := 4
	switch b[1] {
	case forwarded:
		at += 6
	case distribute, unicast, broadcast:
	default:
		return nil, false
	}
	if len(b) < at+2 || b[at] != 1 {
		return nil, false
	}
	control := b[at+1]
	at += 2
	if control&0x80 != 0 {
		return nil, false
	}
	for _, bit := range []uint8{0x20, 0x08} { // destination, source: network, length, address
		if control&bit == 0 {
			continue
		}
		if len(b) < at+3 {
			return nil, false
		}
		at += 3 + int(b[at+2])
	}
	if control&0x20 != 0 {
		at++ // hop count
	}
	if len(b) < at+2 {
		return nil, false
	}
	return b[at:], true
}

// apdu reads a message of the application layer (clause 20.1).
func (r *bacnet) apdu(d *dialog.Dialog, from dialog.End, b []byte) {
	switch b[0] >> 4 {
	case 0: // confirmed request: segmentation adds two octets
		at := 3
		if b[0]&8 != 0 {
			at += 2
		}
		if len(b) > at {
			r.ask(d, r.id(from, b[2]), weir.Command{Protocol: "bacnet", Command: name(bacnetConfirmed, b[at]), Object: bacnetObject(b[at+1:], 0)})
		}
	case 1:
		service := b[1]
		c := weir.Command{Protocol: "bacnet", Command: name(bacnetUnconfirmed, service)}
		if service == 0 { // I-Am tells its device as an object with an application tag
			c.Object = bacnetObject(b[2:], 12)
			d.Announce(weir.Announcement{Protocol: "bacnet", Kind: "name", Name: c.Object, Addr: d.Src})
		}
		r.commands.Add(d, c)
	case 2, 3:
		r.answer(d, r.id(from.Other(), b[1]), "")
	case 5:
		r.answer(d, r.id(from.Other(), b[1]), "error")
	case 6:
		r.answer(d, r.id(from.Other(), b[1]), "reject")
	case 7:
		r.answer(d, r.id(from.Other(), b[1]), "abort")
	}
}

// id tells the requests of both ends apart: each numbers its own.
func (r *bacnet) id(from dialog.End, invoke uint8) uint32 { return uint32(from)<<8 | uint32(invoke) }

var bacnetObjects = map[uint16]string{
	0: "analog_input", 1: "analog_output", 2: "analog_value", 3: "binary_input", 4: "binary_output", 5: "binary_value", 8: "device",
	10: "file", 13: "multi_state_input", 14: "multi_state_output", 16: "program", 17: "schedule", 19: "multi_state_value", 20: "trend_log",
}

// bacnetObject returns the object that a service is about, if its first
// parameter is one: 4 octets of type and number with the given tag.
func bacnetObject(b []byte, tag uint8) string {
	class := uint8(8) // context
	if tag != 0 {
		class = 0
	}
	if len(b) < 5 || b[0] != tag<<4|class|4 {
		return ""
	}
	v := binary.BigEndian.Uint32(b[1:])
	kind := uint16(v >> 22)
	n, ok := bacnetObjects[kind]
	if !ok {
		n = fmt.Sprintf("object_%d", kind)
	}
	return fmt.Sprintf("%s %d", n, v&(1<<22-1))
}

// Lost means nothing where there is no stream.
func (r *bacnet) Lost(*dialog.Dialog, dialog.End, int) bool { return true }
