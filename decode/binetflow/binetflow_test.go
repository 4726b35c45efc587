package binetflow

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

const names = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n"

func TestLine(t *testing.T) {
	d := NewDecoder(Config{})
	b := &weir.Batch{}
	for line := range strings.SplitSeq(names+`2011/08/18 09:56:29.146483,1.5,tcp,147.32.84.59,51790,   ->,209.85.149.138,443,SRPA_SPA,0,0,116,108318,7048,flow
2011/08/18 09:56:29.146483,0.0,tcp,147.32.84.59,51791,   ->,209.85.149.138,23,S_RA,0,0,2,120,60,flow
2011/08/18 09:56:29.146483,0.0,tcp,147.32.84.59,51791,   ->,209.85.149.138,81,REQ,0,,3,180,180,flow
2011/08/18 09:56:29.146483,0.000363,udp,147.32.86.58,36363,  <->,147.32.80.9,53,CON,0,0,2,208,72,flow
2011/08/18 09:56:29.146483,0.0,udp,147.32.86.58,36363,   ->,147.32.80.9,53,INT,0,,1,72,72,flow
2011/08/18 09:56:29.146483,3.0,tcp,10.0.0.1,80,   <-,10.0.0.2,5000,FSPA_FSPA,0,0,10,1000,900,flow
2011/08/18 09:56:29.146483,3.0,tcp,10.0.0.1,5000,  <?>,10.0.0.2,22,PA_PA,0,0,10,1000,900,flow
2011/08/18 09:56:29.146483,0.0,icmp,10.0.0.1,0x0003,   ->,10.0.0.2,0x0001,URP,0,,1,70,70,flow
2011/08/18 09:56:29.146483,0.0,arp,10.0.0.1,,  who,10.0.0.2,,CON,,,2,106,64,flow`, "\n") {
		if err := d.Line(b, []byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	var got []string
	for i := range b.Flows {
		f := &b.Flows[i]
		icmp := ""
		if f.ICMP != nil {
			icmp = fmt.Sprintf(" %d/%d", f.ICMP.Type, f.ICMP.Code)
		}
		got = append(got, fmt.Sprintf("%v %v %v%s %v:%d %v:%d %v bytes %d/%d pkts %d/%d %v/%v %v", f.Start.Format("15:04:05.000000"), f.Duration, f.Proto, icmp,
			f.Src, f.SrcPort, f.Dst, f.DstPort, f.State, f.BytesUp, f.BytesDown, f.PacketsUp, f.PacketsDown, f.FlagsUp, f.FlagsDown, f.OriginGuessed))
	}
	want := []string{
		"09:56:29.146483 1.5s tcp 147.32.84.59:51790 209.85.149.138:443 RSTO bytes 7048/101270 pkts 115/1 SRPA/SPA false",
		"09:56:29.146483 0s tcp 147.32.84.59:51791 209.85.149.138:23 REJ bytes 60/60 pkts 1/1 S/RA false",
		"09:56:29.146483 0s tcp 147.32.84.59:51791 209.85.149.138:81 S0 bytes 180/0 pkts 3/0 S/ false",
		"09:56:29.146483 363µs udp 147.32.86.58:36363 147.32.80.9:53 SF bytes 72/136 pkts 1/1 / false",
		"09:56:29.146483 0s udp 147.32.86.58:36363 147.32.80.9:53 S0 bytes 72/0 pkts 1/0 / false",
		"09:56:29.146483 3s tcp 10.0.0.2:5000 10.0.0.1:80 SF bytes 100/900 pkts 1/9 SFPA/SFPA false",
		"09:56:29.146483 3s tcp 10.0.0.1:5000 10.0.0.2:22 OTH bytes 900/100 pkts 9/1 PA/PA true",
		"09:56:29.146483 0s icmp 3/1 10.0.0.1:0 10.0.0.2:0 OTH bytes 70/0 pkts 1/0 / false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flows (-want +got):\n%s", diff)
	}
	if c := d.Counters(); c != (Counters{Lines: 10, Headers: 1, Flows: 8, Skipped: 1}) {
		t.Errorf("counted %+v, want 8 flows and one line skipped", c)
	}
}

func TestDamaged(t *testing.T) {
	good := "2011/08/18 09:56:29.1,1.5,tcp,10.0.0.1,5000,   ->,10.0.0.2,443,S_RA,0,0,2,120,60,x"
	for _, line := range []string{
		good[:50], good + ",", strings.Replace(good, "2011/08", "08", 1), strings.Replace(good, "2011", "9999", 1), strings.Replace(good, "1.5", "-1", 1), strings.Replace(good, "1.5", "NaN", 1),
		strings.Replace(good, "10.0.0.1", "10.0.0", 1), strings.Replace(good, "5000", "70000", 1), strings.Replace(good, "120", "x", 1),
	} {
		d := NewDecoder(Config{})
		b := &weir.Batch{}
		_ = d.Line(b, []byte(strings.TrimSpace(names)))
		if err := d.Line(b, []byte(line)); err == nil || b.Len() != 0 || d.Counters().Damaged != 1 {
			t.Errorf("%s: error %v, %d records, want an error and none", line, err, b.Len())
		}
	}
	if err := NewDecoder(Config{}).Line(&weir.Batch{}, []byte(good)); err == nil {
		t.Error("a line without a header is taken")
	}
}

// TestCorpus reads the capture of the development corpus that has this form.
func TestCorpus(t *testing.T) {
	all, err := os.ReadFile(sharedtest.Path(t, "corpus/captures/slips-test4-malicious.binetflow"))
	if err != nil {
		t.Fatal(err)
	}
	if !IsLog(all) || IsLog(all[10:]) {
		t.Error("IsLog does not tell it")
	}
	d := NewDecoder(Config{})
	b := &weir.Batch{}
	lines := bytes.Split(bytes.TrimRight(all, "\n"), []byte("\n"))
	for i, line := range lines {
		if err := d.Line(b, line); err != nil {
			t.Errorf("line %d: %v", i+1, err)
		}
	}
	want := Counters{Lines: uint64(len(lines)), Headers: 1, Flows: uint64(len(lines) - 3), Skipped: 2}
	if got := d.Counters(); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func FuzzLine(f *testing.F) {
	f.Add(names + "2011/08/18 09:56:29.1,1.5,tcp,10.0.0.1,5000,   <-,::1,443,S_RA,0,0,2,120,60,x")
	f.Add("StartTime,SrcAddr,DstAddr\n,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := NewDecoder(Config{})
		b := &weir.Batch{}
		n := uint64(0)
		for line := range strings.SplitSeq(text, "\n") {
			before := b.Len()
			if err := d.Line(b, []byte(line)); err != nil && b.Len() != before {
				t.Errorf("%q: error %v, and a record", line, err)
			}
			n++
		}
		if c := d.Counters(); c.Lines != n || c.Headers+c.Flows+c.Skipped+c.Damaged != n {
			t.Errorf("%d lines are counted as %+v", n, c)
		}
		IsLog([]byte(text))
	})
}
