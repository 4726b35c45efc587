package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/enrich/hosts"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

func newHosts(s streams) *cobra.Command {
	var f formatFlags
	var dir, config, last, order string
	cmd := &cobra.Command{
		Use:   "hosts [ADDRESS|MAC|NAME]",
		Short: "Say which devices there are, what they seem to be, and why",
		Long: "Hosts reads what a store knows of the devices on the local networks: their\n" +
			"addresses and names, what each seems to be and how sure that is, what it offers\n" +
			"and uses. With an address, a link-layer address or a name it tells all of that one,\n" +
			"with the reasons.\n\n" +
			"docs/operate/hosts.md says where the reasons are from and what they weigh.",
		Example: "  weir hosts --store /var/lib/weir\n  weir hosts --store ./weir-data 10.10.1.23\n  weir hosts --store ./weir-data --by name -o csv",
		Args:    wants(0, 1, "an address, a link-layer address or a name, or nothing for all"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			over, err := query.ParseDuration(last)
			if err != nil || over <= 0 {
				return exitWith(exitUsage, "--last %q: want a time such as 24h or 7d", last)
			}
			if order != "activity" && order != "name" && order != "ip" {
				return exitWith(exitUsage, "--by %q: want activity, name or ip", order)
			}
			if err := f.check(hostColumns()); err != nil {
				return err
			}
			if dir == "" {
				run := runFlags{config: config, progress: "none"}
				conf, err := run.load(s)
				if err != nil {
					return err
				}
				dir = conf.Store
			}
			if dir == "" {
				return exitWith(exitUsage, "no store to look into\n  hint: name it with --store, or as store: in the configuration file")
			}
			st, err := openStore(dir, true)
			if err != nil {
				return err
			}
			defer func() { err = cmp.Or(err, st.Close()) }()
			return showHosts(cmd.Context(), s, &f, st, dir, over, order, strings.Join(args, ""))
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&dir, "store", "", "the store to look into")
	flags.StringVar(&config, "config", "", "configuration file that names the store")
	flags.StringVar(&last, "last", "45d", "look at this long before the end of the records")
	flags.StringVar(&order, "by", "activity", "order: activity, name or ip")
	return cmd
}

// showHosts writes the devices that the store knows, or those that are meant.
func showHosts(ctx context.Context, s streams, f *formatFlags, st store.Store, dir string, over time.Duration, order, whom string) (err error) {
	list, err := knownHosts(ctx, st, over)
	if err != nil {
		return err
	}
	if first, end, err := st.Span(ctx); err == nil && first.Before(end.Add(-over)) {
		s.talk("note: the store begins on %s; devices not seen since %s are left out (--last)", stamp(first), stamp(end.Add(-over)))
	}
	if len(list) == 0 {
		return exitWith(exitNotFound, "the store in %s knows of no host in the last %v of its records\n  hint: `weir scan --store` and `weir listen --store` write them down, of the local networks alone (--local says which these are)", dir, over)
	}
	if whom != "" {
		if list = meant(list, whom); len(list) == 0 {
			return exitWith(exitNotFound, "no host is known by %q\n  hint: `weir hosts --store %s` lists those that are; one is called by an address, a link-layer address or a name; --last looks further back than %v", whom, dir, over)
		}
	}
	sortHosts(list, order)
	d, err := f.open(s)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, d.close()) }()
	if whom != "" && f.formatFor(d) == "table" && f.columns == nil {
		return hostPages(d, list)
	}
	return f.hostRows(s, d, list)
}

