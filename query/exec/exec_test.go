package exec

import (
	"context"
	"errors"
	"iter"
	"math"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

func parse(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return q
}

// TestIntegers compares integer arithmetic with that of math/big.
func TestIntegers(t *testing.T) {
	corner := []int64{0, 1, -1, 2, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, 1 << 32, -1 << 32, 3037000500}
	for _, a := range corner {
		for _, b := range corner {
			for op, f := range map[byte]func(z, x, y *big.Int) *big.Int{'+': (*big.Int).Add, '-': (*big.Int).Sub, '*': (*big.Int).Mul} {
				var want any
				if n := f(new(big.Int), big.NewInt(a), big.NewInt(b)); n.IsInt64() {
					want = n.Int64()
				}
				if got := integers(op, a, b); got != want {
					t.Errorf("%d %c %d = %v, want %v", a, op, b, got, want)
				}
			}
		}
	}
}

// TestSum compares sums with those of math/big, in any order.
func TestSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ints := rapid.SliceOfN(rapid.Int64(), 1, 50).Draw(t, "ints")
		want := new(big.Int)
		s := sum{x: cell0, of: weir.Int}
		for _, n := range ints {
			want.Add(want, big.NewInt(n))
			s.add(&row{query.Row{n}})
		}
		if got := s.result(); want.IsInt64() && got != want.Int64() || !want.IsInt64() && got != nil {
			t.Errorf("sum of %v = %v, want %v", ints, got, want)
		}
		floats := rapid.SliceOfN(rapid.Float64Range(-1e15, 1e15), 1, 50).Draw(t, "floats")
		exact := new(big.Float).SetPrec(200)
		a, b := sum{x: cell0, of: weir.Float}, sum{x: cell0, of: weir.Float}
		for i, f := range floats {
			exact.Add(exact, new(big.Float).SetFloat64(math.Round(f*1e9)))
			a.add(&row{query.Row{f}})
			b.add(&row{query.Row{floats[len(floats)-1-i]}})
		}
		w, _ := exact.Float64()
		w /= 1e9
		got := a.result().(float64)
		if got != b.result() {
			t.Errorf("sum of %v = %v, backwards %v", floats, got, b.result())
		}
		if math.Abs(got-w) > 1e-15*math.Abs(w) {
			t.Errorf("sum of %v = %v, want %v", floats, got, w)
		}
	})
	for _, f := range []float64{1e22, -1e22} {
		s := sum{x: cell0, of: weir.Float}
		s.add(&row{query.Row{f}})
		if got := s.result(); got != nil {
			t.Errorf("sum of %v = %v, want missing", f, got)
		}
	}
}

func cell0(v values) any { return v.Value(0) }

// TestLike compares the matching of patterns with that of an equal regular
// expression.
func TestLike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune(`abAB%_\日`)), 0, 12, -1).Draw(t, "s")
		pattern := query.LowerASCII(rapid.StringOfN(rapid.SampledFrom([]rune(`abAB%%_\日`)), 0, 8, -1).Draw(t, "pattern"))
		var re strings.Builder
		re.WriteString("(?s)^")
		escaped := false
		for _, c := range pattern {
			switch {
			case escaped || c != '%' && c != '_' && c != '\\':
				re.WriteString(regexp.QuoteMeta(string(c)))
				escaped = false
			case c == '%':
				re.WriteString(".*")
			case c == '_':
				re.WriteString(".")
			default:
				escaped = true
			}
		}
		if escaped { // a \ at the end stands for itself
			re.WriteString(`\\`)
		}
		re.WriteString("$")
		want := regexp.MustCompile(re.String()).MatchString(query.LowerASCII(s))
		if got := like(query.LikePattern, pattern)(s); got != want {
			t.Errorf("%q like %q: got %v, want %v", s, pattern, got, want)
		}
		small := query.LowerASCII(s)
		for op, f := range map[query.LikeOp]func(s, sub string) bool{query.Contains: strings.Contains, query.StartsWith: strings.HasPrefix, query.EndsWith: strings.HasSuffix} {
			if got, want := like(op, pattern)(s), f(small, pattern); got != want {
				t.Errorf("%q, way %d, %q: got %v, want %v", s, op, pattern, got, want)
			}
		}
	})
}

