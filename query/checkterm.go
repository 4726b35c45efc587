package query

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// expr checks a term. Its result is nil if something is wrong with it.
func (c *checker) expr(t term) Expr {
	switch t := t.(type) {
	case *fieldTerm:
		return c.field(t)
	case *wordTerm:
		return c.word(t)
	case *litTerm:
		if p, ok := t.value.(netip.Prefix); ok {
			c.fail(t.Span, "src.ip in "+p.String(), "a network can only be compared")
			return nil
		}
		return c.lit(t)
	case *arithTerm:
		x, y := c.expr(t.x), c.expr(t.y)
		return c.arith(t.Span, t.op, x, y)
	case *negTerm:
		return c.negate(t.Span, c.expr(t.x))
	default:
		return c.call(t.(*callTerm))
	}
}

// word is a name on a right side: a column if there is one, else text.
func (c *checker) word(t *wordTerm) Expr {
	f := &fieldTerm{Span: t.Span, name: t.name}
	if i := c.scope.index(t.name); i >= 0 {
		return &Col{t.Span, i, c.scope.cols[i]}
	}
	if e := c.scope.part(f, t.name); e != nil {
		return e
	}
	if t.name == "true" || t.name == "false" {
		return &Lit{t.Span, t.name == "true", Column{Type: weir.Bool}}
	}
	return &Lit{t.Span, t.name, Column{Type: weir.String}}
}

// lit gives a literal its type: that of what it says, whatever it is compared with.
func (c *checker) lit(t *litTerm) Expr {
	col := Column{}
	switch t.value.(type) {
	case string:
		col.Type = weir.String
	case int64:
		col.Type = weir.Int
	case float64:
		col.Type = weir.Float
		if t.kind == tDuration {
			col.Type = weir.Duration
		}
	case netip.Addr:
		col.Type = weir.Addr
	case time.Time:
		col.Type = weir.Time
	}
	if t.kind == tSize {
		col.Unit = "bytes"
	}
	return &Lit{t.Span, t.value, col}
}

func (c *checker) negate(at Span, x Expr) Expr {
	if l, ok := x.(*Lit); ok {
		switch v := l.Value.(type) {
		case int64:
			return &Lit{at, -v, l.Of}
		case float64:
			return &Lit{at, -v, l.Of}
		}
	}
	return c.arith(at, '-', &Lit{at, int64(0), Column{Type: weir.Int}}, x)
}

func isNumber(c Column) bool {
	return !c.List && c.Fields == nil && (c.Type == weir.Int || c.Type == weir.Float || c.Type == weir.Duration)
}

func isTime(c Column) bool { return !c.List && c.Fields == nil && c.Type == weir.Time }

func (c *checker) arith(at Span, op byte, x, y Expr) Expr {
	if x == nil || y == nil {
		return nil
	}
	a, b := x.Column(), y.Column()
	out := &Arith{at, op, x, y, Column{}}
	switch {
	case isNumber(a) && isNumber(b):
		out.Of = numberResult(op, a, b)
		return out
	case isTime(a) && isTime(b) && op == '-':
		out.Of.Type = weir.Duration
		return out
	case isTime(a) && isNumber(b) && (op == '+' || op == '-'):
		out.Of.Type = weir.Time
		return out
	case isNumber(a) && isTime(b) && op == '+':
		out.X, out.Y, out.Of.Type = y, x, weir.Time
		return out
	}
	fix := ""
	if a.Type == weir.String && b.Type == weir.String {
		fix = "put text with a '" + string(op) + "' in it in quotes"
	}
	c.fail(at, fix, "cannot compute %s %c %s", typeName(a), op, typeName(b))
	return nil
}

func numberResult(op byte, a, b Column) Column {
	out := Column{Type: weir.Float}
	switch {
	case op == '/' && (a.Type != weir.Duration || b.Type == weir.Duration):
		return out
	case a.Type == weir.Duration || b.Type == weir.Duration:
		out.Type = weir.Duration
	case a.Type == weir.Int && b.Type == weir.Int:
		out.Type = weir.Int
	}
	if out.Type != weir.Duration && op != '*' && a.Unit == b.Unit {
		out.Unit = a.Unit
	}
	return out
}

