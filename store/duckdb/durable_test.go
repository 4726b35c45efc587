package duckdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
	"github.com/weir-nta/weir/store/memory"
	"github.com/weir-nta/weir/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("WEIR_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// perBatch is how many records of each kind a batch of the child has.
const perBatch = 300

// child appends numbered batches and says on standard output which ones are
// durable, until it is killed or an error ends it.
func child(dir string) {
	if limit, err := strconv.ParseUint(os.Getenv("WEIR_TEST_FSIZE"), 10, 64); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Println("error", err)
			return
		}
	}
	every, err := strconv.Atoi(os.Getenv("WEIR_TEST_EVERY"))
	config := Config{Dir: dir}
	if err != nil {
		every, config = 1, Config{Dir: dir, commitRows: 5000, sealRows: 20_000}
	}
	s, err := Open(config)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	ctx := context.Background()
	for n := range 2000 {
		err := s.Append(ctx, numbered(n))
		if err == nil && (n+1)%every == 0 {
			err = s.Flush(ctx)
		}
		if err != nil {
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", "; "))
			break
		}
		if (n+1)%every == 0 {
			fmt.Println("durable", n)
		}
	}
	fmt.Println("count", countIn(s, "from conn"), countIn(s, "from dns"))
	err = s.Close()
	fmt.Println("closed", err)
}

// numbered is batch n: each record has n as its source port. Later batches
// fill columns that earlier ones do not.
func numbered(n int) *weir.Batch {
	b := &weir.Batch{Flows: office(perBatch, uint64(n)), DNS: lookups(perBatch, uint64(n))}
	for i := range perBatch {
		b.Flows[i].SrcPort, b.DNS[i].SrcPort = uint16(n), uint16(n)
		b.Flows[i].Start = b.Flows[i].Start.Add(time.Duration(n) * time.Hour)
		b.Flows[i].End = b.Flows[i].End.Add(time.Duration(n) * time.Hour)
		b.DNS[i].Time = b.DNS[i].Time.Add(time.Duration(n) * time.Hour)
		b.Flows[i].TLS = &weir.TLS{SNI: fmt.Sprintf("%x.example", rand.Uint64()), JA3: fmt.Sprintf("%x", rand.Uint64())}
		if n >= 20 {
			b.Flows[i].HTTP = &weir.HTTP{Method: "GET", Status: uint16(n)}
		}
		if n >= 60 {
			b.Flows[i].SrcASN, b.DNS[i].EDNSSize = uint32(n), uint16(n)
		}
	}
	return b
}

func countIn(s *Store, text string) int64 {
	q, err := query.Parse(text + " | stats n = count()")
	if err != nil {
		panic(err)
	}
	for r, err := range s.Query(context.Background(), query.Ask{Query: q}) {
		if err != nil {
			fmt.Println("error", err)
			return -1
		}
		return r[0].(int64)
	}
	return -1
}

// checkBatches says what is wrong with the numbered batches in a store, of
// which durable ones must be there.
func checkBatches(t *testing.T, s *Store, durable int) {
	t.Helper()
	for _, table := range []string{"conn", "dns"} {
		q, err := query.Parse("from " + table + " | stats n = count() by src.port")
		if err != nil {
			t.Fatal(err)
		}
		have := map[int64]int64{}
		for r, err := range s.Query(t.Context(), query.Ask{Query: q}) {
			if err != nil {
				t.Fatal(err)
			}
			have[r[0].(int64)] = r[1].(int64)
		}
		for n := range int64(durable) {
			if have[n] == 0 {
				t.Errorf("%s: batch %d of %d durable ones is lost", table, n, durable)
			}
		}
		for n, count := range have {
			if count != perBatch {
				t.Errorf("%s: batch %d has %d records, want %d", table, n, count, perBatch)
			}
		}
	}
}

// run starts the child and reads what it says, until stop returns true.
func run(t *testing.T, dir string, stop func(durable int) bool, env ...string) (durable int, said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "WEIR_TEST_CHILD="+dir), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "durable "); ok {
			durable, _ = strconv.Atoi(n)
			durable++
		} else {
			said = append(said, lines.Text())
		}
		if stop(durable) {
			_ = cmd.Process.Kill()
			_, _ = io.Copy(io.Discard, out)
			break
		}
	}
	_ = cmd.Wait() // killed, mostly
	return durable, said
}

