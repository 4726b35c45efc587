// Command zeekspeed reads a log of Zeek in several ways and prints how many
// lines a second each takes in: "zcat | wc -l" (or cat), the source that Weir
// reads logs with, and DuckDB's own readers of CSV and JSON. Scripts/zeek-speed.sh
// makes the logs and calls it.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/source/logs"
)

const runs = 3

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: zeekspeed LOG...")
		os.Exit(2)
	}
	fmt.Printf("%-28s %-24s %10s %8s %8s %12s\n", "log", "reader", "lines", "wall s", "cpu s", "lines/s")
	for _, path := range os.Args[1:] {
		if err := compare(path); err != nil {
			fmt.Fprintln(os.Stderr, "zeekspeed:", err)
			os.Exit(1)
		}
	}
}

// A reader reads a log and returns how many lines or records it has.
type reader struct {
	name string
	read func(path string) (int64, error)
}

func compare(path string) error {
	columns, err := header(path)
	if err != nil {
		return err
	}
	duck := csvQuery
	if columns == nil {
		duck = jsonQuery
	}
	for _, r := range []reader{
		{"zcat -f | wc -l", wc},
		{"weir source/logs", records},
		{"duckdb count(*)", func(path string) (int64, error) { return duckdb("SELECT count(*) FROM "+duck(path, columns), 2) }},
		{"duckdb create table", func(path string) (int64, error) {
			return duckdb("CREATE TABLE t AS SELECT * FROM "+duck(path, columns), 2)
		}},
		{"duckdb create table, 1 thread", func(path string) (int64, error) {
			return duckdb("CREATE TABLE t AS SELECT * FROM "+duck(path, columns), 1)
		}},
	} {
		if err := measure(path, r); err != nil {
			return fmt.Errorf("%s of %s: %w", r.name, path, err)
		}
	}
	return nil
}

// measure prints the run in the middle of three, after one to warm up.
func measure(path string, r reader) error {
	type run struct {
		lines     int64
		wall, cpu float64
	}
	var all []run
	for i := range runs + 1 {
		start, before := time.Now(), cpu()
		n, err := r.read(path)
		if err != nil {
			return err
		}
		if i > 0 {
			all = append(all, run{n, time.Since(start).Seconds(), cpu() - before})
		}
	}
	slices.SortFunc(all, func(a, b run) int { return int(1e6 * (a.wall - b.wall)) })
	m := all[len(all)/2]
	fmt.Printf("%-28s %-30s %10d %8.2f %8.2f %12.0f\n", path[strings.LastIndexByte(path, '/')+1:], r.name, m.lines, m.wall, m.cpu, float64(m.lines)/m.wall)
	return nil
}

// cpu returns the seconds that this process and its children have used.
func cpu() (sum float64) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
		}
	}
	return sum
}

func wc(path string) (n int64, err error) {
	out, err := exec.CommandContext(context.Background(), "sh", "-c", `zcat -f -- "$0" | wc -l`, path).Output()
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(out), &n)
	return n, err
}

func records(path string) (int64, error) {
	c := logs.DefaultConfig()
	c.Inputs = []string{path}
	s, err := logs.New(c)
	if err != nil {
		return 0, err
	}
	err = s.Run(context.Background(), func(*weir.Batch) error { return nil })
	return s.Progress().Packets, err
}

// header returns the names of the columns, none of JSON.
func header(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var from io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if names, ok := bytes.CutPrefix(lines.Bytes(), []byte("#fields\t")); ok {
			return strings.Split(string(names), "\t"), nil
		}
		if bytes.HasPrefix(lines.Bytes(), []byte("{")) {
			return nil, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s: neither #fields nor JSON", path), lines.Err())
}

func csvQuery(path string, columns []string) string {
	return fmt.Sprintf(`read_csv('%s', delim='\t', comment='#', header=false, nullstr='-', quote='', escape='', names=['%s'])`, path, strings.Join(columns, "','"))
}

func jsonQuery(path string, _ []string) string {
	return fmt.Sprintf(`read_json('%s', format='newline_delimited')`, path)
}

// duckdb runs a statement in a new database in memory, and returns the number
// that it answers with: of records counted or written.
func duckdb(sql string, threads int) (int64, error) {
	var db bindings.Database
	var conn bindings.Connection
	if bindings.Open("", &db) == bindings.StateError || bindings.Connect(db, &conn) == bindings.StateError {
		return 0, errors.New("no database")
	}
	defer bindings.Close(&db)
	defer bindings.Disconnect(&conn)
	var n int64
	for _, q := range []string{fmt.Sprintf("SET threads=%d", threads), sql} {
		var res bindings.Result
		if bindings.Query(conn, q, &res) == bindings.StateError {
			err := errors.New(bindings.ResultError(&res))
			bindings.DestroyResult(&res)
			return 0, err
		}
		if q == sql {
			chunk := bindings.FetchChunk(res)
			n = *(*int64)(bindings.VectorGetData(bindings.DataChunkGetVector(chunk, 0)))
			bindings.DestroyDataChunk(&chunk)
		}
		bindings.DestroyResult(&res)
	}
	return n, nil
}
