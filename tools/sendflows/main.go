// Command sendflows sends flow records at a steady rate, for measuring what
// collectors take without loss: NetFlow v9 or IPFIX, conversations of both
// directions, from one exporter or several on loopback. The same arguments send
// the same records but for their times.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
)

// perDatagram is how many records fit into 1,400 bytes.
const perDatagram = 28

// maxRecords bounds what one run sends.
const maxRecords = 1_000_000_000

type options struct {
	to        netip.AddrPort
	rate      int // records per second
	duration  time.Duration
	version   int
	exporters int
	hosts     uint
}

func main() {
	log.SetFlags(0)
	o, err := parse()
	if err == nil {
		err = send(o)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func parse() (o options, err error) {
	to := flag.String("to", "127.0.0.1:2055", "address and port of the collector; loopback only")
	flag.IntVar(&o.rate, "rate", 10000, "records per second")
	flag.DurationVar(&o.duration, "for", 10*time.Second, "how long to send")
	flag.IntVar(&o.version, "version", 9, "9 for NetFlow, 10 for IPFIX")
	flag.IntVar(&o.exporters, "exporters", 4, "how many exporters, each with an address of its own")
	flag.UintVar(&o.hosts, "hosts", 10000, "how many clients have conversations")
	flag.Parse()
	if o.to, err = netip.ParseAddrPort(*to); err != nil {
		return o, err
	}
	switch {
	case !o.to.Addr().IsLoopback():
		return o, fmt.Errorf("%v is not loopback", o.to)
	case o.version != 9 && o.version != 10:
		return o, fmt.Errorf("version %d: want 9 or 10", o.version)
	case o.exporters < 1 || o.exporters > 200 || o.hosts < 1 || o.hosts > 1<<20:
		return o, fmt.Errorf("%d exporters and %d hosts: want 1 to 200 and 1 to 2^20", o.exporters, o.hosts)
	case o.rate < 1 || float64(o.rate)*o.duration.Seconds() > maxRecords:
		return o, fmt.Errorf("%d records/s for %v: want at most %d", o.rate, o.duration, maxRecords)
	}
	return o, nil
}

// An exporter sends from its own address, with its own numbers.
type exporter struct {
	conn     *ipv4.PacketConn
	sequence uint32
	domain   uint32
	batch    []ipv4.Message
	full     int // messages of batch
}

const batchSize = 32

func open(o options, i int) (*exporter, error) {
	own := netip.AddrFrom4([4]byte{127, 2, 0, byte(i + 1)})
	c, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(own, 0)), net.UDPAddrFromAddrPort(o.to))
	if err != nil {
		return nil, err
	}
	e := &exporter{conn: ipv4.NewPacketConn(c), domain: uint32(i + 1)}
	for range batchSize {
		e.batch = append(e.batch, ipv4.Message{Buffers: [][]byte{make([]byte, 0, 1500)}})
	}
	return e, nil
}

