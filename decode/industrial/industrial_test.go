package industrial

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

var client, server = dialogtest.Client, dialogtest.Server

type turns = []dialogtest.Turn

func said(list []weir.Command) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s %s [%s] %s n=%d", c.Protocol, c.Command, c.Object, c.Status, c.Count))
	}
	return strings.Join(out, "\n")
}

// mbap makes a Modbus message.
func mbap(transaction, unit, function byte, data string) string {
	return string([]byte{0, transaction, 0, 0, 0, byte(2 + len(data)), unit, function}) + data
}

// frame makes a DNP3 frame of up to 16 octets of data. Checks are not verified.
func frame(to, src byte, data string) string {
	return string([]byte{0x05, 0x64, byte(5 + len(data)), 0xc4, to, 0, src, 0, 0xaa, 0xbb}) + data + "\xcc\xdd"
}

// s7 makes an S7comm message in its transports.
func s7(kind, id byte, rest, parameters, data string) string {
	body := string([]byte{0x32, kind, 0, 0, 0, id, 0, byte(len(parameters)), 0, byte(len(data))}) + rest + parameters + data
	return string([]byte{3, 0, 0, byte(7 + len(body)), 2, 0xf0, 0x80}) + body
}

func bvlc(kind byte, body string) string {
	return string([]byte{0x81, kind, 0, byte(4 + len(body))}) + body
}

var cases = []struct {
	name string
	open func() dialog.Reader
	turns
	want string
}{
	{"modbus", NewModbus, turns{
		client(mbap(1, 1, 3, "\x00\x10\x00\x02")), server(mbap(1, 1, 3, "\x04\x00\x01\x00\x02")),
		client(mbap(2, 1, 3, "\x00\x10\x00\x02")), server(mbap(2, 1, 3, "\x04\x00\x01\x00\x02")),
		client(mbap(3, 1, 5, "\x00\x11\xff\x00") + mbap(4, 2, 99, "")), server(mbap(4, 2, 0x80|99, "\x01") + mbap(3, 1, 5, "\x00\x11\xff\x00")),
		client(mbap(5, 1, 1, "\x00\x00\x00\x01")),
	}, "modbus read_holding_registers [unit 1 address 16 count 2] ok n=2\nmodbus function_99 [unit 2] illegal_function n=1\n" +
		"modbus write_single_coil [unit 1 address 17] ok n=1\nmodbus read_coils [unit 1 address 0 count 1]  n=1"},
	{"dnp3", NewDNP3, turns{
		client(frame(4, 1, "\xc0\xc1\x01\x3c\x02\x06")), server(frame(1, 4, "\xc0\xc1\x81\x00\x00")),
		client(frame(4, 1, "\xc1\xc2\x05\x0c\x01\x28")), server(frame(1, 4, "\xc1\xc2\x81\x00\x04")),
		client(frame(4, 1, "\xc2\xc3\x0d")), server(frame(1, 4, "\xc2\xf0\x82\x00\x00")),
		client("noise" + frame(4, 1, "\xc3\xc4\x06\x0c\x01")),
	}, "dnp3 read [station 4 g60v2] ok n=1\ndnp3 direct_operate [station 4 g12v1] parameter_error n=1\n" +
		"dnp3 unsolicited_response [station 4]  n=1\ndnp3 direct_operate_nr [station 4 g12v1]  n=1\ndnp3 cold_restart [station 4]  n=1"},
	{"s7comm", NewS7comm, turns{
		client("\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02"), server("\x03\x00\x00\x0b\x06\xd0\x00\x01\x00\x02\x00"),
		client(s7(1, 1, "", "\xf0\x00\x00\x01\x00\x01\x01\xe0", "")), server(s7(3, 1, "\x00\x00", "\xf0\x00\x00\x01\x00\x01\x00\xf0", "")),
		client(s7(1, 2, "", "\x05\x01\x12\x0a\x10\x02\x00\x01\x00\x05\x84\x00\x00\x10", "\x00\x04\x00\x08\x01")), server(s7(3, 2, "\x85\x04", "\x05\x01", "")),
		client(s7(1, 3, "", "\x29\x00\x00\x00\x00\x00\x09P_PROGRAM", "")), server(s7(3, 3, "\x00\x00", "\x29", "")),
		client(s7(7, 4, "", "\x00\x01\x12\x04\x11\x44\x01\x00", "")), server(s7(7, 4, "", "\x00\x01\x12\x08\x12\x84\x01\x00\x00\x00\x00\x00", "")),
	}, "s7comm setup_communication [] ok n=1\ns7comm write_var [db5 address 2] error 0x8504 n=1\ns7comm plc_stop [P_PROGRAM] ok n=1\ns7comm cpu_functions [subfunction 1] ok n=1"},
	{"bacnet", NewBACnet, turns{
		client(bvlc(10, "\x01\x04\x00\x05\x07\x0c\x0c\x00\xc0\x00\x05\x19\x55")), server(bvlc(10, "\x01\x00\x30\x07\x0c")),
		client(bvlc(10, "\x01\x04\x00\x05\x08\x0f\x0c\x02\x00\x00\x01\x19\x55")), server(bvlc(10, "\x01\x00\x50\x08\x0f")),
		client(bvlc(11, "\x01\x20\xff\xff\x00\xff\x10\x08")), server(bvlc(11, "\x01\x00\x10\x00\xc4\x02\x00\x00\x7b\x22")),
	}, "bacnet read_property [binary_input 5] ok n=1\nbacnet write_property [device 1] error n=1\nbacnet who_is []  n=1\nbacnet i_am [device 123]  n=1"},
}

func TestRead(t *testing.T) {
	for _, c := range cases {
		if c.name == "bacnet" {
			if got := said(dialogtest.Datagrams(c.open(), c.turns...).Commands); got != c.want {
				t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
			}
			continue
		}
		for _, size := range []int{1, 5, 1 << 20} {
			if got := said(dialogtest.Stream(c.open(), size, c.turns...).Commands); got != c.want {
				t.Errorf("%s, in pieces of %d: got\n%s\nwant\n%s", c.name, size, got, c.want)
			}
		}
	}
}

// TestUnanswered wants no more than maxAsked requests to wait, and all told.
func TestUnanswered(t *testing.T) {
	var asks string
	for i := range 100 {
		asks += mbap(byte(i), 1, 6, "\x00"+string([]byte{byte(i)})+"\x00\x00")
	}
	got := dialogtest.Stream(NewModbus(), 1460, client(asks))
	for i, c := range got.Commands {
		if want := fmt.Sprintf("unit 1 address %d", i); c.Object != want || c.Status != "" {
			t.Errorf("command %d: got %s %s, want %s without an answer", i, c.Object, c.Status, want)
		}
	}
	if len(got.Commands) != 100 {
		t.Errorf("%d commands, want 100", len(got.Commands))
	}
}

func FuzzRead(f *testing.F) {
	var seeds [][]dialogtest.Turn
	for _, c := range cases {
		seeds = append(seeds, c.turns)
	}
	dialogtest.Fuzz(f, func() dialog.Reader {
		return dialogtest.All(NewModbus(), NewDNP3(), NewS7comm(), NewBACnet())
	}, seeds...)
}

func BenchmarkRead(b *testing.B) {
	r := NewModbus()
	poll := turns{client(mbap(1, 1, 3, "\x00\x10\x00\x02")), server(mbap(1, 1, 3, "\x04\x00\x01\x00\x02"))}
	b.ReportAllocs()
	for b.Loop() {
		dialogtest.Stream(r, 1460, poll...)
	}
}
