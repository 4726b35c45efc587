package sharedtest

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// A Conversation is what gopacket sees of one TCP or UDP conversation of a
// capture: the oracle's view, for tests of decoders.
type Conversation struct {
	TCP      bool
	Src, Dst netip.AddrPort // Src sent the first packet
	// Up and Down are the in-order heads of the streams, up to the first gap.
	// TCP only.
	Up, Down []byte
	// Datagrams are the payloads of UDP, in the order of the capture; FromSrc
	// says of each who sent it.
	Datagrams [][]byte
	FromSrc   []bool

	segments [2][]segment
	isn      [2]uint32
	synSeen  [2]bool
}

type segment struct {
	seq  uint32
	data []byte
}

// maxHead bounds the head of a stream that Conversations keeps.
const maxHead = 1 << 18

// Captures returns the capture files below a folder of the shared material.
func Captures(t testing.TB, folder string) []string {
	t.Helper()
	name := regexp.MustCompile(`\.(pcap|pcapng|cap|trace)(\.gz)?$`)
	var files []string
	err := filepath.WalkDir(Path(t, folder), func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && name.MatchString(file) {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Conversations returns the conversations of a capture in the order in which
// they began. Of a damaged file it returns those of the part before the damage.
func Conversations(t testing.TB, file string) []*Conversation {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, link := open(f)
	if read == nil {
		return nil
	}
	var all []*Conversation
	known := map[[2]netip.AddrPort]*Conversation{}
	for {
		data, _, err := read()
		if err != nil {
			break
		}
		p := gopacket.NewPacket(data, link(), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		src, dst, transport := endpoints(p)
		switch transport := transport.(type) {
		case *layers.UDP:
			c, up := find(known, &all, netip.AddrPortFrom(src, uint16(transport.SrcPort)), netip.AddrPortFrom(dst, uint16(transport.DstPort)), false)
			c.Datagrams = append(c.Datagrams, transport.Payload)
			c.FromSrc = append(c.FromSrc, up)
		case *layers.TCP:
			from, to := netip.AddrPortFrom(src, uint16(transport.SrcPort)), netip.AddrPortFrom(dst, uint16(transport.DstPort))
			if transport.SYN && !transport.ACK {
				if c := known[[2]netip.AddrPort{from, to}]; c != nil && c.synSeen[0] && c.isn[0] != transport.Seq+1 {
					delete(known, [2]netip.AddrPort{from, to}) // the ports are used again
				}
			}
			c, up := find(known, &all, from, to, true)
			c.add(transport, up)
		}
	}
	for _, c := range all {
		c.Up, c.Down = c.assemble(0), c.assemble(1)
	}
	return all
}

func open(f io.Reader) (read func() ([]byte, gopacket.CaptureInfo, error), link func() layers.LinkType) {
	b := bufio.NewReaderSize(f, 1<<20)
	if magic, _ := b.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil
		}
		b = bufio.NewReaderSize(z, 1<<20)
	}
	if magic, _ := b.Peek(4); string(magic) == "\x0a\x0d\x0d\x0a" {
		r, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, nil
		}
		kind := r.LinkType()
		return func() ([]byte, gopacket.CaptureInfo, error) {
			data, ci, err := r.ReadPacketData()
			if len(ci.AncillaryData) > 0 {
				kind = ci.AncillaryData[0].(layers.LinkType)
			}
			return data, ci, err
		}, func() layers.LinkType { return kind }
	}
	r, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, nil
	}
	return r.ReadPacketData, r.LinkType
}

// endpoints returns the innermost addresses and transport.
func endpoints(p gopacket.Packet) (src, dst netip.Addr, transport gopacket.Layer) {
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			src, _ = netip.AddrFromSlice(l.SrcIP)
			dst, _ = netip.AddrFromSlice(l.DstIP)
			transport = nil
		case *layers.IPv6:
			src, _ = netip.AddrFromSlice(l.SrcIP)
			dst, _ = netip.AddrFromSlice(l.DstIP)
			transport = nil
		case *layers.TCP, *layers.UDP:
			transport = l
		}
	}
	return src, dst, transport
}

func find(known map[[2]netip.AddrPort]*Conversation, all *[]*Conversation, from, to netip.AddrPort, tcp bool) (c *Conversation, up bool) {
	if c = known[[2]netip.AddrPort{from, to}]; c != nil && c.TCP == tcp {
		return c, true
	}
	if c = known[[2]netip.AddrPort{to, from}]; c != nil && c.TCP == tcp {
		return c, false
	}
	c = &Conversation{TCP: tcp, Src: from, Dst: to}
	known[[2]netip.AddrPort{from, to}] = c
	*all = append(*all, c)
	return c, true
}

func (c *Conversation) add(t *layers.TCP, up bool) {
	dir := 1
	if up {
		dir = 0
	}
	if !c.synSeen[dir] && (t.SYN || len(c.segments[dir]) == 0) {
		c.synSeen[dir] = t.SYN
		c.isn[dir] = t.Seq
		if t.SYN {
			c.isn[dir]++
		}
	}
	if len(t.Payload) > 0 && t.Seq-c.isn[dir] < maxHead {
		c.segments[dir] = append(c.segments[dir], segment{t.Seq - c.isn[dir], t.Payload})
	}
}

func (c *Conversation) assemble(dir int) []byte {
	slices.SortStableFunc(c.segments[dir], func(a, b segment) int { return cmp.Compare(a.seq, b.seq) })
	var out []byte
	for _, s := range c.segments[dir] {
		if int(s.seq) > len(out) {
			break
		}
		if old := len(out) - int(s.seq); old < len(s.data) {
			out = append(out, s.data[old:]...)
		}
	}
	c.segments[dir] = nil
	return out
}
