package metertest_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
)

// meanBegin is when the traffic begins.
const meanBegin = 1_700_000_000 * int64(time.Second)

// A meanSaid is what one end of a conversation has said at a time.
type meanSaid struct {
	server bool
	text   []byte
}

// A meanTalk is one conversation of a capture.
type meanTalk struct {
	p    packet.Packet // its first
	said []meanSaid
}

// talks reads the conversations of a capture of Ethernet or raw IP.
func meanTalks(file string) (all []*meanTalk) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return nil
	}
	d := packet.NewDecoder(packet.Config{})
	by := map[string]*meanTalk{}
	for range 3000 {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			break
		}
		var p packet.Packet
		if d.Decode(&p, packet.LinkType(r.LinkType()), data, ci.Length, 0) != nil || len(p.Payload) == 0 || p.Proto != weir.TCP && p.Proto != weir.UDP {
			continue
		}
		a := fmt.Sprint(p.Proto, p.Src, p.SrcPort, p.Dst, p.DstPort)
		b := fmt.Sprint(p.Proto, p.Dst, p.DstPort, p.Src, p.SrcPort)
		server := false
		t := by[a]
		if t == nil {
			if t = by[b]; t != nil {
				server = true
			} else if len(all) < 12 {
				t = &meanTalk{p: p}
				by[a] = t
				all = append(all, t)
			} else {
				continue
			}
		}
		if len(t.said) < 60 {
			t.said = append(t.said, meanSaid{server, append([]byte{}, p.Payload...)})
		}
	}
	return all
}

// TestMean shows conversations to all readers that have been cut, spliced,
// turned round and torn, and looks at what comes out. In the environment
// MEAN_SECONDS and MEAN_ALL have it go on for longer and with all captures, and
// MEAN_SEED otherwise.
func TestMean(t *testing.T) {
	root := sharedtest.Path(t, "conformance")
	var all []*meanTalk
	n := 0
	filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.Contains(path, ".pcap") {
			return nil
		}
		if i, err := e.Info(); err != nil || i.Size() > 2<<20 {
			return nil
		}
		if n++; n%3 == 0 || os.Getenv("MEAN_ALL") != "" {
			all = append(all, meanTalks(path)...)
		}
		return nil
	})
	if len(all) == 0 {
		t.Skip("no captures")
	}
	seconds, _ := strconv.Atoi(os.Getenv("MEAN_SECONDS"))
	seed, _ := strconv.Atoi(os.Getenv("MEAN_SEED"))
	end := time.Now().Add(time.Duration(max(seconds, 2)) * time.Second)
	t.Logf("%d conversations", len(all))
	rounds := 0
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	late := map[string]time.Duration{}
	for ; time.Now().Before(end); rounds++ {
		mean(t, all, rnd, late)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d rounds; latest: %v", rounds, late)
}

