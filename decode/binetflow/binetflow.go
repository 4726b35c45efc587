// Package binetflow decodes the bidirectional flows of Argus as comma-separated
// values (ra -c ,), the form in which the CTU data sets of botnet traffic come.
//
// Its lines tell the packets of both directions as one number. One of them
// stands for the answers where there were any, all others for what was sent;
// the sum is right. Octets are those of the frames, and are kept as they are
// told. Times carry no zone and are taken for UTC.
package binetflow

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// Config are the settings of a [Decoder].
type Config struct {
	Sensor string // name of the sensor in the records; empty for "argus"
}

// Counters say what became of the lines: Lines is the sum of the others.
type Counters struct {
	Lines   uint64
	Headers uint64
	Flows   uint64
	Skipped uint64 // of protocols without addresses of IP: ARP, LLC
	Damaged uint64
}

// A column is one that is read.
type column uint8

const (
	start column = iota
	duration
	proto
	srcAddr
	srcPort
	dir
	dstAddr
	dstPort
	state
	packets
	octets
	srcOctets
	columnCount
	ignored
)

var columnOf = map[string]column{
	"StartTime": start, "Dur": duration, "Proto": proto, "SrcAddr": srcAddr, "Sport": srcPort, "Dir": dir, "DstAddr": dstAddr,
	"Dport": dstPort, "State": state, "TotPkts": packets, "TotBytes": octets, "SrcBytes": srcOctets,
}

// A Decoder reads the lines of one file. It is not for several goroutines.
type Decoder struct {
	sensor string
	plan   []column
	cells  [columnCount][]byte
	count  Counters
}

// NewDecoder returns a decoder.
func NewDecoder(c Config) *Decoder {
	if c.Sensor == "" {
		c.Sensor = "argus"
	}
	return &Decoder{sensor: c.Sensor}
}

// Counters returns what became of the lines so far.
func (d *Decoder) Counters() Counters { return d.count }

var header = []byte("StartTime,")

// IsLog reports whether head, the begin of a file, is that of flows of Argus.
func IsLog(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.HasPrefix(line, header) && bytes.Contains(line, []byte(",SrcAddr,")) && bytes.Contains(line, []byte(",DstAddr,"))
}

var (
	errNoHeader = errors.New("no line before it names the columns")
	errColumns  = errors.New("not as many columns as the header has")
)

// Line decodes one line, without its end, and appends the flow that it tells
// of to b. It keeps nothing of line. After an error b is as it was.
func (d *Decoder) Line(b *weir.Batch, line []byte) error {
	d.count.Lines++
	line = bytes.TrimRight(line, "\r")
	if len(line) == 0 || bytes.HasPrefix(line, header) {
		d.count.Headers++
		if len(line) > 0 {
			d.plan = d.plan[:0]
			for name := range bytes.SplitSeq(line, []byte(",")) {
				c, ok := columnOf[string(name)]
				if !ok {
					c = ignored
				}
				d.plan = append(d.plan, c)
			}
		}
		return nil
	}
	err := d.flow(b, line)
	if err != nil {
		d.count.Damaged++
	}
	return err
}

// Flush is for logs whose lines wait for later ones; these do not.
func (d *Decoder) Flush(*weir.Batch) {}

func (d *Decoder) flow(b *weir.Batch, line []byte) error {
	if len(d.plan) == 0 {
		return errNoHeader
	}
	clear(d.cells[:])
	n := 0
	for cell := range bytes.SplitSeq(line, []byte(",")) {
		if n < len(d.plan) && d.plan[n] != ignored {
			d.cells[d.plan[n]] = bytes.TrimSpace(cell)
		}
		n++
	}
	if n != len(d.plan) {
		return errColumns
	}
	f := weir.Flow{Sensor: d.sensor}
	known, err := d.fill(&f)
	switch {
	case err != nil:
		return err
	case !known:
		d.count.Skipped++
		return nil
	}
	b.Flows = append(b.Flows, f)
	d.count.Flows++
	return nil
}

// lastYear is that up to which flows may begin, to end when int64 still holds
// nanoseconds.
const lastYear = 2250

// fill fills f from the cells. It reports false of what is no IP.
func (d *Decoder) fill(f *weir.Flow) (known bool, err error) {
	if known, err = d.endpoints(f); err != nil || !known {
		return known, err
	}
	if f.Start, err = time.Parse("2006/01/02 15:04:05.999999", string(d.cells[start])); err != nil || f.Start.Year() < 1970 || f.Start.Year() > lastYear {
		return false, fmt.Errorf("start time %.40q", d.cells[start])
	}
	seconds, err := strconv.ParseFloat(string(d.cells[duration]), 64)
	const most = 10 * 365 * 24 * 3600 // seconds: longer than any capture
	if err != nil || !(seconds >= 0 && seconds < most) {
		return false, fmt.Errorf("duration %.40q", d.cells[duration])
	}
	f.Duration = time.Duration(math.Round(seconds*1e6)) * time.Microsecond
	f.End = f.Start.Add(f.Duration)
	var counts [3]uint64
	for i, c := range [...]column{packets, octets, srcOctets} {
		if counts[i], err = strconv.ParseUint(string(d.cells[c]), 10, 63); err != nil {
			return false, fmt.Errorf("a counter is %.40q", d.cells[c])
		}
	}
	all, total, sent := counts[0], counts[1], counts[2]
	f.BytesUp, f.BytesDown = min(sent, total), total-min(sent, total)
	f.PacketsUp = all
	if f.BytesDown > 0 {
		f.PacketsDown = 1
		f.PacketsUp = max(all, 1) - 1
	}
	if f.BytesUp == 0 {
		f.PacketsUp, f.PacketsDown = 0, all
	}
	d.direct(f)
	d.state(f)
	return true, nil
}

