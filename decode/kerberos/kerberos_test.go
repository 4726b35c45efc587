package kerberos

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// e encodes one element.
func e(tag byte, parts ...string) string {
	body := strings.Join(parts, "")
	switch n := len(body); {
	case n < 0x80:
		return string([]byte{tag, byte(n)}) + body
	default:
		return string([]byte{tag, 0x82, byte(n >> 8), byte(n)}) + body
	}
}

func num(n int) string { return e(2, string([]byte{byte(n)})) }

func name(parts ...string) string {
	var list string
	for _, p := range parts {
		list += e(0x1b, p)
	}
	return e(0x30, e(0xa0, num(1)), e(0xa1, e(0x30, list)))
}

func padata(kind int, value string) string {
	return e(0x30, e(0xa1, num(kind)), e(0xa2, e(4, value)))
}

func body(client, service string, nonce int) string {
	s := e(0xa0, e(3, "\x00\x40\x80\x00\x10"))
	if client != "" {
		s += e(0xa1, name(client))
	}
	return e(0x30, s, e(0xa2, e(0x1b, "CORP.EXAMPLE")), e(0xa3, name(strings.Split(service, "/")...)),
		e(0xa5, e(0x18, "20261121191401Z")), e(0xa7, num(nonce)), e(0xa8, e(0x30, num(18), num(17), num(23), num(24), "\x02\x02\xff\x79")))
}

func asReqOf(client string, nonce int, pa ...string) string {
	s := e(0xa1, num(5)) + e(0xa2, num(10))
	if len(pa) > 0 {
		s += e(0xa3, e(0x30, pa...))
	}
	return e(0x6a, e(0x30, s, e(0xa4, body(client, "krbtgt/CORP.EXAMPLE", nonce))))
}

func tgsReqOf(service string, nonce int, pa ...string) string {
	return e(0x6c, e(0x30, e(0xa1, num(5)), e(0xa2, num(12)), e(0xa3, e(0x30, pa...)), e(0xa4, body("", service, nonce))))
}

func sealed(etype int, n int) string {
	return e(0x30, e(0xa0, num(etype)), e(0xa2, e(4, strings.Repeat("x", n))))
}

func ticketTo(service string, etype, n int) string {
	return e(0x61, e(0x30, e(0xa0, num(5)), e(0xa1, e(0x1b, "CORP.EXAMPLE")), e(0xa2, name(strings.Split(service, "/")...)), e(0xa3, sealed(etype, n))))
}

func repOf(kind int, client, service string, etype, n int) string {
	return e(byte(0x60|kind), e(0x30, e(0xa0, num(5)), e(0xa1, num(kind)), e(0xa3, e(0x1b, "CORP.EXAMPLE")), e(0xa4, name(client)),
		e(0xa5, ticketTo(service, etype, n)), e(0xa6, sealed(23, 40))))
}

func errorOf(code int, service string) string {
	return e(0x7e, e(0x30, e(0xa0, num(5)), e(0xa1, num(30)), e(0xa4, e(0x18, "20261121090000Z")), e(0xa5, num(1)), e(0xa6, num(code)),
		e(0xa9, e(0x1b, "CORP.EXAMPLE")), e(0xaa, name(strings.Split(service, "/")...))))
}

func apReqTo(service string) string {
	return e(0x6e, e(0x30, e(0xa0, num(5)), e(0xa1, num(14)), e(0xa2, e(3, "\x00\x20\x00\x00\x00")), e(0xa3, ticketTo(service, 23, 40)), e(0xa4, sealed(18, 40))))
}

func tcp(m string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(m)))) + m }

func changes(ap, rest string) string {
	b := binary.BigEndian.AppendUint16(nil, uint16(6+len(ap)+len(rest)))
	b = append(b, 0xff, 0x80)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(ap)))) + ap + rest
}

const (
	up   = dialog.Client
	down = dialog.Server
)

// logon is how a client of Windows begins: refused, then granted, then a
// ticket for a share.
var logon = []dialogtest.Turn{
	{From: up, Data: asReqOf("j.doe", 1)}, {From: down, Data: errorOf(25, "krbtgt/CORP.EXAMPLE")},
	{From: up, Data: asReqOf("j.doe", 2, padata(2, "secret"))}, {From: down, Data: repOf(11, "j.doe", "krbtgt/CORP.EXAMPLE", 18, 900)},
	{From: up, Data: tgsReqOf("cifs/fs.corp.example", 3, padata(1, apReqTo("krbtgt/CORP.EXAMPLE")))},
	{From: down, Data: repOf(13, "j.doe", "cifs/fs.corp.example", 23, 1000)},
}