var scalars = map[string]struct {
	min, max int
	usage    string
}{
	"entropy": {1, 1, "entropy(query)"}, "len": {1, 1, "len(query)"}, "lower": {1, 1, "lower(http.ua)"},
	"apex": {1, 1, "apex(query)"}, "subnet": {2, 2, "subnet(src.ip, 24)"}, "hour": {1, 1, "hour(ts)"},
	"weekday": {1, 1, "weekday(ts)"}, "bucket": {2, 2, "bucket(ts, 5m)"}, "abs": {1, 1, "abs(bytes.up - bytes.down)"},
	"coalesce": {2, 20, "coalesce(tls.sni, dst.host)"}, "if": {2, 2, `if(dur > 1h, "long", "short")`},
}

func (c *checker) call(t *callTerm) Expr {
	switch t.name {
	case "first_seen":
		return c.firstSeen(t)
	case "prevalence":
		return c.prevalence(t)
	case "usual":
		return c.usual(t)
	}
	f, ok := scalars[t.name]
	if !ok {
		c.noFunction(t)
		return nil
	}
	var cond Pred
	if t.cond != nil {
		cond = c.cond(t.cond)
		if cond == nil {
			return nil
		}
	}
	if len(t.args) < f.min || len(t.args) > f.max || (t.name == "if") != (t.cond != nil) {
		c.fail(t.Span, f.usage, "wrong number of arguments for %s", t.name)
		return nil
	}
	args := make([]Expr, len(t.args))
	for i, a := range t.args {
		if args[i] = c.expr(a); args[i] == nil {
			return nil
		}
	}
	if t.name == "if" {
		of, ok := c.common(t, args)
		if !ok {
			return nil
		}
		return &If{t.Span, cond, args[0], args[1], of}
	}
	out := &Call{t.Span, Func(t.name), args, Column{}}
	if !c.callType(t, out) {
		return nil
	}
	return out
}

func (c *checker) noFunction(t *callTerm) {
	if slices.Contains(aggregates, t.name) {
		c.fail(t.Span, "stats x = "+termText(t, 0), "%s is an aggregate: it stands in stats", t.name)
		return
	}
	if isPredicate(t.name) {
		c.fail(t.Span, "where "+t.name+"(src.ip)", "%s is a condition, not a value", t.name)
		return
	}
	names := slices.AppendSeq([]string{"first_seen", "prevalence", "usual"}, maps.Keys(scalars))
	slices.Sort(names)
	fix := "functions: " + strings.Join(names, " ")
	if near := closest(t.name, append(names, aggregates...)); near != "" {
		fix = "did you mean " + near + "?"
	}
	c.fail(Span{t.Pos, len(t.name)}, fix, "unknown function '%s'", t.name)
}

// callType checks the arguments of a function and sets the type of its result.
func (c *checker) callType(t *callTerm, out *Call) bool {
	x := out.Args[0].Column()
	want, ok := "", true
	single := !x.List && x.Fields == nil
	switch out.Func {
	case Entropy:
		out.Of.Type = weir.Float
		want, ok = "text", single && x.Type == weir.String
	case Len:
		out.Of.Type = weir.Int
		want, ok = "text or a list", x.List || single && x.Type == weir.String
	case Lower, Apex:
		out.Of.Type = weir.String
		want, ok = "text", single && x.Type == weir.String
	case Subnet:
		out.Of.Type = weir.String
		want, ok = "an address", single && x.Type == weir.Addr
		if bits, is := t.args[1].(*litTerm); ok && (!is || !validBits(bits.value)) {
			c.fail(t.args[1].At(), "subnet(src.ip, 24)", "subnet takes a number of bits from 0 to 128")
			return false
		}
	case Hour:
		out.Of.Type = weir.Int
		want, ok = "a time", isTime(x)
	case Weekday:
		out.Of = Column{Type: weir.String, Enum: Weekdays}
		want, ok = "a time", isTime(x)
	case Bucket:
		out.Of.Type = weir.Time
		want, ok = "a time", isTime(x)
		step, is := t.args[1].(*litTerm)
		if ok && (!is || step.kind != tDuration || step.value.(float64) < 1e-6) {
			c.fail(t.args[1].At(), "bucket(ts, 5m)", "bucket takes a duration of a microsecond or more")
			return false
		}
	case Abs:
		out.Of = x
		out.Of.Name = ""
		want, ok = "a number", isNumber(x)
	case Coalesce:
		out.Of, ok = c.common(t, out.Args)
		return ok
	}
	if !ok {
		c.fail(t.args[0].At(), scalars[t.name].usage, "%s takes %s, not %s", t.name, want, typeName(x))
	}
	return ok
}

