package storetest

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

// testDifferential asks generated questions about generated records and
// compares the answers with those of store/memory. More questions:
// -rapid.checks=10000; the same ones: -rapid.seed.
func testDifferential(t *testing.T, s Suite) {
	for _, seed := range []uint64{11, 12} {
		st := s.open(t)
		twin := s.Twin(t)
		for part := range uint64(3) { // several batches, so that a store has several pieces
			b := RandomBatch(seed*100+part, 150)
			mustAppend(t, st, b)
			mustAppend(t, twin, b)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { compareStores(t, st, twin) })
		})
	}
}

func compareStores(t *rapid.T, st, twin store.Store) {
	text := RandomQuestion(t)
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("the generator made %q: %v", text, err)
	}
	a := query.Ask{Query: q, Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}, Lists: Lists}
	switch rapid.IntRange(0, 3).Draw(t, "window") {
	case 0:
		a.From, a.To = epoch.Add(6*time.Hour), epoch.Add(40*time.Hour)
	case 1: // with windows before it, for usual
		a.From, a.To = epoch.Add(36*time.Hour), epoch.Add(40*time.Hour)
	}
	got, err := collect(st.Query(context.Background(), a))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	want, err := collect(twin.Query(context.Background(), a))
	if err != nil {
		t.Fatalf("%q in memory: %v", text, err)
	}
	round(q, got)
	round(q, want)
	g, w := inAnyOrder(q, rowTexts(got)), inAnyOrder(q, rowTexts(want))
	if len(g) != len(w) {
		t.Fatalf("%q: got %d rows, want %d\ngot:  %s\nwant: %s", text, len(g), len(w), some(g, 0), some(w, 0))
	}
	for i := range w {
		if g[i] != w[i] {
			t.Fatalf("%q: row %d:\ngot:  %s\nwant: %s", text, i, some(g, i), some(w, i))
		}
	}
}

func some(rows []string, i int) string {
	return strings.Join(rows[i:min(len(rows), i+3)], "\n      ")
}

// round cuts the digits of stdev and entropy in which stores may differ: those
// of columns whose names begin with "inexact". No generated question computes
// with such columns further.
func round(q *query.Query, rows []query.Row) {
	for i, c := range q.Columns {
		if !strings.HasPrefix(c.Name, "inexact") {
			continue
		}
		for _, r := range rows {
			if f, ok := r[i].(float64); ok && f != 0 {
				digits := math.Pow(10, 8-math.Ceil(math.Log10(math.Abs(f))))
				r[i] = math.Round(f*digits) / digits
			}
		}
	}
}

// RandomQuestion writes a question that is right, about records such as those
// of [RandomBatch] and the lists [Lists].
func RandomQuestion(t *rapid.T) string { return (&generator{t: t}).query(3) }

// A generator writes questions that are right. It parses what it has written
// so far to know the columns.
type generator struct {
	t    *rapid.T
	text string // as far as it is known to be right
	cols []query.Column
	sub  bool // in a sub-query: no further one
	n    int  // names made
}

func (g *generator) oneOf(list ...string) string { return rapid.SampledFrom(list).Draw(g.t, "choice") }

func (g *generator) dice(n int) int { return rapid.IntRange(0, n-1).Draw(g.t, "dice") }

func (g *generator) name(prefix string) string {
	g.n++
	return fmt.Sprintf("%s%d", prefix, g.n)
}

func (g *generator) query(maxStages int) string {
	text := "from " + g.oneOf("conn", "conn", "conn", "dns", "dns", "oddity", "finding", "smb", "http", "dhcp", "exporter")
	g.learn(text)
	if g.dice(6) > 0 {
		text += " " + g.cond(2)
	}
	for range g.dice(maxStages + 2) {
		longer := text + " | " + g.stage()
		if q, err := query.Parse(longer); err == nil { // a column may be there twice
			text, g.text, g.cols = longer, longer, q.Columns
		}
	}
	if len(g.cols) > 20 && g.dice(2) == 0 { // few columns make answers that can be read
		text += " | select " + g.fields(3)
	}
	return text
}