// send sends at the rate asked for: each millisecond what is due.
func send(o options) error {
	var exporters []*exporter
	for i := range o.exporters {
		e, err := open(o, i)
		if err != nil {
			return err
		}
		exporters = append(exporters, e)
	}
	t := traffic{hosts: uint32(o.hosts), version: o.version}
	began := time.Now()
	for _, e := range exporters {
		e.add(&t, began, true)
		if err := e.flush(); err != nil {
			return err
		}
	}
	datagrams := 0
	total := int(float64(o.rate) * o.duration.Seconds() / perDatagram)
	for datagrams < total {
		now := time.Now()
		due := min(total, int(now.Sub(began).Seconds()*float64(o.rate)/perDatagram))
		for ; datagrams < due; datagrams++ {
			e := exporters[datagrams%len(exporters)]
			e.add(&t, now, false)
			if e.full == batchSize {
				if err := e.flush(); err != nil {
					return err
				}
			}
		}
		for _, e := range exporters {
			if err := e.flush(); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	records := datagrams * perDatagram
	fmt.Printf("{\"datagrams\":%d,\"records\":%d,\"packets\":%d,\"bytes\":%d,\"seconds\":%.3f,\"rate\":%.0f}\n",
		datagrams, records, t.packets, t.bytes, took.Seconds(), float64(records)/took.Seconds())
	return nil
}

// flush sends what is in the batch.
func (e *exporter) flush() error {
	for sent := 0; sent < e.full; {
		n, err := e.conn.WriteBatch(e.batch[sent:e.full], 0)
		if err != nil {
			return err
		}
		sent += n
	}
	e.full = 0
	return nil
}

// add writes the next datagram into the batch.
func (e *exporter) add(t *traffic, now time.Time, template bool) {
	b := &e.batch[e.full].Buffers[0]
	e.full++
	*b = t.header((*b)[:0], e, now, template)
	if template {
		*b = t.template(*b)
	} else {
		*b = t.records(*b, now)
	}
	if t.version == 10 {
		binary.BigEndian.PutUint16((*b)[2:], uint16(len(*b)))
	}
}

// traffic makes conversations, each of two records.
type traffic struct {
	hosts   uint32
	version int
	next    uint32 // record
	packets uint64
	bytes   uint64
}

var be = binary.BigEndian

const up = 100_000_000 // milliseconds that exporters have been up

func (t *traffic) header(b []byte, e *exporter, now time.Time, template bool) []byte {
	b = be.AppendUint16(b, uint16(t.version))
	if t.version == 9 {
		count := uint16(perDatagram)
		if template {
			count = 1
		}
		b = be.AppendUint16(b, count)
		b = be.AppendUint32(b, up)
	} else {
		b = be.AppendUint16(b, 0)
	}
	b = be.AppendUint32(b, uint32(now.Unix()))
	b = be.AppendUint32(b, e.sequence)
	switch {
	case t.version == 9:
		e.sequence++
	case !template:
		e.sequence += perDatagram
	}
	return be.AppendUint32(b, e.domain)
}

// fields are the elements of the template and their lengths: what routers send.
func (t *traffic) fields() [][2]uint16 {
	first, last := uint16(22), uint16(21)
	if t.version == 10 {
		first, last = 150, 151
	}
	return [][2]uint16{{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 4}, {1, 4}, {first, 4}, {last, 4}, {7, 2}, {11, 2}, {6, 1}, {4, 1}, {5, 1}, {61, 1}}
}

func (t *traffic) template(b []byte) []byte {
	fields := t.fields()
	set := uint16(0)
	if t.version == 10 {
		set = 2
	}
	b = be.AppendUint16(b, set)
	b = be.AppendUint16(b, uint16(8+4*len(fields)))
	b = be.AppendUint16(b, 256)
	b = be.AppendUint16(b, uint16(len(fields)))
	for _, f := range fields {
		b = be.AppendUint16(be.AppendUint16(b, f[0]), f[1])
	}
	return b
}

func (t *traffic) records(b []byte, now time.Time) []byte {
	from := len(b)
	b = be.AppendUint16(be.AppendUint16(b, 256), 0)
	first, last := uint32(up-900), uint32(up-100)
	if t.version == 10 {
		first, last = uint32(now.Unix())-1, uint32(now.Unix())
	}
	for range perDatagram {
		conversation := t.next / 2
		mixed := conversation * 2654435761 // spreads over clients, servers and ports
		client, server := 10<<24|mixed%t.hosts, 198<<24|51<<16|mixed>>8&0xfff
		clientPort, serverPort := uint16(1024+conversation%60000), [...]uint16{443, 80, 53, 22}[mixed>>28&3]
		packets, bytes := 3+mixed>>16&15, uint32(400+mixed>>12&0xfff)
		flags := byte(0x1b)
		src, dst, srcPort, dstPort := client, server, clientPort, serverPort
		if t.next&1 == 1 {
			src, dst, srcPort, dstPort = server, client, serverPort, clientPort
		}
		for _, v := range [...]uint32{src, dst, 0, 1, 2, packets, bytes, first, last} {
			b = be.AppendUint32(b, v)
		}
		b = be.AppendUint16(be.AppendUint16(b, srcPort), dstPort)
		b = append(b, flags, 6, 0, 0)
		t.packets += uint64(packets)
		t.bytes += uint64(bytes)
		t.next++
	}
	for (len(b)-from)%4 != 0 {
		b = append(b, 0)
	}
	be.PutUint16(b[from+2:], uint16(len(b)-from))
	return b
}