// knownHosts returns the last record of each device, with the conversations of
// all its records. What was known by an address alone, before the link-layer
// address showed, is left out.
func knownHosts(ctx context.Context, st store.Store, over time.Duration) ([]*weir.Host, error) {
	_, end, err := st.Span(ctx)
	if errors.Is(err, store.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	byID := map[string]*weir.Host{}
	for h, err := range storedHosts(ctx, st, end.Add(-over)) {
		if err != nil {
			return nil, queryFailed(err)
		}
		if o := byID[h.ID]; o != nil {
			h.Flows += o.Flows
			if h.Time.Before(o.Time) {
				o.Flows = h.Flows
				continue
			}
		}
		byID[h.ID] = h
	}
	for _, h := range byID {
		for _, a := range h.Addrs {
			if o := byID["ip:"+a]; o != nil && o != h && !o.Last.After(h.Last) && !o.First.Before(h.First) {
				delete(byID, o.ID)
			}
		}
	}
	list := make([]*weir.Host, 0, len(byID))
	for _, h := range byID {
		list = append(list, h)
	}
	return list, nil
}

// meant returns the devices that go by an address, link-layer address, name or id.
func meant(list []*weir.Host, whom string) (out []*weir.Host) {
	whom = strings.ToLower(whom)
	if m, err := net.ParseMAC(whom); err == nil {
		whom = m.String()
	} else if a, err := netip.ParseAddr(whom); err == nil {
		whom = a.Unmap().String()
	}
	for _, h := range list {
		if h.ID == whom || h.MAC == whom || slices.Contains(h.Addrs, whom) || slices.ContainsFunc(h.Names, func(n string) bool { return isCalled(n, whom) }) {
			out = append(out, h)
		}
	}
	return out
}

// isCalled reports whether a name with its source, "dhcp:ws-0023.corp.example",
// is the one meant, which may leave out the domain.
func isCalled(name, whom string) bool {
	_, name, _ = strings.Cut(strings.ToLower(name), ":")
	short, _, _ := strings.Cut(name, ".")
	return name == whom || short == whom
}

func sortHosts(list []*weir.Host, order string) {
	slices.SortFunc(list, func(a, b *weir.Host) int {
		first := 0
		switch order {
		case "activity":
			first = cmp.Compare(b.Flows, a.Flows)
		case "name":
			first = cmp.Or(cmp.Compare(min(len(b.Name), 1), min(len(a.Name), 1)), cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
		}
		return cmp.Or(first, a.Addr.Compare(b.Addr), cmp.Compare(a.ID, b.ID))
	})
}

// hostColumns are the columns of whole records.
func hostColumns() (columns []query.Column) {
	for _, c := range weir.HostTable.Columns {
		columns = append(columns, query.Column{Name: c.Name, Type: c.Type, List: c.List, Enum: c.Enum, Unit: c.Unit})
	}
	return columns
}

// Columns of the table that a screen has room for.
var (
	someOfHost = []string{"ip", "name", "class", "class.certainty", "role", "role.certainty", "os", "vendor", "last", "flows"}
	fewOfHost  = []string{"ip", "name", "class", "role", "os"}
)

// hostRows writes a row for each device.
func (f *formatFlags) hostRows(s streams, d *destination, list []*weir.Host) error {
	if f.formatFor(d) == "table" && f.columns == nil && !f.wide {
		f.columns = someOfHost
		if d.small() {
			f.columns = fewOfHost
		}
		s.talk("%d of %d columns (--wide shows all, --columns chooses)", len(f.columns), len(weir.HostTable.Columns))
	}
	columns := hostColumns()
	w, err := f.writer(d, columns)
	if err != nil {
		return err
	}
	shown := int64(0)
	row := make(query.Row, len(columns))
	for _, h := range list {
		if f.limit > 0 && shown == f.limit {
			s.talk("%s of %s hosts (use -n 0 for all)", count(shown), count(int64(len(list))))
			break
		}
		shown++
		for i := range columns {
			row[i] = h.Value(i)
		}
		if err := w.Row(row); err != nil {
			return err
		}
	}
	return w.Close(&output.Summary{Complete: shown == int64(len(list)), Matched: int64(len(list)), Shown: shown, Scanned: int64(len(list))})
}

// hostPages writes all that is known of each device.
func hostPages(w io.Writer, list []*weir.Host) error {
	for i, h := range list {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, hostPage(h)); err != nil {
			return err
		}
	}
	return nil
}

// unknown stands where nothing is known: an answer like any other.
const unknown = "unknown"

// hostPage is what is known of a device, in words.
func hostPage(h *weir.Host) string {
	var b strings.Builder
	line := func(key, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", key, output.Escape(text))
		}
	}
	title := cmp.Or(h.Name, h.Addr.String())
	if !h.Addr.IsValid() && h.Name == "" {
		title = h.ID
	}
	fmt.Fprintf(&b, "%s\n", output.Escape(title))
	line("id", h.ID)
	line("addresses", strings.Join(h.Addrs, ", "))
	line("vendor", h.Vendor)
	line("names", strings.Join(h.Names, ", "))
	line("class", sure(h.Class, h.ClassCertainty))
	line("role", sure(h.Role, h.RoleCertainty))
	line("system", cmp.Or(h.OS, unknown))
	line("seen", fmt.Sprintf("%s to %s, %s", stamp(h.First), stamp(h.Last), several(int64(h.Flows), "conversations")))
	section := func(title string, list []string) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s\n", title)
		for _, text := range list {
			fmt.Fprintf(&b, "  %s\n", output.Escape(text))
		}
	}
	section("why", h.Evidence)
	section("offers", h.Offers)
	section("uses", h.Uses)
	return b.String()
}

// sure writes what a device seems to be and how sure that is.
func sure(what string, certainty float64) string {
	if what == "" {
		return unknown
	}
	return what + ", " + strconv.Itoa(int(certainty*100+0.5)) + " % sure"
}

// recallDays is how far back a store is asked for devices when a program starts.
const recallDays = 45

// devices returns the enricher that learns the local devices. It begins with
// what the store knows of them.
func (a *analysis) devices(ctx context.Context, l *locating) (*hosts.Enricher, error) {
	e, err := a.config.Hosts.New(func(addr netip.Addr) bool { return l.border.Local(addr) })
	if err != nil || a.store == nil || isTemporary(a.store) {
		return e, err
	}
	_, last, err := a.store.Span(ctx)
	if errors.Is(err, store.ErrEmpty) {
		return e, nil
	}
	if err != nil {
		return nil, exitWith(exitRefused, "store: %w", err)
	}
	if err := e.Recall(storedHosts(ctx, a.store, last.AddDate(0, 0, -recallDays))); err != nil {
		return nil, exitWith(exitRefused, "store: what it knows of hosts: %w", err)
	}
	return e, nil
}

// storedHosts are the records of table host in a store from a time on.
func storedHosts(ctx context.Context, st store.Store, from time.Time) iter.Seq2[*weir.Host, error] {
	return func(yield func(*weir.Host, error) bool) {
		q, err := query.Parse("from host")
		if err != nil {
			yield(nil, err)
			return
		}
		for row, err := range st.Query(ctx, query.Ask{Query: q, From: from, To: time.Unix(1<<35, 0)}) {
			if err != nil {
				yield(nil, err)
				return
			}
			h, err := hostOf(row)
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// hostOf makes a record of a row of all its columns.
func hostOf(row query.Row) (*weir.Host, error) {
	h := &weir.Host{}
	for i, v := range row {
		if v == nil || weir.HostTable.Columns[i].Computed {
			continue
		}
		if err := h.Set(i, v); err != nil {
			return nil, err
		}
	}
	return h, nil
}
