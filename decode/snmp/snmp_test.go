package snmp

import (
	"encoding/asn1"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

const (
	up   = dialog.Client
	down = dialog.Server
)

// e encodes one element.
func e(tag byte, parts ...string) string {
	body := strings.Join(parts, "")
	if len(body) < 0x80 {
		return string([]byte{tag, byte(len(body))}) + body
	}
	return string([]byte{tag, 0x82, byte(len(body) >> 8), byte(len(body))}) + body
}

func num(n int) string {
	b, _ := asn1.Marshal(n)
	return string(b)
}

func oid(s string) string {
	var o asn1.ObjectIdentifier
	for _, p := range strings.Split(s, ".") {
		n, _ := strconv.Atoi(p)
		o = append(o, n)
	}
	b, _ := asn1.Marshal(o)
	return string(b)
}

func binding(name, value string) string { return e(0x30, oid(name), value) }

func message(version int, community, pdu string) string {
	return e(0x30, num(version), e(4, community), pdu)
}

func pduWith(tag byte, id, status int, bindings ...string) string {
	return e(tag, num(id), num(status), num(0), e(0x30, bindings...))
}

const null = "\x05\x00"

// version3 is a message with the level of security and the user.
func version3(id int, flags byte, user, rest string) string {
	usm := e(0x30, e(4, "\x80\x00\x00\x09\x03\x02\x00\x5e\x10\x00\x01"), num(1), num(2), e(4, user), e(4, "digestdigest"), e(4, "saltsalt"))
	return e(0x30, num(3), e(0x30, num(id), num(1500), e(4, string([]byte{flags})), num(3)), e(4, usm), rest)
}

func scoped(pdu string) string { return e(0x30, e(4, "engine"), e(4, ""), pdu) }

func lines(told *dialogtest.Told) (out []string) {
	for _, c := range told.Commands {
		out = append(out, fmt.Sprintf("%s: %s %s (%s): %s %s ×%d", c.Client, c.Command, c.Object, c.User, c.Success, c.Status, c.Count))
	}
	return out
}

func expect(t *testing.T, got, want []string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const (
	descr = "1.3.6.1.2.1.1.1.0"
	name  = "1.3.6.1.2.1.1.5.0"
	row   = "1.3.6.1.2.1.2.2.1.10."
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  []string
	}{
		{"get", []dialogtest.Turn{{From: up, Data: message(1, "public", pduWith(0xa0, 7, 0, binding(descr, null), binding(name, null)))}, {From: down, Data: message(1, "public", pduWith(0xa2, 7, 0, binding(descr, e(4, "Linux"))))}},
			[]string{"SNMPv2c: get 1.3.6.1.2.1.1.1.0,1.3.6.1.2.1.1.5.0 (public): true noError ×1"}},
		{"a community that is not told", []dialogtest.Turn{{From: up, Data: message(0, "s3cret", pduWith(0xa3, 7, 0, binding(name, e(4, "s3cret"))))}, {From: down, Data: message(0, "s3cret", pduWith(0xa2, 7, 2))}},
			[]string{"SNMPv1: set 1.3.6.1.2.1.1.5.0 (): false noSuchName ×1"}},
		{"a walk", []dialogtest.Turn{
			{From: up, Data: message(1, "private", pduWith(0xa1, 1, 0, binding(row+"1", null)))}, {From: down, Data: message(1, "private", pduWith(0xa2, 1, 0))},
			{From: up, Data: message(1, "private", pduWith(0xa1, 2, 0, binding(row+"2", null)))}, {From: down, Data: message(1, "private", pduWith(0xa2, 2, 0))},
			{From: up, Data: message(1, "private", pduWith(0xa5, 3, 0, binding(row+"2", null)))}},
			[]string{"SNMPv2c: get_next 1.3.6.1.2.1.2.2.* (private): true noError ×2", "SNMPv2c: get_bulk 1.3.6.1.2.1.2.2.* (private):   ×1"}},
		{"many at once", []dialogtest.Turn{{From: up, Data: message(1, "", pduWith(0xa0, 1, 0, binding("1.2.1", null), binding("1.2.2", null), binding("1.2.3", null), binding("1.2.3", null), binding("1.2.4", null), binding("1.2.5", null)))}},
			[]string{"SNMPv2c: get 1.2.1,1.2.2,1.2.3,1.2.4,… ():   ×1"}},
		{"an answer alone", []dialogtest.Turn{{From: down, Data: message(1, "public", pduWith(0xa2, 7, 5, binding(row+"1", null)))}}, []string{"SNMPv2c: response 1.3.6.1.2.1.2.2.* (public): false genErr ×1"}},
		{"sent twice", []dialogtest.Turn{{From: up, Data: message(1, "", pduWith(0xa0, 1, 0))}, {From: up, Data: message(1, "", pduWith(0xa0, 1, 0))}}, []string{"SNMPv2c: get  ():   ×1"}},
		{"traps", []dialogtest.Turn{{From: up, Data: message(1, "public", pduWith(0xa7, 1, 0, binding("1.3.6.1.2.1.1.3.0", "\x43\x01\x00"), binding("1.3.6.1.6.3.1.1.4.1.0", oid("1.3.6.1.6.3.1.1.5.5"))))},
			{From: up, Data: message(0, "public", e(0xa4, oid("1.3.6.1.4.1.9"), e(0x40, "\x0a\x00\x00\x01"), num(6), num(17), "\x43\x01\x00", e(0x30)))}},
			[]string{"SNMPv2c: trap 1.3.6.1.6.3.1.1.5.5 (authenticationFailure) (public):   ×1", "SNMPv1: trap 1.3.6.1.4.1.9 (17) (public):   ×1"}},
		{"version 3", []dialogtest.Turn{
			{From: up, Data: version3(1, 4, "", scoped(pduWith(0xa0, 9, 0)))}, {From: down, Data: version3(1, 0, "", scoped(pduWith(0xa8, 9, 0, binding("1.3.6.1.6.3.15.1.1.4.0", "\x41\x01\x01"))))},
			{From: up, Data: version3(2, 5, "operator", scoped(pduWith(0xa0, 10, 0, binding(name, null))))}, {From: down, Data: version3(2, 1, "operator", scoped(pduWith(0xa8, 10, 0, binding("1.3.6.1.6.3.15.1.1.5.0", "\x41\x01\x01"))))},
			{From: up, Data: version3(3, 7, "operator", e(4, "sealed"))}, {From: down, Data: version3(3, 3, "operator", e(4, "sealed"))}},
			[]string{"SNMPv3 noAuthNoPriv: get  ():  unknownEngineIDs ×1", "SNMPv3 authNoPriv: get 1.3.6.1.2.1.1.5.0 (operator): false wrongDigests ×1", "SNMPv3 authPriv: encrypted  (operator): true  ×1"}},
		{"damaged", []dialogtest.Turn{{From: up, Data: "\x30"}, {From: up, Data: "\x30\x03\x02\x01\x01"}, {From: up, Data: message(9, "a", "")}, {From: up, Data: message(1, "a", "")}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, lines(dialogtest.Datagrams(New(), c.turns...)), c.want) })
	}
}

