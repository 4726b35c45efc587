package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/ipfix"
	"github.com/weir-nta/weir/source/logs"
	"github.com/weir-nta/weir/source/udp"
)

// listenFlags are those of `weir listen`.
type listenFlags struct {
	runFlags
	findingFlags
	store         string
	udp, tcp, tls []string
	logs          []string
	cert, key, ca string
	allow         []string
	sampling      uint32
	duration      time.Duration
	count         int64
}

func newListen(s streams) *cobra.Command {
	var f listenFlags
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive NetFlow, IPFIX and sFlow, follow logs, and print what was found",
		Long: "Listen receives what routers, switches, firewalls and probes export: NetFlow 1, 5,\n" +
			"7 and 9, IPFIX and sFlow 5, told apart by content, on any of its addresses. It\n" +
			"puts the halves of conversations together, tells findings on stderr as they come,\n" +
			"and prints them to stdout when it is ended: Ctrl+C loses nothing.\n\n" +
			"With --logs it follows the logs that Zeek and Suricata write, across rotation;\n" +
			"with a store it goes on where it had got to when it is started again.\n\n" +
			"With --store the records are kept, to be asked with `weir query`.",
		Example: "  weir listen --store /var/lib/weir\n  weir listen --udp 192.0.2.1:9995 --allow 192.0.2.0/24\n" +
			"  weir listen --store /var/lib/weir --logs /opt/zeek/logs --logs /var/log/suricata/eve.json\n" +
			"  weir listen --store /var/lib/weir --logs /opt/zeek/logs --logs /var/log/suricata/eve.json\n" +
			"  weir listen --ipfix-tls :4740 --cert weir.pem --key weir.key --ca exporters.pem",
		Args: wants(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return listen(cmd.Context(), s, &f) },
	}
	f.runFlags.register(cmd)
	f.findingFlags.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.store, "store", "", "keep the records in the store in this folder")
	flags.StringArrayVar(&f.udp, "udp", nil, "address and port to receive datagrams on; may be repeated (default: 2055, 4739 and 6343 of all addresses)")
	flags.StringArrayVar(&f.tcp, "ipfix-tcp", nil, "address and port to receive IPFIX over TCP on; may be repeated")
	flags.StringArrayVar(&f.tls, "ipfix-tls", nil, "address and port to receive IPFIX over TLS on; may be repeated")
	flags.StringArrayVar(&f.logs, "logs", nil, "log, folder of logs or pattern to follow; may be repeated. Without --udp and the like nothing else is received")
	flags.StringVar(&f.cert, "cert", "", "file of our certificate, for TLS")
	flags.StringVar(&f.key, "key", "", "file of its key")
	flags.StringVar(&f.ca, "ca", "", "file of who signs the certificates of exporters; without it they need none")
	flags.StringSliceVar(&f.allow, "allow", nil, "networks whose exporters may send (default: all)")
	flags.Uint32Var(&f.sampling, "sampling", 0, "N of 1:N for all exporters, whatever they tell")
	flags.DurationVar(&f.duration, "for", 0, "end after this time")
	flags.Int64Var(&f.count, "count", 0, "end after so many datagrams")
	return cmd
}

func listen(ctx context.Context, s streams, f *listenFlags) error {
	least, failOn, err := f.levels()
	if err != nil {
		return err
	}
	conf, err := f.load(s)
	if err != nil {
		return err
	}
	dir := cmp.Or(f.store, conf.Store)
	if err := f.settle(&conf.Listen, dir); err != nil {
		return err
	}
	conf.LocalGiven = true // traffic is not held up to learn what is local
	src, err := openListener(&conf.Listen)
	if err != nil {
		return err
	}
	defer src.close()
	src.duration, src.most = f.duration, f.count
	a := &analysis{streams: s, flags: &f.runFlags, config: conf, detect: true, live: true}
	a.found = func(al weir.Alert) { a.tellAlert(al, least) }
	a.begin = func() {
		a.note("listening on %s; Ctrl+C ends it", src.where())
		for _, n := range src.notes() {
			a.note("note: %s", output.Escape(n))
		}
	}
	return f.analyse(ctx, a, src, dir, least, failOn)
}

