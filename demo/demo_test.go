package demo

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

// all returns the records of the demo, made once for all tests.
var all = sync.OnceValue(func() *weir.Batch {
	b := &weir.Batch{}
	for part := range Records(Seed) {
		b.Flows = append(b.Flows, part.Flows...)
		b.DNS = append(b.DNS, part.DNS...)
		b.Kerberos = append(b.Kerberos, part.Kerberos...)
		b.HTTP = append(b.HTTP, part.HTTP...)
	}
	return b
})

func hash(seed uint64) [sha256.Size]byte {
	h := sha256.New()
	var line []byte
	for b := range Records(seed) {
		for r := range b.Records {
			line = weir.AppendJSON(line[:0], r)
			h.Write(line)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func TestSameSeedSameRecords(t *testing.T) {
	first, second, other := hash(Seed), hash(Seed), hash(Seed+1)
	if first != second {
		t.Error("two runs with one seed differ")
	}
	if first == other {
		t.Error("two seeds give the same records")
	}
}

func TestSameSeedSamePackets(t *testing.T) {
	var first, second, other bytes.Buffer
	if err := errors.Join(WritePcap(&first, Seed), WritePcap(&second, Seed), WritePcap(&other, Seed+1)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two runs with one seed differ")
	}
	if bytes.Equal(first.Bytes(), other.Bytes()) {
		t.Error("two seeds give the same packets")
	}
}

func TestCounts(t *testing.T) {
	inside := map[netip.Addr]bool{}
	for i := range all().Flows {
		if a := all().Flows[i].Src; a.IsPrivate() {
			inside[a] = true
		}
	}
	for _, c := range []struct {
		what           string
		got, low, high int
	}{
		{"flows", len(all().Flows), 65000, 80000},
		{"look-ups", len(all().DNS), 50000, 60000},
		{"hosts inside that began a conversation", len(inside), 70, 80},
	} {
		if c.got < c.low || c.got > c.high {
			t.Errorf("%s: got %d, want %d to %d", c.what, c.got, c.low, c.high)
		}
	}
}

func TestBatches(t *testing.T) {
	var through, flow, dns time.Time
	for b := range Records(Seed) {
		if b.Len() == 0 || b.Len() > batchRecords {
			t.Errorf("batch through %v: got %d records, want 1 to %d", b.Through, b.Len(), batchRecords)
		}
		for i := range b.Flows {
			f := &b.Flows[i]
			if f.End.Before(flow) || f.End.Before(through) || f.End.After(b.Through) {
				t.Fatalf("flow ended %v after one of %v, in a batch from %v through %v", f.End, flow, through, b.Through)
			}
			flow = f.End
		}
		for i := range b.DNS {
			d := &b.DNS[i]
			if d.Time.Before(dns) || d.Time.Before(through) || d.Time.After(b.Through) {
				t.Fatalf("look-up at %v after one of %v, in a batch from %v through %v", d.Time, dns, through, b.Through)
			}
			dns = d.Time
		}
		through = b.Through
	}
	if through.Before(End().Add(-time.Hour)) || through.After(End()) {
		t.Errorf("last batch through %v, want the last hour before %v", through, End())
	}
}

func TestStopEarly(t *testing.T) {
	n := 0
	for range Records(Seed) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("got %d batches, want 3", n)
	}
}

// TestRecordsArePlausible checks what must hold of any record.
func TestRecordsArePlausible(t *testing.T) {
	for i := range all().Flows {
		f := &all().Flows[i]
		var wrong string
		switch {
		case f.Start.Before(Start()) || f.End.After(End()) || f.End.Before(f.Start):
			wrong = "its times"
		case f.Slice == 0 && f.Duration != f.End.Sub(f.Start):
			wrong = "its duration"
		case f.Start != f.Start.Truncate(time.Microsecond) || f.End != f.End.Truncate(time.Microsecond):
			wrong = "times finer than a microsecond"
		case f.Slice > 0 || f.Ongoing: // whose counters are shares
		case f.PacketsUp == 0 || f.BytesUp < f.DataUp+f.PacketsUp*(ipHeader+udpHeader) || f.BytesUp > f.DataUp+f.PacketsUp*(ipHeader+synHeader):
			wrong = "what went up"
		case f.BytesDown < f.DataDown+f.PacketsDown*(ipHeader+udpHeader) || f.BytesDown > f.DataDown+f.PacketsDown*(ipHeader+synHeader):
			wrong = "what came down"
		case (f.State == weir.StateS0) != (f.PacketsDown == 0):
			wrong = "its state"
		}
		if f.DstHost != "" || f.DstDomain != "" || f.Direction != 0 || f.SrcGroup != "" || f.DstGroup != "" {
			wrong = "a field that enrichers fill"
		}
		if wrong != "" {
			t.Fatalf("%s of %+v", wrong, *f)
		}
	}
	for i := range all().DNS {
		if d := &all().DNS[i]; d.Time.Before(Start()) || d.Time.Add(d.RTT).After(End()) || len(d.TTLs) != len(d.Answers) || d.Answered() != (d.RTT > 0) {
			t.Fatalf("time, answers or code of %+v", *d)
		}
	}
}

// TestNothingIsReal checks that addresses are private or for documentation,
// and names as well.
func TestNothingIsReal(t *testing.T) {
	var networks []netip.Prefix
	for _, p := range []string{"10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32",
		"0.0.0.0/32", "255.255.255.255/32", "224.0.0.251/32", "127.0.0.0/8"} {
		networks = append(networks, netip.MustParsePrefix(p))
	}
	address := func(a netip.Addr) {
		if !slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
			t.Errorf("address %v is not one for documentation", a)
		}
	}
	name := func(s string) {
		for _, end := range []string{"", "localhost", ".example", "example.com", "example.net", "example.org", "_tcp.local"} {
			if s == end || end != "" && strings.HasSuffix(s, end) {
				return
			}
		}
		t.Errorf("name %q is not one for documentation", s)
	}
	for i := range all().Flows {
		f := &all().Flows[i]
		address(f.Src)
		address(f.Dst)
		if f.TLS != nil {
			name(f.TLS.SNI)
			name(strings.TrimPrefix(f.TLS.Subject, "CN="))
		}
		if n := f.DstASN; n != 0 && (n < 64496 || n > 64511) {
			t.Errorf("autonomous system %d is not one for documentation", n)
		}
	}
	for i := range all().DNS {
		d := &all().DNS[i]
		address(d.Src)
		address(d.Dst)
		name(d.Query)
		for _, a := range d.Answers {
			if ip, err := netip.ParseAddr(a); err == nil {
				address(ip)
			}
		}
	}
	if !strings.Contains(Notice, "Nothing here is real") {
		t.Errorf("Notice = %q, want it to say that nothing is real", Notice)
	}
}

// A conversation is what the slices of a flow have in common.
type conversation struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	first            time.Time
}

