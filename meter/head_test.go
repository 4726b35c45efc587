package meter_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// request is too long for a segment or two, and complete only with its last octet.
var request = "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nX-Long: " + strings.Repeat("0123456789", 300) + "\r\n\r\n"

const answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

// A piece is a segment of the request.
type piece struct{ lo, hi int }

func (w *wire) pieces(list []piece) {
	for _, p := range list {
		w.send(tcp("c", "PA", uint32(1+p.lo), 1, request[p.lo:p.hi]))
	}
}

func inPieces(size int) (list []piece) {
	for lo := 0; lo < len(request); lo += size {
		list = append(list, piece{lo, min(lo+size, len(request))})
	}
	return list
}

func shuffled(list []piece, seed uint64) []piece {
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func TestHeads(t *testing.T) {
	n := len(request)
	for name, list := range map[string][]piece{
		"one segment":      {{0, n}},
		"in order":         inPieces(500),
		"small":            inPieces(60),
		"repeated":         append(inPieces(500)[:3], inPieces(500)...),
		"overlapping":      {{0, 500}, {300, 1000}, {200, 1200}, {1100, n}},
		"last first":       {{2000, n}, {1000, 2000}, {500, 1500}, {0, 600}},
		"out of order":     shuffled(inPieces(400), 1),
		"out of order, 2":  shuffled(inPieces(400), 2),
		"holes of one":     {{0, 10}, {11, 20}, {21, 30}, {10, 11}, {20, 21}, {30, n}},
		"much at the end":  {{n - 1, n}, {0, n - 1}},
		"around a segment": {{0, 100}, {200, 300}, {400, 500}, {50, 450}, {450, n}},
		"octet by octet":   inPieces(1),
	} {
		w := newWire(t, meter.DefaultConfig())
		w.script(handshake[:len(handshake)-1])
		w.pieces(list)
		w.send(tcp("s", "PA", 1, uint32(1+n), answer))
		w.close()
		f := w.flows()[0]
		if f.HTTP == nil || f.HTTP.Host != "www.example.com" || f.HTTP.Status != 404 || f.App != "http" {
			t.Errorf("%s: app %q, http %+v; want the host and 404", name, f.App, f.HTTP)
		}
		if got := w.m.Counters(); got.Overlaps != 0 || got.ReadersLost != 0 || got.HeadsGivenUp != 0 {
			t.Errorf("%s: %d overlaps, %d stretches lost, %d heads given up; want none", name, got.Overlaps, got.ReadersLost, got.HeadsGivenUp)
		}
	}
}

// TestOverlap sends another host in a second copy of the same octets: the
// first one wins, and it is reported as long as the reader waits for the rest of
// them, here of a line.
func TestOverlap(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake[:len(handshake)-1])
	w.pieces([]piece{{0, 40}})
	evil := strings.Replace(request, "www", "ftp", 1)
	w.send(tcp("c", "PA", 1, 1, evil[:40]))
	w.send(tcp("c", "PA", 31, 1, evil[30:200]))
	w.pieces([]piece{{200, len(request)}})
	w.close()
	if f := w.flows()[0]; f.HTTP == nil || f.HTTP.Host != "www.example.com" {
		t.Errorf("http %+v, want the first host", f.HTTP)
	}
	if got := w.m.Counters(); got.Overlaps != 2 {
		t.Errorf("%d overlaps, want 2", got.Overlaps)
	}
	if odd := w.oddities(); len(odd) != 1 || odd[0].Name != "tcp_overlap" || odd[0].Count != 2 || odd[0].Src.String() != "10.0.0.1" {
		t.Errorf("oddities %+v, want one tcp_overlap of the client, counting 2", odd)
	}
}

// TestHeadsGivenUp checks that what cannot be read is given up and counted.
func TestHeadsGivenUp(t *testing.T) {
	small := meter.DefaultConfig()
	small.MaxHeadTotal = 0
	for _, c := range []struct {
		name   string
		config meter.Config
		list   []piece
	}{
		{"no memory", small, inPieces(20)},
		{"gap at the beginning", meter.DefaultConfig(), inPieces(30)[1:]},
	} {
		w := newWire(t, c.config)
		w.script(handshake[:len(handshake)-1])
		w.pieces(c.list)
		if got := w.m.Counters(); got.HeadsGivenUp == 0 {
			t.Errorf("%s: no head given up", c.name)
		}
		w.close()
		if f := w.flows()[0]; f.HTTP != nil {
			t.Errorf("%s: http %+v, want none", c.name, f.HTTP)
		}
	}
}

// TestTooLong sends a line that is longer than what is kept: it is lost, and
// counted, and what was before it is told.
func TestTooLong(t *testing.T) {
	c := meter.DefaultConfig()
	c.MaxHeadBytes = 1000
	w := newWire(t, c)
	w.script(handshake[:len(handshake)-1])
	w.pieces(inPieces(500))
	if got := w.m.Counters(); got.ReadersLost == 0 {
		t.Errorf("nothing lost, want the long line")
	}
	w.close()
	if f := w.flows()[0]; f.HTTP == nil || f.HTTP.Host != "www.example.com" {
		t.Errorf("http %+v, want the host before the long line", f.HTTP)
	}
}

// TestPool sends large requests of nothing known, whose
// heads go through the pool.
func TestPool(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	var packets []packet.Packet
	packets = append(packets, tcp("c", "S", 0, 0, ""), tcp("s", "SA", 0, 1, ""))
	for i := range 10 {
		packets = append(packets, tcp("c", "PA", uint32(1+400*i), 1, strings.Repeat("\x00\x01", 200)))
	}
	one := func() {
		for i := range packets {
			packets[i].Seq += 1 << 20
			if err := w.m.Packet(w.now, &packets[i]); err != nil {
				t.Fatal(err)
			}
		}
		w.now += 1e9
	}
	for range 100 {
		one()
	}
	// One new connection and one record in twelve packets: the batch grows, and
	// now and then is handed on.
	if n := testing.AllocsPerRun(300, one); n > 1 {
		t.Errorf("%v allocations per connection, want at most 1", n)
	}
	if got := w.m.Counters(); got.HeadsGivenUp < 100 || got.HeadsRead != 0 {
		t.Errorf("%d heads given up, %d read; want all, none", got.HeadsGivenUp, got.HeadsRead)
	}
}
