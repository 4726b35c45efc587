package snmp

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/ber"
	"github.com/weir-nta/weir/internal/uri"
)

// The PDUs (RFC 3416, 3; RFC 1157, 4.1.6 for the first trap).
const (
	get      ber.Tag = 0xa0
	getNext  ber.Tag = 0xa1
	response ber.Tag = 0xa2
	set      ber.Tag = 0xa3
	trap1    ber.Tag = 0xa4
	getBulk  ber.Tag = 0xa5
	inform   ber.Tag = 0xa6
	trap2    ber.Tag = 0xa7
	report   ber.Tag = 0xa8
)

// Bounds of what is kept and read.
const (
	maxUser    = 32 // as RFC 3414 has it
	maxObjects = 4
	maxText    = 255 // as RFC 3418 has it
	maxBinding = 256 // variables looked at; a datagram of 1,500 octets has 60
	allArcs    = 40
)

// kinds are the requests, and how many arcs of what they ask for are told.
var kinds = map[ber.Tag]struct {
	name string
	arcs int
}{
	get: {"get", 10}, getNext: {"get_next", 8}, getBulk: {"get_bulk", 8}, set: {"set", allArcs}, inform: {"inform", allArcs},
}

// A pdu is what all of them but the first trap hold.
type pdu struct {
	id, status int64
	bindings   ber.List
}

func pduOf(l ber.List) (p pdu) {
	p.id, _ = l.TakeInt(ber.Integer)
	p.status, _ = l.TakeInt(ber.Integer)
	l.Take(ber.Integer)
	p.bindings, _ = l.Take(ber.Sequence)
	return p
}

// bindings shows the variables of a list: name, tag of the value, value.
func bindings(l ber.List, show func(oid []byte, value ber.Element)) {
	for range maxBinding {
		b, ok := l.Take(ber.Sequence)
		if !ok {
			return
		}
		oid, ok := b.Take(ber.OID)
		if !ok {
			return
		}
		value, _ := b.Next()
		show(oid, value)
	}
}

// Object identifiers in their encoding.
var (
	sysDescr    = []byte("\x2b\x06\x01\x02\x01\x01\x01\x00")         // 1.3.6.1.2.1.1.1.0
	sysObjectID = []byte("\x2b\x06\x01\x02\x01\x01\x02\x00")         // 1.3.6.1.2.1.1.2.0
	sysName     = []byte("\x2b\x06\x01\x02\x01\x01\x05\x00")         // 1.3.6.1.2.1.1.5.0
	trapOID     = []byte("\x2b\x06\x01\x06\x03\x01\x01\x04\x01\x00") // 1.3.6.1.6.3.1.1.4.1.0
	usmStats    = []byte("\x2b\x06\x01\x06\x03\x0f\x01\x01")         // 1.3.6.1.6.3.15.1.1
	enterprises = []byte("\x2b\x06\x01\x04\x01")                     // 1.3.6.1.4.1
)

// objects lists what is asked for, each cut to a number of arcs and told once.
// Of a notification it is the notification itself, which is a value (RFC 3416, 4.2.6).
func objects(l ber.List, arcs int, notification bool) string {
	var list []string
	more := false
	bindings(l, func(oid []byte, value ber.Element) {
		if notification {
			if !bytes.Equal(oid, trapOID) || value.Tag != ber.OID {
				return
			}
			oid = value.Body
		}
		s := cut(oid, arcs)
		for _, old := range list {
			if old == s {
				return
			}
		}
		if len(list) == maxObjects {
			more = true
			return
		}
		list = append(list, s)
	})
	s := strings.Join(list, ",")
	if more {
		s += ",…"
	}
	if name := notifications[s]; notification && name != "" {
		s += " (" + name + ")"
	}
	return s
}

// maxOID is how much of an object identifier is kept, in octets: an index with
// an address and a port makes one of 100, one with arcs of 19 digits 800.
const maxOID = 160

// cut writes an object identifier up to a number of arcs.
func cut(oid []byte, arcs int) string {
	var room [maxOID]byte
	b := ber.AppendOID(room[:0], oid)
	for i, c := range b {
		if c != '.' {
			continue
		}
		if arcs--; arcs == 0 {
			return string(b[:min(i, maxOID)]) + ".*"
		}
	}
	if len(b) > maxOID {
		return string(b[:maxOID]) + "…"
	}
	return string(b)
}

// notifications are those that all devices have (RFC 3418).
var notifications = map[string]string{
	"1.3.6.1.6.3.1.1.5.1": "coldStart", "1.3.6.1.6.3.1.1.5.2": "warmStart", "1.3.6.1.6.3.1.1.5.3": "linkDown",
	"1.3.6.1.6.3.1.1.5.4": "linkUp", "1.3.6.1.6.3.1.1.5.5": "authenticationFailure",
}

var generic = [...]string{"coldStart", "warmStart", "linkDown", "linkUp", "authenticationFailure", "egpNeighborLoss"}

// report1 reads a trap of version 1 (RFC 1157, 4.1.6).
func (r *Reader) report1(d *dialog.Dialog, from dialog.End, l ber.List, h head) {
	enterprise, _ := l.Take(ber.OID)
	l.Next() // the address of the agent
	kind, ok := l.TakeInt(ber.Integer)
	specific, _ := l.TakeInt(ber.Integer)
	object := cut(enterprise, allArcs)
	switch {
	case !ok:
	case kind >= 0 && int(kind) < len(generic):
		object += " (" + generic[kind] + ")"
	default:
		object += " (" + strconv.FormatInt(specific, 10) + ")"
	}
	r.tell(d, &request{Command: r.command(d, "trap", object, h), asker: from})
}

// errorNames are those of answers (RFC 3416, 3), by their numbers.
var errorNames = [...]string{
	"noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength", "wrongEncoding", "wrongValue",
	"noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed", "undoFailed", "authorizationError", "notWritable", "inconsistentName",
}

func errorName(n int64) string {
	if n >= 0 && n < int64(len(errorNames)) {
		return errorNames[n]
	}
	return strconv.FormatInt(n, 10)
}

// reported returns what a report says in place of an answer (RFC 3414, 5). The
// first message to a device is answered by one, which tells the identifier and
// the clock of its engine: that is no failure.
func reported(l ber.List) (status, success string) {
	status, success = "report", "false"
	bindings(l, func(oid []byte, _ ber.Element) {
		rest, ok := bytes.CutPrefix(oid, usmStats)
		if !ok || len(rest) == 0 || rest[0] < 1 || rest[0] > 6 {
			return
		}
		status = [...]string{"unsupportedSecLevels", "notInTimeWindows", "unknownUserNames", "unknownEngineIDs", "wrongDigests", "decryptionErrors"}[rest[0]-1]
		if status == "unknownEngineIDs" || status == "notInTimeWindows" {
			success = ""
		}
	})
	return status, success
}

// text returns b as a string of n octets at most, in one line.
func text(b []byte, n int) string {
	b = bytes.TrimSpace(b)
	if bytes.IndexByte(b, '\n') >= 0 {
		b = bytes.ReplaceAll(bytes.ReplaceAll(b[:min(len(b), 2*n)], []byte("\r"), nil), []byte("\n"), []byte(" "))
	}
	return uri.Printable(b, n)
}
