package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-nta/weir/collector"
)

func TestListen(t *testing.T) {
	c, err := Parse([]byte(`
listen:
  udp: ["[::]:2055", "192.0.2.1:6343"]
  ipfix_tls: [":4740"]
  cert: a.pem
  key: b.pem
  allow: [192.0.2.0/24, 198.51.100.7]
  exporters: [{address: 192.0.2.0/24, name: edge, sampling: 100}]
  state: /var/lib/weir/exporters
  receive_buffer: 8MiB
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	l := c.Listen
	if len(l.UDP) != 2 || len(l.IPFIXTLS) != 1 || l.Cert != "a.pem" || l.ReceiveBuffer != 8<<20 {
		t.Errorf("got %+v", l)
	}
	col := l.Collector()
	want := collector.Setting{Address: collector.Network{Prefix: netip.MustParsePrefix("192.0.2.0/24")}, Name: "edge", Sampling: 100}
	if len(col.Exporters) != 1 || col.Exporters[0] != want || len(col.Allow) != 2 || col.Allow[1].Bits() != 32 || col.StateDir != "/var/lib/weir/exporters" {
		t.Errorf("collector: got %+v", col)
	}
}

func TestListenDefaults(t *testing.T) {
	c, err := Parse(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen.ReceiveBuffer != 32<<20 || len(c.Listen.UDP) != 0 {
		t.Errorf("got %+v, want a buffer of 32 MiB, and the addresses left to the command", c.Listen)
	}
}

func TestListenRefused(t *testing.T) {
	for text, want := range map[string]string{
		"allow: [192.0.2.1/33]":                                     "is no network",
		"exporters: [{name: edge}]":                                 "number 1 has no address",
		"exporters: [{address: x}]":                                 "is no network",
		"exporters: [{adress: 192.0.2.0/24}]":                       "unknown key adress",
		"cert: a.pem":                                               "cert and key",
		"receive_buffer: much":                                      "is no size",
		"{allow: [10.0.0.0/8], sampling: -1}":                       "wanted",
		"exporters: [{address: 10.0.0.0/8}, {address: 10.1.0.0/8}]": "is there twice",
	} {
		_, err := Parse([]byte("listen:\n  "+text+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}
