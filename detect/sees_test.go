package detect_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/capture"
	"github.com/weir-nta/weir/source/logs"
	"github.com/weir-nta/weir/source/nfcapd"
)

// seen are the fields that had a value, as table and field, and how often.
type seen map[string]int

func (s seen) add(b *weir.Batch) {
	for i := range b.Flows {
		s.record(&b.Flows[i])
	}
	for i := range b.DNS {
		s.record(&b.DNS[i])
	}
}

func (s seen) record(r weir.Record) {
	t := r.Table()
	for i, c := range t.Columns {
		if v := r.Value(i); v != nil && v != false && v != int64(0) && !c.Computed {
			s[t.Name+" "+c.Name]++
		}
	}
}

// notTold are fields that come from Weir itself, not from the source.
var notTold = []string{"src.group", "dst.group", "dir", "src.org", "dst.org", "src.country", "dst.country", "dst.host", "dst.domain", "domain"}

// TestSees decodes real input of each kind of source: it fills no field that
// is not declared, and those declared that a detector needs occur.
func TestSees(t *testing.T) {
	root := sharedtest.Path(t, "conformance")
	got := map[string]seen{}
	for _, k := range detect.SourceKinds {
		got[k.Name] = seen{}
	}
	exports(t, filepath.Join(root, "netflow-cases"), got)
	for i := range detect.SourceKinds {
		k := &detect.SourceKinds[i]
		run := func(s source.Source, err error) {
			if err != nil {
				t.Fatalf("%s: %v", k.Name, err)
			}
			if err := s.Run(t.Context(), func(b *weir.Batch) error { got[k.Name].add(b); return nil }); err != nil {
				t.Logf("%s: %v", k.Name, err) // damaged samples are among them
			}
		}
		switch k.Name {
		case "packets":
			run(capture.New(capture.Config{Inputs: []string{filepath.Join(root, "zeek")}, Meter: meter.DefaultConfig()}))
		case "sFlow":
			datagrams(t, filepath.Join(root, "sflow-datagrams"), got[k.Name])
		case "nfcapd":
			run(nfcapd.New(nfcapd.Config{Inputs: []string{filepath.Join(root, "nfdump-files")}, Collector: collector.DefaultConfig()}))
		case "Zeek", "Suricata EVE":
			c := logs.DefaultConfig()
			c.Inputs = []string{filepath.Join(root, "eve-samples")}
			if k.Name == "Zeek" {
				c.Inputs = []string{sharedtest.Path(t, "corpus/captures/aktaion-Win5BotNETEXECCGEODo"), sharedtest.Path(t, "corpus/captures/warmcookie-data")}
			}
			run(logs.New(c))
		}
	}
	for i := range detect.SourceKinds {
		compare(t, &detect.SourceKinds[i], got[detect.SourceKinds[i].Name])
	}
}

func compare(t *testing.T, k *detect.SourceKind, got seen) {
	if len(got) == 0 {
		t.Errorf("%s: nothing was decoded", k.Name)
	}
	for f, n := range got {
		table, field, _ := strings.Cut(f, " ")
		if !k.Fills(table, field) && !slices.Contains(notTold, field) {
			t.Errorf("%s fills %s of %s (%d records), which is not declared", k.Name, field, table, n)
		}
	}
	if k.Kinds == nil || k.Name == "sFlow" {
		return // samples of these with all that they may tell there are none
	}
	for _, d := range parts.Detectors {
		for _, n := range d.Needs {
			for _, f := range n.Fields {
				for one := range strings.SplitSeq(f, "|") {
					if k.Fills(n.Table, one) && got[n.Table+" "+one] == 0 && !unsampled[k.Name+" "+one] {
						t.Errorf("%s is declared to fill %s of %s, which %s needs, and never does", k.Name, one, n.Table, d.Name)
					}
				}
			}
		}
	}
}

// unsampled are fields that the samples have nothing for: conversations longer
// than an active timeout, and what sensors tell only with a setting or package.
var unsampled = map[string]bool{
	"NetFlow 1, 5, 7 slice": true, "nfcapd slice": true, "Zeek tls.ja4": true, "Suricata EVE tls.ja4": true,
}

// exports decodes the cases of NetFlow and IPFIX, each with a collector of its own.
func exports(t *testing.T, root string, got map[string]seen) {
	cases, err := filepath.Glob(filepath.Join(root, "*", "*", "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range cases {
		var c struct {
			Messages []struct {
				File, Src string
				Sport     uint16
				Version   int
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(text, &c) != nil || len(c.Messages) == 0 {
			continue
		}
		kind := detect.SourceKindOf(map[int]string{1: "netflow1", 5: "netflow5", 7: "netflow7", 9: "netflow9", 10: "ipfix"}[c.Messages[0].Version])
		if kind == nil {
			continue
		}
		collect(t, func(at time.Time, coll *collector.Collector) {
			for _, m := range c.Messages {
				b, err := os.ReadFile(filepath.Join(filepath.Dir(file), m.File))
				src, srcErr := netip.ParseAddr(m.Src)
				if err != nil || srcErr != nil {
					continue
				}
				coll.Datagram(b, netip.AddrPortFrom(src, m.Sport), at)
			}
		}, func(b *weir.Batch) {
			one := seen{}
			one.add(b)
			name := kind.Name
			if names(one) && name == "NetFlow 9, IPFIX" {
				name = "IPFIX with names"
			}
			for f, n := range one {
				got[name][f] += n
			}
		})
	}
}

// names reports whether an exporter tells what it read in packets.
func names(s seen) bool {
	for f := range s {
		if strings.HasPrefix(f, "dns ") || strings.Contains(f, "tls.") || strings.Contains(f, "http.") || strings.Contains(f, "host") {
			return true
		}
	}
	return false
}

func datagrams(t *testing.T, root string, got seen) {
	files, err := filepath.Glob(filepath.Join(root, "*.bin"))
	if err != nil {
		t.Fatal(err)
	}
	collect(t, func(at time.Time, coll *collector.Collector) {
		for i, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			coll.Datagram(b, netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i%200+1)), 6343), at)
		}
	}, got.add)
}

func collect(t *testing.T, feed func(time.Time, *collector.Collector), take func(*weir.Batch)) {
	c, err := collector.New(collector.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	feed(at, c)
	if b := c.Close(); b != nil {
		take(b)
	}
}