func (g *generator) learn(text string) {
	q, err := query.Parse(text)
	if err != nil {
		g.t.Fatalf("the generator made %q: %v", text, err)
	}
	g.text, g.cols = text, q.Columns
}

// field returns a column that ok likes, nil if there is none.
func (g *generator) field(ok func(query.Column) bool) *query.Column {
	var list []query.Column
	for _, c := range g.cols {
		for _, p := range c.Fields {
			p.Name = c.Name + "." + p.Name
			if ok(p) {
				list = append(list, p)
			}
		}
		if c.Fields == nil && c.Type != weir.JSON && c.Name != "cid" && !strings.ContainsAny(c.Name, "(#") && !strings.HasPrefix(c.Name, "inexact") && ok(c) {
			list = append(list, c)
		}
	}
	if list == nil {
		return nil
	}
	c := rapid.SampledFrom(list).Draw(g.t, "field")
	return &c
}

func anyColumn(query.Column) bool { return true }

func single(types ...weir.Type) func(query.Column) bool {
	return func(c query.Column) bool { return !c.List && slices.Contains(types, c.Type) }
}

func plainText(c query.Column) bool { return c.Type == weir.String && c.Enum == nil }

func (g *generator) fields(most int) string {
	var names []string
	for range 1 + g.dice(most) {
		if c := g.field(anyColumn); c != nil && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	if names == nil {
		return g.cols[0].Name
	}
	return strings.Join(names, ", ")
}

// literal writes a value of the type of c.
func (g *generator) literal(c query.Column) string {
	switch {
	case c.Enum != nil:
		return fmt.Sprintf("%q", rapid.SampledFrom(c.Enum[1:min(len(c.Enum), 18)]).Draw(g.t, "enum"))
	case c.Unit == "bytes":
		return g.oneOf("0", "40", "1000", "1KB", "2.5KB", "1 GB", "9007199254740993", "9223372036854775807")
	}
	switch c.Type {
	case weir.Int:
		return g.oneOf("0", "1", "2", "3", "53", "443", "65535", "2.5", "-1")
	case weir.Float:
		return g.oneOf("0", "0.5", "1", "20%", "3.25")
	case weir.Duration:
		return g.oneOf("0s", "500ms", "1s", "1.5m", "8h", "3")
	case weir.Bool:
		return g.oneOf("true", "false")
	case weir.Addr:
		return rapid.SampledFrom(poolAddrs).Draw(g.t, "addr").String()
	case weir.Time:
		return g.oneOf("2026-11-20", "2026-11-20T06:15Z", "2026-11-21T00:00:00.5Z", "2026-11-21T12:00:00+01:00")
	}
	return quoted(rapid.SampledFrom(poolTexts).Draw(g.t, "text"))
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (g *generator) cond(depth int) string {
	if depth > 0 {
		switch g.dice(6) {
		case 0:
			return "(" + g.cond(depth-1) + " and " + g.cond(depth-1) + ")"
		case 1:
			return "(" + g.cond(depth-1) + " or " + g.cond(depth-1) + ")"
		case 2:
			return "not " + g.cond(depth-1)
		}
	}
	for range 3 {
		text := g.simple()
		if text == "" {
			continue
		}
		if _, err := query.Parse(g.text + " | where " + text); err == nil { // new(list) of a column made anew is none
			return text
		}
	}
	return "has " + g.cols[0].Name
}

// simple writes a condition, or nothing where no column serves.
func (g *generator) simple() string {
	switch g.dice(17) {
	case 14:
		return g.oneOf("new(", "known(") + g.fields(3) + g.oneOf("", ", 1d", ", 5h", ", 90m") + ")"
	case 15:
		if c := g.field(func(c query.Column) bool { return c.Type != weir.Bool && c.Type != weir.Time }); c != nil {
			return c.Name + g.oneOf(" in ", " not in ") + g.oneOf("@list:assets", "@ports", "@list:empty", "@intel", "@intel:misp")
		}
	case 16:
		if !g.sub {
			return g.oneOf("prevalence(", "prevalence(", "first_seen(") + g.fields(1) + g.oneOf(") = 1", ") > 2", ") < 2026-11-20T06:15Z", ") = ts")
		}
	case 0, 1, 2:
		return g.compare()
	case 3:
		if c := g.field(anyColumn); c != nil {
			return g.oneOf("has ", "missing ") + c.Name
		}
	case 4:
		if c := g.field(func(c query.Column) bool { return c.Type != weir.Bool }); c != nil {
			return c.Name + " between " + g.literal(*c) + " and " + g.literal(*c)
		}
	case 5:
		if c := g.field(func(c query.Column) bool { return c.Type != weir.Bool }); c != nil {
			items := []string{g.literal(*c), g.literal(*c), g.literal(*c)}
			return c.Name + g.oneOf(" in (", " not in (") + strings.Join(items[:1+g.dice(3)], ", ") + ")"
		}
	case 6:
		if c := g.field(func(c query.Column) bool { return c.Type == weir.Addr || plainText(c) }); c != nil {
			return c.Name + g.oneOf(" in ", " not in ", " = ", " != ") + g.oneOf("10.0.0.0/8", "10.0.0.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0")
		}
	case 7:
		if c := g.field(func(c query.Column) bool { return c.Type == weir.String || c.Type == weir.Addr || c.Type == weir.Int }); c != nil {
			return c.Name + g.oneOf(` contains "X"`, ` contains "Example"`, ` contains ""`, ` contains "%"`, ` contains ".0.1"`, ` contains "k"`, ` contains ":"`, ` starts_with "W"`, ` starts_with "10."`,
				` ends_with "COM"`, ` ends_with ".1"`, ` ends_with "É"`, ` like "%.example.%"`, ` like "___"`, ` like "__"`, ` like "a\\_b\\%%"`, ` like "%"`, ` like "日_"`, ` like "w%e%m"`)
		}
	case 8:
		if c := g.field(func(c query.Column) bool { return c.Type == weir.String || c.Type == weir.Addr }); c != nil {
			return c.Name + g.oneOf(" ~ ", " !~ ") + g.oneOf(`/^www\./`, `/WWW/i`, `/[0-9]+$/`, `/^.{2}$/`, `/e{1,2}x|ssh/`, `/^$/`)
		}
	case 9:
		return g.twoSided()
	case 10:
		return g.oneOf(`"example"`, `"10.0"`, `"db8"`, `"."`, `"TLS"`, `"日"`, `"\\"`)
	case 11:
		if c := g.field(func(c query.Column) bool { return c.Type == weir.Addr || plainText(c) }); c != nil {
			return g.oneOf("local(", "private(") + c.Name + ")"
		}
	case 12:
		return g.subQuery()
	case 13:
		if c := g.field(single(weir.Int, weir.Float, weir.Duration)); c != nil {
			return g.number(*c) + g.oneOf(" < ", " >= ", " = ", " != ") + g.oneOf("1", "100", "0.5", "1000000")
		}
	}
	return ""
}

func (g *generator) compare() string {
	c := g.field(anyColumn)
	if c == nil {
		return ""
	}
	op := g.oneOf(" = ", " != ", " < ", " <= ", " > ", " >= ")
	if c.Type == weir.Bool {
		op = g.oneOf(" = ", " != ")
	}
	if g.dice(4) == 0 {
		other := g.field(func(o query.Column) bool { return !o.List && o.Type == c.Type && slices.Equal(o.Enum, c.Enum) })
		if other != nil {
			return c.Name + op + other.Name
		}
	}
	return c.Name + op + g.literal(*c)
}

func (g *generator) twoSided() string {
	if !slices.ContainsFunc(g.cols, func(c query.Column) bool { return c.Name == "src.port" }) ||
		!slices.ContainsFunc(g.cols, func(c query.Column) bool { return c.Name == "src.ip" }) {
		return ""
	}
	return g.oneOf("port = 443", "port != 443", "port in (53, 80)", "port not in (53, 80)", "port < 100", "has ip", "missing ip",
		"ip = 10.0.0.0/24", "ip != 10.0.0.1", "10.0.0.1", "port:>443", "-port:443", "ip ~ /^10/", "local(ip)", "port between 20 and 60")
}

// subQuery looks for one or two fields in the answer of another query.
func (g *generator) subQuery() string {
	if g.sub {
		return ""
	}
	in := generator{t: g.t, sub: true}
	text := "from " + g.oneOf("conn", "dns")
	in.learn(text)
	text += " " + in.cond(1)
	var outer, inner []string
	for range 1 + g.dice(2) {
		c := g.field(anyColumn)
		if c == nil {
			return ""
		}
		o := in.field(func(o query.Column) bool {
			return o.Type == c.Type || c.Type == weir.Addr && plainText(o) || plainText(*c) && o.Type == weir.Addr
		})
		if o == nil || slices.Contains(inner, o.Name) {
			continue
		}
		outer, inner = append(outer, c.Name), append(inner, o.Name)
	}
	if outer == nil {
		return ""
	}
	left := strings.Join(outer, ", ")
	if len(outer) > 1 {
		left = "(" + left + ")"
	}
	return left + g.oneOf(" in (", " not in (") + text + " | select " + strings.Join(inner, ", ") + ")"
}

func (g *generator) number(c query.Column) string {
	other := g.field(single(weir.Int, weir.Float, weir.Duration))
	switch g.dice(6) {
	case 0:
		return c.Name + " " + g.oneOf("+", "-", "*", "/") + " " + other.Name
	case 1:
		return "(" + c.Name + " - " + other.Name + ") * 2"
	case 2:
		return "abs(" + c.Name + " - " + g.literal(c) + ")"
	case 3:
		return "coalesce(" + c.Name + ", " + other.Name + ")"
	case 4:
		return "if(" + g.cond(0) + ", " + c.Name + ", " + other.Name + ")"
	}
	return c.Name + " / " + g.oneOf("3", "0", "2.5")
}

// value writes an expression of any type, and the beginning of a name for it.
func (g *generator) value() (expr, prefix string) {
	switch g.dice(8) {
	case 6:
		return g.oneOf("first_seen(", "prevalence(") + g.fields(2) + ")", "x"
	case 7:
		if c := g.field(single(weir.Int, weir.Float, weir.Duration)); c != nil {
			return "usual(" + c.Name + ")", "x"
		}
	case 0:
		if c := g.field(single(weir.Time)); c != nil {
			return g.oneOf("hour(", "weekday(") + c.Name + ")", "x"
		}
	case 1:
		if c := g.field(single(weir.Time)); c != nil {
			return g.oneOf("bucket("+c.Name+", 1h)", "bucket("+c.Name+", 7m)", c.Name+" + 90s", c.Name+" - 2026-11-20"), "x"
		}
	case 2:
		if c := g.field(func(c query.Column) bool { return plainText(c) && !c.List }); c != nil {
			if g.dice(4) == 0 {
				return "entropy(" + c.Name + ")", "inexact"
			}
			return g.oneOf("len(", "lower(", "apex(") + c.Name + ")", "x"
		}
	case 3:
		if c := g.field(single(weir.Addr)); c != nil {
			return "subnet(" + c.Name + ", " + g.oneOf("8", "24", "32", "64") + ")", "x"
		}
	}
	if c := g.field(single(weir.Int, weir.Float, weir.Duration)); c != nil {
		return g.number(*c), "x"
	}
	return "1", "x"
}

func (g *generator) stage() string {
	switch g.dice(11) {
	case 9:
		return g.then()
	case 10:
		if g.dice(2) == 0 {
			return "lookup " + g.oneOf("@assets", "@intel", "@list:ports") + " on " + g.fields(1)
		}
		return "stats " + g.aggregates() + ", ts = max(ts)" + g.by() + " | " + g.oneOf(g.then(), "extend u = usual(x1), v = usual(x2)", "where x1 >= usual(x1)")
	case 0, 1:
		return "where " + g.cond(1)
	case 2, 3:
		return "stats " + g.aggregates() + g.by()
	case 4:
		expr, prefix := g.value()
		return "extend " + g.name(prefix) + " = " + expr
	case 5:
		return "select " + g.fields(4)
	case 6:
		return "dedup " + g.fields(2)
	case 7:
		return g.oneOf("sort -", "sort ") + g.fields(2) + g.oneOf("", " | head 3", " | head 50")
	}
	switch g.dice(3) {
	case 0:
		return "head " + g.oneOf("1", "5", "100")
	case 1:
		return "timechart " + g.oneOf("1h ", "13m ") + g.aggregates() + g.by()
	}
	return g.oneOf("top ", "rare ") + g.oneOf("1 ", "4 ") + g.oneOf("", "by ") + g.fields(1)
}

// then joins with another query, with few or with all of its columns.
func (g *generator) then() string {
	if g.sub {
		return "head 5"
	}
	in := generator{t: g.t, sub: true}
	in.learn("from " + g.oneOf("conn", "dns", "smb"))
	text := in.text + " " + in.cond(1)
	return "then (" + text + ") within " + g.oneOf("20m", "3h", "1.5d") + " by " + g.oneOf("src.ip", "src.ip, dst.ip", "proto", g.fields(1)) +
		g.oneOf("", " | select ts, src.ip, gap, then.dst.ip, then.proto", " | stats n = count(), g = sum(gap) by then.src.ip")
}

func (g *generator) by() string {
	if g.dice(3) == 0 {
		return ""
	}
	return " by " + g.fields(2)
}

func (g *generator) aggregates() string {
	var list []string
	for range 1 + g.dice(3) {
		expr, prefix := g.aggregate()
		list = append(list, g.name(prefix)+" = "+expr)
	}
	return strings.Join(list, ", ")
}

func (g *generator) aggregate() (expr, prefix string) {
	c := g.field(anyColumn)
	if c == nil {
		return "count()", "x"
	}
	number := g.field(single(weir.Int, weir.Float, weir.Duration))
	switch g.dice(9) {
	case 0:
		return g.oneOf("dcount(", "values(", "any(") + c.Name + ")", "x"
	case 1:
		if !c.List {
			return g.oneOf("min(", "max(", "p95(") + c.Name + ")", "x"
		}
	case 2:
		if slices.ContainsFunc(g.cols, func(c query.Column) bool { return c.Name == "ts" && c.Type == weir.Time }) {
			return g.oneOf("first("+c.Name+")", "last("+c.Name+")", "any("+c.Name+")", "period(ts)"), "x"
		}
	case 3:
		return "count_if(" + g.cond(1) + ")", "x"
	case 4:
		if number != nil {
			return "stdev(" + number.Name + ")", "inexact"
		}
	case 5, 6:
		if number != nil {
			return g.oneOf("sum(", "avg(", "median(") + number.Name + ")", "x"
		}
	case 7:
		if number != nil {
			return "pct(" + number.Name + ", " + g.oneOf("0", "10", "50", "99.5", "100") + ")", "x"
		}
	case 8:
		if number != nil {
			return "sum(" + number.Name + ") " + g.oneOf("/", "-", "+") + " count()", "x"
		}
	}
	return "count()", "x"
}
