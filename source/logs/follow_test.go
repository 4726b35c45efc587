package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

// A watch is a source that follows, in the background.
type watch struct {
	t    *testing.T
	s    *Source
	stop context.CancelFunc
	done chan error

	mu  sync.Mutex
	all weir.Batch
}

// follow starts to follow inputs.
func follow(t *testing.T, state string, inputs ...string) *watch {
	t.Helper()
	c := DefaultConfig()
	c.Inputs, c.Follow, c.State = inputs, true, state
	c.Every, c.Wait = 5*time.Millisecond, 15*time.Millisecond
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.follower.patience = patience{quiet: time.Hour, gone: 30 * time.Millisecond, settled: 20 * time.Millisecond}
	return start(t, s)
}

func start(t *testing.T, s *Source) *watch {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watch{t: t, s: s, stop: cancel, done: make(chan error, 1)}
	go func() {
		w.done <- s.Run(ctx, func(b *weir.Batch) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			gather(&w.all, b)
			return nil
		})
	}()
	t.Cleanup(cancel)
	return w
}

// flows returns the uids of the flows so far, sorted.
func (w *watch) flows() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := strings.Fields(uids(&w.all))
	slices.Sort(list)
	return list
}

// until waits for so many flows.
func (w *watch) until(n int) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if len(w.flows()) >= n {
			return
		}
	}
	w.t.Fatalf("%d flows after 20 s, want %d: %v; %v", len(w.flows()), n, w.flows(), w.s.Progress().Notes)
}

// end stops following, and checks that exactly these flows were handed on.
func (w *watch) end(want ...string) {
	w.t.Helper()
	w.stop()
	if err := <-w.done; !errors.Is(err, context.Canceled) {
		w.t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
	slices.Sort(want)
	if got := w.flows(); !slices.Equal(got, want) {
		w.t.Errorf("%d flows %v, want %d %v; %v", len(got), got, len(want), want, w.s.Progress().Notes)
	}
}

func (w *watch) rounds(n int) { time.Sleep(time.Duration(n) * 20 * time.Millisecond) }

// appendTo writes more to a file.
func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// numbered returns lines of conn.log with the uids C<from> to C<to>, and these.
func numbered(from, to int) (lines string, uids []string) {
	for i := from; i <= to; i++ {
		uid := fmt.Sprintf("C%d", i)
		lines += connLine(uid, 1e9+float64(i), 1)
		uids = append(uids, uid)
	}
	return lines, uids
}

// TestFollow checks that lines are read as they are written, also in parts, and
// that conversations wait for their handshakes.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	w := follow(t, "", dir) // nothing is there yet
	w.rounds(2)
	conn, ssl := filepath.Join(dir, "conn.log"), filepath.Join(dir, "ssl.log")
	line := connLine("C1", 1e9, 1)
	appendTo(t, conn, line[:40])
	w.rounds(2)
	appendTo(t, conn, line[40:]+connLine("C2", 1e9, 1))
	appendTo(t, ssl, sslLine("C2", 1e9))
	w.until(2)
	appendTo(t, conn, connLine("C3", 1e9, 1))
	w.until(3)
	w.end("C1", "C2:c2.example", "C3")
}

// TestRotation checks that nothing is lost and nothing is read twice in any of
// the ways in which logs are rotated.
func TestRotation(t *testing.T) {
	first, a := numbered(1, 20)
	second, b := numbered(21, 40)
	third, c := numbered(41, 60)
	for name, rotate := range map[string]func(t *testing.T, dir, conn string){
		"renamed": func(t *testing.T, dir, conn string) {
			rename(t, conn, filepath.Join(dir, "conn.13:00:00-14:00:00.log"))
			appendTo(t, filepath.Join(dir, "conn.13:00:00-14:00:00.log"), second) // the writer is slow to leave it
		},
		"renamed into a folder for the day": func(t *testing.T, dir, conn string) {
			appendTo(t, conn, second)
			if err := os.Mkdir(filepath.Join(dir, "2026-11-21"), 0o755); err != nil {
				t.Fatal(err)
			}
			rename(t, conn, filepath.Join(dir, "2026-11-21", "conn.log"))
		},
		"compressed at once": func(t *testing.T, dir, conn string) {
			remove(t, conn)
			write(t, dir, map[string]string{"conn.13:00:00-14:00:00.log.gz": first + second})
		},
		"compressed with zstd": func(t *testing.T, dir, conn string) {
			remove(t, conn)
			write(t, dir, map[string]string{"old/conn.log.zst": first + second})
		},
		"renamed, then compressed": func(t *testing.T, dir, conn string) {
			rename(t, conn, conn+".1")
			appendTo(t, conn+".1", second)
			time.Sleep(50 * time.Millisecond)
			write(t, dir, map[string]string{"conn.log.1.gz": first + second})
			remove(t, conn+".1")
		},
		"copied and truncated": func(t *testing.T, dir, conn string) {
			appendTo(t, conn, second)
			b, err := os.ReadFile(conn)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, map[string]string{"conn.log.1": string(b)})
			if err := os.Truncate(conn, 0); err != nil {
				t.Fatal(err)
			}
		},
		"copied and written anew": func(t *testing.T, dir, conn string) {
			write(t, dir, map[string]string{"conn.log.1": first + second})
			if err := os.WriteFile(conn, []byte(third), 0o644); err != nil { // as long as before
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			conn := filepath.Join(dir, "conn.log")
			appendTo(t, conn, first)
			w := follow(t, "", dir)
			w.until(20)
			rotate(t, dir, conn)
			if name != "copied and written anew" {
				appendTo(t, conn, third)
			}
			w.until(60)
			w.rounds(5)
			w.end(slices.Concat(a, b, c)...)
		})
	}
}

