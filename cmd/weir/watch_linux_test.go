package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-nta/weir/packetring"
	"github.com/weir-nta/weir/source/live"
)

// TestWatch watches the loopback interface while a host of it tries ports: what
// is seen is told, the records are kept, and Ctrl+C is no error.
func TestWatch(t *testing.T) {
	needCapture(t)
	dir := filepath.Join(t.TempDir(), "data")
	ctx, stop := context.WithCancelCause(t.Context())
	var out, told said
	ended := make(chan int, 1)
	go func() {
		root := newRoot(streams{strings.NewReader(""), &out, &told})
		root.SetArgs([]string{"watch", "lo", "--keep-rights", "--store", dir, "--filter", "udp port 45454", "--buffer-size", "8MiB", "--report-after", "1500ms"})
		ended <- exitCode(&told, root.ExecuteContext(ctx))
	}()
	wait := func(text string) {
		t.Helper()
		for range 1000 {
			if strings.Contains(told.String(), text) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%q is not told:\n%s", text, told.String())
	}
	wait("watching lo; Ctrl+C ends it")
	to, err := net.ListenPacket("udp4", "127.0.0.1:45454")
	if err != nil {
		t.Skip(err)
	}
	defer to.Close()
	from, err := net.Dial("udp4", "127.0.0.1:45454")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for range 10 {
		if _, err := from.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	wait("lo: ")
	wait("nothing dropped")
	stop(errSignal{exitInterrupted})
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d, want 0: watching is ended by Ctrl+C\n%s", code, told.String())
	}
	for question, want := range map[string]string{
		"from conn | stats n = count(), p = sum(pkts.up) by sensor": `"sensor":"lo","n":1,"p":10`,
		"from exporter kind = interface":                            `"input":"lo"`,
	} {
		var answer, errs bytes.Buffer
		root := newRoot(streams{strings.NewReader(""), &answer, &errs})
		root.SetArgs([]string{"query", "--store", dir, "-o", "ndjson", question})
		if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(answer.String(), want) {
			t.Errorf("%s: %s (%v), want %s", question, answer.String(), err, want)
		}
	}
	var table, errs bytes.Buffer
	root := newRoot(streams{strings.NewReader(""), &table, &errs})
	root.SetArgs([]string{"sensors", "--store", dir, "-o", "table"})
	if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(table.String(), "interface") {
		t.Errorf("sensors: %v\n%s", err, table.String())
	}
}

// TestWatchUnknown lists the interfaces that there are.
func TestWatchUnknown(t *testing.T) {
	needCapture(t)
	var told bytes.Buffer
	root := newRoot(streams{strings.NewReader(""), &told, &told})
	root.SetArgs([]string{"watch", "nowhere9", "--keep-rights"})
	if code := exitCode(&told, root.ExecuteContext(t.Context())); code != exitNotFound || !strings.Contains(told.String(), "no such interface: nowhere9; there are lo") {
		t.Errorf("exit code %d, %s", code, told.String())
	}
}

// TestWatchRefused says what to do without the right to capture.
func TestWatchRefused(t *testing.T) {
	err := refusedWatch(errors.Join(live.ErrNoRight))
	var e *exitError
	if !errors.As(err, &e) || e.code != exitRefused || !strings.Contains(err.Error(), "sudo setcap cap_net_raw=ep /") {
		t.Errorf("%v does not say what to do", err)
	}
}

// TestSameSettings refuses to go on without the configuration that was found
// before rights were given up.
func TestSameSettings(t *testing.T) {
	for _, c := range []struct {
		before, after string
		ok            bool
	}{{"", "", true}, {"weir.yaml", "weir.yaml", true}, {"/root/weir.yaml", "", false}, {"/root/weir.yaml", "/etc/weir/weir.yaml", false}} {
		t.Setenv(begunWith, "") // so that it is as before in the end
		if err := os.Unsetenv(begunWith); err != nil {
			t.Fatal(err)
		}
		if err := sameSettings(c.before); err != nil {
			t.Fatal(err)
		}
		err := sameSettings(c.after)
		var e *exitError
		if c.ok && err != nil || !c.ok && (!errors.As(err, &e) || e.code != exitRefused || !strings.HasPrefix(err.Error(), c.before+" may not be read")) {
			t.Errorf("first %q, then %q: %v", c.before, c.after, err)
		}
	}
}

// TestRefusedRing tells a folder that may not be written to from a wrong size.
func TestRefusedRing(t *testing.T) {
	_, size := packetring.Open(packetring.Config{Dir: t.TempDir(), Bytes: 1})
	_, folder := packetring.Open(packetring.Config{Dir: "/dev/null/ring", Bytes: 1 << 30})
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{size, exitUsage, "--ring-bytes: got 1, want"},
		{folder, exitRefused, "--ring: mkdir"},
		{&fs.PathError{Op: "mkdir", Path: "ring", Err: os.ErrPermission}, exitRefused, "--keep-rights"},
	} {
		var e *exitError
		if err := refusedRing(c.err); !errors.As(err, &e) || e.code != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.err, err)
		}
	}
}

// needCapture skips a test by name where packets may not be captured.
func needCapture(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("wants the right to capture: %v", err)
	}
	_ = unix.Close(fd)
	lo, err := net.InterfaceByName("lo")
	if err != nil || lo.Flags&net.FlagUp == 0 {
		t.Skipf("wants the interface lo to be up: %v", err)
	}
	if _, err := os.Stat("/proc/net/dev"); err != nil {
		t.Skip(err)
	}
}

// TestSensorOf names what is watched.
func TestSensorOf(t *testing.T) {
	for _, test := range []struct {
		place, point string
		points       int
		want         string
	}{
		{"local", "eth1", 1, "eth1"}, {"local", "eth1+eth2", 2, "eth1+eth2"}, {"core-1", "eth1", 1, "core-1"}, {"core-1", "eth1", 2, "core-1/eth1"},
	} {
		if got := sensorOf(test.place, test.point, test.points); got != test.want {
			t.Errorf("sensorOf(%q, %q, %d) = %q, want %q", test.place, test.point, test.points, got, test.want)
		}
	}
}