func framed(turns []dialogtest.Turn) (out []dialogtest.Turn) {
	for _, t := range turns {
		out = append(out, dialogtest.Turn{From: t.From, Data: tcp(t.Data)})
	}
	return out
}

// line writes a message in one line.
func line(m *weir.KerberosMessage) string {
	return fmt.Sprintf("%s %s → %s: %s %s ticket=%s reply=%s preauth=%s wants=%v %v %v until=%s", m.Type, m.Client, m.Service, m.Success, m.Error,
		m.Cipher, m.ReplyCipher, m.PreAuth, m.Requested, m.Forwardable, m.Renewable, m.Until.Format(time.DateTime))
}

const wants = "wants=[aes256 aes128 rc4] true true until=2026-11-21 19:14:01"

var logonLines = []string{
	"AS j.doe/CORP.EXAMPLE → krbtgt/CORP.EXAMPLE: false KDC_ERR_PREAUTH_REQUIRED ticket= reply= preauth=false " + wants,
	"AS j.doe/CORP.EXAMPLE → krbtgt/CORP.EXAMPLE: true  ticket=aes256 reply=rc4 preauth=true " + wants,
	"TGS j.doe/CORP.EXAMPLE → cifs/fs.corp.example: true  ticket=rc4 reply=rc4 preauth= " + wants,
}

func lines(told *dialogtest.Told) (out []string) {
	for i := range told.Kerberos {
		out = append(out, line(&told.Kerberos[i]))
	}
	return out
}

func expect(t *testing.T, got, want []string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLogon(t *testing.T) {
	expect(t, lines(datagrams(logon...)), logonLines)
	for _, size := range []int{1, 7, 1460, 1 << 20} {
		expect(t, lines(dialogtest.Stream(New(), size, framed(logon)...)), logonLines)
	}
}

// datagrams shows a new reader a conversation over UDP.
func datagrams(turns ...dialogtest.Turn) *dialogtest.Told {
	old := dialogtest.Base
	defer func() { dialogtest.Base = old }()
	dialogtest.Base.Proto = weir.UDP
	return dialogtest.Datagrams(New(), turns...)
}

// TestTwoInOne: two requests in one segment, two answers in another.
func TestTwoInOne(t *testing.T) {
	expect(t, lines(dialogtest.Stream(New(), 1<<20,
		dialogtest.Turn{From: up, Data: tcp(logon[2].Data) + tcp(logon[4].Data)}, dialogtest.Turn{From: down, Data: tcp(logon[3].Data) + tcp(logon[5].Data)})), logonLines[1:])
}

// TestLong: messages longer than what is kept of a stream.
func TestLong(t *testing.T) {
	ap := e(0x6e, e(0x30, e(0xa0, num(5)), e(0xa1, num(14)), e(0xa3, ticketTo("krbtgt/CORP.EXAMPLE", 18, 40000)), e(0xa4, sealed(18, 40))))
	turns := framed([]dialogtest.Turn{
		{From: up, Data: tgsReqOf("cifs/fs.corp.example", 3, padata(1, ap))}, {From: down, Data: repOf(13, "j.doe", "cifs/fs.corp.example", 18, 50000)},
		logon[4], logon[5],
	})
	first := strings.Replace(logonLines[2], "ticket=rc4 reply=rc4", "ticket=aes256 reply=", 1) // what is behind the ticket is not seen
	for _, size := range []int{1460, 8192} {
		expect(t, lines(dialogtest.Stream(New(), size, turns...)), []string{first, logonLines[2]})
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  []string
	}{
		{"sent twice, answered twice", []dialogtest.Turn{logon[0], logon[0], logon[1]}, logonLines[:1]},
		{"without answer", logon[:1], []string{strings.Replace(logonLines[0], "false KDC_ERR_PREAUTH_REQUIRED", " ", 1)}},
		{"without request", logon[5:], []string{"TGS j.doe/CORP.EXAMPLE → cifs/fs.corp.example: true  ticket=rc4 reply=rc4 preauth= wants=[] false false until=0001-01-01 00:00:00"}},
		{"granted without proof", []dialogtest.Turn{logon[0], logon[3]}, []string{strings.Replace(logonLines[1], "preauth=true", "preauth=false", 1)}},
		{"armoured", []dialogtest.Turn{{From: up, Data: asReqOf("j.doe", 2, "\x30\x0c\xa1\x04\x02\x02\x00\x88\xa2\x04\x04\x02ab")}, logon[3]}, []string{strings.Replace(logonLines[1], "preauth=true", "preauth=", 1)}},
		{"for somebody else", []dialogtest.Turn{{From: up, Data: tgsReqOf("svc", 9, "\x30\x29\xa1\x04\x02\x02\x00\x81\xa2\x21\x04\x1f"+e(0x30, e(0xa0, name("a")), e(0xa1, e(0x1b, "B.EXAMPLE"))))}},
			[]string{"TGS a/B.EXAMPLE → svc:   ticket= reply= preauth= " + wants}},
		{"a password is changed", []dialogtest.Turn{{From: up, Data: changes(apReqTo("kadmin/changepw"), e(0x75, "sealed"))}, {From: down, Data: changes(e(0x6f, e(0x30, e(0xa0, num(5)), e(0xa1, num(15)))), "")}},
			[]string{"AP  → kadmin/changepw: true  ticket=rc4 reply= preauth= wants=[] false false until=0001-01-01 00:00:00"}},
		{"a password is not changed", []dialogtest.Turn{{From: up, Data: changes(apReqTo("kadmin/changepw"), e(0x75, "sealed"))}, {From: down, Data: changes("", errorOf(37, "kadmin/changepw"))}},
			[]string{"AP  → kadmin/changepw: false KRB_AP_ERR_SKEW ticket=rc4 reply= preauth= wants=[] false false until=0001-01-01 00:00:00"}},
		{"cut short", []dialogtest.Turn{{From: up, Data: logon[0].Data[:66]}}, []string{"AS j.doe → :   ticket= reply= preauth=false wants=[] true true until=0001-01-01 00:00:00"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, lines(datagrams(c.turns...)), c.want) })
	}
}

