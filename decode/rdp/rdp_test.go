package rdp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

const (
	up   = dialog.Client
	down = dialog.Server
)

func unit(s string) string {
	return string(binary.BigEndian.AppendUint16([]byte{3, 0}, uint16(4+len(s)))) + s
}

// connect is a connection request or confirmation with what varies.
func connect(kind byte, s string) string {
	return unit(string([]byte{byte(6 + len(s)), kind, 0, 0, 0, 0, 0}) + s)
}

func negotiation(kind byte, value uint32) string {
	return string(binary.LittleEndian.AppendUint32([]byte{kind, 0, 8, 0}, value))
}

func block(kind uint16, s string) string {
	b := binary.LittleEndian.AppendUint16(nil, kind)
	return string(binary.LittleEndian.AppendUint16(b, uint16(4+len(s)))) + s
}

func wide(s string, n int) string {
	b := make([]byte, n)
	for i := range len(s) {
		b[2*i] = s[i]
	}
	return string(b)
}

func core(version, layout, build uint32, name string) string {
	b := binary.LittleEndian.AppendUint32(nil, version)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, layout)
	b = binary.LittleEndian.AppendUint32(b, build)
	return block(0xc001, string(b)+wide(name, 32)+strings.Repeat("\x00", 100))
}

func initial(blocks string) string {
	return unit("\x02\xf0\x80\x7f\x65\x82\x01\x94\x04\x01\x01" + "Duca\x81\x00" + blocks)
}

func response(result byte, blocks string) string {
	return unit("\x02\xf0\x80\x7f\x66\x82\x01\x45\x0a\x01\x00\x14\x76\x0a\x01\x01" + string([]byte{result, 1, 0xc0, 0}) + "McDn\x81\x00" + blocks)
}

func security(random int, certificate string) string {
	b := binary.LittleEndian.AppendUint32([]byte{2, 0, 0, 0, 2, 0, 0, 0}, uint32(random))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(certificate)))
	return block(0x0c02, string(b)+strings.Repeat("r", random)+certificate)
}

var classic = []dialogtest.Turn{
	{From: up, Data: connect(0xe0, "Cookie: mstshash=j.doe\r\n"+negotiation(1, 3))}, {From: down, Data: connect(0xd0, negotiation(2, 0))},
	{From: up, Data: initial(block(0xc003, "channels") + core(0x00080004, 0x407, 7601, "WS-0023"))},
	{From: down, Data: response(0, block(0x0c01, "\x04\x00\x08\x00")+security(32, "\x02\x00\x00\x80\x02\x00\x00\x00"))},
	{From: up, Data: unit("\x02\xf0\x80\x04sealed")},
}

func line(s *weir.RDPSession) string {
	return fmt.Sprintf("%s %s %s %s %s %s %d", s.Cookie, s.Result, s.Security, s.Client, s.Build, s.Keyboard, s.Certificates)
}

