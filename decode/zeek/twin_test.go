package zeek

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// TestTwin compares the flows of the corpus's conn.log with what a slow and
// obvious reader of columns makes of the same lines.
func TestTwin(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "corpus/captures"), "*", "conn.log*"))
	if err != nil {
		t.Fatal(err)
	}
	lines, values := 0, 0
	for _, file := range files {
		d := NewDecoder(Config{})
		b := &weir.Batch{}
		read(t, d, b, file)
		rows := slowly(t, file)
		if len(rows) != len(b.Flows) {
			t.Errorf("%s: %d flows of %d lines", file, len(b.Flows), len(rows))
			continue
		}
		for i, row := range rows {
			lines++
			for name, got := range shownAs(&b.Flows[i]) {
				want, ok := row[name]
				if !ok {
					continue
				}
				values++
				if got != want {
					t.Errorf("%s, flow %d: %s is %s, want %s", file, i, name, got, want)
				}
			}
		}
	}
	t.Logf("%d lines of %d logs, %d values, all equal", lines, len(files), values)
	if lines < 50_000 {
		t.Errorf("%d lines, want more", lines)
	}
}

// slowly reads a log of values that tabs separate into maps; of JSON it
// returns nothing to compare but as many rows.
func slowly(t *testing.T, file string) (rows []map[string]string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var from io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if from, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	s := bufio.NewScanner(from)
	for s.Scan() {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "#fields\t"):
			names = strings.Split(line, "\t")[1:]
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "{"):
			rows = append(rows, nil)
		default:
			row := map[string]string{}
			for i, v := range strings.Split(line, "\t") {
				if v == "-" || v == "(empty)" {
					v = ""
				}
				row[names[i]] = v
			}
			rows = append(rows, normal(row))
		}
	}
	return rows
}

// normal writes a row as shownAs does.
func normal(row map[string]string) map[string]string {
	for _, c := range []string{"orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes", "orig_pkts", "resp_pkts"} {
		if v, ok := row[c]; ok && v == "" {
			row[c] = "0"
		}
	}
	if row["duration"] == "" {
		row["duration"] = "0.000000"
	}
	if row["proto"] == "icmp" {
		delete(row, "id.orig_p")
		delete(row, "id.resp_p")
		if strings.Contains(row["id.orig_h"], ":") {
			row["proto"] = "icmp6"
		}
	}
	if row["proto"] == "unknown_transport" {
		delete(row, "proto") // ip_proto tells
	}
	if row["conn_state"] == "RSTOS0" && !strings.Contains(row["history"], "S") { // is OTH here
		delete(row, "conn_state")
	}
	return row
}

func shownAs(f *weir.Flow) map[string]string {
	n := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return map[string]string{
		"ts": fmt.Sprintf("%d.%06d", f.Start.Unix(), f.Start.Nanosecond()/1000), "uid": f.UID,
		"id.orig_h": f.Src.String(), "id.resp_h": f.Dst.String(), "id.orig_p": n(uint64(f.SrcPort)), "id.resp_p": n(uint64(f.DstPort)),
		"proto": f.Proto.String(), "duration": fmt.Sprintf("%d.%06d", f.Duration/time.Second, f.Duration%time.Second/time.Microsecond),
		"orig_bytes": n(f.DataUp), "resp_bytes": n(f.DataDown), "orig_ip_bytes": n(f.BytesUp), "resp_ip_bytes": n(f.BytesDown),
		"orig_pkts": n(f.PacketsUp), "resp_pkts": n(f.PacketsDown), "conn_state": f.State.String(), "history": f.History,
	}
}