// tellAlert says on stderr what was found while listening goes on.
func (a *analysis) tellAlert(al weir.Alert, least weir.Severity) {
	if f := &al.Finding; f.Severity >= least {
		a.note("%s %s: %s", f.Severity, f.Detector, output.Escape(f.Summary))
	}
}

// settle puts what the flags say in the place of what the file says, and the
// defaults where neither says where to listen.
func (f *listenFlags) settle(l *config.Listen, dir string) error {
	if len(f.udp)+len(f.tcp)+len(f.tls)+len(f.logs) > 0 {
		l.UDP, l.IPFIXTCP, l.IPFIXTLS, l.Logs = f.udp, f.tcp, f.tls, f.logs
	}
	if len(l.UDP)+len(l.IPFIXTCP)+len(l.IPFIXTLS)+len(l.Logs) == 0 {
		l.UDP = udp.Default.Listen
	}
	l.Cert, l.Key, l.CA = cmp.Or(f.cert, l.Cert), cmp.Or(f.key, l.Key), cmp.Or(f.ca, l.CA)
	l.Sampling = cmp.Or(f.sampling, l.Sampling)
	if l.State == "" && dir != "" {
		l.State = filepath.Join(dir, "exporters")
	}
	if len(f.allow) > 0 {
		l.Allow = nil
	}
	for _, text := range f.allow {
		var n collector.Network
		if err := n.UnmarshalText([]byte(text)); err != nil {
			return exitWith(exitUsage, "--allow %w", err)
		}
		l.Allow = append(l.Allow, n)
	}
	if f.duration < 0 || f.count < 0 {
		return exitWith(exitUsage, "--for and --count: want 0 or more")
	}
	if len(l.IPFIXTLS) > 0 && (l.Cert == "" || l.Key == "") {
		return exitWith(exitUsage, "--ipfix-tls wants a certificate and its key\n  hint: name their files with --cert and --key, or as cert: and key: in the configuration file")
	}
	return nil
}

// A listener is all that `weir listen` listens on, with one collector.
type listener struct {
	collector *collector.Collector
	udp       *udp.Listener
	ipfix     *ipfix.Listener
	logs      *logs.Source // followed; nil for none
	followed  []string
	duration  time.Duration // to end after, 0 for never
	most      int64         // datagrams to end after, 0 for never
	records   atomic.Int64
}

var _ source.Source = (*listener)(nil)

