package live

import (
	"golang.org/x/net/bpf"

	"github.com/weir-nta/weir"
)

// Where in a packet fanout looks, from the network header on.
const (
	ip4Proto, ip4Frag, ip4Src, ip4Dst = 9, 6, 12, 16
	ip6Next, ip6Src, ip6End           = 6, 8, 40
	tagType                           = 2 // of what a VLAN tag precedes
	tagBytes                          = 4
	packetOutgoing                    = 4 // PACKET_OUTGOING
)

// fanoutProgram returns a program that names the worker for a packet, the same
// for both directions of a conversation: by the addresses and, of TCP that is
// not fragmented, the ports. What the kernel offers for it (PACKET_FANOUT_HASH)
// would not do: it leaves the ports out for fragments, so that a DNS response
// in fragments does not meet its query, and takes those of an outer UDP header,
// which differ between the directions of a tunnel (VXLAN, Geneve). To have the
// kernel put fragments together (PACKET_FANOUT_FLAG_DEFRAG) would count packets
// that never were.
//
// The factor is odd and secret, so that others do not know whom a conversation
// goes to. What is not IP, or in more than two VLAN tags or in MPLS, goes to
// the first worker. Fanout sees an incoming packet from the network header on,
// and an outgoing one with its link header, of so many bytes.
func fanoutProgram(factor, linkBytes uint32) []bpf.RawInstruction {
	a := &assembler{}
	ip4, ip6, tagged, raw := a.label(), a.label(), a.label(), a.label()
	addresses, ports4, ports6, finish := a.label(), a.label(), a.label(), a.label()

	// X is where the network header begins. The type is that of the packet
	// without the tag that the kernel has taken out.
	incoming := a.label()
	a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, bpf.LoadExtension{Num: bpf.ExtType})
	a.jump(bpf.JumpEqual, packetOutgoing, next, incoming)
	a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: linkBytes})
	a.at(incoming)
	a.add(bpf.LoadExtension{Num: bpf.ExtProto})
	a.jump(bpf.JumpEqual, etherIP4, ip4, next)
	a.jump(bpf.JumpEqual, etherIP6, ip6, next)
	a.jump(bpf.JumpEqual, etherVLAN, tagged, next)
	a.jump(bpf.JumpEqual, etherQinQ, tagged, raw)
	a.at(tagged)
	a.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: tagBytes}, bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.LoadIndirect{Off: tagType, Size: 2}, bpf.LoadScratch{Dst: bpf.RegX, N: 0})
	a.jump(bpf.JumpEqual, etherIP4, ip4, next)
	a.jump(bpf.JumpEqual, etherIP6, ip6, raw)
	a.at(raw)
	a.add(bpf.RetConstant{Val: 0})

	a.at(ip4)
	a.add(bpf.LoadIndirect{Off: ip4Src, Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.LoadIndirect{Off: ip4Dst, Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: 1},
		bpf.LoadIndirect{Off: ip4Proto, Size: 1})
	a.jump(bpf.JumpEqual, uint32(weir.TCP), next, addresses)
	a.add(bpf.LoadIndirect{Off: ip4Frag, Size: 2})
	a.jump(bpf.JumpBitsSet, 0x3fff, addresses, ports4) // more fragments, or not the first

	a.at(ip6)
	a.add(bpf.StoreScratch{Src: bpf.RegX, N: 2})
	for end := range uint32(2) { // fold an address into a word
		for word := range uint32(4) {
			a.add(bpf.LoadScratch{Dst: bpf.RegX, N: 2}, bpf.LoadIndirect{Off: ip6Src + 16*end + 4*word, Size: 4})
			if word > 0 {
				a.add(bpf.LoadScratch{Dst: bpf.RegX, N: int(end)}, bpf.ALUOpX{Op: bpf.ALUOpXor})
			}
			a.add(bpf.StoreScratch{Src: bpf.RegA, N: int(end)})
		}
	}
	a.add(bpf.LoadScratch{Dst: bpf.RegX, N: 2}, bpf.LoadIndirect{Off: ip6Next, Size: 1})
	a.jump(bpf.JumpEqual, uint32(weir.TCP), ports6, addresses)

	// The ports follow the header, whose length for IPv4 stands in it.
	a.at(ports4)
	a.add(bpf.LoadIndirect{Off: 0, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{}, bpf.StoreScratch{Src: bpf.RegX, N: 3})
	a.ports(0)
	a.goTo(finish)
	a.at(ports6)
	a.add(bpf.StoreScratch{Src: bpf.RegX, N: 3})
	a.ports(ip6End)
	a.goTo(finish)
	a.at(addresses)
	a.add(bpf.LoadConstant{Dst: bpf.RegA, Val: 0})
	a.at(finish)
	// A sum and a product are the same whichever end comes first.
	a.add(bpf.StoreScratch{Src: bpf.RegA, N: 4}, bpf.LoadScratch{Dst: bpf.RegA, N: 0}, bpf.LoadScratch{Dst: bpf.RegX, N: 1}, bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.LoadScratch{Dst: bpf.RegX, N: 4}, bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: factor}, bpf.TAX{}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 15}, bpf.ALUOpX{Op: bpf.ALUOpXor},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 0x2c1b3c6d}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16}, bpf.RetA{})
	code, err := a.assemble()
	if err != nil {
		panic(err) // it is always the same program
	}
	return code
}

// ports leaves the sum of two ports in A that stand off behind M[3].
func (a *assembler) ports(off uint32) {
	a.add(bpf.LoadScratch{Dst: bpf.RegX, N: 3}, bpf.LoadIndirect{Off: off, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: 4},
		bpf.LoadIndirect{Off: off + 2, Size: 2}, bpf.LoadScratch{Dst: bpf.RegX, N: 4}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
}
