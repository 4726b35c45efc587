package storetest

import (
	_ "embed"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

//go:embed testdata/answers.txt
var answers string

// Update is the file into which the answers are written anew, to be read before
// it is committed:
//
//	go test ./store/memory -run Store/Answers -update-answers $PWD/store/storetest/testdata/answers.txt
var update = flag.String("update-answers", "", "write the answers that the store gives to this file")

// testAnswers runs the script testdata/answers.txt. It has records
//
//	load conn
//	  ts=2026-11-20T00:00:01Z src.ip=10.0.0.1 app=tls
//
// and questions with the rows they must give, cells with bars between them,
// "-" for missing ones. Rows count in any order unless the question says one.
//
//	ask app = tls | stats n = count() by src.ip
//	  10.0.0.1 | 1
func testAnswers(t *testing.T, s Suite) {
	st := s.open(t)
	script := strings.Split(strings.TrimRight(answers, "\n"), "\n")
	var out []string
	for len(script) > 0 {
		line := script[0]
		var block []string
		block, script = indented(script[1:])
		out = append(out, line)
		switch {
		case strings.HasPrefix(line, "load "):
			mustAppend(t, st, records(t, strings.TrimPrefix(line, "load "), block))
		case strings.HasPrefix(line, "ask "):
			text := strings.TrimPrefix(line, "ask ")
			q := mustParse(t, text)
			answer := askWith(t, st, text, office)
			round(q, answer)
			rows := inAnyOrder(q, rowTexts(answer))
			want := inAnyOrder(q, trimmed(block))
			if d := cmp.Diff(want, rows); d != "" && *update == "" {
				t.Errorf("%s (-want +got):\n%s", line, d)
			}
			block = nil
			for _, r := range rows {
				block = append(block, "  "+r)
			}
		}
		out = append(out, block...)
	}
	if *update != "" {
		if err := os.WriteFile(*update, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// office are the lists of the script.
var office = &query.Lists{
	Named: map[string][]query.Entry{
		"staff": {{Value: "10.0.0.1"}, {Value: "192.0.2.0/24"}, {Value: "no address"}},
		"ports": {{Value: "443"}, {Value: "22"}, {Value: "ssh"}},
		"names": {{Value: "www.example.com"}, {Value: "203.0.113.10"}, {Value: "203.0.113.128/25"}},
	},
	Intel: []query.Entry{
		{Value: "203.0.113.9", Source: "misp", Expires: epoch.Add(36 * time.Hour)},
		{Value: "203.0.113.150", Source: "cert", Expires: epoch.Add(33 * time.Hour)}, // at the end of the records
		{Value: "real.example.com"},
	},
}

func indented(lines []string) (block, rest []string) {
	n := 0
	for n < len(lines) && strings.HasPrefix(lines[n], "  ") {
		n++
	}
	return lines[:n], lines[n:]
}

func trimmed(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimPrefix(l, "  ")
	}
	return out
}

func records(t testing.TB, table string, lines []string) *weir.Batch {
	t.Helper()
	b := &weir.Batch{}
	for _, line := range lines {
		r := weir.TableByName(table).New()
		for _, f := range words(line) {
			name, text, _ := strings.Cut(f, "=")
			i := r.Table().Column(name)
			if i < 0 {
				t.Fatalf("table %s has no column %q", table, name)
			}
			v, err := cellValue(&r.Table().Columns[i], strings.Trim(text, `"`))
			if err == nil {
				err = r.Set(i, v)
			}
			if err != nil {
				t.Fatalf("%s: %s: %v", line, f, err)
			}
		}
		b.Add(r)
	}
	return b
}

// words cuts a line at spaces outside of quotes.
func words(line string) []string {
	quoted := false
	return strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}

// cellValue reads a value as it is written in a question; lists have commas.
func cellValue(c *weir.Column, text string) (any, error) {
	if c.List {
		var list []any
		element := *c
		element.List = false
		for part := range strings.SplitSeq(text, ",") {
			v, err := cellValue(&element, part)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	switch c.Type {
	case weir.Time:
		return query.ParseTime(text)
	case weir.Duration:
		d, err := query.ParseDuration(text)
		return d.Seconds(), err
	case weir.Int:
		var n int64
		_, err := fmt.Sscan(text, &n)
		return n, err
	case weir.Float:
		var f float64
		_, err := fmt.Sscan(text, &f)
		return f, err
	case weir.Bool:
		return text == "true", nil
	case weir.Addr:
		return netip.ParseAddr(text)
	}
	return text, nil
}