// openListener opens the sockets.
func openListener(c *config.Listen) (_ *listener, err error) {
	l := &listener{}
	if l.collector, err = collector.New(c.Collector()); err != nil {
		var file *os.PathError // of the saved states
		if errors.As(err, &file) {
			return nil, exitWith(exitRefused, "listen: %w", err)
		}
		return nil, exitWith(exitUsage, "listen: %w", err)
	}
	if len(c.UDP) > 0 {
		u := udp.Config{Listen: c.UDP, Workers: c.Workers, ReceiveBuffer: int(c.ReceiveBuffer)}
		if l.udp, err = udp.Listen(u, l.collector); err != nil {
			return nil, refusedListen(err)
		}
	}
	if len(c.IPFIXTCP)+len(c.IPFIXTLS) > 0 {
		t := ipfix.Default
		t.TCP, t.TLS, t.Cert, t.Key, t.CA = c.IPFIXTCP, c.IPFIXTLS, c.Cert, c.Key, c.CA
		if l.ipfix, err = ipfix.Listen(t, l.collector); err != nil {
			l.close()
			return nil, refusedListen(err)
		}
	}
	if len(c.Logs) > 0 {
		if err := l.follow(c); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// follow opens the logs to be followed. They need not be there yet, but one
// that can never be is a mistake.
func (l *listener) follow(c *config.Listen) (err error) {
	for _, path := range c.Logs {
		if _, err := filepath.Match(path, ""); err != nil {
			return exitWith(exitUsage, "logs: %q is no path and no pattern: %w", path, err)
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil && !strings.ContainsAny(path, "*?[") {
			return &exitError{exitNotFound, fmt.Errorf("logs: %w", err)}
		}
	}
	f := logs.DefaultConfig()
	f.Inputs, f.Follow = c.Logs, true
	if c.State != "" {
		if err := os.MkdirAll(c.State, 0o700); err != nil {
			return exitWith(exitRefused, "logs: %w", err)
		}
		f.State = filepath.Join(c.State, "logs.json")
	}
	l.followed = c.Logs
	if l.logs, err = logs.New(f); err != nil {
		return exitWith(exitRefused, "logs: %w", err)
	}
	return nil
}

// refusedListen says what can be done about an address that cannot be listened on.
func refusedListen(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return exitWith(exitRefused, "%w\n  hint: another collector listens there: `ss -lunp` and `ss -ltnp` tell which", err)
	case errors.Is(err, os.ErrPermission):
		return exitWith(exitRefused, "%w\n  hint: ports below 1024 want CAP_NET_BIND_SERVICE, files to be readable", err)
	case errors.Is(err, os.ErrNotExist):
		return &exitError{exitNotFound, err}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return exitWith(exitUsage, "%w\n  hint: it is no address of this machine: `ip addr` lists these", err)
	}
	return exitWith(exitUsage, "%w\n  hint: an address has a port, such as 192.0.2.1:2055, [::]:2055 or :2055", err)
}

// errEnough ends listening that was to end.
var errEnough = errors.New("received what was asked for")

// Run listens until ctx is done, which is how listening ends: no error.
func (l *listener) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if l.duration > 0 {
		defer time.AfterFunc(l.duration, func() { stop(errEnough) }).Stop()
	}
	if l.most > 0 {
		go l.counted(ctx, stop)
	}
	var receivers []func(context.Context) error
	if l.udp != nil {
		receivers = append(receivers, l.udp.Receive)
	}
	if l.ipfix != nil {
		receivers = append(receivers, l.ipfix.Receive)
	}
	var one sync.Mutex // emit is called once at a time
	handOn := func(b *weir.Batch) error {
		one.Lock()
		defer one.Unlock()
		l.records.Add(int64(b.Len()))
		return emit(b)
	}
	if l.logs != nil {
		receivers = append(receivers, func(ctx context.Context) error {
			err := l.logs.Run(ctx, handOn)
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		})
	}
	err := l.collector.Serve(ctx, time.Now, handOn, receivers...)
	var sig errSignal
	if errors.Is(err, errEnough) || errors.As(err, &sig) {
		return nil
	}
	return err
}

// counted ends listening when enough has come.
func (l *listener) counted(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if n := l.collector.Quick(); int64(n.Datagrams) >= l.most {
				stop(errEnough)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// Progress implements [source.Source].
func (l *listener) Progress() source.Progress {
	n := l.collector.Quick()
	notes := n.Notes()
	if l.ipfix != nil {
		notes = append(notes, l.ipfix.Notes()...)
	}
	p := source.Progress{
		Bytes: int64(n.Bytes), Packets: int64(n.Datagrams), Unit: "datagrams", Records: l.records.Load(), Skipped: int64(n.Skipped()), Notes: notes,
	}
	if l.logs != nil {
		read := l.logs.Progress()
		p.Bytes += read.Bytes
		p.Packets += read.Packets
		if p.Unit = read.Unit; l.udp != nil || l.ipfix != nil {
			p.Unit = "datagrams and " + read.Unit
		}
		p.Skipped += read.Skipped
		p.Notes = append(p.Notes, read.Notes...)
	}
	return p
}

// notes says what the user should know before it begins.
func (l *listener) notes() []string {
	var list []string
	if l.udp != nil {
		list = l.udp.Notes()
	}
	for _, path := range l.followed {
		if found, _ := filepath.Glob(path); len(found) == 0 {
			list = append(list, path+" is not there yet: it is waited for")
		}
	}
	return list
}

// where names the addresses listened on.
func (l *listener) where() string {
	var list []string
	if l.udp != nil {
		for _, a := range l.udp.Addrs() {
			list = append(list, "udp "+a.String())
		}
	}
	if l.ipfix != nil {
		list = append(list, l.ipfix.Places()...)
	}
	for _, path := range l.followed {
		list = append(list, "what is written to "+output.Escape(path))
	}
	return strings.Join(list, ", ")
}

func (l *listener) close() {
	if l.udp != nil {
		l.udp.Close()
	}
	if l.ipfix != nil {
		l.ipfix.Close()
	}
}