// TestResume checks that a source that is started again goes on where the last
// one ended, whatever has become of the files.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(t.TempDir(), "state.json")
	conn := filepath.Join(dir, "conn.log")
	header := "#path\tconn\n#open\t2026-11-21\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\n"
	row := func(uid string) string { return "1\t" + uid + "\t10.0.0.1\t1\t10.0.0.2\t2\ttcp\tS0\n" }
	appendTo(t, conn, header+row("C1")+row("C2"))
	w := follow(t, state, dir)
	w.until(2)
	w.end("C1", "C2")

	appendTo(t, conn, row("C3"))
	w = follow(t, state, dir)
	w.until(1)
	w.end("C3")

	appendTo(t, conn, row("C4"))
	all, err := os.ReadFile(conn)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, conn)
	write(t, dir, map[string]string{"conn.00:00:00-01:00:00.log.gz": string(all)})
	appendTo(t, conn, strings.Replace(header, "11-21", "11-22", 1)+row("C5"))
	w = follow(t, state, dir)
	w.until(2)
	w.rounds(3)
	w.end("C4", "C5")

	w = follow(t, state, dir)
	w.rounds(5)
	w.end()

	for _, bad := range []string{"", "{", `{"version":2}`, `{"version":1,"logs":[{"bytes":-1}]}`} {
		if err := os.WriteFile(state, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		c := DefaultConfig()
		c.Inputs, c.Follow, c.State = []string{dir}, true, state
		if _, err := New(c); err == nil {
			t.Errorf("a state of %q is taken", bad)
		}
	}
}

// TestCrash checks that what a store did not take is read again.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(t.TempDir(), "state.json")
	lines, want := numbered(1, 50)
	write(t, dir, map[string]string{"conn.log": lines})
	c := DefaultConfig()
	c.Inputs, c.Follow, c.State, c.BatchRecords, c.Every, c.Wait = []string{dir}, true, state, 10, time.Millisecond, 0
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	calls := 0
	if err := s.Run(t.Context(), func(*weir.Batch) error {
		if calls++; calls == 3 {
			return full
		}
		return nil
	}); !errors.Is(err, full) || calls != 3 {
		t.Errorf("Run = %v after %d batches, want %v after 3", err, calls, full)
	}
	w := follow(t, state, dir)
	w.until(50)
	w.end(want...)
}

// TestQuiet checks that a log to which nothing is written is closed, and read
// on when something is.
func TestQuiet(t *testing.T) {
	dir := t.TempDir()
	c := DefaultConfig()
	c.Inputs, c.Follow, c.Every, c.Wait = []string{dir}, true, 5*time.Millisecond, 0
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.follower.patience = patience{quiet: 20 * time.Millisecond, gone: time.Hour, settled: 0}
	lines, a := numbered(1, 5)
	more, b := numbered(6, 10)
	conn := filepath.Join(dir, "conn.log")
	appendTo(t, conn, lines)
	w := start(t, s)
	w.until(5)
	time.Sleep(100 * time.Millisecond)
	appendTo(t, conn, more)
	w.until(10)
	time.Sleep(100 * time.Millisecond)
	w.end(append(a, b...)...)
	if n := len(s.open); n != 0 {
		t.Errorf("%d logs are open, want none", n)
	}
}

// TestBusyRotation checks that a log that is written and rotated all the time
// comes whole.
func TestBusyRotation(t *testing.T) {
	dir := t.TempDir()
	conn := filepath.Join(dir, "conn.log")
	w := follow(t, "", dir)
	var want []string
	for i := range 30 {
		for j := range 20 {
			lines, uids := numbered(i*100+j*5, i*100+j*5+4)
			want = append(want, uids...)
			appendTo(t, conn, lines)
			if j%7 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		old := filepath.Join(dir, fmt.Sprintf("conn.%02d.log", i))
		rename(t, conn, old)
		if i > 2 {
			old = filepath.Join(dir, fmt.Sprintf("conn.%02d.log", i-2))
			b, err := os.ReadFile(old)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, map[string]string{fmt.Sprintf("conn.%02d.log.gz", i-2): string(b)})
			remove(t, old)
		}
	}
	w.until(len(want))
	w.rounds(10)
	w.end(want...)
}

// TestNotYetALog checks that a file is read once it has become a log.
func TestNotYetALog(t *testing.T) {
	dir := t.TempDir()
	conn := filepath.Join(dir, "conn.log")
	w := follow(t, "", conn)
	appendTo(t, conn, "")
	w.rounds(2)
	appendTo(t, conn, "{")
	w.rounds(3)
	appendTo(t, conn, connLine("C1", 1e9, 1)[1:])
	w.until(1)
	w.end("C1")
}

func TestState(t *testing.T) {
	c := DefaultConfig()
	c.Inputs, c.State = []string{t.TempDir()}, "state.json"
	if _, err := New(c); err == nil {
		t.Error("New took a state of logs that are not followed")
	}
}
