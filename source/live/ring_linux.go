package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/weir-nta/weir/decode/packet"
)

const (
	// blockBytes is what the kernel hands over at a time. Larger blocks would
	// save little, and a packet must fit in one.
	blockBytes = 1 << 20
	// retireMillis is after how long the kernel hands over a block that is not
	// full, so that a quiet link is seen without delay.
	retireMillis = 40
	// frameBytes only has to divide blockBytes: TPACKET_V3 packs packets of any length.
	frameBytes = 1 << 11
)

// A ring is memory into which the kernel writes packets, block after block, of
// an interface, or of the share of it that fanout gives this socket. It belongs
// to one goroutine.
type ring struct {
	link   *link
	fd     int
	memory []byte
	blocks int
	kind   packet.LinkType

	block   int            // the next to come, or the current one
	current unsafe.Pointer // the current block, nil for none
	next    unsafe.Pointer // header of the next packet in it
	left    uint32         // packets left in it
}

// openRing opens a socket with a ring that takes nothing in: it belongs to no
// interface yet.
func openRing(l *link, bytes int) (*ring, error) {
	kind, cooked := l.kind()
	socket := unix.SOCK_RAW
	if cooked {
		socket = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, socket|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, ErrNoRight
		}
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	r := &ring{link: l, fd: fd, blocks: max(bytes/blockBytes, 2), kind: kind}
	if err := r.set(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// set gives the socket its ring and keeps everything out of it.
func (r *ring) set() error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3 (Linux 3.2 or later): %w", err)
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, tagBytes); err != nil {
		return fmt.Errorf("PACKET_RESERVE: %w", err)
	}
	request := unix.TpacketReq3{
		Block_size: blockBytes, Block_nr: uint32(r.blocks), Frame_size: frameBytes, Frame_nr: uint32(r.blocks) * (blockBytes / frameBytes),
		Retire_blk_tov: retireMillis,
	}
	err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request)
	if err != nil {
		return fmt.Errorf("ring of %d MiB: %w", r.blocks*blockBytes>>20, err)
	}
	if err := r.filter(takeNone); err != nil {
		return err
	}
	r.memory, err = unix.Mmap(r.fd, 0, r.blocks*blockBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping of the ring: %w", err)
	}
	return nil
}

// takeNone is a filter that lets nothing into a socket.
var takeNone = []bpf.RawInstruction{{Op: 0x06}} // ret #0

// takeIncoming leaves the outgoing packets to no other instruction. At the
// loopback interface the kernel shows each packet as it goes out and as it
// comes in. (PACKET_IGNORE_OUTGOING does not hold for a group of rings.)
var takeIncoming = []bpf.RawInstruction{
	{Op: 0x28, K: 0xfffff004},            // ldh pkttype (SKF_AD_PKTTYPE)
	{Op: 0x15, Jf: 1, K: packetOutgoing}, // jeq
	{Op: 0x06},                           // ret #0
}

// filter lets in what a program says.
func (r *ring) filter(program []bpf.RawInstruction) error {
	f := sockFilter(program)
	if err := unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, f); err != nil {
		return fmt.Errorf("filter of %d instructions: %w", len(program), err)
	}
	return nil
}

func sockFilter(program []bpf.RawInstruction) *unix.SockFprog {
	code := make([]unix.SockFilter, len(program))
	for i, c := range program {
		code[i] = unix.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// bind has the ring see the interface. What its filter lets in comes from now on.
func (r *ring) bind(promiscuous bool) error {
	index := r.link.index
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_ALL), Ifindex: int(index)}); err != nil {
		return err
	}
	if !promiscuous || r.link.loopback() {
		return nil
	}
	member := unix.PacketMreq{Ifindex: index, Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &member); err != nil {
		return fmt.Errorf("promiscuous mode: %w", err)
	}
	return nil
}

func network(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// header returns the header of the current packet, nil if the kernel has not
// handed over any. It gives back a block of which nothing is left.
func (r *ring) header() *unix.Tpacket3Hdr {
	if r.left > 0 {
		return (*unix.Tpacket3Hdr)(r.next)
	}
	for {
		if r.current != nil {
			atomic.StoreUint32(&blockHeader(r.current).Block_status, unix.TP_STATUS_KERNEL)
			r.current = nil
			r.block = (r.block + 1) % r.blocks
		}
		b := unsafe.Pointer(&r.memory[r.block*blockBytes])
		h := blockHeader(b)
		if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
			return nil
		}
		r.current, r.left = b, h.Num_pkts
		if r.left > 0 { // a block may be handed over without any
			r.next = unsafe.Add(b, h.Offset_to_first_pkt)
			return (*unix.Tpacket3Hdr)(r.next)
		}
	}
}

// skip goes on to the packet after the current one.
func (r *ring) skip() {
	r.left--
	if r.left > 0 {
		r.next = unsafe.Add(r.next, (*unix.Tpacket3Hdr)(r.next).Next_offset)
	}
}

func blockHeader(b unsafe.Pointer) *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&(*unix.TpacketBlockDesc)(b).Hdr))
}

// packet returns the bytes of the current packet as they were on the wire, and
// how many there were.
func (r *ring) packet(h *unix.Tpacket3Hdr) (data []byte, wire int) {
	start := unsafe.Add(r.next, h.Mac)
	n := int(h.Snaplen)
	wire = int(h.Len)
	if h.Status&unix.TP_STATUS_VLAN_VALID == 0 || r.kind != packet.LinkEthernet || n < 12 {
		return unsafe.Slice((*byte)(start), n), wire
	}
	// The tag goes behind the addresses again, which move into the room before.
	data = unsafe.Slice((*byte)(unsafe.Add(start, -tagBytes)), n+tagBytes)
	copy(data, data[tagBytes:tagBytes+12])
	tpid := uint16(unix.ETH_P_8021Q)
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = h.Hv1.Vlan_tpid
	}
	binary.BigEndian.PutUint16(data[12:], tpid)
	binary.BigEndian.PutUint16(data[14:], uint16(h.Hv1.Vlan_tci))
	return data, wire + tagBytes
}

// outgoing reports whether this machine has sent the current packet.
func (r *ring) outgoing() bool {
	a := (*unix.RawSockaddrLinklayer)(unsafe.Add(r.next, alignedHeader))
	return a.Pkttype == unix.PACKET_OUTGOING
}

// alignedHeader is TPACKET_ALIGN(sizeof(struct tpacket3_hdr)).
const alignedHeader = (unsafe.Sizeof(unix.Tpacket3Hdr{}) + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)

// dropped returns how many packets the kernel has dropped since it was last
// asked because there was no room in the ring.
func (r *ring) dropped() int64 {
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0 // of a socket that is there it always can be told
	}
	return int64(s.Drops)
}

// fault fetches what befell the socket, such as an interface going down. The
// kernel says it once.
func (r *ring) fault() { _, _ = unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR) }

func (r *ring) close() {
	if r.memory != nil {
		_ = unix.Munmap(r.memory)
		r.memory = nil
	}
	_ = unix.Close(r.fd)
}