func validBits(v any) bool {
	n, ok := v.(int64)
	return ok && n >= 0 && n <= 128
}

// common returns the type that several values have in common. Integers among
// floats or durations become such.
func (c *checker) common(t *callTerm, args []Expr) (Column, bool) {
	of := args[0].Column()
	of.Name = ""
	for _, a := range args[1:] {
		b := a.Column()
		switch {
		case of.Fields != nil || b.Fields != nil || of.Type == weir.JSON || b.Type == weir.JSON:
			c.fail(a.At(), "", "%s takes single values", t.name)
			return of, false
		case of.Type == b.Type && of.List == b.List:
			if !slices.Equal(of.Enum, b.Enum) {
				of.Enum = nil
			}
			if of.Unit != b.Unit {
				of.Unit = ""
			}
		case isNumber(of) && isNumber(b):
			of = Column{Type: weir.Float}
			if args[0].Column().Type == weir.Duration || b.Type == weir.Duration {
				of.Type = weir.Duration
			}
		default:
			c.fail(a.At(), "", "%s takes values of one type, here are %s and %s", t.name, typeName(of), typeName(b))
			return of, false
		}
	}
	return of, true
}

// value checks the right side of a comparison with x. A literal is given the
// type of x where that is what it must mean.
func (c *checker) value(x Expr, t term) Expr {
	switch t := t.(type) {
	case *litTerm:
		return c.literal(x, t)
	case *wordTerm:
		if c.enum(x.Column(), t.name) != "" {
			return c.text(x, t.Span, t.name)
		}
		e := c.word(t)
		if l, ok := e.(*Lit); ok && l.Of.Type != x.Column().Type || ok && l.Of.Type == weir.String {
			return c.text(x, t.Span, t.name)
		}
		return c.comparable(x, e)
	}
	e := c.expr(t)
	if e == nil {
		return nil
	}
	return c.comparable(x, e)
}

// literal makes a literal a value of the type of x, or says why it is none.
func (c *checker) literal(x Expr, t *litTerm) Expr {
	of := element(x)
	switch v := t.value.(type) {
	case string:
		return c.text(x, t.Span, v)
	case netip.Addr:
		if of.Type == weir.String && of.Enum == nil {
			return c.spelled(t, v.String(), of)
		}
	case int64:
		switch {
		case of.Type == weir.Duration || of.Type == weir.Float:
			if t.kind == tNumber || of.Type == weir.Float {
				return &Lit{t.Span, float64(v), of}
			}
		case len(of.Enum) == 256 && t.kind == tNumber && v >= 0 && v < 256: // a protocol by its number
			return &Lit{t.Span, of.Enum[v], of}
		}
	}
	if t.bare && of.Type == weir.String {
		return c.text(x, t.Span, c.spell(t, t.text))
	}
	l := c.lit(t).(*Lit)
	if !fits(of, t, l.Of) {
		c.fail(t.Span, literalFix(of, t), "%s is %s, and %s is %s", exprName(x), typeName(of), t.text, kindName(t))
		return nil
	}
	return l
}

// spelled makes a bare word the text that it is written as, so that it is
// printed as such.
func (c *checker) spelled(t *litTerm, text string, of Column) Expr {
	return &Lit{t.Span, c.spell(t, text), Column{Type: weir.String}}
}

func (c *checker) spell(t *litTerm, text string) string {
	if t.bare {
		t.kind, t.value = tString, text
	}
	return text
}

func fits(of Column, t *litTerm, l Column) bool {
	switch t.kind {
	case tDuration:
		return of.Type == weir.Duration || of.Type == weir.Float
	case tSize:
		return of.Type == weir.Int || of.Type == weir.Float
	case tNumber, tPercent:
		return of.Type == weir.Int || of.Type == weir.Float || of.Type == weir.Duration
	}
	return of.Type == l.Type
}

func kindName(t *litTerm) string {
	switch t.kind {
	case tSize:
		return "a size"
	case tCIDR:
		return "a network"
	}
	return typeName((&checker{}).lit(t).Column())
}

