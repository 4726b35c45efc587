// Package metertest meters captures for tests of what reads protocols, and
// compares what was read with what others say of the same capture.
package metertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/source/capture"
)

// Records returns everything that a capture tells, in one batch.
func Records(t testing.TB, file string) *weir.Batch {
	t.Helper()
	all := &weir.Batch{}
	s, err := capture.New(capture.Config{Inputs: []string{file}, Meter: meter.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(context.Background(), func(b *weir.Batch) error {
		all.Flows = append(all.Flows, b.Flows...)
		all.HTTP = append(all.HTTP, b.HTTP...)
		all.Files = append(all.Files, b.Files...)
		all.SSH = append(all.SSH, b.SSH...)
		all.SMB = append(all.SMB, b.SMB...)
		all.RPC = append(all.RPC, b.RPC...)
		all.Kerberos = append(all.Kerberos, b.Kerberos...)
		all.NTLM = append(all.NTLM, b.NTLM...)
		all.RDP = append(all.RDP, b.RDP...)
		all.DHCP = append(all.DHCP, b.DHCP...)
		all.Commands = append(all.Commands, b.Commands...)
		all.Announcements = append(all.Announcements, b.Announcements...)
		all.Oddities = append(all.Oddities, b.Oddities...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Zeek returns the lines of a log of Zeek, or of what zeek-cut took of it with
// the names of the columns first, by column. What is not set is "". Of a log that
// is not there it returns nothing.
func Zeek(t testing.TB, file string) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	var fields []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		columns := strings.Split(lines.Text(), "\t")
		switch {
		case columns[0] == "#fields":
			fields = columns[1:]
		case strings.HasPrefix(columns[0], "#"):
		case fields == nil:
			fields = columns
		case len(columns) != len(fields):
		default:
			row := map[string]string{}
			for i, c := range columns {
				if c != "-" && c != "(empty)" {
					row[fields[i]] = c
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// A Difference is one that was looked at. Case, Field, Got and Want are patterns of
// [path.Match] in which a slash is an ordinary letter.
type Difference struct {
	Case, Field, Got, Want string
	Reason                 string // and who is right
}

// Explain returns a difference that was looked at.
func Explain(name, field, got, want, reason string) Difference {
	return Difference{Case: name, Field: field, Got: got, Want: want, Reason: reason}
}

// A Comparison counts how many values are equal, by field.
type Comparison struct {
	t         testing.TB
	explained []Difference
	used      []int
	fields    map[string][2]int // equal, all
}

// Compare begins a comparison; Close ends it.
func Compare(t testing.TB, explained []Difference) *Comparison {
	return &Comparison{t: t, explained: explained, used: make([]int, len(explained)), fields: map[string][2]int{}}
}

// Field compares one value of a case, and fails the test if it differs and
// that is not explained.
func (c *Comparison) Field(name, field, got, want string) {
	c.t.Helper()
	n := c.fields[field]
	n[1]++
	if got == want {
		n[0]++
	}
	c.fields[field] = n
	if got == want {
		return
	}
	for i, d := range c.explained {
		if match(d.Field, field) && match(d.Case, name) && match(d.Got, got) && match(d.Want, want) {
			c.used[i]++
			return
		}
	}
	c.t.Errorf("%s: %s = %q, want %q", name, field, got, want)
}

func match(pattern, s string) bool {
	clean := strings.NewReplacer("/", "|", "[", "(", "\\", "|")
	ok, err := path.Match(clean.Replace(pattern), clean.Replace(s))
	return ok && err == nil
}

// Close logs the shares, and fails the test if an explanation explains nothing.
func (c *Comparison) Close() {
	c.t.Helper()
	for _, field := range slices.Sorted(maps.Keys(c.fields)) {
		n := c.fields[field]
		c.t.Logf("%-14s %5d of %5d equal (%.1f %%)", field, n[0], n[1], 100*float64(n[0])/float64(n[1]))
	}
	for i, d := range c.explained {
		if c.used[i] == 0 {
			c.t.Errorf("explained, but does not occur: %+v", d)
			continue
		}
		c.t.Logf("%d × %s, %s: %s", c.used[i], d.Case, d.Field, d.Reason)
	}
}

// Ends names the two ends of a record.
func Ends(e *weir.Endpoints) string {
	return fmt.Sprintf("%v %d %v %d", e.Src, e.SrcPort, e.Dst, e.DstPort)
}

// EndsOf names the two ends of a line of Zeek.
func EndsOf(row map[string]string) string {
	return strings.Join([]string{row["id.orig_h"], row["id.orig_p"], row["id.resp_h"], row["id.resp_p"]}, " ")
}
