package logs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// identityBytes of its begin are what a log is known by, whatever it is
	// called and however it is compressed: a header with the time at which it
	// was opened, or the times and ids of its first lines.
	identityBytes = 1024
	// maxKnown is how many logs are known: those of two months of a sensor with
	// forty logs, rotated hourly. When there are more, the oldest are forgotten;
	// one that is then compressed would be read once more.
	maxKnown = 1 << 16
	// reportEvery is how often a follower tells of its health.
	reportEvery = time.Minute
	// saveEvery is how often it writes down how far it has got.
	saveEvery = 10 * time.Second
)

// A follower reads what is written to logs. Files are looked at again and
// again: that works on every file system, and finds what was missed.
//
// A log is known by its first bytes. So it stays known when it is renamed, and
// what is left of it is read from the file by its new name, from the
// compressed copy, or (where logs are copied and then truncated) from the copy.
type follower struct {
	s          *Source
	catchingUp bool // reading what was there at the begin: by its own time
	known      []*known
	full       map[string]*known // by the whole identity
	seen       map[string]seen   // by path
	wait       uint64            // rounds that flows are held
	reported   time.Time
	saved      time.Time
	nextLook   time.Time
	head       [identityBytes]byte
	patience
}

// patience is how long nothing must have been written to a file.
type patience struct {
	quiet   time.Duration // before it is closed; it is opened again if it grows
	gone    time.Duration // before it is closed, if no name leads to it any more: its writer may be slow to leave it
	settled time.Duration // before it is taken for complete, if it is compressed
}

// known is what is known of a log.
type known struct {
	n      int    // how many bytes the identity is of, up to identityBytes
	sum    string // of these
	offset int64  // how far it has been read, in bytes of the decompressed log
	packed bool   // a compressed file of it has been read to its end
	owner  *file  // from which it is read, nil for none
	marks  []mark
}

// A mark is how far a log had been read at the end of a round, the first of
// which is 1; that of round 0 is from a state file.
type mark struct {
	round  uint64
	offset int64
}

// seen is a file as it was when it was looked at last.
type seen struct {
	info fs.FileInfo
	what verdict
}

type verdict uint8

const (
	followed verdict = iota + 1 // it is open
	dormant                     // it was read to its end and is closed
	ignored                     // it is no log
	waits                       // another file is being read that begins alike, or it is still being written
)

func newFollower(s *Source) *follower {
	return &follower{
		s: s, catchingUp: true, full: map[string]*known{}, seen: map[string]seen{},
		wait:     uint64((s.c.Wait + s.c.Every - 1) / s.c.Every),
		patience: patience{quiet: 10 * time.Minute, gone: time.Minute, settled: 5 * time.Second},
	}
}

// run follows the logs until ctx is done.
func (w *follower) run(ctx context.Context) error {
	s := w.s
	w.reported, w.saved = time.Now(), time.Now()
	for {
		started := time.Now()
		if err := w.oneRound(ctx); err != nil {
			return w.finish(err)
		}
		s.publish()
		select {
		case <-ctx.Done():
			return w.finish(ctx.Err())
		case <-time.After(max(s.c.Every-time.Since(started), s.c.Every/10)):
		}
	}
}

// finish hands on all that is held, and then writes down how far that is.
func (w *follower) finish(err error) error {
	if eerr := w.s.end(err); eerr != nil && errors.Is(err, context.Canceled) {
		err = eerr
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err // what was read last has gone nowhere: it will be read again
	}
	w.mark()
	for _, k := range w.known {
		k.marks = []mark{{0, k.offset}} // nothing is held any more
	}
	return errors.Join(err, w.save())
}

// oneRound reads what has been written since the last one.
func (w *follower) oneRound(ctx context.Context) error {
	s := w.s
	s.round++
	if err := w.look(); err != nil {
		return err
	}
	for _, f := range s.open {
		f.done = f.failed
	}
	if err := s.readAll(ctx); err != nil {
		return err
	}
	w.catchingUp = false
	w.closeDone()
	w.mark()
	if !s.conns {
		s.alone(s.frontier.Add(-late))
	}
	if s.round > w.wait {
		if err := s.hold.takeRounds(s.round-w.wait, s.flow); err != nil {
			return err
		}
	}
	if now := time.Now(); now.Sub(w.reported) >= reportEvery {
		s.health.report(s)
		w.reported = now
	}
	if err := s.handOn(); err != nil {
		return err
	}
	if time.Since(w.saved) >= saveEvery {
		w.saved = time.Now()
		return w.save()
	}
	return nil
}

// look finds out what has become of the files. A folder with many is not
// looked at more often than takes a tenth of the time.
func (w *follower) look() error {
	started := time.Now()
	w.checkOpen()
	if started.Before(w.nextLook) {
		return nil
	}
	found, err := find(w.s.c.Inputs, true)
	if err != nil {
		return err
	}
	here := make(map[string]fs.FileInfo, len(found))
	var fresh []*file
	for _, f := range found {
		here[f.path] = f.info
		if w.judge(f) == 0 {
			fresh = append(fresh, f)
		}
	}
	w.dropGone(here)
	// Files that are new may have become free by what has gone.
	for _, f := range fresh {
		w.take(f)
	}
	sortFiles(w.s.files)
	w.nextLook = started.Add(10 * time.Since(started))
	return nil
}

