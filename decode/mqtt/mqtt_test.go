package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

var client, server = dialogtest.Client, dialogtest.Server

type turns = []dialogtest.Turn

func str(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }

func packet(kind byte, body string) string {
	head := []byte{kind << 4}
	for n := len(body); ; {
		b := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			b |= 0x80
		}
		if head = append(head, b); n == 0 {
			break
		}
	}
	return string(head) + body
}

var cases = []struct {
	name string
	turns
	want string
}{
	{"3.1.1", turns{
		client(packet(connect, str("MQTT")+"\x04\xc2\x00\x3c"+str("sensor-1")+str("anna")+str("secret"))), server(packet(connAck, "\x00\x00")),
		client(packet(subscribe, "\x00\x01"+str("home/+/temp")+"\x00"+str("$SYS/#")+"\x01")), server(packet(subAck, "\x00\x01\x00\x80")),
		client(packet(publish, str("home/1/temp")+"21.5") + packet(publish, str("home/1/temp")+strings.Repeat("x", 40000)) + packet(12, "")),
		server(packet(13, "") + packet(publish, str("home/2/temp")+"20")), client(packet(disconnect, "")),
	}, `connect [sensor-1] anna MQTT level 4 ok n=1
subscribe [home/+/temp] anna  ok n=1
subscribe [$SYS/#] anna  reason 0x80 n=1
publish [home/1/temp] anna  n=2
deliver [home/2/temp] anna  n=1
disconnect [] anna  n=1`},
	{"5, refused", turns{
		client(packet(connect, str("MQTT")+"\x05\xc6\x00\x3c"+"\x05\x11\x00\x00\x00\x0a"+str("c")+"\x00"+str("will/topic")+str("gone")+str("bob")+str("secret"))),
		server(packet(connAck, "\x00\x87\x00")),
	}, "connect [c] bob MQTT level 5 not_authorized n=1"},
	{"no answer", turns{client(packet(connect, str("MQIsdp")+"\x03\x02\x00\x3c"+str("old"))), client(packet(subscribe, "\x00\x02"+str("a")+"\x00"))},
		"connect [old]  MQIsdp level 3 n=1\nsubscribe [a]  n=1"},
}

func said(told *dialogtest.Told) string {
	var out []string
	for _, c := range told.Commands {
		s := fmt.Sprintf("%s [%s] %s %s %s", c.Command, c.Object, c.User, c.Client, c.Status)
		out = append(out, fmt.Sprintf("%s n=%d", strings.TrimRight(s, " "), c.Count))
	}
	return strings.Join(out, "\n")
}

func TestRead(t *testing.T) {
	for _, c := range cases {
		for _, size := range []int{1, 9, 1 << 20} {
			got := strings.ReplaceAll(said(dialogtest.Stream(New(), size, c.turns...)), "   ", "  ")
			if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(c.want), " ") {
				t.Errorf("%s, in pieces of %d: got\n%s\nwant\n%s", c.name, size, got, c.want)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	var seeds [][]dialogtest.Turn
	for _, c := range cases {
		seeds = append(seeds, c.turns)
	}
	dialogtest.Fuzz(f, New, seeds...)
}

func BenchmarkRead(b *testing.B) {
	r := New()
	b.ReportAllocs()
	for b.Loop() {
		dialogtest.Stream(r, 1460, client(packet(publish, str("home/1/temp")+"21.5")))
	}
}