// TestLikeHostile checks that many wildcards do not cost more than length
// times pattern.
func TestLikeHostile(t *testing.T) {
	match := like(query.LikePattern, strings.Repeat("%a", 200)+"b")
	begin := time.Now()
	if match(strings.Repeat("a", 20_000)) {
		t.Error("a…a matches a pattern that ends in b")
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestRunTail runs stages alone over the rows of a head that somebody else
// has computed.
func TestRunTail(t *testing.T) {
	q := parse(t, "stats n = count() by app | where n > 1 | sort -n | extend m = n * 2 | select app, m")
	head := q.Stages[0]
	rows := []query.Row{{"dns", int64(1)}, {"ssh", int64(2)}, {nil, int64(5)}, {"tls", int64(5)}}
	var got []query.Row
	for r, err := range Run(context.Background(), &Env{}, q.Stages[1:], Input{Columns: head.Columns(), Rows: seq(rows, nil)}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	want := []query.Row{{"tls", int64(10)}, {nil, int64(10)}, {"ssh", int64(4)}}
	if !slices.EqualFunc(got, want, func(a, b query.Row) bool { return slices.Equal(a, b) }) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestRunOrdered checks that head takes the rows as they come where a sort
// came before, and in row order where none did.
func TestRunOrdered(t *testing.T) {
	q := parse(t, "stats n = count() by app | sort -n | head 1")
	for ordered, want := range map[bool]string{true: "x", false: "a"} {
		in := Input{Columns: q.Columns, Rows: seq([]query.Row{{"x", int64(1)}, {"a", int64(2)}}, nil), Ordered: ordered}
		for r, err := range Run(context.Background(), &Env{}, q.Stages[2:], in) {
			if err != nil || r[0] != want {
				t.Errorf("head 1 of rows with order %v: got %v, %v; want %s", ordered, r, err, want)
			}
		}
	}
}

// TestRunError checks that an error of the rows ends the answer with it,
// whatever the stages.
func TestRunError(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"head 5", "sort app", "dedup app", "where app = x", "extend x = 1", "select app", "stats n = count()", "top 3 app"} {
		q := parse(t, "select app | "+text)
		in := Input{Columns: q.Stages[0].Columns(), Rows: seq([]query.Row{{"x"}}, broken)}
		var last error
		for _, err := range Run(context.Background(), &Env{}, q.Stages[1:], in) {
			last = err
		}
		if last != broken {
			t.Errorf("%s: got error %v, want %v", text, last, broken)
		}
	}
}

func seq(rows []query.Row, err error) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		for _, r := range rows {
			if !yield(slices.Clone(r), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func someFlow() *weir.Flow {
	return &weir.Flow{
		Start: time.Unix(1.7e9, 0).UTC(), End: time.Unix(1.7e9+5, 0).UTC(), Duration: 5 * time.Second,
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.9"), SrcPort: 50000, DstPort: 443,
		Proto: weir.TCP, App: "tls", State: weir.StateSF, Direction: weir.Outbound, BytesUp: 1000, BytesDown: 90000,
		TLS: &weir.TLS{SNI: "www.example.com"},
	}
}

func TestFilter(t *testing.T) {
	f := someFlow()
	for text, want := range map[string]bool{
		"app = tls and dst.port = 443 and bytes > 90KB":          true,
		"src.ip in 10.0.0.0/8 and not dst.ip in (203.0.113.10)":  true,
		"app = tls and dst.port = 444":                           false,
		`tls.sni:*.EXAMPLE.com and dur >= 5s and "www.exam"`:     true,
		"local(src.ip) and not local(dst.ip) and dir = outbound": true,
		"missing src.host and state in (SF, S1)":                 true,
	} {
		test, err := Filter(&Env{Local: query.Private}, parse(t, text).Filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := test(f); got != want {
			t.Errorf("%q of %+v: got %v, want %v", text, f, got, want)
		}
	}
	all, err := Filter(&Env{}, nil)
	if err != nil || !all(f) {
		t.Errorf("no filter: got %v, want all records", err)
	}
}

func BenchmarkFilter(b *testing.B) {
	test, err := Filter(&Env{}, parse(b, "app = tls and dst.port = 443 and src.ip in 10.0.0.0/8 and bytes.down > 10KB").Filter)
	if err != nil {
		b.Fatal(err)
	}
	f := someFlow()
	b.ReportAllocs()
	for b.Loop() {
		if !test(f) {
			b.Fatal("want true")
		}
	}
}
