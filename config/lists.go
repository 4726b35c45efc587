package config

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir/query"
)

// The key lists gives names to values that questions use: "lists: {scanners:
// [10.20.0.40]}" is @list:scanners. The key intel does so by source: "intel:
// {misp: misp.csv}" is @intel:misp, and part of @intel. Both take values, or
// the path of a file, from the folder of the configuration file.
//
// A file has one value a line; lines that begin with # are comments. One that
// ends in .csv has columns value, expires and source, in this order or as its
// first line names them; one that ends in .json, .jsonl or .ndjson has an
// object with these keys on each line.

// maxEntries bounds a list. More is refused: all of it is held in memory,
// about 150 bytes each.
const maxEntries = 2_000_000

var nameOfList = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// readLists makes the lists of the nodes of the two keys.
func readLists(lists, intel map[string]yaml.Node, dir string) (*query.Lists, error) {
	out := &query.Lists{Named: map[string][]query.Entry{}}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		node := lists[name]
		entries, err := readList(name, &node, dir)
		if err != nil {
			return nil, fmt.Errorf("lists: %s: %w", name, err)
		}
		out.Named[name] = entries
	}
	for _, source := range slices.Sorted(maps.Keys(intel)) {
		node := intel[source]
		entries, err := readList(source, &node, dir)
		if err != nil {
			return nil, fmt.Errorf("intel: %s: %w", source, err)
		}
		for i := range entries {
			if entries[i].Source == "" {
				entries[i].Source = source
			}
		}
		out.Intel = append(out.Intel, entries...)
	}
	return out, nil
}

// readList reads the values of one key: a sequence, or the path of a file.
func readList(name string, node *yaml.Node, dir string) ([]query.Entry, error) {
	if !nameOfList.MatchString(name) {
		return nil, errors.New("a name has letters, digits, '_', '.' and '-'")
	}
	var path string
	if node.Load(&path) == nil {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return readFile(path)
	}
	var nodes []yaml.Node
	if err := node.Load(&nodes); err != nil {
		return nil, errors.New("want values, or the path of a file with values")
	}
	var entries []query.Entry
	for i := range nodes {
		var r row
		if nodes[i].Load(&r.Value) != nil {
			if err := nodes[i].Load(&r, yaml.WithKnownFields()); err != nil {
				return nil, plain(err)
			}
		}
		e, err := r.entry()
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i+1, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// A row is an entry as it is written.
type row struct {
	Value   string `yaml:"value" json:"value"`
	Expires string `yaml:"expires" json:"expires"`
	Source  string `yaml:"source" json:"source"`
}

func (r row) entry() (query.Entry, error) {
	e := query.Entry{Value: asRecords(strings.TrimSpace(r.Value)), Source: strings.TrimSpace(r.Source)}
	if e.Value == "" {
		return e, errors.New("no value")
	}
	text := strings.TrimSpace(r.Expires)
	if text == "" {
		return e, nil
	}
	var err error
	if e.Expires, err = query.ParseTime(text); err != nil {
		if e.Expires, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return e, fmt.Errorf("expires: %q is not a time: want 2026-11-20T08:00Z or the like", text)
		}
	}
	return e, nil
}

var (
	aName = regexp.MustCompile(`^[A-Za-z0-9_*-]+(\.[A-Za-z0-9_-]+)+\.?$`)
	aHash = regexp.MustCompile(`^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$`)
)

// asRecords writes names of the DNS and hashes as records have them: in small
// letters, names without the dot at their end.
func asRecords(value string) string {
	if _, err := netip.ParseAddr(value); err == nil || !aName.MatchString(value) && !aHash.MatchString(value) {
		return value
	}
	return strings.TrimSuffix(strings.ToLower(value), ".")
}

func readFile(path string) ([]query.Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	read := plainRows
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		read = csvRows
	case ".json", ".jsonl", ".ndjson":
		read = jsonRows
	}
	var entries []query.Entry
	err = read(text, func(line int, r row) error {
		e, err := r.entry()
		if err == nil && len(entries) == maxEntries {
			err = fmt.Errorf("more than %d values", maxEntries)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

// lines calls each with the lines that are no comments and not empty.
func lines(text []byte, each func(line int, text string) error) error {
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		t := strings.TrimSpace(sc.Text())
		if t == "" || strings.HasPrefix(t, "#") {
			continue
		}
		if err := each(n, t); err != nil {
			return err
		}
	}
	return sc.Err()
}

func plainRows(text []byte, each func(int, row) error) error {
	return lines(text, func(n int, t string) error {
		if i := strings.Index(t, " #"); i > 0 {
			t = t[:i]
		}
		return each(n, row{Value: t})
	})
}

func jsonRows(text []byte, each func(int, row) error) error {
	return lines(text, func(n int, t string) error {
		var r row
		if err := json.Unmarshal([]byte(t), &r); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		return each(n, r)
	})
}

func csvRows(text []byte, each func(int, row) error) error {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = '#', -1, true, true
	columns := []string{"value", "expires", "source"}
	for first := true; ; first = false {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if first && slices.Contains(rec, "value") {
			columns = slices.Clone(rec)
			continue
		}
		var e row
		for i, cell := range rec[:min(len(rec), len(columns))] {
			switch columns[i] {
			case "value":
				e.Value = cell
			case "expires":
				e.Expires = cell
			case "source":
				e.Source = cell
			}
		}
		n, _ := r.FieldPos(0)
		if err := each(n, e); err != nil {
			return err
		}
	}
}