func TestRead(t *testing.T) {
	request := classic[0]
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  string
		anew  bool
	}{
		{"own security", classic, "j.doe Success rdp WS-0023 RDP 7.1 German - Germany 2", false},
		{"own certificate", []dialogtest.Turn{classic[0], classic[1], {From: up, Data: initial(core(0x0008000c, 0x00020409, 1, "A"))}, {From: down, Data: response(4, security(32, "\x01\x00\x00\x00\x01\x00\x00\x00"))}},
			"j.doe Locked conference rdp A RDP 10.7 English - United States (00020409) 1", false},
		{"a server that does not negotiate", []dialogtest.Turn{{From: up, Data: connect(0xe0, "Cookie: msts=3640205228.15629.0000\r\n")}, {From: down, Data: connect(0xd0, "")}, {From: up, Data: initial(core(0x00080001, 0xffff, 7, ""))}},
			"msts=3640205228.15629.0000  rdp  RDP 4.0 0000ffff 0", false},
		{"TLS", []dialogtest.Turn{request, {From: down, Data: connect(0xd0, negotiation(2, 1))}, {From: up, Data: "\x16\x03\x01"}, {From: down, Data: "\x16\x03\x03"}}, "j.doe encrypted tls    0", true},
		{"CredSSP", []dialogtest.Turn{request, {From: down, Data: connect(0xd0, negotiation(2, 2))}, {From: up, Data: "\x16\x03\x01"}, {From: down, Data: "\x16\x03\x03"}}, "j.doe encrypted hybrid    0", true},
		{"TLS without the answer", []dialogtest.Turn{request, {From: up, Data: "\x16\x03\x01"}, {From: down, Data: "\x16\x03\x03"}}, "j.doe encrypted tls    0", true},
		{"a protocol without a name", []dialogtest.Turn{request, {From: down, Data: connect(0xd0, negotiation(2, 64))}, {From: up, Data: "\x16\x03\x01"}, {From: down, Data: "\x16\x03\x03"}}, "j.doe encrypted 64    0", true},
		{"refused", []dialogtest.Turn{request, {From: down, Data: connect(0xd0, negotiation(3, 5))}}, "j.doe HYBRID_REQUIRED_BY_SERVER     0", false},
		{"no answer", []dialogtest.Turn{request}, "j.doe      0", false},
		{"no cookie", []dialogtest.Turn{{From: up, Data: connect(0xe0, negotiation(1, 3))}}, "      0", false},
		{"the answer alone", []dialogtest.Turn{{From: down, Data: connect(0xd0, negotiation(2, 2))}}, " encrypted hybrid    0", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1, 7, 1 << 20} {
				told := dialogtest.Stream(New(), size, c.turns...)
				if len(told.RDP) != 1 || line(&told.RDP[0]) != c.want {
					t.Errorf("in pieces of %d: %+v, want %s", size, told.RDP, c.want)
				}
				if told.Anew != c.anew || c.anew && len(c.turns) > 2 && told.Rest != [2]string{"\x16\x03\x01", "\x16\x03\x03"} {
					t.Errorf("in pieces of %d: anew %v with %q, want %v and TLS", size, told.Anew, told.Rest, c.anew)
				}
				if len(told.RDP) == 1 && !told.RDP[0].Src.IsValid() {
					t.Error("without endpoints")
				}
			}
		})
	}
}

// TestNone: what is no RDP behind such a beginning, or none at all.
func TestNone(t *testing.T) {
	for _, s := range []string{"\x03\x00\x00\x06ab", "SSH-2.0", "\x03\x00\x00\x07\xff\xff\xff", "\x03\x00\x00\x0b\x06\x70\x00\x00\x00\x00\x00"} {
		if told := dialogtest.Stream(New(), 3, dialogtest.Turn{From: up, Data: s}); len(told.RDP) != 0 || told.Anew {
			t.Errorf("%q: %+v", s, told.RDP)
		}
	}
}

func TestAnnounce(t *testing.T) {
	told := dialogtest.Stream(New(), 1<<20, classic...)
	if len(told.Announcements) != 1 || told.Announcements[0].Name != "WS-0023" || told.Announcements[0].Src != dialogtest.Base.Src {
		t.Errorf("%+v, want the name of the client", told.Announcements)
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, func() dialog.Reader { return New() }, classic, []dialogtest.Turn{classic[0], {From: down, Data: connect(0xd0, negotiation(2, 2))}})
}

func BenchmarkRead(b *testing.B) {
	batch := &weir.Batch{}
	var d dialog.Dialog
	data := make([][]byte, len(classic))
	for i := range classic {
		data[i] = []byte(classic[i].Data)
	}
	b.ReportAllocs()
	for b.Loop() {
		r := New()
		for i, t := range classic {
			d.Reset(dialogtest.Base, batch, nil)
			r.Read(&d, t.From, data[i])
		}
		batch.RDP, batch.Announcements = batch.RDP[:0], batch.Announcements[:0]
	}
}