// TestTurned: of a conversation that was taken to begin with the answer, who
// asks is the client all the same.
func TestTurned(t *testing.T) {
	told := dialogtest.Datagrams(New(), dialogtest.Turn{From: down, Data: message(1, "", pduWith(0xa0, 1, 0))}, dialogtest.Turn{From: up, Data: message(1, "", pduWith(0xa2, 1, 0))})
	if len(told.Commands) != 1 || told.Commands[0].Src != dialogtest.Base.Dst || told.Commands[0].Success != "true" {
		t.Errorf("%+v, want one from %v", told.Commands, dialogtest.Base.Dst)
	}
}

func TestAnnounce(t *testing.T) {
	told := dialogtest.Datagrams(New(),
		dialogtest.Turn{From: down, Data: message(1, "public", pduWith(0xa2, 1, 0, binding(descr, e(4, "Cisco IOS\r\nVersion 15\n")), binding("1.3.6.1.2.1.1.2.0", oid("1.3.6.1.4.1.14988.1")), binding(name, e(4, "core-1")), binding("1.3.6.1.2.1.1.6.0", e(4, "s3cret"))))},
		dialogtest.Turn{From: down, Data: version3(1, 0, "", scoped(pduWith(0xa8, 9, 0)))})
	var got []string
	for _, a := range told.Announcements {
		got = append(got, fmt.Sprintf("%v %s %s %s %s", a.Src, a.Kind, a.Name, a.Text, a.MAC))
	}
	src := dialogtest.Base.Dst.String()
	expect(t, got, []string{src + " os  Cisco IOS Version 15 ", src + " vendor  MikroTik ", src + " name core-1  ", src + " vendor  Cisco 02:00:5e:10:00:01"})
}

// TestMany: of requests that nobody answers none is lost, and none waits for ever.
func TestMany(t *testing.T) {
	r, batch := New(), &weir.Batch{}
	var d dialog.Dialog
	at := dialogtest.Base
	for i := range 100 {
		d.Reset(at, batch, nil)
		r.Read(&d, up, []byte(message(1, fmt.Sprint(i), pduWith(0xa3, i, 0, binding(fmt.Sprint("1.3.6.", i), null)))))
	}
	if len(r.waiting) != maxWaiting {
		t.Errorf("%d wait, want %d", len(r.waiting), maxWaiting)
	}
	at.Time = at.Time.Add(time.Minute)
	d.Reset(at, batch, nil)
	r.Read(&d, up, []byte(message(1, "", pduWith(0xa0, 1000, 0))))
	if len(r.waiting) != 1 {
		t.Errorf("%d wait after a minute, want the last", len(r.waiting))
	}
	r.Close(&d)
	if len(batch.Commands) != 101 {
		t.Errorf("%d commands, want 101", len(batch.Commands))
	}
}

var seed = []dialogtest.Turn{
	{From: up, Data: message(1, "public", pduWith(0xa0, 7, 0, binding(descr, null)))}, {From: down, Data: message(1, "public", pduWith(0xa2, 7, 0, binding(descr, e(4, "Linux"))))},
	{From: up, Data: version3(2, 5, "operator", scoped(pduWith(0xa0, 10, 0, binding(name, null))))}, {From: up, Data: version3(3, 7, "operator", e(4, "sealed"))},
}

func FuzzRead(f *testing.F) { dialogtest.Fuzz(f, func() dialog.Reader { return New() }, seed) }

func BenchmarkRead(b *testing.B) {
	r, batch := New(), &weir.Batch{}
	var d dialog.Dialog
	ask, answer := []byte(seed[0].Data), []byte(seed[1].Data)
	discard := func(*weir.Announcement) {}
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(dialogtest.Base, batch, discard)
		r.Read(&d, up, ask)
		r.Read(&d, down, answer)
	}
}
