package meter

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/packet"
)

// hear tells what a device says of itself in one packet that belongs to no
// conversation: ARP, LLDP, CDP, neighbour discovery.
func (m *Meter) hear(ts int64, p *packet.Packet) {
	m.fill()
	e := weir.Endpoints{Time: timeOf(ts), Sensor: m.config.Sensor, Proto: p.Proto}
	if p.Frame == 0 {
		e.Src, e.Dst = p.Src.Netip(), p.Dst.Netip()
	}
	d := &m.dialog
	d.Reset(e, m.batch, m.announce)
	if p.Tunnel == 0 { // else they are of the ends of the tunnel
		d.SrcMAC, d.DstMAC = m.macs.text(p.SrcMAC), m.macs.text(p.DstMAC)
	}
	before := m.batch.Len()
	if conflict := m.local.Read(d, p); conflict != "" {
		m.Oddity(ts, &packet.Packet{Src: packet.AddrFrom(d.Src), Dst: packet.AddrFrom(d.Dst), Proto: p.Proto}, "arp_conflict", conflict)
	}
	m.count.Transactions += uint64(m.batch.Len() - before)
}

// overhear tells what a device says of itself in a message of multicast DNS,
// LLMNR or the NetBIOS name service.
func (m *Meter) overhear(f *flow, end uint8, ts int64) {
	m.ask(f, ts, func(d *dialog.Dialog) bool {
		m.local.DNS(d, f.role(end), dns.Dialect(f.key.APort, f.key.BPort), &m.message)
		return true
	})
}
