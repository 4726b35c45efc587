package exec

import (
	"math"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// A compiler turns nodes of the tree into functions.
type compiler struct {
	env *Env
	err error // of a sub-query
}

func (c *compiler) exprs(list []query.Expr) []func(values) any {
	out := make([]func(values) any, len(list))
	for i, e := range list {
		out[i] = c.expr(e)
	}
	return out
}

func (c *compiler) expr(e query.Expr) func(values) any {
	switch e := e.(type) {
	case *query.Col:
		i := e.Index
		return func(v values) any { return v.Value(i) }
	case *query.Part:
		column, i := e.X.Index, e.Index
		return func(v values) any {
			if r, ok := v.Value(column).(query.Record); ok {
				return r[i]
			}
			return nil
		}
	case *query.Lit:
		value := e.Value
		return func(values) any { return value }
	case *query.Arith:
		return c.arith(e)
	case *query.If:
		cond, yes, no := c.pred(e.Cond), c.converted(e.Then, e.Of), c.converted(e.Else, e.Of)
		return func(v values) any {
			if cond(v) {
				return yes(v)
			}
			return no(v)
		}
	case *query.Past:
		return c.past(e)
	default:
		return c.call(e.(*query.Call))
	}
}

// converted returns the value of e, made a float where the result must be one.
func (c *compiler) converted(e query.Expr, of query.Column) func(values) any {
	value := c.expr(e)
	if of.List || e.Column().Type != weir.Int || of.Type == weir.Int {
		return value
	}
	return func(v values) any {
		if n, ok := value(v).(int64); ok {
			return float64(n)
		}
		return nil
	}
}

func (c *compiler) arith(e *query.Arith) func(values) any {
	x, y, op := c.expr(e.X), c.expr(e.Y), e.Op
	compute := func(a, b any) any { return floats(op, toFloat(a), toFloat(b)) }
	switch {
	case e.Of.Type == weir.Int:
		compute = func(a, b any) any { return integers(op, a.(int64), b.(int64)) }
	case e.Of.Type == weir.Time:
		compute = func(a, b any) any { return shift(op, a.(time.Time), toFloat(b)) }
	case e.X.Column().Type == weir.Time:
		compute = func(a, b any) any {
			return float64(a.(time.Time).UnixMicro()-b.(time.Time).UnixMicro()) / 1e6
		}
	}
	return func(v values) any {
		a, b := x(v), y(v)
		if a == nil || b == nil {
			return nil
		}
		return compute(a, b)
	}
}

// integers computes a op b, nil if the result has more than 64 bits.
func integers(op byte, a, b int64) any {
	var r int64
	switch op {
	case '+':
		r = a + b
		if (r > a) != (b > 0) {
			return orNil(r, b == 0)
		}
	case '-':
		r = a - b
		if (r < a) != (b > 0) {
			return orNil(r, b == 0)
		}
	case '*':
		r = a * b
		if a != 0 && (r/a != b || a == -1 && b == math.MinInt64) {
			return nil
		}
	}
	return r
}

func orNil(r int64, ok bool) any {
	if !ok {
		return nil
	}
	return r
}

func floats(op byte, a, b float64) any {
	var r float64
	switch op {
	case '+':
		r = a + b
	case '-':
		r = a - b
	case '*':
		r = a * b
	case '/':
		if b == 0 {
			return nil
		}
		r = a / b
	}
	return finite(r)
}

func finite(f float64) any {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil
	}
	return f
}

// maxShift is more seconds than any two times of records lie apart.
const maxShift = 1e11

func shift(op byte, t time.Time, seconds float64) any {
	if op == '-' {
		seconds = -seconds
	}
	if math.Abs(seconds) > maxShift {
		return nil
	}
	t = time.UnixMicro(t.UnixMicro() + int64(math.Round(seconds*1e6))).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return t
}

func (c *compiler) call(e *query.Call) func(values) any {
	if e.Func == query.Coalesce {
		return c.coalesce(e)
	}
	x := c.expr(e.Args[0])
	f := function(e)
	if e.Of.List { // addr and text, of each element
		return func(v values) any { return each(x(v), f) }
	}
	return func(v values) any {
		a := x(v)
		if a == nil {
			return nil
		}
		return f(a)
	}
}

func each(list any, f func(any) any) any {
	elements, _ := list.([]any)
	var out []any
	for _, a := range elements {
		if r := f(a); r != nil {
			out = append(out, r)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

func (c *compiler) coalesce(e *query.Call) func(values) any {
	args := make([]func(values) any, len(e.Args))
	for i, a := range e.Args {
		args[i] = c.converted(a, e.Of)
	}
	return func(v values) any {
		for _, a := range args {
			if r := a(v); r != nil {
				return r
			}
		}
		return nil
	}
}

// function returns the function of a call, of its first argument, which is
// not nil. The others are literals.
func function(e *query.Call) func(any) any {
	literal := func() any { return e.Args[1].(*query.Lit).Value }
	switch e.Func {
	case query.Entropy:
		return func(a any) any { return entropy(a.(string)) }
	case query.Len:
		return length
	case query.Lower:
		return func(a any) any { return query.LowerASCII(a.(string)) }
	case query.Apex:
		return func(a any) any { return apex(a.(string)) }
	case query.Subnet:
		bits := int(literal().(int64))
		return func(a any) any { return subnet(a.(netip.Addr), bits) }
	case query.Hour:
		return func(a any) any { return int64(a.(time.Time).UTC().Hour()) }
	case query.Weekday:
		return func(a any) any { return query.Weekdays[(a.(time.Time).UTC().Weekday()+6)%7] }
	case query.Bucket:
		step := int64(math.Round(literal().(float64) * 1e6))
		return func(a any) any { return bucket(a.(time.Time), step) }
	case query.Abs:
		return absolute
	case query.ToAddr:
		return func(a any) any { return address(a.(string)) }
	default: // query.ToText
		return func(a any) any { return query.Text(a) }
	}
}

// entropy returns the Shannon entropy of the characters of s, in bits. It adds
// in the order of the characters, so that the last digit is always the same.
func entropy(s string) float64 {
	count := map[rune]int{}
	total := 0
	for _, r := range s {
		count[r]++
		total++
	}
	runes := make([]rune, 0, len(count))
	for r := range count {
		runes = append(runes, r)
	}
	slices.Sort(runes)
	sum := 0.0
	for _, r := range runes {
		p := float64(count[r]) / float64(total)
		sum -= p * math.Log2(p)
	}
	return sum
}

func length(a any) any {
	if list, ok := a.([]any); ok {
		return int64(len(list))
	}
	return int64(utf8.RuneCountInString(a.(string)))
}

// apex returns the registered domain of a name, the name itself if it has none.
func apex(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return name
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return name
	}
	return domain
}

func subnet(a netip.Addr, bits int) any {
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return nil
	}
	return p.String()
}

func bucket(t time.Time, step int64) any {
	us := t.UnixMicro()
	rest := us % step
	if rest < 0 {
		rest += step
	}
	return time.UnixMicro(us - rest).UTC()
}

func absolute(a any) any {
	switch a := a.(type) {
	case int64:
		if a == math.MinInt64 {
			return nil
		}
		return max(a, -a)
	default:
		return math.Abs(a.(float64))
	}
}

func address(s string) any {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return nil
	}
	return a.Unmap()
}
