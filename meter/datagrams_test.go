package meter

import (
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// TestDatagramsOfBothEnds names and reads what only a datagram and its answer
// together tell, and keeps nothing of it then.
func TestDatagramsOfBothEnds(t *testing.T) {
	c := DefaultConfig()
	var told weir.Batch
	m, err := New(c, func(b *weir.Batch) error {
		told.Flows = append(told.Flows, b.Flows...)
		told.Commands = append(told.Commands, b.Commands...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	datagram := func(ts int64, up bool, data string) {
		p := packet.Packet{Src: packet.Addr{Hi: 0, Lo: 0xffff_0a00_0001}, Dst: packet.Addr{Lo: 0xffff_0a00_0002}, SrcPort: 40000, DstPort: 40001,
			Proto: weir.UDP, Bytes: 28 + len(data), PayloadLen: len(data), Payload: []byte(data)}
		if !up {
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		if err := m.Packet(ts, &p); err != nil {
			t.Fatal(err)
		}
	}
	datagram(1e9, true, "\x41\x01\x00\x01\xaa\xb4temp")
	if m.headBytes == 0 {
		t.Error("nothing is kept of the question")
	}
	datagram(2e9, false, "\x61\x45\x00\x01\xaa\xff21")
	if m.headBytes != 0 {
		t.Errorf("%d octets are kept behind the answer", m.headBytes)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if len(told.Flows) != 1 || told.Flows[0].App != "coap" || told.Flows[0].AppGuessed || len(told.Commands) != 1 || told.Commands[0].Object != "/temp" || told.Commands[0].Status != "2.05" {
		t.Errorf("got %+v, %+v; want one flow of coap and a get of /temp", told.Flows, told.Commands)
	}
}
