package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/packetring"
	"github.com/weir-nta/weir/source/capture"
)

// A fetching is one run of `weir pcap`.
type fetching struct {
	streams
	ring     string
	files    []string
	flows    []string // Community IDs
	hosts    []string
	ports    []uint
	from, to string
	output   string
	quiet    bool

	wanted   wanted
	packets  int64
	read     int64
	damaged  []error
	written  packet.LinkType
	started  bool
	leftOut  int64 // packets of another link type than that of the first
	decoder  *packet.Decoder
	decoded  packet.Packet
	buffer   []byte
	fromTime time.Time
	toTime   time.Time
}

func newPcap(s streams) *cobra.Command {
	f := &fetching{streams: s}
	cmd := &cobra.Command{
		Use:   "pcap [COMMUNITY-ID]…",
		Short: "Fetch the packets of a flow from the ring that `weir watch --ring` keeps",
		Long: "Pcap writes the packets of conversations as a capture file (pcap): those with a\n" +
			"Community ID (field cid of conn), or those of hosts and ports. They come from the\n" +
			"ring of packets that `weir watch --ring` keeps, or from capture files (-r).",
		Example: "  weir pcap --ring /var/lib/weir/ring '1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0=' -w flow.pcap\n" +
			"  weir pcap --ring /var/lib/weir/ring --host 10.10.1.23 --host 203.0.113.77 --port 443 -f 2026-11-21T09:00Z -w c2.pcap\n" +
			"  weir pcap -r big.pcap --host 10.10.1.23 | tshark -r -",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.flows = args
			return f.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.ring, "ring", "", "folder of the ring of packets")
	flags.StringArrayVarP(&f.files, "read", "r", nil, "capture file to fetch from instead; may be repeated")
	flags.StringArrayVar(&f.hosts, "host", nil, "address of one end; twice for both ends")
	flags.UintSliceVar(&f.ports, "port", nil, "port of either end; may be repeated")
	flags.StringVarP(&f.from, "from", "f", "", "only packets from this time on: 2026-11-20T08:00Z")
	flags.StringVarP(&f.to, "to", "t", "", "only packets before this time")
	flags.StringVarP(&f.output, "write", "w", "", "write to this file instead of stdout")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors")
	return cmd
}

func (f *fetching) run(ctx context.Context) (err error) {
	inputs, err := f.check()
	if err != nil {
		return err
	}
	out, commit, err := f.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, commit(err == nil)) }()
	w := bufio.NewWriterSize(out, 1<<20)
	f.decoder = packet.NewDecoder(packet.Config{})
	for _, name := range inputs {
		if err := f.fetch(ctx, w, name); err != nil {
			return err
		}
	}
	if !f.started { // a capture of nothing is still one
		f.buffer = packetring.AppendHeader(f.buffer[:0], 1)
		if _, err := w.Write(f.buffer); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.say()
}

// check finds out what is wanted, and where it may be.
func (f *fetching) check() (inputs []string, err error) {
	if f.wanted, err = newWanted(f.flows, f.hosts, f.ports); err != nil {
		return nil, exitWith(exitUsage, "%w", err)
	}
	for _, t := range []struct {
		flag, text string
		at         *time.Time
	}{{"--from", f.from, &f.fromTime}, {"--to", f.to, &f.toTime}} {
		if t.text == "" {
			continue
		}
		if *t.at, err = parseWhen(t.text, time.Now()); err != nil {
			return nil, exitWith(exitUsage, "%s: %w", t.flag, err)
		}
	}
	switch {
	case (f.ring == "") == (len(f.files) == 0):
		return nil, exitWith(exitUsage, "weir pcap wants either --ring or -r\n  hint: `weir pcap --help` shows examples")
	case f.ring == "":
		return f.files, nil
	}
	list, err := packetring.Files(f.ring)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, exitWith(exitNotFound, "%w\n  hint: `weir watch --ring %s` keeps packets there", err, f.ring)
	case err != nil:
		return nil, exitWith(exitRefused, "%w", err)
	case len(list) == 0:
		return nil, exitWith(exitNotFound, "no packets in %s\n  hint: `weir watch --ring %s` keeps packets there", f.ring, f.ring)
	}
	for _, file := range packetring.Between(list, f.fromTime, f.toTime) {
		inputs = append(inputs, file.Path)
	}
	return inputs, nil
}

// open returns where to write, and what ends that: a file that could not be
// written whole does not stay.
func (f *fetching) open() (io.Writer, func(ok bool) error, error) {
	if f.output == "" {
		if out, ok := f.out.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
			return nil, nil, exitWith(exitUsage, "a capture is nothing for a terminal\n  hint: -w FILE, or a pipe")
		}
		return f.out, func(bool) error { return nil }, nil
	}
	part := f.output + ".part"
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // packets hold contents
	if err != nil {
		return nil, nil, exitWith(exitRefused, "%w", err)
	}
	return file, func(ok bool) error {
		err := file.Close()
		if !ok || err != nil {
			return errors.Join(err, os.Remove(part))
		}
		return os.Rename(part, f.output)
	}, nil
}

