package ntp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// packet is one of a mode, with leap, version, stratum and reference.
func packet(leap, version, mode, stratum byte, refid string) string {
	b := make([]byte, header)
	b[0], b[1], b[2], b[3] = leap<<6|version<<3|mode, stratum, 6, 0xec
	copy(b[12:], refid)
	binary.BigEndian.PutUint32(b[32:], 0xe9010203)
	binary.BigEndian.PutUint32(b[40:], 0xe9010203)
	return string(b)
}

// says writes the commands as the tests do.
func says(t *dialogtest.Told) string {
	var out []string
	for _, c := range t.Commands {
		s := strings.Join(strings.Fields(strings.Join([]string{c.Command, c.Status, c.Success, c.Client, c.Server}, " ")), " ")
		if c.Count > 1 || c.Size > 0 {
			s += fmt.Sprintf(" x%d %d", c.Count, c.Size)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func ask(s string) dialogtest.Turn  { return dialogtest.Turn{From: dialog.Client, Data: s} }
func tell(s string) dialogtest.Turn { return dialogtest.Turn{From: dialog.Server, Data: s} }

func repeat(n int, turns ...dialogtest.Turn) (out []dialogtest.Turn) {
	for range n {
		out = append(out, turns...)
	}
	return out
}

var (
	question = packet(0, 4, client, 0, "")
	reply    = packet(0, 4, server, 2, "\xc0\x00\x02\x01")
	monlist  = "\x17\x00\x03\x2a\x00\x00\x00\x00"
	peers    = "\xd7\x00\x03\x2a\x00\x06\x00\x48" + strings.Repeat("a", 6*72)
	readVar  = "\x16\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  string
	}{
		{"asked and told", []dialogtest.Turn{ask(question), tell(reply)}, "client stratum 2 refid 192.0.2.1 true NTPv4 NTPv4"},
		{"again and again", repeat(20, ask(question), tell(reply)), "client stratum 2 refid 192.0.2.1 true NTPv4 NTPv4"},
		{"another reference", []dialogtest.Turn{ask(question), tell(reply), ask(question), tell(packet(0, 4, server, 1, "GPS\x00"))},
			"client stratum 2 refid 192.0.2.1 true NTPv4 NTPv4; client stratum 1 refid GPS true NTPv4 NTPv4"},
		{"nobody answers", []dialogtest.Turn{ask(question), ask(question)}, "client NTPv4"},
		{"only the answer", []dialogtest.Turn{tell(reply)}, "client stratum 2 refid 192.0.2.1 true NTPv4"},
		{"the answer first", []dialogtest.Turn{ask(reply), tell(question)}, "client stratum 2 refid 192.0.2.1 true NTPv4"},
		{"kiss of death", []dialogtest.Turn{ask(question), tell(packet(3, 3, server, 0, "RATE"))}, "client kiss RATE false NTPv4 NTPv3"},
		{"not set yet", []dialogtest.Turn{ask(question), tell(packet(3, 4, server, 16, ""))}, "client unsynchronised false NTPv4 NTPv4"},
		{"broadcast", []dialogtest.Turn{ask(packet(0, 4, broadcast, 3, "\x5b\xbd\x5e\x04"))}, "broadcast stratum 3 refid 91.189.94.4 true NTPv4"},
		{"peers", []dialogtest.Turn{ask(packet(0, 3, symmetricActive, 3, "\x01\x02\x03\x04")), tell(packet(0, 3, symmetricPassive, 2, "\x05\x06\x07\x08"))},
			"symmetric_active stratum 2 refid 5.6.7.8 true NTPv3 NTPv3"},
		{"monlist", []dialogtest.Turn{ask(monlist), tell(peers), tell(peers), tell(peers)}, "private monlist ok true NTPv2 x1 1320"},
		{"monlist refused", []dialogtest.Turn{ask(monlist), tell("\x97\x00\x03\x2a\x40\x00\x00\x00")}, "private monlist no data false NTPv2 x1 8"},
		{"monlist that many ask for", append(repeat(50, ask(monlist)), tell(peers)), "private monlist ok true NTPv2 x50 440"},
		{"variables", []dialogtest.Turn{ask(readVar), tell("\x16\x82\x00\x01\x06\x18\x00\x00\x00\x00\x00\x04abcd")}, "control read_variables ok true NTPv2 x1 16"},
		{"prohibited", []dialogtest.Turn{ask(readVar), tell("\x16\xc2\x00\x01\x07\x00\x00\x00\x00\x00\x00\x00")}, "control read_variables prohibited false NTPv2 x1 12"},
		{"an unknown request", []dialogtest.Turn{ask("\x17\x00\x03\x2b\x00\x00\x00\x00")}, "private 43 NTPv2"},
		{"too short", []dialogtest.Turn{ask(question[:47]), tell("\x24")}, ""},
	} {
		if got := says(dialogtest.Datagrams(New(), c.turns...)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestBounds: a server that changes with every answer, and all there are of commands.
func TestBounds(t *testing.T) {
	var turns []dialogtest.Turn
	for i := range 100 {
		turns = append(turns, ask(question), tell(packet(0, 4, server, 2, string([]byte{1, 2, 3, byte(i)}))))
	}
	if n := len(dialogtest.Datagrams(New(), turns...).Commands); n != maxTold {
		t.Errorf("%d records of the time, want %d", n, maxTold)
	}
	turns = nil
	for i := range 46 {
		turns = append(turns, ask("\x17\x00\x03"+string([]byte{byte(i)})+"\x00\x00\x00\x00"))
	}
	told, count := dialogtest.Datagrams(New(), turns...).Commands, 0
	for _, c := range told {
		count += int(c.Count)
	}
	if len(told) != maxKinds || count != 46 {
		t.Errorf("%d records of %d commands, want %d of 46", len(told), count, maxKinds)
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, func() dialog.Reader { return New() },
		[]dialogtest.Turn{ask(question), tell(reply)}, []dialogtest.Turn{ask(monlist), tell(peers)}, []dialogtest.Turn{ask(readVar), tell("\x16\xc2\x00\x01\x07\x00\x00\x00\x00\x00\x00\x00")})
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	turns := repeat(4, ask(question), tell(reply))
	for b.Loop() {
		dialogtest.Datagrams(New(), turns...)
	}
}