// checkOpen notices logs that have been truncated, or written anew: what is
// there now is another log.
func (w *follower) checkOpen() {
	for _, f := range slices.Clone(w.s.open) {
		if f.packed {
			continue
		}
		info, err := f.f.Stat()
		if err != nil || info.Size() >= f.offset+f.length && bytes.HasPrefix(w.headOf(f), f.head) {
			continue
		}
		w.s.tally.cut++
		w.release(f)
		delete(w.seen, f.path)
	}
}

// headOf returns the first bytes of an open file that is not compressed.
func (w *follower) headOf(f *file) []byte {
	n, _ := f.f.ReadAt(w.head[:], 0) // io.EOF, for a short one
	return w.head[:n]
}

// judge returns what is known of f, 0 if it must be looked into. One that is
// open may be found by a new name.
func (w *follower) judge(f *file) verdict {
	if was, ok := w.seen[f.path]; ok && os.SameFile(was.info, f.info) {
		same := was.info.Size() == f.info.Size() && was.info.ModTime().Equal(f.info.ModTime())
		if was.what == followed || same && was.what != waits {
			return was.what
		}
		return 0
	}
	for _, o := range w.s.open {
		if os.SameFile(o.info, f.info) {
			delete(w.seen, o.path)
			o.path = f.path
			w.seen[f.path] = seen{f.info, followed}
			return followed
		}
	}
	return 0
}

// dropGone forgets what is not there any more. Open logs that nobody can find
// by a name are read on until nothing is written to them any more.
func (w *follower) dropGone(here map[string]fs.FileInfo) {
	for path := range w.seen {
		if _, ok := here[path]; !ok {
			delete(w.seen, path)
		}
	}
	for _, o := range w.s.open {
		info, ok := here[o.path]
		o.gone = !ok || !os.SameFile(o.info, info)
	}
}

// take looks into a file and, if it is a log, has it read from where it is
// known to have been read.
func (w *follower) take(f *file) {
	s := w.s
	w.seen[f.path] = seen{f.info, waits}
	if err := f.sniff(); err != nil {
		w.refuse(f, err)
		return
	}
	if f.packed && time.Since(f.info.ModTime()) < w.settled || w.beingCopied(f) {
		return
	}
	k := w.identify(f)
	switch {
	case k == nil:
		k = w.add(f)
	case k.owner != nil:
		return // it will be free when that has been rotated away
	case f.packed && k.packed:
		w.seen[f.path] = seen{f.info, dormant}
		s.tally.skipped++
		return
	}
	k.owner, f.known = f, k
	w.seen[f.path] = seen{f.info, followed}
	s.files = append(s.files, f)
}

// beingCopied reports whether f is too short to be told from a log that is
// being read.
func (w *follower) beingCopied(f *file) bool {
	return len(f.head) < identityBytes && slices.ContainsFunc(w.s.open, func(o *file) bool { return bytes.HasPrefix(o.head, f.head) })
}

// refuse notes a file that is no log. It may yet become one, when more is
// written to it.
func (w *follower) refuse(f *file, err error) {
	switch {
	case errors.Is(err, errRenamed), errors.Is(err, fs.ErrNotExist), errors.Is(err, errEmpty), time.Since(f.info.ModTime()) < w.settled:
		return // it has gone, or has only begun
	case errors.Is(err, errNotLog):
		w.s.tally.leaveOut(f.path)
	default:
		w.s.damage(f.path, 0, 0, err)
	}
	w.seen[f.path] = seen{f.info, ignored}
}

// identify returns what is known of the log in f, nil if it is new.
func (w *follower) identify(f *file) *known {
	if len(f.head) == identityBytes {
		if k := w.full[identity(f.head)]; k != nil {
			return k
		}
	}
	for _, k := range slices.Backward(w.known) {
		if k.n < identityBytes && k.n <= len(f.head) && k.n > 0 && identity(f.head[:k.n]) == k.sum {
			return k
		}
	}
	return nil
}

func identity(head []byte) string {
	sum := sha256.Sum256(head)
	return hex.EncodeToString(sum[:16])
}

// add makes a log known.
func (w *follower) add(f *file) *known {
	k := &known{n: len(f.head), sum: identity(f.head)}
	w.known = append(w.known, k)
	w.index(k)
	if len(w.known) > maxKnown {
		w.forget()
	}
	return k
}

func (w *follower) index(k *known) {
	if k.n == identityBytes {
		w.full[k.sum] = k
	}
}

// forget forgets the oldest logs that are not being read.
func (w *follower) forget() {
	for i, k := range w.known {
		if k.owner == nil {
			delete(w.full, k.sum)
			w.known = slices.Delete(w.known, i, i+1)
			return
		}
	}
}