// fetch writes what is wanted of one capture. Damage ends the capture and not
// the run: the file that is being written ends anywhere.
func (f *fetching) fetch(ctx context.Context, w io.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		if f.ring != "" && errors.Is(err, os.ErrNotExist) {
			return nil // it has just made room
		}
		return exitWith(exitNotFound, "%w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	r, err := capture.Open(file)
	if err != nil {
		f.damaged = append(f.damaged, exitWith(exitDamaged, "%s: %w", name, err))
		return nil
	}
	defer r.Close()
	for {
		if f.read++; f.read%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			f.damaged = append(f.damaged, exitWith(exitDamaged, "%s: %w", name, err))
			return nil
		}
		if err := f.take(w, &rec); err != nil {
			return err
		}
	}
}

// take writes a packet if it is wanted.
func (f *fetching) take(w io.Writer, rec *capture.Record) error {
	if at := time.Unix(0, rec.TS); at.Before(f.fromTime) || !f.toTime.IsZero() && !at.Before(f.toTime) {
		return nil
	}
	if f.decoder.Decode(&f.decoded, rec.Link, rec.Data, rec.WireLen, rec.TS) != nil || !f.wanted.has(&f.decoded) {
		return nil
	}
	f.buffer = f.buffer[:0]
	switch {
	case !f.started:
		f.started, f.written = true, rec.Link
		f.buffer = packetring.AppendHeader(f.buffer, uint32(rec.Link))
	case rec.Link != f.written: // a file has packets of one kind
		f.leftOut++
		return nil
	}
	f.packets++
	f.buffer = packetring.AppendPacket(f.buffer, rec.TS, rec.Data, rec.WireLen)
	_, err := w.Write(f.buffer)
	return err
}

func (f *fetching) say() error {
	s := f.streams
	if !f.quiet {
		s.talk("%s of %s", several(f.packets, "packets"), several(f.read-1, "packets"))
		if f.leftOut > 0 {
			s.talk("note: %s of another link type than the first are left out: name one end more, or a time", several(f.leftOut, "packets"))
		}
	}
	if len(f.damaged) > 0 && f.ring == "" {
		return errors.Join(f.damaged...)
	}
	switch {
	case f.packets > 0:
	case f.ring == "":
		return exitWith(exitNotFound, "none of the packets fit")
	default:
		return exitWith(exitNotFound, "none of the packets fit\n  hint: the ring keeps the latest packets only, and none from before it was switched on")
	}
	return nil
}

// wanted says which packets are.
type wanted struct {
	cids  map[string]bool
	hosts []netip.Addr
	ports []uint
	known map[conversation]bool // of those whose Community ID was computed, whether it is wanted
}

// A conversation is what a Community ID is computed of.
type conversation struct {
	src, dst         packet.Addr
	srcPort, dstPort uint16
	proto            weir.Proto
	icmpType, code   uint8
}

func newWanted(cids, hosts []string, ports []uint) (w wanted, err error) {
	w = wanted{cids: map[string]bool{}, ports: ports, known: map[conversation]bool{}}
	for _, c := range cids {
		if !strings.HasPrefix(c, "1:") || len(c) != len("1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0=") {
			return w, errors.New("no Community ID: '" + c + "'\n  hint: field cid of conn, such as '1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0='")
		}
		w.cids[c] = true
	}
	for _, h := range hosts {
		a, err := netip.ParseAddr(h)
		if err != nil {
			return w, errors.New("--host: no address: '" + h + "'")
		}
		w.hosts = append(w.hosts, a.Unmap())
	}
	for _, p := range ports {
		if p > math.MaxUint16 {
			return w, fmt.Errorf("--port: got %d, want 0 to 65535", p)
		}
	}
	switch {
	case len(hosts) > 2:
		return w, errors.New("--host: a packet has two ends")
	case len(cids)+len(hosts)+len(ports) == 0:
		return w, errors.New("weir pcap wants a Community ID, --host or --port: which packets?\n  hint: `weir pcap --help` shows examples")
	}
	return w, nil
}

func (w *wanted) has(p *packet.Packet) bool {
	if len(w.ports) > 0 && !slices.Contains(w.ports, uint(p.SrcPort)) && !slices.Contains(w.ports, uint(p.DstPort)) {
		return false
	}
	src, dst := p.Src.Netip(), p.Dst.Netip()
	switch len(w.hosts) {
	case 1:
		if src != w.hosts[0] && dst != w.hosts[0] {
			return false
		}
	case 2:
		if (src != w.hosts[0] || dst != w.hosts[1]) && (src != w.hosts[1] || dst != w.hosts[0]) {
			return false
		}
	}
	return len(w.cids) == 0 || w.hasCID(p, src, dst)
}

// maxKnown bounds the conversations remembered, of 48 octets each.
const maxKnown = 1 << 20

func (w *wanted) hasCID(p *packet.Packet, src, dst netip.Addr) bool {
	c := conversation{p.Src, p.Dst, p.SrcPort, p.DstPort, p.Proto, p.ICMPType, p.ICMPCode}
	yes, ok := w.known[c]
	if ok {
		return yes
	}
	var icmp *weir.ICMP
	if p.Proto == weir.ICMPv4 || p.Proto == weir.ICMPv6 {
		icmp = &weir.ICMP{Type: p.ICMPType, Code: p.ICMPCode}
	}
	yes = w.cids[weir.CommunityID(0, p.Proto, src, dst, p.SrcPort, p.DstPort, icmp)]
	if len(w.known) >= maxKnown {
		clear(w.known)
	}
	w.known[c] = yes
	return yes
}
