package tunnel

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

func ask(s string) dialogtest.Turn  { return dialogtest.Turn{From: dialog.Client, Data: s} }
func tell(s string) dialogtest.Turn { return dialogtest.Turn{From: dialog.Server, Data: s} }

// says writes the commands as the tests do.
func says(t *dialogtest.Told) string {
	var out []string
	for _, c := range t.Commands {
		s := strings.Join(strings.Fields(strings.Join([]string{c.Command, c.Object, c.User, c.Status, c.Success, c.Client, c.Server}, " ")), " ")
		if c.Count > 1 {
			s += fmt.Sprintf(" x%d", c.Count)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func u16(n int) string { return string([]byte{byte(n >> 8), byte(n)}) }

// attribute is one of STUN, padded to four octets.
func attribute(kind int, v string) string {
	return u16(kind) + u16(len(v)) + v + strings.Repeat("\x00", (4-len(v)%4)%4)
}

func stun(kind int, id byte, attributes ...string) string {
	body := strings.Join(attributes, "")
	return u16(kind) + u16(len(body)) + stunCookie + strings.Repeat(string([]byte{id}), 12) + body
}

var (
	binding  = stun(0x0001, 7, attribute(attrSoftware, "client 1.2"))
	bound    = stun(0x0101, 7, attribute(0x0020, "\x00\x01\x21\x12\x21\x12\xa4\x42"), attribute(attrSoftware, "server 3"))
	allocate = stun(0x0003, 8, attribute(attrUser, "bob"), attribute(attrRealm, "example.com"))
)

func TestSTUN(t *testing.T) {
	many := []dialogtest.Turn{}
	for i := range 20 {
		many = append(many, ask(stun(0x0001, byte(i))), tell(stun(0x0101, byte(i))))
	}
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  string
	}{
		{"binding", []dialogtest.Turn{ask(binding), tell(bound)}, "binding true client 1.2 server 3"},
		{"nobody answers", []dialogtest.Turn{ask(binding)}, "binding client 1.2"},
		{"another's answer", []dialogtest.Turn{ask(binding), tell(stun(0x0101, 9))}, "binding client 1.2"},
		{"who are you?", []dialogtest.Turn{ask(stun(0x0003, 1)), tell(stun(0x0113, 1, attribute(attrError, "\x00\x00\x04\x01"), attribute(attrRealm, "example.com")))}, "allocate example.com 401 false"},
		{"relay", []dialogtest.Turn{ask(allocate), tell(stun(0x0103, 8))}, "allocate example.com bob true"},
		{"user of ICE", []dialogtest.Turn{ask(stun(0x0001, 1, attribute(attrUser, "abcd:efgh"))), tell(stun(0x0101, 1))}, "binding true"},
		{"many", many, "binding true x20"},
		{"more than are remembered", []dialogtest.Turn{ask(stun(1, 1)), ask(stun(1, 2)), ask(stun(1, 3)), ask(stun(1, 4)), ask(stun(1, 5)), ask(stun(1, 6))}, "binding x6"},
		{"indication and channel data", []dialogtest.Turn{ask(stun(0x0016, 1)), ask("\x40\x00\x00\x04abcdabcdabcdabcdabcd")}, ""},
		{"an attribute beyond the end", []dialogtest.Turn{ask("\x00\x01\x00\x08" + stunCookie + strings.Repeat("a", 12) + "\x80\x22\x00\xffabcd")}, "binding"},
	} {
		if got := says(dialogtest.Datagrams(NewSTUN(), c.turns...)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestStream: over TCP the pieces do not matter.
func TestStream(t *testing.T) {
	for _, size := range []int{1, 7, 1000} {
		got := says(dialogtest.Stream(NewSTUN(), size, ask(binding+allocate), tell(bound+stun(0x0103, 8))))
		if want := "binding true client 1.2 server 3; allocate example.com bob true"; got != want {
			t.Errorf("in pieces of %d: %s, want %s", size, got, want)
		}
	}
}

// payload is one of IKE.
func payload(next int, v string) string { return string([]byte{byte(next), 0}) + u16(len(v)+4) + v }

func ike(version, exchange, flags, first int, responder byte, body string) string {
	b := "\x01\x02\x03\x04\x05\x06\x07\x08" + strings.Repeat(string([]byte{responder}), 8) + string([]byte{byte(first), byte(version), byte(exchange), byte(flags)}) + "\x00\x00\x00\x00"
	return b + string(binary.BigEndian.AppendUint32(nil, uint32(ikeHeader+len(body)))) + body
}

var (
	transform1 = "\x00\x00\x00\x20\x01\x01\x00\x00" + "\x80\x01\x00\x07" + "\x80\x0e\x01\x00" + "\x80\x02\x00\x02" + "\x80\x04\x00\x02" + "\x80\x03\x00\x01" + "\x80\x0b\x00\x01"
	sa1        = "\x00\x00\x00\x01\x00\x00\x00\x01" + "\x00\x00\x00\x28\x01\x01\x00\x01" + transform1
	sa2        = "\x00\x00\x00\x2c\x01\x01\x00\x04" + "\x03\x00\x00\x0c\x01\x00\x00\x14\x80\x0e\x01\x00" + "\x03\x00\x00\x08\x02\x00\x00\x05" + "\x03\x00\x00\x08\x04\x00\x00\x1f" + "\x00\x00\x00\x08\x05\x00\x00\x00"
	strong     = "\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb"
)

func TestIKE(t *testing.T) {
	main1 := ike(0x10, 2, 0, v1SA, 0, payload(v1Vendor, sa1)+payload(0, strong))
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  string
	}{
		{"main mode", []dialogtest.Turn{ask(main1), tell(ike(0x10, 2, 0, v1SA, 9, payload(0, sa1)))}, "main_mode aes256 sha1 modp1024 psk true strongSwan"},
		{"behind NAT", []dialogtest.Turn{ask("\x00\x00\x00\x00" + main1)}, "main_mode aes256 sha1 modp1024 psk strongSwan"},
		{"aggressive", []dialogtest.Turn{ask(ike(0x10, 4, 0, v1SA, 0, payload(0, sa1)))}, "aggressive_mode aes256 sha1 modp1024 psk"},
		{"version 2", []dialogtest.Turn{ask(ike(0x20, 34, 8, v2SA, 0, payload(v2Vendor, sa2)+payload(0, "Example VPN 4"))), tell(ike(0x20, 34, 0x20, v2SA, 9, payload(0, sa2)))},
			"ike_sa_init aes-gcm256 prf-sha256 curve25519 true Example VPN 4"},
		{"refused", []dialogtest.Turn{ask(ike(0x20, 34, 8, v2SA, 0, payload(0, sa2))), tell(ike(0x20, 34, 0x20, v2Notify, 0, payload(0, "\x00\x00\x00\x0e")))},
			"ike_sa_init aes-gcm256 prf-sha256 curve25519 NO_PROPOSAL_CHOSEN false"},
		{"two negotiations", []dialogtest.Turn{ask(main1), ask(strings.Replace(main1, "\x01\x02\x03", "\x09\x09\x09", 1))}, "main_mode aes256 sha1 modp1024 psk strongSwan; main_mode aes256 sha1 modp1024 psk strongSwan"},
		{"begun by the other", []dialogtest.Turn{tell(main1), ask(ike(0x10, 2, 0, v1SA, 9, payload(0, sa1)))}, "main_mode aes256 sha1 modp1024 psk true strongSwan"},
		{"ESP and keepalive", []dialogtest.Turn{ask("\xff"), ask("\x00\x00\x01\x02" + strings.Repeat("a", 60))}, ""},
	} {
		if got := says(dialogtest.Datagrams(NewIKE(), c.turns...)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestIKEBounds: who scans for transforms is told a bounded number of times.
func TestIKEBounds(t *testing.T) {
	var turns []dialogtest.Turn
	for i := range 200 {
		turns = append(turns, ask(strings.Replace(ike(0x10, 2, 0, v1SA, 0, payload(0, sa1)), "\x01\x02\x03", "\x09\x09"+string([]byte{byte(i)}), 1)))
	}
	if n := len(dialogtest.Datagrams(NewIKE(), turns...).Commands); n != maxExchanges {
		t.Errorf("%d records, want %d", n, maxExchanges)
	}
}

// rtp is a packet of RTP.
func rtp(kind byte, seq uint16, source uint32) []byte {
	b := make([]byte, 172)
	b[0], b[1] = 0x80, kind
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], source)
	return b
}

func TestRTP(t *testing.T) {
	for _, c := range []struct {
		name string
		list [][]byte
		want bool
	}{
		{"four in a row", [][]byte{rtp(0, 65534, 7), rtp(0, 65535, 7), rtp(0, 0, 7), rtp(0, 1, 7)}, true},
		{"the first marked, one lost", [][]byte{rtp(0x80, 1, 7), rtp(0, 2, 7), rtp(0, 4, 7), rtp(0, 5, 7)}, true},
		{"three", [][]byte{rtp(0, 1, 7), rtp(0, 2, 7), rtp(0, 3, 7)}, false},
		{"standing still", [][]byte{rtp(0, 1, 7), rtp(0, 1, 7), rtp(0, 1, 7), rtp(0, 1, 7), rtp(0, 1, 7)}, false},
		{"another source each", [][]byte{rtp(0, 1, 1), rtp(0, 2, 2), rtp(0, 3, 3), rtp(0, 4, 4), rtp(0, 5, 5)}, false},
		{"version 1", [][]byte{{0x40, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7}, {0x40, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7}, {0x40, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7}, {0x40, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7}}, false},
	} {
		var r RTP
		got := false
		for _, b := range c.list {
			got = got || r.Next(b)
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRTCP(t *testing.T) {
	report := "\x80\xc9\x00\x01\x00\x00\x00\x07"
	names := "\x81\xca\x00\x02\x00\x00\x00\x07\x01\x02ab"
	for in, want := range map[string]bool{report + names: true, report: false, names + report: false, report + names + "a": false, report + "\x81\xca\x00\x09": false, "": false} {
		if got := IsRTCP([]byte(in)); got != want {
			t.Errorf("IsRTCP(%x) = %v, want %v", in, got, want)
		}
	}
}

func TestTor(t *testing.T) {
	for _, c := range []struct {
		name string
		tls  weir.TLS
		want bool
	}{
		{"of a relay", weir.TLS{SNI: "www.axslhtfqq.com", Subject: "CN=www.7ofxwn2bpq.net", Issuer: "CN=www.kdnjmomzs3vz.com"}, true},
		{"without a name asked for", weir.TLS{Subject: "CN=www.7ofxwn2bpq.net", Issuer: "CN=www.kdnjmomzs3vz.com"}, true},
		{"of a shop", weir.TLS{SNI: "www.bookseller.com", Subject: "CN=www.bookseller.com", Issuer: "CN=Example CA"}, false},
		{"with an organisation", weir.TLS{SNI: "www.axslhtfqq.com", Subject: "CN=www.7ofxwn2bpq.net,O=Example", Issuer: "CN=www.kdnjmomzs3vz.com"}, false},
		{"a digit that base32 lacks", weir.TLS{SNI: "www.axslhtfqq.com", Subject: "CN=www.9ofxwn2bpq.net", Issuer: "CN=www.kdnjmomzs3vz.com"}, false},
		{"TLS 1.3", weir.TLS{SNI: "www.axslhtfqq.com"}, false},
	} {
		if got := IsTor(&c.tls); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if IsTor(nil) {
		t.Error("no handshake: true, want false")
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, NewSTUN, []dialogtest.Turn{ask(binding), tell(bound)}, []dialogtest.Turn{ask(allocate)})
}

func FuzzIKE(f *testing.F) {
	dialogtest.Fuzz(f, NewIKE, []dialogtest.Turn{ask(ike(0x10, 2, 0, v1SA, 0, payload(v1Vendor, sa1)+payload(0, strong)))},
		[]dialogtest.Turn{ask(ike(0x20, 34, 8, v2SA, 0, payload(v2Vendor, sa2)+payload(0, "Example VPN 4"))), tell(ike(0x20, 34, 0x20, v2Notify, 0, payload(0, "\x00\x00\x00\x0e")))})
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		dialogtest.Datagrams(NewSTUN(), ask(binding), tell(bound))
	}
}

func BenchmarkRTP(b *testing.B) {
	b.ReportAllocs()
	var r RTP
	p := rtp(0, 1, 7)
	for b.Loop() {
		r.Next(p)
	}
}
