package duckdb

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

var parquetColumns = []query.Column{
	{Name: "ts", Type: weir.Time}, {Name: "src.ip", Type: weir.Addr}, {Name: "n", Type: weir.Int}, {Name: "dur", Type: weir.Duration},
	{Name: "ok", Type: weir.Bool}, {Name: "a \"name\"", Type: weir.String}, {Name: "answer", Type: weir.String, List: true},
	{Name: "ttl", Type: weir.Int, List: true}, {Name: "p", Fields: []query.Column{{Name: "score", Type: weir.Float}, {Name: "count", Type: weir.Int}}},
}

// TestWriteParquet writes rows of all types, over several blocks, and reads them
// with the database.
func TestWriteParquet(t *testing.T) {
	const rows = 5000
	path := filepath.Join(t.TempDir(), "it's.parquet")
	at := time.Date(2026, 11, 21, 9, 14, 1, 123456000, time.UTC)
	n, err := WriteParquet(t.Context(), path, parquetColumns, func(yield func(query.Row, error) bool) {
		for i := range rows {
			row := query.Row{
				at.Add(time.Duration(i) * time.Second), netip.MustParseAddr("2001:db8::1"), int64(i), 1.5, i%2 == 0, strings.Repeat("x\xff", i%20),
				[]any{"a", fmt.Sprint("longer than twelve octets ", i)}, []any{int64(i)}, query.Record{0.25, int64(7)},
			}
			if i%3 == 1 {
				clear(row)
			}
			if !yield(row, nil) {
				return
			}
		}
	})
	if err != nil || n != rows {
		t.Fatalf("WriteParquet: %d rows, %v, want %d", n, err, rows)
	}
	got := askParquet(t, path, `SELECT concat_ws(' ', count(*), count(ts), min(ts AT TIME ZONE 'UTC'), max("src.ip"), sum(n), sum(dur), count(*) FILTER (ok),
		max(len("a ""name""")), max(answer[2]), sum(len(answer)), sum(ttl[1]), sum("p.score"), sum("p.count")) FROM `)
	want := "5000 3333 2026-11-21 09:14:01.123456 2001:db8::1 8330000 4999.5 1667 38 longer than twelve octets 999 6666 8330000 833.25 23331"
	if got != want {
		t.Errorf("read back: got %q, want %q", got, want)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left beside the file: %v, %v", left, err)
	}
}

func TestWriteParquetFails(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	_, err := WriteParquet(t.Context(), filepath.Join(dir, "x"), parquetColumns, func(yield func(query.Row, error) bool) { yield(nil, broken) })
	if !errors.Is(err, broken) {
		t.Errorf("rows that fail: got %v, want %v", err, broken)
	}
	none := func(func(query.Row, error) bool) {}
	if _, err := WriteParquet(t.Context(), filepath.Join(dir, "no such folder", "x"), parquetColumns, none); err == nil {
		t.Error("a folder that there is not: got no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := WriteParquet(ctx, filepath.Join(dir, "x"), parquetColumns, none); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// askParquet returns the one text that a question to a file gives.
func askParquet(t *testing.T, path, sql string) (text string) {
	t.Helper()
	db, err := openDatabase(":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bindings.Close(&db)
	c, err := connect(db)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	err = c.query(t.Context(), sql+"'"+strings.ReplaceAll(path, "'", "''")+"'", nil, func(b *block) bool {
		if b.rows > 0 {
			text = b.text(0, 0)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
