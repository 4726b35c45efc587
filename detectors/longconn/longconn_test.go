package longconn

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect/detecttest"
)

func TestDetector(t *testing.T) {
	detecttest.Run(t, Detector,
		detecttest.Case{Name: "tunnel", Traffic: func(tr *detecttest.Traffic) {
			office(tr)
			long(tr, "10.0.0.29", "198.51.100.250:8443/tcp", 18*time.Hour)
		}},
		detecttest.Case{Name: "still-open", Traffic: stillOpen},
		detecttest.Case{Name: "ssh-outside", Traffic: func(tr *detecttest.Traffic) {
			office(tr)
			tr.Conn(0, "10.0.0.29", "198.51.100.250:22/tcp", weir.StateSF, func(f *weir.Flow) { outbound(f, 3*time.Hour); f.App = "ssh" })
		}},
		detecttest.Case{Name: "push-service", Traffic: pushService},
		detecttest.Case{Name: "inside", Traffic: func(tr *detecttest.Traffic) {
			office(tr)
			tr.Conn(0, "10.0.0.29", "10.9.0.9:5432/tcp", weir.StateSF, func(f *weir.Flow) { outbound(f, 20*time.Hour); f.Direction = weir.Internal })
		}},
		detecttest.Case{Name: "polling", Traffic: polling},
		detecttest.Case{Name: "netflow", Traffic: netflow},
	)
}

// outbound makes f a conversation with the outside that lasts d.
func outbound(f *weir.Flow, d time.Duration) {
	f.Direction, f.Duration, f.End = weir.Outbound, d, f.Start.Add(d)
}

func long(tr *detecttest.Traffic, src, dst string, d time.Duration) {
	tr.Conn(0, src, dst, weir.StateSF, func(f *weir.Flow) { outbound(f, d) })
}

// office is sixty hosts that browse.
func office(tr *detecttest.Traffic) {
	for i := range 60 {
		src := fmt.Sprintf("10.0.0.%d", 1+i)
		tr.Resolve(0, src, "www.example.com", "203.0.113.80")
		tr.Conn(time.Duration(i)*time.Second, src, "203.0.113.80:443/tcp", weir.StateSF, func(f *weir.Flow) { outbound(f, 20*time.Second) })
	}
}

// stillOpen is a connection told in slices of 30 minutes, not ended.
func stillOpen(tr *detecttest.Traffic) {
	office(tr)
	for i := range 24 {
		tr.Conn(time.Duration(i)*30*time.Minute, "10.0.0.29", "198.51.100.250:8443/tcp", weir.StateS1, func(f *weir.Flow) {
			outbound(f, 30*time.Minute)
			f.SrcPort, f.Slice, f.Ongoing, f.Duration = 50000, uint32(i), true, time.Duration(i+1)*30*time.Minute
		})
	}
}

// pushService is what forty of sixty hosts keep open all day.
func pushService(tr *detecttest.Traffic) {
	office(tr)
	for i := range 40 {
		long(tr, fmt.Sprintf("10.0.0.%d", 1+i), "203.0.113.52:5223/tcp", 20*time.Hour)
	}
}

// netflow is a connection that an exporter has cut into records of a minute.
func netflow(tr *detecttest.Traffic) {
	office(tr)
	for i := range 600 {
		tr.Conn(time.Duration(i)*time.Minute, "10.0.0.29", "198.51.100.250:8443/tcp", weir.StateOTH, func(f *weir.Flow) {
			outbound(f, 59*time.Second)
			f.SrcPort, f.FlagsUp = 50000, weir.ACK|weir.PSH
		})
	}
}

// polling is one service used for a minute every two minutes of half a day.
func polling(tr *detecttest.Traffic) {
	office(tr)
	for i := range 360 {
		tr.Conn(time.Duration(i)*2*time.Minute, "10.0.0.29", "198.51.100.250:8443/tcp", weir.StateSF, func(f *weir.Flow) { outbound(f, time.Minute) })
	}
}

// TestMerge tests the union of spans against a minute-by-minute twin.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var spans []span
		var open [600]bool
		for range 1 + r.IntN(maxSpans) {
			from := r.IntN(500)
			to := from + 1 + r.IntN(99)
			spans = merge(spans, span{minute(from), minute(to)})
			for i := from; i < to; i++ {
				open[i] = true
			}
		}
		want := 0
		for _, o := range open {
			if o {
				want++
			}
		}
		c := channel{spans: spans}
		if got := c.open(minute(600)); got != time.Duration(want)*time.Minute {
			t.Fatalf("open time of %v is %v, want %d minutes", spans, got, want)
		}
	}
}

func TestSpansAreBounded(t *testing.T) {
	var spans []span
	for i := range 10 * maxSpans {
		spans = merge(spans, span{minute(10 * i), minute(10*i + 1)})
	}
	if len(spans) != maxSpans {
		t.Errorf("%d spans, want %d", len(spans), maxSpans)
	}
}

func minute(n int) time.Time { return detecttest.Start.Add(time.Duration(n) * time.Minute) }

func TestConfig(t *testing.T) {
	_, err := Config{Min: time.Second}.New(func(weir.Finding) {})
	if want := "min: got 1s, want 50s or more"; err == nil || err.Error() != want {
		t.Errorf("New: %v, want %s", err, want)
	}
}

func BenchmarkFlow(b *testing.B) {
	h, err := Detector.Default.New(func(weir.Finding) {})
	if err != nil {
		b.Fatal(err)
	}
	f := weir.Flow{
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.9"), DstPort: 443, Proto: weir.TCP,
		Start: detecttest.Start, Duration: time.Minute, End: detecttest.Start.Add(time.Minute), State: weir.StateSF, PacketsUp: 10, PacketsDown: 10,
	}
	b.ReportAllocs()
	for b.Loop() {
		f.Start, f.End = f.Start.Add(time.Second), f.End.Add(time.Second)
		h.Flow(&f)
	}
}

func TestFlowDoesNotAllocate(t *testing.T) { detecttest.FlowDoesNotAllocate(t, Detector) }