func literalFix(of Column, t *litTerm) string {
	switch {
	case of.Type == weir.String:
		return "did you mean " + Quote(t.text) + "?"
	case of.Type == weir.Bool:
		return "true   or   false"
	case of.Type == weir.Addr:
		return "an address such as 10.0.0.5, or a network such as 10.0.0.0/24"
	case of.Type == weir.Time && t.kind == tDuration:
		return "since " + t.text + " at the begin of the query"
	case of.Unit == "bytes" && t.kind == tDuration && strings.HasSuffix(t.text, "m"):
		return "did you mean " + strings.TrimSuffix(t.text, "m") + "MB?"
	case of.Type == weir.Duration:
		return "a duration such as 5s, 10m or 8h"
	}
	return ""
}

// services are the ports of names that people type for them.
var services = map[string]int64{
	"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "dns": 53, "domain": 53, "http": 80, "kerberos": 88, "pop3": 110,
	"ntp": 123, "imap": 143, "snmp": 161, "ldap": 389, "https": 443, "tls": 443, "smb": 445, "syslog": 514,
	"ldaps": 636, "imaps": 993, "mysql": 3306, "rdp": 3389, "postgres": 5432, "vnc": 5900, "winrm": 5985,
}

// text makes text a value of the type of x.
func (c *checker) text(x Expr, at Span, s string) Expr {
	of := element(x)
	fix := ""
	switch of.Type {
	case weir.String:
		if of.Enum == nil {
			return &Lit{at, s, Column{Type: weir.String}}
		}
		if name := c.enum(of, s); name != "" {
			return &Lit{at, name, of}
		}
		values := slices.DeleteFunc(slices.Clone(of.Enum), func(v string) bool { return v == "" || isDigit(v[0]) })
		fix = "values: " + strings.Join(values, " ")
		if near := closest(s, values); near != "" {
			fix = "did you mean " + near + "?"
		}
		c.fail(at, fix, "%s has no value '%s'", exprName(x), s)
		return nil
	case weir.Addr:
		if a, err := netip.ParseAddr(s); err == nil {
			return &Lit{at, a.Unmap(), of}
		}
		fix = "an address such as 10.0.0.5; names are in dst.host"
	case weir.Bool:
		if s == "true" || s == "false" {
			return &Lit{at, s == "true", of}
		}
		fix = "true   or   false"
	case weir.Int, weir.Float, weir.Duration:
		if n, err := strconv.ParseFloat(s, 64); err == nil && !math.IsInf(n, 0) && !math.IsNaN(n) {
			fix = "did you mean " + s + "?"
		} else if port, ok := services[strings.ToLower(s)]; ok && strings.HasSuffix(exprName(x), "port'") {
			fix = "did you mean " + strconv.FormatInt(port, 10) + "?"
		}
	case weir.Time:
		fix = "a time such as 2026-11-20T08:00Z"
	}
	c.fail(at, fix, "%s is %s, and %s is text", exprName(x), typeName(of), Quote(s))
	return nil
}

// enum returns the value of an enumeration that s spells, empty if none.
func (c *checker) enum(of Column, s string) string {
	for _, v := range of.Enum {
		if strings.EqualFold(v, s) {
			return v
		}
	}
	return ""
}

// element returns the type of what a condition on x looks at.
func element(x Expr) Column {
	of := x.Column()
	of.List, of.Name = false, ""
	return of
}

// exprName names x in a message.
func exprName(x Expr) string {
	if name := x.Column().Name; name != "" {
		return "'" + name + "'"
	}
	return "the left side"
}

// comparable returns y, made comparable with x where it can be.
func (c *checker) comparable(x, y Expr) Expr {
	a, b := element(x), y.Column()
	switch {
	case a.Fields != nil || b.Fields != nil || a.Type == weir.JSON || b.Type == weir.JSON:
	case b.List:
		c.fail(y.At(), "write the list on the left", "a list cannot stand on the right side")
		return nil
	case a.Type == b.Type, isNumber(a) && isNumber(b):
		return y
	case a.Type == weir.Addr && b.Type == weir.String:
		return toAddr(y)
	}
	fix := ""
	if b.Fields != nil {
		fix = partsFix(b)
	}
	c.fail(y.At(), fix, "cannot compare %s with %s", typeName(x.Column()), typeName(b))
	return nil
}

func toAddr(e Expr) Expr {
	return &Call{e.At(), ToAddr, []Expr{e}, Column{Type: weir.Addr, List: e.Column().List}}
}

func toText(e Expr) Expr {
	if of := e.Column(); of.Type != weir.String {
		return &Call{e.At(), ToText, []Expr{e}, Column{Type: weir.String, List: of.List}}
	}
	return e
}
