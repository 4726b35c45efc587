// Package industrial reads what is asked of controllers, as names of functions
// and what they are asked of; values are not kept:
//
//   - Modbus (Application Protocol Specification 1.1b3, Messaging on TCP/IP 1.0b),
//   - DNP3 (IEEE 1815), over TCP and UDP,
//   - S7comm of Siemens, as RFC 1006 and ISO 8073 carry it; it is not published,
//     and its functions are named as Wireshark names them,
//   - BACnet/IP (ANSI/ASHRAE 135, annex J).
//
// One command is a function, asked of one object, and how that was answered;
// controllers are polled for ever, so equal ones are counted (dialog.Commands).
package industrial

import (
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// A talk is what the readers have in common: what was asked and is not
// answered yet, by the number that the protocol gives it.
type talk struct {
	commands dialog.Commands
	asked    [maxAsked]asked
	next     int // place of the next one
}

type asked struct {
	id      uint32
	waiting bool
	command weir.Command
}

// maxAsked is how many requests of a conversation wait for an answer. The
// oldest one makes room and is told without.
const maxAsked = 16

// ask keeps a request until it is answered.
func (t *talk) ask(d *dialog.Dialog, id uint32, c weir.Command) {
	a := &t.asked[t.next]
	t.next = (t.next + 1) % maxAsked
	if a.waiting {
		t.commands.Add(d, a.command)
	}
	*a = asked{id, true, c}
}

// answer tells the request that was answered; failure says why it was refused.
// It returns false if there was none.
func (t *talk) answer(d *dialog.Dialog, id uint32, failure string) bool {
	for i := range t.asked {
		if a := &t.asked[i]; a.waiting && a.id == id {
			a.waiting = false
			t.commands.Add(d, outcome(a.command, failure))
			return true
		}
	}
	return false
}

func outcome(c weir.Command, failure string) weir.Command {
	c.Status, c.Success = "ok", "true"
	if failure != "" {
		c.Status, c.Success = failure, "false"
	}
	return c
}

// Close tells what was not answered.
func (t *talk) Close(d *dialog.Dialog) {
	for i := range t.asked {
		if a := &t.asked[(t.next+i)%maxAsked]; a.waiting { // oldest first
			a.waiting = false
			t.commands.Add(d, a.command)
		}
	}
	t.commands.Flush(d)
}

// name returns the name of a number, else the number.
func name[K ~uint8 | ~uint16](names map[K]string, n K) string {
	if s, ok := names[n]; ok {
		return s
	}
	return "function_" + strconv.Itoa(int(n))
}
