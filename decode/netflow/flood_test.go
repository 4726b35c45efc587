package netflow

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// A flood sends messages, all at one time, and adds up what they told.
type flood struct {
	d                                 *Decoder
	most, expired, refused, forgotten int
}

func (f *flood) send(port uint16, b []byte) *Message {
	var m Message
	_ = f.d.Decode(&m, b, port, epoch) // what it costs is the question
	f.most = max(f.most, len(m.Records))
	f.expired += m.ExpiredSets
	f.refused += m.RefusedTemplates
	f.forgotten += m.IgnoredOptions
	return &m
}

// TestReplayIsBounded fills what may be held with the shortest records there
// are, and has it released by one template.
func TestReplayIsBounded(t *testing.T) {
	for _, c := range []struct {
		name   string
		field  []byte
		record []byte
		most   int
	}{
		{"addresses alone", spec(8, 4), []byte{10, 0, 0, 1}, maxReplay + 1<<14},
		{"addresses of one octet", spec(8, 1), []byte{10}, 0},
		{"events without addresses", spec(230, 1), []byte{1}, 0},
		{"ports without addresses", spec(227, 1), []byte{1}, 0},
		{"packets of one octet", spec(313, 1), []byte{0x45}, 0},
	} {
		f := flood{d: NewDecoder(DefaultConfig)}
		set := dataSet(300, slices.Repeat([][]byte{c.record}, 60_000/len(c.record))...)
		sets := 0
		for held := true; held; {
			if held = f.send(1, ipfixMessage(1, 0, set)).Missing[0].Held; held {
				sets++
			}
		}
		m := f.send(1, ipfixMessage(1, 0, dataSet(2, templateRecord(300, c.field))))
		if len(m.Records) > c.most || cap(m.Records) > 4*c.most {
			t.Errorf("%s: %d records in room for %d at once, want at most %d", c.name, len(m.Records), cap(m.Records), c.most)
		}
		if got := int(m.ReplayedData)*len(c.record)/60_000 + m.ExpiredSets; got != sets || f.d.heldBytes != 0 || len(f.d.held) != 0 {
			t.Errorf("%s: %d sets replayed or counted, %d octets left; want %d and none", c.name, got, f.d.heldBytes, sets)
		}
	}
}

// TestWalksAreBounded has each of thousands of templates in a message look for
// what it could release, or take back.
func TestWalksAreBounded(t *testing.T) {
	message := func(n int, record func(i int) []byte) []byte {
		var b []byte
		for i := range n {
			b = append(b, record(i)...)
		}
		return ipfixMessage(1, 0, dataSet(2, b))
	}
	changing := message(7000, func(i int) []byte { return templateRecord(300, spec(uint16(8+i&1), 4)) })
	session := DefaultConfig
	session.Session = true
	for _, c := range []struct {
		name   string
		config Config
		before func(f *flood)
		b      []byte
	}{
		{"changes", DefaultConfig, func(f *flood) {
			f.send(1, ipfixMessage(1, 0, dataSet(2, templateRecord(301, spec(8, 4))))) // else its sets are released
			for range 12_000 {
				f.send(1, ipfixMessage(1, 0, dataSet(300, nil)))
			}
		}, changing},
		{"withdrawals", session, func(f *flood) {
			f.send(2, message(4000, func(i int) []byte { return templateRecord(uint16(256+i), spec(8, 4)) }))
		}, message(16_000, func(int) []byte { return u16(u16(nil, 2), 0) })},
	} {
		f := flood{d: NewDecoder(c.config)}
		c.before(&f)
		began := time.Now()
		f.send(3, c.b)
		if took := time.Since(began); took > 5*time.Second || f.d.walked > maxWalked { // milliseconds, but for a busy machine
			t.Errorf("%s: %v and %d steps for one message, want at most 5s and %d", c.name, took, f.d.walked, maxWalked)
		}
		if c.config.Session && f.refused == 0 {
			t.Errorf("%s: none counted as refused", c.name)
		}
	}
}

// TestFactsAreBounded tells rates and names in all domains that there may be.
func TestFactsAreBounded(t *testing.T) {
	f := flood{d: NewDecoder(DefaultConfig)}
	var records [][]byte
	for i := range 2 * maxRules {
		records = append(records, append(u16(nil, uint16(i)), 'a'+byte(i%26), byte(i/26)))
	}
	const domains = 300
	for domain := range uint32(domains) {
		f.send(1, ipfixMessage(domain, 0, dataSet(3, optionsRecord(300, 1, spec(234, 2), spec(236, 2))), dataSet(300, records...)))
	}
	kept := len(f.d.apps) + len(f.d.learned)
	for _, dom := range f.d.domains {
		kept += len(dom.samplers) + len(dom.interfaces) + len(dom.vrfs)
	}
	if kept != f.d.facts || kept > DefaultConfig.MaxFacts {
		t.Errorf("%d facts kept, %d counted; want the same, and at most %d", kept, f.d.facts, DefaultConfig.MaxFacts)
	}
	if f.forgotten < domains*maxRules {
		t.Errorf("%d facts counted as ignored, want at least those beyond the limit of a domain", f.forgotten)
	}
}

// TestSmallShare checks that a decoder with small limits stays small, whatever
// it is sent: a collector has thousands of those.
func TestSmallShare(t *testing.T) {
	c := DefaultConfig
	c.MaxTemplates, c.MaxFacts, c.MaxCached, c.MaxHeldBytes = 64, 256, 16, 16<<10
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f := flood{d: NewDecoder(c)}
	fields := [][]byte{spec(8, 4)}
	for i := range 1000 {
		fields = append(fields, spec(uint16(20_000+i), 1))
	}
	for i := range 64 {
		f.send(1, v9Message(1, 0, dataSet(0, templateRecord(uint16(256+i), fields...))))
	}
	for i := range 1000 { // what is never the same twice
		b := make([]byte, 500)
		b[0], b[1] = byte(i), byte(i>>8)
		f.send(1, v9Message(2, 0, dataSet(0, templateRecord(256, spec(8, 4), spec(20_000, 500))), dataSet(256, []byte{10, 0, 0, 1}, b)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d kB kept, want at most 1024", grown>>10)
	}
	runtime.KeepAlive(f.d)
}
