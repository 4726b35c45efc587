package duckdb

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// expr returns e as SQL over the columns of r.
func (t *translator) expr(e query.Expr, r relation) value {
	if t.bad {
		return value{form: opaque}
	}
	switch e := e.(type) {
	case *query.Col:
		return r.cols[e.Index]
	case *query.Lit:
		return t.literal(e.Value, e.Of.Enum)
	case *query.Arith:
		return t.arith(e, r)
	case *query.Call:
		return t.call(e, r)
	case *query.If:
		return t.choose(e, r)
	}
	return t.fail()
}

// literal returns a value of the language as SQL; one of an enumeration is its
// place in names.
func (t *translator) literal(v any, names []string) value {
	switch v := v.(type) {
	case string:
		if names == nil {
			return value{form: asText, sql: []string{t.arg(v)}}
		}
		i := slices.Index(names, v)
		if i < 0 {
			return value{form: asText, sql: []string{t.arg(v)}}
		}
		return value{form: asCode, sql: []string{fmt.Sprintf("CAST(%d AS UTINYINT)", i)}, names: names}
	case int64:
		if v == math.MinInt64 { // its digits without the sign are no integer
			return value{form: asInt, sql: []string{"(-9223372036854775807 - 1)"}}
		}
		return value{form: asInt, sql: []string{"CAST(" + strconv.FormatInt(v, 10) + " AS BIGINT)"}}
	case float64:
		return value{form: asFloat, sql: []string{t.arg(v)}}
	case bool:
		return value{form: asBool, sql: []string{strconv.FormatBool(v)}}
	case netip.Addr:
		high, low := halves(v)
		return value{form: asAddr, sql: []string{fmt.Sprintf("CAST(%d AS UBIGINT)", high), fmt.Sprintf("CAST(%d AS UBIGINT)", low)}}
	case time.Time:
		return value{form: asTime, sql: []string{"make_timestamp(" + t.arg(v.UnixMicro()) + ")"}}
	}
	return t.fail()
}

func (t *translator) arith(e *query.Arith, r relation) value {
	x, y := t.expr(e.X, r), t.expr(e.Y, r)
	switch {
	case t.bad:
		return x
	case x.form == asTime && y.form == asTime:
		return value{form: asFloat, sql: []string{fmt.Sprintf("CAST(epoch_us(%s) - epoch_us(%s) AS DOUBLE) / 1e6", x.sql[0], y.sql[0])}}
	case x.form == asTime && y.form <= asFloat:
		return shift(e.Op, x, y)
	case x.form > asFloat || y.form > asFloat:
		return t.fail()
	case e.Of.Type == weir.Int:
		return value{form: asInt, sql: []string{fmt.Sprintf("TRY(%s %c %s)", x.sql[0], e.Op, y.sql[0])}}
	}
	right := double(y)
	if e.Op == '/' {
		right = "nullif(" + right + ", 0)"
	}
	return value{form: asFloat, sql: []string{finite(fmt.Sprintf("%s %c %s", double(x), e.Op, right))}}
}

// shift moves a time by seconds; what leaves the years 1 to 9999 is missing.
func shift(op byte, x, y value) value {
	us := fmt.Sprintf("epoch_us(%s) %c CAST(round(CASE WHEN abs(%[3]s) <= 1e11 THEN %[3]s END * 1e6) AS BIGINT)", x.sql[0], op, double(y))
	return value{form: asTime, sql: []string{fmt.Sprintf("CASE WHEN %[1]s BETWEEN -62135596800000000 AND 253402300799999999 THEN make_timestamp(%[1]s) END", us)}}
}

// double returns a number as DOUBLE.
func double(x value) string {
	if x.form == asFloat {
		return x.sql[0]
	}
	return "CAST(" + x.sql[0] + " AS DOUBLE)"
}

// finite makes what does not fit a double missing.
func finite(sql string) string {
	return "nullif(nullif(" + sql + ", CAST('inf' AS DOUBLE)), CAST('-inf' AS DOUBLE))"
}

func (t *translator) call(e *query.Call, r relation) value {
	switch e.Func {
	case query.Coalesce:
		return t.coalesce(e, r)
	case query.Bucket, query.Subnet, query.Apex, query.Entropy, query.ToAddr:
		return t.callMore(e, r)
	}
	x := t.expr(e.Args[0], r)
	if t.bad {
		return x
	}
	switch {
	case e.Func == query.Len && x.form == asText:
		return value{form: asInt, sql: []string{"length(" + x.sql[0] + ")"}}
	case e.Func == query.Len && (x.form == asTexts || x.form == asInts):
		return value{form: asInt, sql: []string{"nullif(len(" + x.sql[0] + "), 0)"}}
	case e.Func == query.Lower && x.form == asText:
		return value{form: asText, sql: []string{lower(x.sql[0])}}
	case e.Func == query.Hour && x.form == asTime:
		return value{form: asInt, sql: []string{"hour(" + x.sql[0] + ")"}}
	case e.Func == query.Weekday && x.form == asTime:
		return value{form: asCode, sql: []string{"CAST(isodow(" + x.sql[0] + ") - 1 AS UTINYINT)"}, names: query.Weekdays}
	case e.Func == query.Abs && x.form == asInt:
		return value{form: asInt, sql: []string{"TRY(abs(" + x.sql[0] + "))"}}
	case e.Func == query.Abs && x.form == asFloat:
		return value{form: asFloat, sql: []string{"abs(" + x.sql[0] + ")"}}
	case e.Func == query.ToText && x.form == asText:
		return x
	case e.Func == query.ToText && x.form == asCode:
		return asTextOf(x)
	case e.Func == query.ToText && x.form == asInt:
		return value{form: asText, sql: []string{"CAST(" + x.sql[0] + " AS VARCHAR)"}}
	}
	return t.fail()
}

