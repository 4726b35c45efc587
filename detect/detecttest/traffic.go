package detecttest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

// Start is when made traffic begins.
var Start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// Traffic is the records of a case, in the order in which they come.
type Traffic struct {
	Records []weir.Record
}

// Conn adds a flow that begins at the given time after [Start]. The
// destination is "address:port/protocol" ("10.0.0.2:443/tcp", "10.0.0.2/icmp"
// for a ping); the state, in Zeek's terms, decides how many packets and bytes
// there are, and change, if not nil, may change anything.
func (tr *Traffic) Conn(at time.Duration, src, dst string, state weir.State, change func(*weir.Flow)) {
	f := &weir.Flow{
		Start: Start.Add(at), Sensor: "test", Src: netip.MustParseAddr(src), SrcPort: uint16(32768 + len(tr.Records)%28000),
		State: state, Direction: weir.Internal,
	}
	direct(f, dst)
	shape(f)
	f.End = f.Start.Add(f.Duration)
	if change != nil {
		change(f)
	}
	tr.Records = append(tr.Records, f)
}

// direct sets address, port and protocol of the destination.
func direct(f *weir.Flow, dst string) {
	where, proto, ok := strings.Cut(dst, "/")
	if err := f.Proto.UnmarshalText([]byte(proto)); !ok || err != nil {
		panic(fmt.Sprintf("destination %q: %v", dst, err))
	}
	if a, err := netip.ParseAddr(where); err == nil {
		f.Dst, f.SrcPort = a, 0
		if f.Proto == weir.ICMPv4 {
			f.ICMP = &weir.ICMP{Type: 8}
		}
		return
	}
	ap := netip.MustParseAddrPort(where)
	f.Dst, f.DstPort = ap.Addr(), ap.Port()
}

// shape sets counters and flags as the state has them.
func shape(f *weir.Flow) {
	f.PacketsUp, f.BytesUp = 1, 60
	f.FlagsUp = weir.SYN
	switch f.State {
	case weir.StateS0:
	case weir.StateREJ:
		f.PacketsDown, f.BytesDown, f.FlagsDown = 1, 40, weir.RST|weir.ACK
		f.Duration = time.Millisecond
	default:
		f.PacketsUp, f.PacketsDown = 12, 14
		f.DataUp, f.DataDown = 1200, 9000
		f.BytesUp, f.BytesDown = f.DataUp+12*40, f.DataDown+14*40
		f.FlagsUp, f.FlagsDown = weir.SYN|weir.ACK|weir.PSH|weir.FIN, weir.SYN|weir.ACK|weir.PSH|weir.FIN
		f.Duration = 2 * time.Second
	}
	if f.Proto != weir.TCP {
		f.FlagsUp, f.FlagsDown = 0, 0
	}
}

// Resolve adds a look-up of name by src that gave the addresses.
func (tr *Traffic) Resolve(at time.Duration, src, name string, addrs ...string) {
	tr.Records = append(tr.Records, &weir.DNSTransaction{
		Time: Start.Add(at), Sensor: "test", Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr("10.0.0.53"),
		SrcPort: 40000, DstPort: 53, Proto: weir.UDP, App: "dns", Query: name, Type: "A", Class: "IN", Code: "NOERROR",
		Answers: slices.Clone(addrs),
	})
}

// FlowDoesNotAllocate checks that a flow to what is known costs no memory.
func FlowDoesNotAllocate(t *testing.T, d *detect.Detector) {
	t.Helper()
	h, err := d.Default.New(func(weir.Finding) {})
	if err != nil {
		t.Fatal(err)
	}
	f := weir.Flow{
		Start: Start, End: Start.Add(time.Minute), Duration: time.Minute, Direction: weir.Outbound,
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.9"), DstPort: 443, Proto: weir.TCP,
		State: weir.StateSF, PacketsUp: 9, PacketsDown: 9, DataUp: 900, DataDown: 900,
	}
	h.Flow(&f)
	if n := testing.AllocsPerRun(1000, func() { h.Flow(&f) }); n != 0 {
		t.Errorf("%v allocations per flow, want 0", n)
	}
}
