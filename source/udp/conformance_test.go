package udp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// A told datagram of a case, as who sends it from where.
type told struct {
	b    []byte
	from netip.AddrPort
}

// cases reads all datagrams of the conformance cases, each exporter of each
// case with a loopback address of its own.
func cases(t *testing.T) (all []told, names int) {
	t.Helper()
	exporter := 0
	next := func() netip.Addr {
		exporter++
		return netip.AddrFrom4([4]byte{127, 1, byte(exporter >> 8), byte(exporter)})
	}
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	err := filepath.WalkDir(sharedtest.Path(t, "conformance/netflow-cases"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "case.json" {
			return err
		}
		var c struct {
			Messages []struct {
				File, Src string
				Sport     uint16
			}
		}
		if err := json.Unmarshal(read(path), &c); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		names++
		own := map[string]netip.Addr{}
		for _, m := range c.Messages {
			if !own[m.Src].IsValid() {
				own[m.Src] = next()
			}
			b := read(filepath.Join(filepath.Dir(path), m.File))
			if len(b) <= 65507 { // what UDP carries; some are streams
				all = append(all, told{b, netip.AddrPortFrom(own[m.Src], max(m.Sport, 1024))})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"conformance/live-exporters/*", "conformance/sflow-datagrams"} {
		dirs, err := filepath.Glob(sharedtest.Path(t, filepath.Dir(pattern)) + "/" + filepath.Base(pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			files, err := filepath.Glob(dir + "/*.bin")
			if err != nil || len(files) == 0 {
				continue
			}
			slices.Sort(files)
			names++
			from := netip.AddrPortFrom(next(), 5000)
			for _, f := range files {
				if b := read(f); len(b) <= 65507 {
					all = append(all, told{b, from})
				}
			}
		}
	}
	return all, names
}

// result is what became of the datagrams.
type result struct {
	counters collector.Counters
	records  []string
}

// take writes down the records, without what the stitcher concludes from what
// else an exporter had told by then: whether an attempt went unanswered or one
// half is missing. When it puts records together depends on the clock. So do
// the times of what sFlow samples: they are those of arrival.
func (r *result) take(b *weir.Batch) error {
	for i := range b.Flows {
		f := &b.Flows[i]
		f.Half, f.OriginGuessed, f.State = false, false, 0
		if time.Since(f.Start) < time.Hour {
			f.Start, f.End, f.Duration = time.Time{}, time.Time{}, 0
		}
		r.records = append(r.records, string(weir.AppendJSON(nil, &b.Flows[i])))
	}
	for i := range b.DNS {
		b.DNS[i].Time = time.Time{}
		r.records = append(r.records, string(weir.AppendJSON(nil, &b.DNS[i])))
	}
	return nil
}

// patient has the stitcher wait for longer than the test takes, so that what is
// put together does not depend on how long that is.
func patient() collector.Config {
	c := collector.DefaultConfig()
	c.Stitch.Wait, c.Stitch.Linger = time.Hour, time.Hour
	c.HealthEvery = time.Hour
	return c
}

// TestConformance sends every datagram of the conformance cases through a real
// socket, and compares with what decoding them directly gives: counters and
// records, field by field.
func TestConformance(t *testing.T) {
	all, names := cases(t)
	if names < 60 || len(all) < 500 {
		t.Fatalf("%d datagrams of %d cases, want all", len(all), names)
	}
	var direct result
	col, err := collector.New(patient())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		col.Datagram(m.b, m.from, time.Now())
	}
	if err := col.CloseEach(direct.take); err != nil {
		t.Fatal(err)
	}
	direct.counters = col.Counters()

	var socket result
	c := config("127.0.0.1:0")
	c.Workers, c.Collector = 1, patient() // one worker keeps the order
	s := open(t, c)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		for i, m := range all {
			sendFrom(t, m, s.Addrs()[0])
			for s.collector.Quick().Datagrams+50 < uint64(i) { // not faster than they are fetched
				time.Sleep(time.Millisecond)
			}
		}
	}()
	if err := s.Run(ctx, socket.take); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	socket.counters = s.Counters()

	for _, n := range []*collector.Counters{&socket.counters, &direct.counters} {
		n.Stitch.Unanswered += n.Stitch.Halves
		n.Stitch.Halves, n.Stitch.Guessed = 0, 0
	}
	if socket.counters != direct.counters {
		t.Errorf("by socket %+v\ndirectly %+v", socket.counters, direct.counters)
	}
	slices.Sort(direct.records)
	slices.Sort(socket.records)
	if !slices.Equal(direct.records, socket.records) {
		t.Errorf("%d records by socket, %d directly; first difference:\n%s", len(socket.records), len(direct.records), difference(socket.records, direct.records))
	}
	t.Logf("%d datagrams of %d cases, %d records decoded, %d kept: equal", len(all), names, direct.counters.Records, len(direct.records))
}

func difference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return strings.Join([]string{a[i], b[i]}, "\n")
		}
	}
	return "one is longer"
}

// sendFrom sends one datagram from the address that it is from.
func sendFrom(t *testing.T, m told, to netip.AddrPort) {
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(m.from), net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if _, err := conn.Write(m.b); err != nil {
		t.Errorf("%d bytes: %v", len(m.b), err)
	}
}