// lost gives up a log that has been renamed or removed before it was opened: it
// may be found by its new name.
func (w *follower) lost(f *file) {
	f.known.owner = nil
	delete(w.seen, f.path)
}

// resume passes over what has been read of a log before. Headers are shown to
// the decoder: they say what the columns are.
func (w *follower) resume(f *file) {
	for f.offset < f.known.offset {
		line, err := f.next(true)
		if err != nil && !errors.Is(err, errTooLong) {
			return // shorter than it was, or damaged; which reading it will tell
		}
		if f.zeek != nil && len(line) > 0 && line[0] == '#' {
			_ = f.zeek.Line(&w.s.in, line)
		}
	}
}

// closeDone closes the logs from which no more is to be expected.
func (w *follower) closeDone() {
	for _, f := range slices.Clone(w.s.open) {
		switch {
		case !f.done:
		case f.packed || f.failed:
			f.known.packed = f.packed && !f.failed
			w.release(f)
			w.seen[f.path] = seen{f.info, dormant}
		case f.final:
			w.release(f)
		default:
			w.closeQuiet(f)
		}
	}
}

// closeQuiet closes a log to which nothing has been written for long.
func (w *follower) closeQuiet(f *file) {
	if len(f.head) < identityBytes {
		w.grow(f)
	}
	info, err := f.f.Stat()
	if err != nil || info.Size() > f.offset+f.length {
		return
	}
	switch silent := time.Since(info.ModTime()); {
	case f.gone && silent >= w.gone:
		f.final = true // what may stand behind its last line is read, and then it is closed
	case !f.gone && silent >= w.quiet && f.length == 0:
		w.release(f)
		w.seen[f.path] = seen{info, dormant}
	}
}

// grow learns more of the begin of a log that was short when it was found.
func (w *follower) grow(f *file) {
	if head := w.headOf(f); len(head) > len(f.head) && bytes.HasPrefix(head, f.head) {
		f.head = slices.Clone(head)
		f.known.n, f.known.sum = len(head), identity(head)
		w.index(f.known)
	}
}

// release closes a log. What is not read of it yet may be found elsewhere.
func (w *follower) release(f *file) {
	f.known.offset = max(f.known.offset, f.offset)
	f.known.owner = nil
	w.s.retire(f)
}

// mark notes how far the logs have been read at the end of a round.
func (w *follower) mark() {
	s := w.s
	for _, f := range s.open {
		f.known.offset = max(f.known.offset, f.offset)
	}
	for _, k := range w.known {
		if n := len(k.marks); n == 0 || k.marks[n-1].offset != k.offset {
			k.marks = append(k.marks, mark{s.round, k.offset})
		}
		// Of the marks whose flows have been handed on, only the last is needed.
		for len(k.marks) > 1 && k.marks[1].round+w.wait <= s.round {
			k.marks = k.marks[1:]
		}
	}
}

// State files. Only what has been handed on is written down as read: after a
// crash some lines are read again, and none is lost.

type state struct {
	Version int        `json:"version"`
	Logs    []stateLog `json:"logs"`
}

type stateLog struct {
	Bytes  int    `json:"bytes"`
	Sum    string `json:"sum"`
	Offset int64  `json:"offset"`
	Packed bool   `json:"packed,omitempty"`
}

const stateVersion = 1

// save writes the state to its file, whole or not at all.
func (w *follower) save() error {
	if w.s.c.State == "" {
		return nil
	}
	st := state{Version: stateVersion}
	for _, k := range w.known {
		l := stateLog{Bytes: k.n, Sum: k.sum, Packed: k.packed}
		if len(k.marks) > 0 && (k.marks[0].round == 0 || k.marks[0].round+w.wait <= w.s.round) {
			l.Offset = k.marks[0].offset
		}
		l.Packed = l.Packed && l.Offset == k.offset
		st.Logs = append(st.Logs, l)
	}
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(w.s.c.State), ".weir-state-*")
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, err = temp.Write(b)
	if err == nil {
		err = temp.Sync()
	}
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp.Name(), w.s.c.State)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// load reads the state, if there is one.
func (w *follower) load() error {
	if w.s.c.State == "" {
		return nil
	}
	f, err := os.Open(w.s.c.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	const most = maxKnown * 128      // bytes: what save writes
	var st state
	if err := json.NewDecoder(io.LimitReader(f, most)).Decode(&st); err != nil {
		return fmt.Errorf("state: %s: %w", w.s.c.State, err)
	}
	if st.Version != stateVersion {
		return fmt.Errorf("state: %s: version %d, want %d", w.s.c.State, st.Version, stateVersion)
	}
	for _, l := range st.Logs[:min(len(st.Logs), maxKnown)] {
		if l.Bytes < 1 || l.Bytes > identityBytes || l.Offset < 0 {
			return fmt.Errorf("state: %s: a log of %d bytes at %d", w.s.c.State, l.Bytes, l.Offset)
		}
		k := &known{n: l.Bytes, sum: l.Sum, offset: l.Offset, packed: l.Packed, marks: []mark{{0, l.Offset}}}
		w.known = append(w.known, k)
		w.index(k)
	}
	return nil
}