// TestMany: of requests that nobody answers no more wait than the limit says,
// and none is lost.
func TestMany(t *testing.T) {
	var turns []dialogtest.Turn
	for i := range 100 {
		turns = append(turns, dialogtest.Turn{From: up, Data: asReqOf(fmt.Sprint("user", i), i)})
	}
	told := datagrams(turns...)
	if len(told.Kerberos) != 100 || told.Kerberos[0].Client != "user0/CORP.EXAMPLE" || told.Kerberos[99].Client != "user99/CORP.EXAMPLE" {
		t.Errorf("%d messages, want 100 in their order", len(told.Kerberos))
	}
}

func TestAP(t *testing.T) {
	var m weir.KerberosMessage
	if !AP(&m, []byte(apReqTo("cifs/fs.corp.example"))) || m.Type != "AP" || m.Service != "cifs/fs.corp.example" || m.Cipher != "rc4" {
		t.Errorf("AP = %+v", m)
	}
	if AP(&m, []byte("NTLMSSP\x00")) {
		t.Error("AP of NTLM = true")
	}
}

func TestNothingSecret(t *testing.T) {
	for _, m := range datagrams(logon...).Kerberos {
		if s := fmt.Sprint(m); strings.Contains(s, "secret") || strings.Contains(s, "xxx") {
			t.Errorf("kept: %s", s)
		}
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, func() dialog.Reader { return New() }, framed(logon), []dialogtest.Turn{{From: up, Data: changes(apReqTo("kadmin/changepw"), "")}})
}

func BenchmarkRead(b *testing.B) {
	r, batch := New(), &weir.Batch{}
	var d dialog.Dialog
	end := dialogtest.Base
	end.Proto = weir.UDP
	b.ReportAllocs()
	for b.Loop() {
		for _, turn := range logon {
			d.Reset(end, batch, nil)
			r.Read(&d, turn.From, []byte(turn.Data))
		}
		batch.Kerberos = batch.Kerberos[:0]
	}
}