// callMore translates the functions of more than a value.
func (t *translator) callMore(e *query.Call, r relation) value {
	if e.Func != query.Bucket {
		return t.fail()
	}
	lit, ok := e.Args[1].(*query.Lit)
	x := t.expr(e.Args[0], r)
	if t.bad || !ok || x.form != asTime {
		return t.fail()
	}
	width, ok := lit.Value.(float64)
	step := int64(math.Round(width * 1e6))
	if !ok || step <= 0 || step > math.MaxInt64/4 {
		return t.fail()
	}
	us := "epoch_us(" + x.sql[0] + ")"
	return value{form: asTime, sql: []string{fmt.Sprintf("make_timestamp(%[1]s - ((%[1]s %% %[2]d) + %[2]d) %% %[2]d)", us, step)}}
}

func (t *translator) coalesce(e *query.Call, r relation) value {
	args := make([]value, len(e.Args))
	for i, a := range e.Args {
		args[i] = t.expr(a, r)
	}
	return t.unite(e.Of, args, func(sql []string) string { return "coalesce(" + strings.Join(sql, ", ") + ")" })
}

func (t *translator) choose(e *query.If, r relation) value {
	cond := t.truth(e.Cond, r)
	return t.unite(e.Of, []value{t.expr(e.Then, r), t.expr(e.Else, r)}, func(sql []string) string {
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", cond, sql[0], sql[1])
	})
}

// unite makes one value of several by an expression of theirs, for which they
// must have one form.
func (t *translator) unite(of query.Column, args []value, by func([]string) string) value {
	if t.bad {
		return value{form: opaque}
	}
	for i := range args {
		for j := range args {
			args[i] = t.like(args[i], args[j])
		}
	}
	if of.Enum == nil && args[0].form == asCode { // else it would be ordered as an enumeration
		for i := range args {
			args[i] = t.like(args[i], value{form: asText})
		}
	}
	out := value{form: args[0].form, names: args[0].names}
	for _, a := range args {
		if a.form != out.form || a.form >= opaque {
			return t.fail()
		}
	}
	for half := range args[0].sql {
		var sql []string
		for _, a := range args {
			sql = append(sql, a.sql[half])
		}
		out.sql = append(out.sql, by(sql))
	}
	return out
}

// sortTerms returns the terms of ORDER BY that put rows in the order of a value.
func (t *translator) sortTerms(x value, desc bool) []string {
	direction := "ASC"
	if desc {
		direction = "DESC"
	}
	sql := x.sql
	switch {
	case x.form == asAddr:
		sql = []string{"CASE WHEN " + x.sql[0] + " IS NOT NULL THEN " + isIPv6(x) + " END", x.sql[0], x.sql[1]}
	case x.form >= opaque && x.form != asJSON:
		t.fail()
	}
	var terms []string
	for _, s := range sql {
		terms = append(terms, s+"\x00"+direction+" NULLS LAST")
	}
	return terms
}

func (t *translator) agg(a query.Agg, r relation) value {
	if a.Func == query.Count {
		return value{form: asInt, sql: []string{"count(*)"}}
	}
	if a.Func == query.CountIf {
		return value{form: asInt, sql: []string{"count(*) FILTER (" + t.truth(a.Cond, r) + ")"}}
	}
	x := t.expr(a.X, r)
	if t.bad {
		return x
	}
	switch a.Func {
	case query.DCount:
		return t.distinct(x)
	case query.Sum:
		return t.sum(x)
	case query.Avg:
		return t.average(x)
	case query.Min, query.Max:
		return t.extreme(string(a.Func), x)
	case query.Stdev:
		if x.form <= asFloat {
			return value{form: asFloat, sql: []string{"stddev_pop(" + double(x) + ")"}}
		}
	case query.Values:
		return t.values(x)
	case query.First, query.Last:
		return t.end(a, x, t.expr(a.TS, r))
	case query.Pct:
		if x.form <= asFloat || x.form == asTime || x.form == asText {
			at := fmt.Sprintf("CAST(floor(%s * count(%s)) AS BIGINT)", t.arg(a.Percent/100), x.sql[0])
			return value{form: x.form, sql: []string{fmt.Sprintf("%s[least(%s, count(%s) - 1) + 1]", sortedList(x), at, x.sql[0])}}
		}
	case query.Median:
		if x.form <= asFloat {
			return value{form: asFloat, sql: []string{fmt.Sprintf("CASE WHEN count(%[2]s) %% 2 = 1 THEN CAST(%[1]s[count(%[2]s) // 2 + 1] AS DOUBLE) ELSE (CAST(%[1]s[count(%[2]s) // 2] AS DOUBLE) + CAST(%[1]s[count(%[2]s) // 2 + 1] AS DOUBLE)) / 2 END", sortedList(x), x.sql[0])}}
		}
	}
	return t.fail()
}

