package industrial

import (
	"encoding/binary"
	"fmt"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// modbusFunctions are the public functions (Modbus 1.1b3, 6), named as Zeek does.
var modbusFunctions = map[uint8]string{
	1: "read_coils", 2: "read_discrete_inputs", 3: "read_holding_registers", 4: "read_input_registers", 5: "write_single_coil",
	6: "write_single_register", 7: "read_exception_status", 8: "diagnostics", 11: "get_comm_event_counter", 12: "get_comm_event_log",
	15: "write_multiple_coils", 16: "write_multiple_registers", 17: "report_slave_id", 20: "read_file_record", 21: "write_file_record",
	22: "mask_write_register", 23: "read_write_multiple_registers", 24: "read_fifo_queue", 43: "encap_interface_transport",
	90: "unity_schneider",
}

// modbusExceptions are the answers that refuse (Modbus 1.1b3, 7).
var modbusExceptions = map[uint8]string{
	1: "illegal_function", 2: "illegal_data_address", 3: "illegal_data_value", 4: "slave_device_failure", 5: "acknowledge",
	6: "slave_device_busy", 8: "memory_parity_error", 10: "gateway_path_unavailable", 11: "gateway_target_device_failed_to_respond",
}

// A modbus reads a conversation with a controller.
type modbus struct{ talk }

// NewModbus returns a reader of one conversation of Modbus over TCP.
func NewModbus() dialog.Reader { return &modbus{} }

func (r *modbus) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	const header = 7
	if len(b) < header+1 {
		return 0
	}
	n := 6 + int(binary.BigEndian.Uint16(b[4:]))
	if binary.BigEndian.Uint16(b[2:]) != 0 || n < header+1 || n > 6+254+6 {
		return dialog.Stop
	}
	if len(b) < n {
		return 0
	}
	// A gateway serves several units, which number their transactions alike.
	id := uint32(binary.BigEndian.Uint16(b))<<8 | uint32(b[6])
	function, data := b[7], b[8:n]
	switch {
	case from == dialog.Client:
		r.ask(d, id, modbusRequest(b[6], function, data))
	case function&0x80 == 0:
		r.answer(d, id, "")
	case len(data) > 0:
		r.answer(d, id, nameOr(modbusExceptions, data[0], "exception_%d"))
	}
	return n
}

func modbusRequest(unit, function uint8, data []byte) weir.Command {
	c := weir.Command{Protocol: "modbus", Command: name(modbusFunctions, function), Object: fmt.Sprintf("unit %d", unit)}
	switch function {
	case 1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 24:
		if len(data) >= 2 {
			c.Object += fmt.Sprintf(" address %d", binary.BigEndian.Uint16(data))
		}
	}
	switch function {
	case 1, 2, 3, 4, 15, 16:
		if len(data) >= 4 {
			c.Object += fmt.Sprintf(" count %d", binary.BigEndian.Uint16(data[2:]))
		}
	}
	return c
}

// nameOr returns the name of a number, else the number in a text.
func nameOr(names map[uint8]string, n uint8, other string) string {
	if s, ok := names[n]; ok {
		return s
	}
	return fmt.Sprintf(other, n)
}

// Lost ends the reading: where the next message begins is not known.
func (r *modbus) Lost(*dialog.Dialog, dialog.End, int) bool { return false }