func TestSlicesAddUp(t *testing.T) {
	slices := map[conversation][]weir.Flow{}
	for _, f := range all().Flows {
		if f.Slice > 0 || f.Ongoing {
			c := conversation{f.Src, f.Dst, f.SrcPort, f.DstPort, f.First()}
			slices[c] = append(slices[c], f)
		}
	}
	if len(slices) < 300 {
		t.Fatalf("got %d conversations in slices, want 300 and more", len(slices))
	}
	for c, list := range slices {
		end := list[0].Start
		for i, f := range list {
			if f.Slice != uint32(i) || f.Ongoing != (i < len(list)-1) || f.Start.Before(end) {
				t.Errorf("%v: slice %d of %d: number %d, ongoing %v, from %v after one until %v", c, i, len(list), f.Slice, f.Ongoing, f.Start, end)
			}
			if d := f.End.Sub(f.Start); d > activeTimeout {
				t.Errorf("%v: slice %d lasts %v, want %v at most", c, i, d, activeTimeout)
			}
			end = f.End
		}
	}

	var total weir.Flow
	n := 0
	for c, list := range slices {
		if c.src != sessions || c.dst != longServer.ip {
			continue
		}
		for _, f := range list {
			n++
			total.DataUp += f.DataUp
			total.DataDown += f.DataDown
			total.PacketsUp += f.PacketsUp
			total.BytesUp += f.BytesUp
			total.Duration = max(total.Duration, f.Duration)
		}
	}
	if n != 36 || total.DataUp != 4e6 || total.DataDown != 3e6 || total.Duration != 18*time.Hour {
		t.Errorf("long connection: got %d slices, %d up, %d down, %v; want 36, 4000000, 3000000, 18h", n, total.DataUp, total.DataDown, total.Duration)
	}
	// One SYN with its longer header in the whole of it.
	if want := total.DataUp + total.PacketsUp*(ipHeader+tcpHeader) + synHeader - tcpHeader; total.BytesUp != want {
		t.Errorf("long connection: got %d bytes up, want %d", total.BytesUp, want)
	}
}