func (d *Decoder) endpoints(f *weir.Flow) (known bool, err error) {
	name := strings.ToLower(string(d.cells[proto]))
	switch name {
	case "arp", "llc", "rarp", "lldp", "":
		return false, nil
	case "ipv6-icmp", "icmpv6":
		f.Proto = weir.ICMPv6
	case "udt", "rtp", "rtcp": // what Argus recognises within UDP
		f.Proto = weir.UDP
	default:
		if f.Proto.UnmarshalText([]byte(name)) != nil {
			return false, nil
		}
	}
	var addrs [2]netip.Addr
	for i, c := range [...]column{srcAddr, dstAddr} {
		a, err := netip.ParseAddr(string(d.cells[c]))
		if err != nil {
			return false, fmt.Errorf("an address is %.40q", d.cells[c])
		}
		addrs[i] = a.Unmap().WithZone("")
	}
	f.Src, f.Dst = addrs[0], addrs[1]
	var ports [2]uint16
	for i, c := range [...]column{srcPort, dstPort} {
		if len(d.cells[c]) == 0 {
			continue
		}
		n, err := strconv.ParseUint(string(d.cells[c]), 0, 16) // those of ICMP in hexadecimal
		if err != nil {
			return false, fmt.Errorf("a port is %.40q", d.cells[c])
		}
		ports[i] = uint16(n)
	}
	switch f.Proto {
	case weir.TCP, weir.UDP, weir.SCTP:
		f.SrcPort, f.DstPort = ports[0], ports[1]
	case weir.ICMPv4, weir.ICMPv6:
		f.ICMP = &weir.ICMP{Type: uint8(ports[0]), Code: uint8(ports[1])}
	}
	return true, nil
}

// direct turns a flow that its Dst began, and says where Argus does not know.
func (d *Decoder) direct(f *weir.Flow) {
	switch arrow := string(d.cells[dir]); {
	case strings.Contains(arrow, "?"):
		f.OriginGuessed = true
	case arrow == "<-":
		f.Src, f.Dst, f.SrcPort, f.DstPort = f.Dst, f.Src, f.DstPort, f.SrcPort
		f.BytesUp, f.BytesDown, f.PacketsUp, f.PacketsDown = f.BytesDown, f.BytesUp, f.PacketsDown, f.PacketsUp
	}
}

// state sets flags and state. Argus tells the flags of both sides (S_RA), or in
// three letters what they come to.
func (d *Decoder) state(f *weir.Flow) {
	s := string(d.cells[state])
	up, down, flags := strings.Cut(s, "_")
	switch {
	case f.Proto == weir.UDP && f.BytesDown > 0:
		f.State = weir.StateSF
	case f.Proto == weir.UDP:
		f.State = weir.StateS0
	case f.Proto != weir.TCP:
		f.State = weir.StateOTH
	case flags:
		f.FlagsUp, f.FlagsDown = flagsOf(up), flagsOf(down)
		if string(d.cells[dir]) == "<-" {
			f.FlagsUp, f.FlagsDown = f.FlagsDown, f.FlagsUp
		}
		f.State = stateOf(f.FlagsUp, f.FlagsDown)
	case s == "REQ":
		f.FlagsUp, f.State = weir.SYN, weir.StateS0
	case s == "FIN":
		f.State = weir.StateSF
	case s == "RST" && f.BytesDown == 0:
		f.State = weir.StateRSTOS0
	case s == "RST":
		f.State = weir.StateRSTR
	case s == "CON" && f.BytesDown > 0 && f.BytesUp > 0 && !f.OriginGuessed:
		f.State = weir.StateS1
	default:
		f.State = weir.StateOTH
	}
}

func flagsOf(letters string) (flags weir.TCPFlags) {
	for _, c := range letters {
		var one weir.TCPFlags
		if one.UnmarshalText([]byte(string(c))) == nil {
			flags |= one
		}
	}
	return flags
}

func stateOf(up, down weir.TCPFlags) weir.State {
	const rst, fin = weir.RST, weir.FIN
	switch {
	case up&weir.SYN == 0:
		return weir.StateOTH
	case down == 0 && up&rst != 0:
		return weir.StateRSTOS0
	case down == 0 && up&fin != 0:
		return weir.StateSH
	case down == 0:
		return weir.StateS0
	case down&rst != 0 && down&weir.SYN == 0:
		return weir.StateREJ
	case down&rst != 0:
		return weir.StateRSTR
	case up&rst != 0:
		return weir.StateRSTO
	case up&fin != 0 && down&fin != 0:
		return weir.StateSF
	case up&fin != 0:
		return weir.StateS2
	case down&fin != 0:
		return weir.StateS3
	}
	return weir.StateS1
}