// TestKill kills a writing process at any moment: what it called durable is
// there, and of what it did not, each batch is there as a whole or not at all.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for round := range 5 {
		at := 1 + rand.IntN(25)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		durable, said := run(t, dir, func(durable int) bool {
			if durable < at {
				return false
			}
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			return true
		})
		if durable < at {
			t.Fatalf("round %d: the child stopped after %d batches: %q", round, durable, said)
		}
		s := mustOpen(t, Config{Dir: dir})
		checkBatches(t, s, durable)
		if err := s.Append(t.Context(), numbered(60000)); err != nil {
			t.Errorf("append after a kill: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskFull lets the files of the store grow to so many bytes and no more,
// as on a full disk: the error says so, the records before it stay readable
// in the same process and after it, and no batch is there by half.
func TestDiskFull(t *testing.T) {
	for _, tt := range []struct{ limit, every int }{
		{1 << 20, 0}, {2 << 20, 0}, {3 << 20, 0}, // small commits, which go through the log of the database
		{12 << 20, 450}, // whole row groups, which go straight into the file
	} {
		limit, env := tt.limit, []string{"WEIR_TEST_FSIZE=" + strconv.Itoa(tt.limit)}
		if tt.every > 0 {
			env = append(env, "WEIR_TEST_EVERY="+strconv.Itoa(tt.every))
		}
		dir := filepath.Join(t.TempDir(), "store")
		durable, said := run(t, dir, func(int) bool { return false }, env...)
		all := strings.Join(said, "\n")
		if durable == 0 || durable == 2000 || !strings.Contains(all, "error") {
			t.Fatalf("limit %d: the child wrote %d batches and said %q", limit, durable, said)
		}
		t.Logf("limit %d: %d batches, then %s", limit, durable, all)
		if want := fmt.Sprintf("count %d %d", durable*perBatch, durable*perBatch); !strings.Contains(all, want) {
			t.Errorf("limit %d: after the error the child said %q, want %q", limit, all, want)
		}
		s := mustOpen(t, Config{Dir: dir})
		checkBatches(t, s, durable)
		if err := s.Append(t.Context(), numbered(60000)); err != nil {
			t.Errorf("append with room again: %v", err)
		}
		checkBatches(t, s, durable)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open in the process: got error %v, want ErrInUse", err)
	}
	_, said := run(t, dir, func(int) bool { return false })
	if got := strings.Join(said, "\n"); !strings.Contains(got, "in use by another process") {
		t.Errorf("second process said %q, want that the store is in use", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, Config{Dir: dir})
}

// TestReopen finds the records again, also those of closed segments.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	c := Config{Dir: dir, sealRows: 1000}
	var all []*weir.Batch
	for day := range 4 {
		s := mustOpen(t, c)
		for n := range 3 {
			b := numbered(day*30 + n)
			all = append(all, b)
			if err := s.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, c)
	if len(s.segs.list) < 2 {
		t.Errorf("%d segments after four days, want more than one", len(s.segs.list))
	}
	compareStores(t, s, slow(t, all...), questions)
}

// compareStores asks both stores some questions.
func compareStores(t *testing.T, got, want store.Store, questions []string) {
	t.Helper()
	for _, text := range questions {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		g, err := collect(got.Query(t.Context(), query.Ask{Query: q}))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		w, err := collect(want.Query(t.Context(), query.Ask{Query: q}))
		if err != nil {
			t.Fatal(err)
		}
		compareAnswers(t, text, q, g, w)
	}
	gf, gl, gerr := got.Span(t.Context())
	wf, wl, werr := want.Span(t.Context())
	if !gf.Equal(wf) || !gl.Equal(wl) || !errors.Is(gerr, werr) {
		t.Errorf("Span() = %v, %v, %v, want %v, %v, %v", gf, gl, gerr, wf, wl, werr)
	}
}

func TestRetain(t *testing.T) {
	for _, sealRows := range []int64{1000, sealRows} {
		s := mustOpen(t, Config{Dir: t.TempDir(), sealRows: sealRows})
		var all []*weir.Batch
		for n := range 12 {
			all = append(all, numbered(n*6))
			if err := s.Append(t.Context(), all[n]); err != nil {
				t.Fatal(err)
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		twin := slow(t, all...)
		for _, hours := range []int{-1, 0, 10, 31, 50} {
			before := start.Add(time.Duration(hours)*time.Hour + 17*time.Millisecond)
			want, err := twin.Retain(t.Context(), before, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Retain(t.Context(), before, 0)
			if err != nil || got != want {
				t.Errorf("Retain(%v) = %d, %v, want %d", before, got, err, want)
			}
			compareStores(t, s, twin, []string{"from conn", "from dns", "stats n = count(), sum(bytes) by src.port"})
		}
		size, err := s.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		deleted, err := s.Retain(t.Context(), time.Time{}, size*2/3)
		if err != nil || deleted == 0 {
			t.Errorf("Retain(%d of %d bytes) = %d, %v, want some deleted", size*2/3, size, deleted, err)
		}
		if now, err := s.Size(t.Context()); err != nil || now > size*2/3 {
			t.Errorf("Size() = %d, %v after Retain(%d)", now, err, size*2/3)
		}
		_, last, err := s.Span(t.Context())
		if want := all[11].Flows[perBatch-1].Start; err != nil || !last.Equal(want) {
			t.Errorf("the last record is of %v (%v), want %v: the newest stay", last, err, want)
		}
		if err := s.Append(t.Context(), all[0]); err != nil {
			t.Errorf("append after Retain: %v", err)
		}
		if n := countIn(s, "from conn src.port = 0"); n != perBatch {
			t.Errorf("%d records of the batch appended after Retain, want %d", n, perBatch)
		}
	}
}

// TestOtherVersions opens a file that lacks columns, one that has columns of a
// later version, one with a column of another type, and one of a later format.
func TestOtherVersions(t *testing.T) {
	dir := t.TempDir()
	change := func(sql string) {
		t.Helper()
		s := mustOpen(t, Config{Dir: dir})
		if err := s.control.exec(sql); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b := various()
	s := mustOpen(t, Config{Dir: dir})
	if err := errors.Join(s.Append(t.Context(), b), s.Close()); err != nil {
		t.Fatal(err)
	}
	change(`ALTER TABLE s1.main.conn DROP COLUMN "tls.sni"; ALTER TABLE s1.main.conn ADD COLUMN later VARCHAR; DROP TABLE s1.main.oddity`)
	b.Oddities = nil
	var left weir.Batch
	for r := range b.Records {
		left.Add(r)
	}
	left.Flows = append([]weir.Flow(nil), b.Flows...)
	for i := range left.Flows {
		if f := &left.Flows[i]; f.TLS != nil {
			without := *f.TLS
			without.SNI = ""
			f.TLS = &without
		}
	}
	s = mustOpen(t, Config{Dir: dir})
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	twin := slow(t, &left, b)
	compareStores(t, s, twin, questions)
	for _, st := range []store.Store{s, twin} { // which writes the file anew
		if _, err := st.Retain(t.Context(), start.Add(time.Second), 0); err != nil {
			t.Fatal(err)
		}
	}
	compareStores(t, s, twin, questions)
	if n, err := s.control.number(t.Context(), "SELECT count(*) FROM duckdb_columns() WHERE column_name = 'later'"); n != 1 || err != nil {
		t.Errorf("after Retain %d columns of the later version (%v), want 1", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	change(`UPDATE format SET version = 99`)
	if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "newer version of Weir") {
		t.Errorf("Open of a later format: got %v, want that it is newer", err)
	}
}

// TestReadersWhileWriting counts while batches are appended: never part of a batch.
func TestReadersWhileWriting(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir(), commitRows: 3000, sealRows: 10_000})
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if n := countIn(s, "from conn"); n%perBatch != 0 || n < 0 {
					t.Errorf("a reader sees %d records, want a multiple of %d", n, perBatch)
					return
				}
			}
		})
	}
	for n := range 40 {
		if err := s.Append(t.Context(), numbered(n)); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
	checkBatches(t, s, 40)
}

// TestRetainWhileWriting deletes old records while others come and are asked
// for: none of those is lost.
func TestRetainWhileWriting(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir(), commitRows: 2000, sealRows: 3000})
	old := start.Add(-72 * time.Hour)
	for day := range 3 {
		b := plainFlows(4000, uint64(day))
		for i := range b.Flows {
			at := old.Add(time.Duration(day)*24*time.Hour + time.Duration(i)*time.Second)
			b.Flows[i].Start, b.Flows[i].End = at, at
		}
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var kept int64
	wg.Go(func() {
		for i := range uint64(40) {
			b := plainFlows(500, 100+i)
			if err := s.Append(t.Context(), b); err != nil {
				t.Error(err)
				return
			}
			kept += int64(len(b.Flows))
		}
	})
	wg.Go(func() {
		for range 20 {
			if n := countIn(s, ""); n < 0 {
				t.Error("a question failed")
			}
		}
	})
	deleted := int64(0)
	for _, before := range []time.Time{old.Add(30 * time.Minute), old.Add(25 * time.Hour), old.Add(49 * time.Hour), start.Add(-time.Hour)} {
		n, err := s.Retain(t.Context(), before, 0)
		if err != nil {
			t.Error(err)
		}
		deleted += n
	}
	wg.Wait()
	if got := countIn(s, ""); got != kept || deleted != 12_000 {
		t.Errorf("%d records are left and %d went, want %d and 12,000", got, deleted, kept)
	}
}

func TestCancel(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir()})
	if err := s.Append(t.Context(), &weir.Batch{Flows: office(50_000, 1)}); err != nil {
		t.Fatal(err)
	}
	q, err := query.Parse(`src.ip in (from conn | select dst.ip) or "a.b.c" | stats n = count() by src.port, bytes, dst.port, dur | sort n`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := collect(s.Query(ctx, query.Ask{Query: q})); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Query with a context that ends: got %v, want its error", err)
	}
	if n := countIn(s, "from conn"); n != 50_000 {
		t.Errorf("%d records after a cancelled question, want 50000", n)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Suite{
		Persistent: true,
		Open: func(t testing.TB, dir string) store.Store {
			s, err := Open(Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Twin: func(t testing.TB) store.Store {
			s, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	})
}
