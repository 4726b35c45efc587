package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A said buffer is written by the program and read by a test at the same time.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// scanOf is a datagram of NetFlow 5 in which one host tries ports of another
// that do not answer.
func scanOf(first uint16) []byte {
	const n = 30
	be := binary.BigEndian
	b := be.AppendUint16(nil, 5)
	b = be.AppendUint16(b, n)
	for _, v := range []uint32{1_000_000, uint32(time.Now().Unix()), 0, uint32(first), 0} {
		b = be.AppendUint32(b, v)
	}
	for i := range uint32(n) {
		port := uint32(first) + i
		ms := 900_000 + port*10
		for _, v := range []uint32{10<<24 | 1<<8 | 66, 10<<24 | 2<<8 | 5, 0, 0x00010002, 1, 60, ms, ms, 40000<<16 | port, 0x00020600, 0, 0} {
			b = be.AppendUint32(b, v)
		}
	}
	return b
}

// TestListen has an exporter tell of a port scan, ends listening as Ctrl+C does,
// and finds it: told while listening and printed at the end, and each record kept.
func TestListen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	ctx, stop := context.WithCancelCause(t.Context())
	var out, told said
	ended := make(chan int, 1)
	go func() {
		s := streams{strings.NewReader(""), &out, &told}
		root := newRoot(s)
		root.SetArgs([]string{"listen", "--udp", "127.0.0.1:0", "--store", dir, "-o", "ndjson"})
		ended <- exitCode(&told, root.ExecuteContext(ctx))
	}()
	address := regexp.MustCompile(`listening on udp (\S+);`)
	var to []string
	for range 500 {
		if to = address.FindStringSubmatch(told.String()); to != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if to == nil {
		t.Fatalf("it does not listen: %s", told.String())
	}
	conn, err := net.Dial("udp", to[1])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for port := uint16(1); port < 600; port += 30 {
		if _, err := conn.Write(scanOf(port)); err != nil {
			t.Fatal(err)
		}
	}
	stop(errSignal{exitInterrupted})
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d, want 0: listening is ended by Ctrl+C\n%s", code, told.String())
	}
	if !strings.Contains(out.String(), `"detector":"portscan"`) || !strings.Contains(told.String(), "portscan:") {
		t.Errorf("printed %q and told %q, want the port scan in both", out.String(), told.String())
	}
	var answer, errs bytes.Buffer
	root := newRoot(streams{strings.NewReader(""), &answer, &errs})
	root.SetArgs([]string{"query", "--store", dir, "-o", "ndjson", "from conn | stats n = count(), b = sum(bytes)"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var row struct{ N, B int }
	line, _, _ := strings.Cut(answer.String(), "\n")
	if err := json.Unmarshal([]byte(line), &row); err != nil || row.N != 600 || row.B != 36000 {
		t.Errorf("kept %s (%v), want 600 flows of 36,000 bytes", answer.String(), err)
	}
}

// TestListenFollows writes to a log, renames it as rotation does and writes
// another one, and starts listening again: each line is kept, and kept once.
func TestListenFollows(t *testing.T) {
	dir := t.TempDir()
	logs, store := filepath.Join(dir, "logs"), filepath.Join(dir, "data")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	line := func(name, client string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(logs, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := fmt.Fprintf(f, `{"_path":"conn","ts":1795305600.0,"uid":"C%s","id.orig_h":"%s","id.orig_p":50000,"id.resp_h":"192.0.2.1","id.resp_p":443,"proto":"tcp","duration":1.0,"conn_state":"SF","orig_pkts":5,"orig_ip_bytes":300,"resp_pkts":4,"resp_ip_bytes":400}`+"\n", client, client); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() string {
		t.Helper()
		var answer, errs bytes.Buffer
		root := newRoot(streams{strings.NewReader(""), &answer, &errs})
		root.SetArgs([]string{"query", "--store", store, "-o", "csv", "stats n = count() by src.ip | sort src.ip"})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return answer.String()
	}
	listen := func(want int, write func()) {
		t.Helper()
		ctx, stop := context.WithCancelCause(t.Context())
		var out, told said
		ended := make(chan int, 1)
		go func() {
			root := newRoot(streams{strings.NewReader(""), &out, &told})
			root.SetArgs([]string{"listen", "--logs", logs, "--store", store, "--progress", "json"})
			ended <- exitCode(&told, root.ExecuteContext(ctx))
		}()
		write()
		read := fmt.Sprintf(`"packets":%d,`, want)
		for deadline := time.Now().Add(time.Minute); !strings.Contains(told.String(), read) && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
		stop(errSignal{exitInterrupted})
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d, want 0\n%s", code, told.String())
		}
	}

	line("conn.log", "10.0.0.1")
	listen(3, func() {
		line("conn.log", "10.0.0.2")
		if err := os.Rename(filepath.Join(logs, "conn.log"), filepath.Join(logs, "conn.10:00:00-11:00:00.log")); err != nil {
			t.Fatal(err)
		}
		line("conn.log", "10.0.0.3")
	})
	if got, want := kept(), "src.ip,n\n10.0.0.1,1\n10.0.0.2,1\n10.0.0.3,1\n"; got != want {
		t.Errorf("kept\n%swant\n%s", got, want)
	}
	listen(1, func() { line("conn.log", "10.0.0.4") })
	if got, want := kept(), "src.ip,n\n10.0.0.1,1\n10.0.0.2,1\n10.0.0.3,1\n10.0.0.4,1\n"; got != want {
		t.Errorf("after another start kept\n%swant\n%s", got, want)
	}
}
