package zeek

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

// TestLongKeys has objects with long keys and many members: to look each of
// these up by its whole key would take time as the square of the line.
func TestLongKeys(t *testing.T) {
	line := `{"_path":"conn","` + strings.Repeat("k", 500_000) + `":{` + strings.TrimSuffix(strings.Repeat(`"a":1,`, 80_000), ",") + `}}`
	d := NewDecoder(Config{})
	const times = 10 // of which each would take a second
	began := time.Now()
	for range times {
		_ = d.Line(&weir.Batch{}, []byte(line)) // what it costs is the question
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d lines of %d octets took %v, want at most 5s", times, len(line), took)
	}
}

// TestJoinIsSmall fills a Join with texts as long as lines may have.
func TestJoinIsSmall(t *testing.T) {
	const limit = 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	j := NewJoin(limit)
	b := &weir.Batch{}
	for i := range limit {
		d := NewDecoder(Config{Join: j}) // so that what a decoder remembers is not counted
		long := func(name string) string { return fmt.Sprintf("%s%d%s", name, i, strings.Repeat("x", 3000)) }
		for _, line := range []string{
			fmt.Sprintf(`{"_path":"ssl","ts":1,"uid":"C%d","id.orig_h":"10.0.0.1","id.resp_h":"192.0.2.9","server_name":%q,"subject":%q,"issuer":%q,"next_protocol":%q,"cipher":%q,"ja3":%q,"ja4":%q}`,
				i, long("n"), long("s"), long("i"), long("p"), long("c"), long("3"), long("4")),
			fmt.Sprintf(`{"_path":"x509","ts":1,"fingerprint":%q,"certificate.subject":%q,"certificate.issuer":%q}`, long("f"), long("s"), long("i")),
			fmt.Sprintf(`{"_path":"http","ts":1,"uid":"H%d","id.orig_h":"10.0.0.1","id.resp_h":"192.0.2.9","method":%q,"host":%q,"uri":%q,"user_agent":%q}`,
				i, long("m"), long("h"), long("/"), long("a")),
			fmt.Sprintf(`{"_path":"tunnel","ts":1,"uid":%q,"tunnel_type":%q}`, long("T"), long("t")),
			fmt.Sprintf(`{"_path":"open_conn","ts":1,"uid":%q,"id.orig_h":"10.0.0.1","id.resp_h":"192.0.2.9","proto":"tcp","duration":1}`, long("O")),
		} {
			*b = weir.Batch{}
			err := d.Line(b, []byte(line))
			// An identifier that is none of Zeek's makes a line that tells of other
			// records useless, and one of a conversation that goes on a slice of none.
			if long := strings.Contains(line, `"T`) || strings.Contains(line, `"f`+fmt.Sprint(i)) || strings.Contains(line, `"O`); (err != nil) != long {
				t.Fatalf("%.60s: error %v, want one: %v", line, err, long)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / limit; each > 8<<10 {
		t.Errorf("%d octets kept of each conversation, want at most %d", each, 8<<10)
	}
	runtime.KeepAlive(j)
}

// TestDecoderIsSmall reads texts that are long and never the same: to remember
// them would take 16 MB for each log.
func TestDecoderIsSmall(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := NewDecoder(Config{})
	for i := range 20_000 {
		line := fmt.Sprintf(`{"_path":"dns","ts":1,"uid":"C","id.orig_h":"10.0.0.1","id.resp_h":"192.0.2.9","query":"%d%s"}`, i, strings.Repeat("x", 1900))
		if err := d.Line(&weir.Batch{}, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 2<<20 {
		t.Errorf("%d kB kept, want at most 2048", kept>>10)
	}
	runtime.KeepAlive(d)
}

// TestEndOfTime has conversations end when int64 holds no nanoseconds.
func TestEndOfTime(t *testing.T) {
	d := NewDecoder(Config{})
	b := &weir.Batch{}
	line := `{"_path":"conn","ts":9223000000,"uid":"C","id.orig_h":"10.0.0.1","id.resp_h":"192.0.2.9","proto":"tcp","duration":4000000000}`
	if err := d.Line(b, []byte(line)); err == nil || b.Len() != 0 {
		t.Errorf("error %v, %d records; want an error and none: it ends in the year 2389", err, b.Len())
	}
}