func mean(t *testing.T, all []*meanTalk, rnd *rand.Rand, late map[string]time.Duration) {
	c := meter.DefaultConfig()
	c.BatchRecords = 16
	c.MaxReaders = 6
	c.MaxHeadTotal = 1 << 18
	now := int64(meanBegin)
	var through time.Time
	records := 0
	m, err := meter.New(c, func(b *weir.Batch) error {
		records += b.Len()
		v := reflect.ValueOf(b).Elem()
		for i := range v.NumField() {
			if v.Field(i).Kind() != reflect.Slice {
				continue
			}
			name := v.Type().Field(i).Name
			for j := range v.Field(i).Len() {
				x := v.Field(i).Index(j)
				meanTexts(t, name, x)
				if f := x.FieldByName("Time"); f.IsValid() {
					tm := f.Interface().(time.Time)
					if tm.UnixNano() > now {
						t.Errorf("%s: %v is to come", name, x.Interface())
					}
					if tm.UnixNano() < int64(meanBegin) {
						t.Errorf("%s: of before it began: %+v", name, x.Interface())
					}
					if d := through.Sub(tm); !through.IsZero() && d > late[name] {
						late[name] = d
					}
				}
			}
		}
		if b.Through.Before(through) {
			t.Errorf("through goes back")
		}
		through = b.Through
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	type live struct {
		p    packet.Packet
		said []meanSaid
		seq  [2]uint32
	}
	var lives []*live
	for i := range 8 {
		a := all[rnd.IntN(len(all))]
		l := &live{p: a.p}
		l.p.SrcPort = uint16(20000 + i*100 + rnd.IntN(90))
		l.said = append(l.said, a.said...)
		for range rnd.IntN(4) { // splice
			b := all[rnd.IntN(len(all))]
			if rnd.IntN(2) == 0 {
				b = a
			}
			at := rnd.IntN(len(l.said) + 1)
			from := rnd.IntN(len(b.said))
			rest := append([]meanSaid{}, l.said[at:]...)
			l.said = append(append(l.said[:at:at], b.said[from:min(len(b.said), from+1+rnd.IntN(8))]...), rest...)
		}
		if rnd.IntN(8) == 0 {
			for i := range l.said {
				l.said[i].server = !l.said[i].server
			}
		}
		lives = append(lives, l)
	}
	send := func(l *live, server bool, seq uint32, b []byte) {
		p := l.p
		if server {
			p.Src, p.Dst, p.SrcPort, p.DstPort, p.SrcMAC, p.DstMAC = p.Dst, p.Src, p.DstPort, p.SrcPort, p.DstMAC, p.SrcMAC
		}
		e := 0
		if server {
			e = 1
		}
		p.Payload, p.PayloadLen, p.Bytes = b, len(b), 40+len(b)
		p.Seq, p.Ack, p.Flags, p.Window = seq, l.seq[1-e], weir.ACK|weir.PSH, 64000
		had := records
		if err := m.Packet(now, &p); err != nil {
			t.Fatal(err)
		}
		if records-had > 400 {
			t.Errorf("%d records of %d octets: %.200q", records-had, len(b), b)
		}
		now += rnd.Int64N(int64(time.Millisecond))
		if rnd.IntN(200) == 0 {
			now += rnd.Int64N(int64(4 * time.Minute))
		}
	}
	for len(lives) > 0 {
		i := rnd.IntN(len(lives))
		l := lives[i]
		if len(l.said) == 0 {
			lives = append(lives[:i], lives[i+1:]...)
			continue
		}
		s := l.said[0]
		l.said = l.said[1:]
		e := 0
		if s.server {
			e = 1
		}
		b := append([]byte{}, s.text...)
		switch rnd.IntN(12) {
		case 0:
			if len(b) > 0 {
				b[rnd.IntN(len(b))] = byte(rnd.Uint32())
			}
		case 1:
			b = b[:rnd.IntN(len(b)+1)]
		case 2:
			at := rnd.IntN(len(b) + 1)
			junk := make([]byte, rnd.IntN(20))
			for i := range junk {
				junk[i] = byte(rnd.Uint32())
			}
			b = append(b[:at:at], append(junk, b[at:]...)...)
		case 3: // lengths grow or shrink
			if len(b) > 8 {
				b[rnd.IntN(min(len(b), 24))] = []byte{0, 1, 0x7f, 0x80, 0xff}[rnd.IntN(5)]
			}
		case 4: // said again and again
			b = []byte(strings.Repeat(string(b), 1+rnd.IntN(min(10, 1+20000/(len(b)+1)))))
		}
		if l.p.Proto == weir.UDP {
			if rnd.IntN(20) > 0 {
				send(l, s.server, 0, b)
			}
			continue
		}
		for len(b) > 0 {
			n := min(len(b), 1460)
			switch rnd.IntN(6) {
			case 0:
				n = 1 + rnd.IntN(n)
			case 1:
				n = 1 + rnd.IntN(min(n, 3))
			}
			seq := l.seq[e]
			l.seq[e] += uint32(n)
			switch rnd.IntN(30) {
			case 0: // lost, perhaps far more
				if rnd.IntN(3) == 0 {
					l.seq[e] += rnd.Uint32N(70000)
				}
			case 1:
				send(l, s.server, seq, b[:n])
				send(l, s.server, seq, b[:n])
			case 2: // out of order
				if len(b) > n {
					k := min(len(b)-n, 500)
					send(l, s.server, seq+uint32(n), b[n:n+k])
				}
				send(l, s.server, seq, b[:n])
			default:
				send(l, s.server, seq, b[:n])
			}
			b = b[n:]
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// strs looks at all texts of a record.
func meanTexts(t *testing.T, name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		if len(s) > 4096 { // data of DNS
			t.Errorf("%s: %d octets: %.300q", name, len(s), s)
		}
		for _, r := range s {
			if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
				t.Errorf("%s: %.300q", name, s)
				return
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			meanTexts(t, name, v.Elem())
		}
	case reflect.Slice:
		if v.Len() > 600 {
			t.Errorf("%s: a list of %d", name, v.Len())
		}
		for i := range v.Len() {
			meanTexts(t, name, v.Index(i))
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" || v.Type().PkgPath() == "net/netip" {
			return
		}
		for i := range v.NumField() {
			meanTexts(t, name, v.Field(i))
		}
	}
}