func (t *translator) distinct(x value) value {
	switch {
	case x.form == asAddr:
		return value{form: asInt, sql: []string{fmt.Sprintf("count(DISTINCT CASE WHEN %[1]s IS NOT NULL THEN {'h': %[1]s, 'l': %[2]s} END)", x.sql[0], x.sql[1])}}
	case x.form <= asTime:
		return value{form: asInt, sql: []string{"count(DISTINCT " + x.sql[0] + ")"}}
	}
	return t.fail()
}

// sortedList is the list of all values of a group, sorted.
func sortedList(x value) string {
	return fmt.Sprintf("list_sort(list(%[1]s) FILTER (%[1]s IS NOT NULL))", x.sql[0])
}

func (t *translator) sum(x value) value {
	switch x.form {
	case asInt:
		return value{form: asInt, sql: []string{fmt.Sprintf("CASE WHEN count(%[1]s) = 0 THEN 0 WHEN sum(%[1]s) BETWEEN -9223372036854775808 AND 9223372036854775807 THEN CAST(sum(%[1]s) AS BIGINT) END", x.sql[0])}}
	case asFloat:
		return value{form: asFloat, sql: []string{"CASE WHEN count(" + x.sql[0] + ") = 0 THEN 0 ELSE " + units(x) + " END"}}
	}
	return t.fail()
}

func (t *translator) average(x value) value {
	switch x.form {
	case asInt:
		return value{form: asFloat, sql: []string{fmt.Sprintf("CAST(sum(%[1]s) AS DOUBLE) / nullif(count(%[1]s), 0)", x.sql[0])}}
	case asFloat:
		return value{form: asFloat, sql: []string{units(x) + " / nullif(count(" + x.sql[0] + "), 0)"}}
	}
	return t.fail()
}

// units is the sum of floats in whole numbers of 1e-9, which does not depend
// on the order of the rows. One beyond 1e21, as query/exec has it, makes the
// sum missing.
func units(x value) string {
	u := fmt.Sprintf("round(%s * 1e9)", x.sql[0])
	return fmt.Sprintf("(CASE WHEN bool_and(abs(%[1]s) <= 1e30) THEN CAST(sum(CASE WHEN abs(%[1]s) <= 1e30 THEN CAST(%[1]s AS HUGEINT) END) AS DOUBLE) / 1e9 END)", u)
}

// extreme is min or max.
func (t *translator) extreme(f string, x value) value {
	switch {
	case x.form == asAddr:
		return value{form: asAddress, sql: []string{f + "(" + addrKey(x) + ")"}}
	case x.form <= asTime:
		return value{form: x.form, names: x.names, sql: []string{f + "(" + x.sql[0] + ")"}}
	}
	return t.fail()
}

// end is first or last: the least of the pairs of time and value, or the greatest.
func (t *translator) end(a query.Agg, x, ts value) value {
	f := "min"
	if a.Func == query.Last {
		f = "max"
	}
	if t.bad || x.form > asTime || ts.form != asTime {
		return t.fail()
	}
	key, form := x.sql[0], x.form
	if x.form == asAddr {
		key, form = addrKey(x), asAddress
	}
	return value{form: form, names: x.names, sql: []string{fmt.Sprintf("%s({'t': %s, 'v': %s}) FILTER (%[2]s IS NOT NULL AND %[4]s IS NOT NULL)['v']", f, ts.sql[0], key, x.sql[0])}}
}

// values is what the aggregate values is made of: of texts the first in their
// order, of others all there are, since their order as text is another.
func (t *translator) values(x value) value {
	switch x.form {
	case asText:
		return value{form: asValues, of: &value{form: asText}, sql: []string{fmt.Sprintf("list_sort(list(DISTINCT %[1]s) FILTER (%[1]s IS NOT NULL))[1:%[2]d]", x.sql[0], query.MaxValues)}}
	case asInt, asBool, asTime, asFloat, asCode:
		return value{form: asValues, of: &value{form: x.form, names: x.names}, sql: []string{fmt.Sprintf("list(DISTINCT %[1]s) FILTER (%[1]s IS NOT NULL)", x.sql[0])}}
	case asAddr:
		return value{form: asValues, of: &value{form: asAddress}, sql: []string{fmt.Sprintf("list(DISTINCT %s) FILTER (%s IS NOT NULL)", addrKey(x), x.sql[0])}}
	}
	return t.fail()
}
