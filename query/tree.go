package query

import (
	"net/netip"
	"regexp"
	"time"

	"github.com/weir-nta/weir"
)

// A Query is a question that has been parsed and checked: the checked tree,
// in which no name is left to look up. Short forms, aliases and two-sided
// names have been written out in it (src:10.0.0.1, "port = 443", "top 5 app"),
// fields are positions in the row and literals are values, so that a store
// translates few kinds of node and asks for no name. What the nodes mean is
// told in the package comment.
//
// A row begins as the columns of Table in their order, and each stage says
// what columns leave it.
type Query struct {
	Table  *weir.Table
	Since  *Moment // nil: the window of who asks
	Until  *Moment // nil: the end of that window
	Filter Pred    // nil: every record
	Stages []Stage
	// Columns are those of the answer.
	Columns []Column
	// Render is advice to the screen, nil if there is none.
	Render *Render
	// Warnings say what is allowed and hardly meant: a term that is never true.
	Warnings []Diagnostic
	// Lists are the named lists that the question needs of who asks, those of
	// its sub-queries included.
	Lists []ListName

	syntax *syntax
	text   string // as it was typed; empty in a sub-query
}

// A ListName is the name of a list where it stands in the text.
type ListName struct {
	Span
	Name string // @list:scanners, @intel
}

// A Span is a piece of the text: where it begins and its length, in bytes.
type Span struct{ Pos, Len int }

// At returns s. It makes every node that embeds a Span say where it stands.
func (s Span) At() Span { return s }

// A Moment is an end of a window: Ago before the end of the window asked for,
// or At, if that is not the zero time.
type Moment struct {
	Span
	Ago time.Duration
	At  time.Time
}

// A Render names a way to draw the answer, such as "scatter", and what to draw where.
type Render struct {
	Span
	Kind    string
	Options []RenderOption
}

// A RenderOption gives one column of the answer a role, such as that of "x".
type RenderOption struct {
	Key    string
	Column int
}

// A Pred is a condition: *And, *Or, *Not, *Compare, *Between, *Match, *Like,
// *In, *Known, *Has or *Local. It is true or false of every row, never unknown.
type Pred interface {
	At() Span
	pred()
}

// An And is true if all of List are. It has two or more.
type And struct {
	Span
	List []Pred
}

// An Or is true if any of List is. It has two or more.
type Or struct {
	Span
	List []Pred
}

// A Not is true if X is false.
type Not struct {
	Span
	X Pred
}

// An Op is a comparison.
type Op uint8

// The comparisons.
const (
	EQ Op = iota
	NE
	LT
	LE
	GT
	GE
)

// String returns the operator as it is written.
func (o Op) String() string { return [...]string{"=", "!=", "<", "<=", ">", ">="}[o] }

// A Compare compares X with Y, whose types the checker has made comparable:
// the same, or both numbers (int, float, duration). X may be a list: then it
// is true if it is for any element, and for NE, if no element equals Y. A
// missing X or Y makes it false, but NE true unless both are missing.
type Compare struct {
	Span
	Op   Op
	X, Y Expr
}

// A Between is true if Lo <= X <= Hi; of a list X, for any element.
type Between struct {
	Span
	X, Lo, Hi Expr
}

// A Match is true if Re, in RE2 syntax, matches anywhere in the string X; of
// a list, in any element.
type Match struct {
	Span
	X  Expr
	Re *regexp.Regexp
	// Source is the expression as it was written, without its flags.
	Source string
	// Fold says that case is ignored: the flag i, which Re has in it.
	Fold bool
}

// A LikeOp is a way to compare text.
type LikeOp uint8

// The ways to compare text.
const (
	Contains LikeOp = iota
	StartsWith
	EndsWith
	LikePattern // % stands for any characters, _ for one, \ takes the meaning from what follows
)

// A Like compares the string X with Pattern, letters A to Z as their small
// ones; of a list, any element. Pattern has them small already.
type Like struct {
	Span
	Op      LikeOp
	X       Expr
	Pattern string
}

// An In is true if the value of X is one of Values or, if it is an address,
// lies in one of Prefixes; if Sub is set, if the values of Xs are a row of its
// answer; if List is set, if the named list of the Ask holds the value. Xs has
// one element unless Sub is set. A missing value is in no set.
// Of a list, it is true if it is for any element, and a list in a row of Sub
// stands for as many rows as it has elements.
//
// The types of Values are that of X, and those of the columns of Sub are
// those of Xs, int and float being as good as each other. How the text of a
// named list is read is told at [Ask.Set].
type In struct {
	Span
	Xs       []Expr
	Values   []any
	Prefixes []netip.Prefix
	Sub      *Query
	List     string // as typed: @list:scanners
}

// A Known is true if the values of Xs stand in a row of the answer to Seen,
// which is asked of the time Over before the window of the query begins. Here
// missing is a value like any other, and equal to itself. A list among Xs or
// in a row of Seen stands for each of its elements, an empty one for missing.
// Without a begin of the window nothing is known.
type Known struct {
	Span
	Xs   []Expr
	Over time.Duration
	Seen *Query // distinct rows of the columns, of types as Xs
	Text string // the condition in canonical form, to be named in notes
}

// A Has is true if X is not missing, nor the empty string.
type Has struct {
	Span
	X Expr
}

// A Local is true if the address X lies in one of the local networks of the Ask.
type Local struct {
	Span
	X Expr
}

// An Expr is a value computed from a row: *Col, *Part, *Lit, *Arith, *Call, *If
// or *Past.
type Expr interface {
	At() Span
	// Column describes the values, as a column of them would be; its name is
	// set for a Col and a Part only.
	Column() Column
	expr()
}

// A Col is the value of column Index of the row.
type Col struct {
	Span
	Index int
	Of    Column
}

// A Part is part Index of the record-valued column X, such as the score of period.
type Part struct {
	Span
	X     *Col
	Index int
	Of    Column
}

// A Lit is a value that stands in the text, of the Go type that Of.Type names.
type Lit struct {
	Span
	Value any
	Of    Column
}

// An Arith is X Op Y, where Op is one of + - * /. Missing values make it
// missing, as do division by zero and a result that does not fit its type.
type Arith struct {
	Span
	Op   byte
	X, Y Expr
	Of   Column
}

// A Func is a function of values, named as in the language; Addr and Text are
// put in by the checker.
type Func string

// The functions. All but Coalesce are missing if their first argument is.
const (
	Entropy  Func = "entropy"  // bits per character of a string, 0 if empty
	Len      Func = "len"      // characters of a string, elements of a list
	Lower    Func = "lower"    // A to Z made small
	Apex     Func = "apex"     // registered domain of a name by the Public Suffix List, else the name
	Subnet   Func = "subnet"   // text of the network of an address, of so many bits (a Lit); missing if it has fewer
	Hour     Func = "hour"     // 0 to 23 of a time, UTC
	Weekday  Func = "weekday"  // mon to sun of a time, UTC; an enumeration, see Weekdays
	Bucket   Func = "bucket"   // time cut to a multiple of a duration (a Lit) since 1970
	Abs      Func = "abs"      // of a number
	Coalesce Func = "coalesce" // the first argument that is not missing
	ToAddr   Func = "addr"     // the address that a string spells, missing if it spells none; of a list, of each element
	ToText   Func = "text"     // a value as text, see Text; of a list, of each element

	// Those of a Past.
	FirstSeen  Func = "first_seen"
	Prevalence Func = "prevalence"
	Usual      Func = "usual"
)

// Weekdays are the values of weekday in their order.
var Weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// A Call is a function applied.
type Call struct {
	Span
	Func Func
	Args []Expr
	Of   Column
}

// An If is Then where Cond is true, else Else.
type If struct {
	Span
	Cond       Pred
	Then, Else Expr
	Of         Column
}

// A Past is what the records of other times tell of a row: the first columns
// of the answer to Query are the keys, which Xs are compared with as those of
// a Known are, and Value is the column that is wanted.
//
//   - first_seen: Query is asked of all records; missing where it has no row.
//   - prevalence: of the [PrevalenceOver] before the end of the window; 0
//     where it has no row.
//   - usual: of each of the windows of equal length before that of the query,
//     [MaxUsual] of them, nor beyond [UsualOver] or the first record of the table. It is
//     the 95th percentile of the values, as pct has it, a missing row or value
//     being 0; missing where there are fewer than [MinUsual] such windows.
type Past struct {
	Span
	Func  Func
	Xs    []Expr
	Query *Query
	Value int
	Text  string // in canonical form, to be named in notes
	Of    Column
}

// Bounds of what the functions of a Past look at.
const (
	PrevalenceOver = 30 * 24 * time.Hour
	UsualOver      = 30 * 24 * time.Hour
	MaxUsual       = 30
	MinUsual       = 7
)

// A Stage changes the rows: *Where, *Stats, *Extend, *Select, *Dedup, *Sort,
// *Head or *Then. Stages other than Sort keep the order of rows, but Stats
// leaves none.
type Stage interface {
	At() Span
	// Columns are those of the rows that leave the stage.
	Columns() []Column
	stage()
}

// A Where keeps the rows of which Pred is true.
type Where struct {
	Span
	Pred Pred
	Cols []Column
}

// A Stats makes one row of each group of rows: first the values of By, then
// the aggregates. Rows are of one group if all of By are equal, missing being
// equal to missing. Without By there is one group, even of no rows.
type Stats struct {
	Span
	By   []Expr
	Aggs []Agg
	Cols []Column
}

// An AggFunc is a function of a group of values, named as in the language.
type AggFunc string

// The aggregates. Those of X skip missing values and are missing if there are
// no others, but Count, CountIf, DCount, Sum (0) and Period.
const (
	Count   AggFunc = "count"    // rows
	CountIf AggFunc = "count_if" // rows of which Cond is true
	DCount  AggFunc = "dcount"   // distinct values, of a list its elements; exact
	Sum     AggFunc = "sum"
	Min     AggFunc = "min"
	Max     AggFunc = "max"
	Avg     AggFunc = "avg"
	Median  AggFunc = "median" // average of the middle two
	Pct     AggFunc = "pct"    // element floor(Percent/100*n) of the n sorted values, the last at most
	Stdev   AggFunc = "stdev"  // of the population
	Values  AggFunc = "values" // texts of distinct values, of a list its elements, sorted, the first MaxValues
	First   AggFunc = "first"  // value at the least TS, of these the least
	Last    AggFunc = "last"   // value at the greatest TS, of these the greatest
	Period  AggFunc = "period" // record of the regularity of times, see PeriodFields
)

// MaxValues is how many values the aggregate values keeps.
const MaxValues = 20

// PeriodFields are the parts of what period gives, by their index.
var PeriodFields = []Column{
	{Name: "n", Type: weir.Int},
	{Name: "interval", Type: weir.Duration},
	{Name: "jitter", Type: weir.Float},
	{Name: "coverage", Type: weir.Float},
	{Name: "score", Type: weir.Float},
}

// An Agg is an aggregate of a group. p95 is Pct with 95; any is First where
// the rows have a ts, else Min.
type Agg struct {
	Span
	Func    AggFunc
	X       Expr    // nil for Count and CountIf
	Cond    Pred    // of CountIf
	Percent float64 // of Pct, 0 to 100
	TS      Expr    // of First and Last; rows where it is missing do not count
	Of      Column
}

// An Extend gives rows more columns, or other values in columns they have.
// All of Set see the row as it came.
type Extend struct {
	Span
	Set  []Assign
	Cols []Column
}

// An Assign puts X into column Index, a new one if there is none yet.
type Assign struct {
	Index int
	X     Expr
}

// A Select makes rows of the values of Exprs.
type Select struct {
	Span
	Exprs []Expr
	Cols  []Column
}

// A Dedup keeps, of the rows with equal values of By, the first: in the order
// of the Sort before it, else in row order.
type Dedup struct {
	Span
	By   []Expr
	Cols []Column
}

// A Sort puts the rows in the order of Keys, then in row order.
type Sort struct {
	Span
	Keys []SortKey
	Cols []Column
}

// A SortKey is a value to sort by. Missing values come last either way.
type SortKey struct {
	X    Expr
	Desc bool
}

// A Head keeps the first N rows: in the order of the Sort before it, else in
// row order, in which it leaves them.
type Head struct {
	Span
	N    int64
	Cols []Column
}

// A Then gives each row the next row of another answer that has the same keys:
// the one at the least time that is not before TS, nor more than Within after
// it; of several at that time, the first in row order of the columns that are
// used. Missing keys are equal. Rows without one, or without TS, go. The
// columns are those of the rows, then "gap", the time between in seconds, and
// those of Sub but its ts, their names begun with "then.". Those that the row
// has by that name already are covered: Gap and Put say which column of Cols
// each goes to.
type Then struct {
	Span
	Sub    *Query
	Within time.Duration
	By     []Expr // of the row
	TS     Expr   // of the row
	SubBy  []int  // columns of Sub
	SubTS  int    // column of Sub
	Gap    int
	Put    []int // for each column of Sub, -1 for its ts
	Cols   []Column
}

func (*And) pred()     {}
func (*Or) pred()      {}
func (*Not) pred()     {}
func (*Compare) pred() {}
func (*Between) pred() {}
func (*Match) pred()   {}
func (*Like) pred()    {}
func (*In) pred()      {}
func (*Known) pred()   {}
func (*Has) pred()     {}
func (*Local) pred()   {}

func (*Col) expr()   {}
func (*Part) expr()  {}
func (*Lit) expr()   {}
func (*Arith) expr() {}
func (*Call) expr()  {}
func (*If) expr()    {}
func (*Past) expr()  {}

// Column implements [Expr].
func (e *Col) Column() Column { return e.Of }

// Column implements [Expr].
func (e *Part) Column() Column { return e.Of }

// Column implements [Expr].
func (e *Lit) Column() Column { return e.Of }

// Column implements [Expr].
func (e *Arith) Column() Column { return e.Of }

// Column implements [Expr].
func (e *Call) Column() Column { return e.Of }

// Column implements [Expr].
func (e *If) Column() Column { return e.Of }

// Column implements [Expr].
func (e *Past) Column() Column { return e.Of }

func (*Where) stage()  {}
func (*Stats) stage()  {}
func (*Extend) stage() {}
func (*Select) stage() {}
func (*Dedup) stage()  {}
func (*Sort) stage()   {}
func (*Head) stage()   {}
func (*Then) stage()   {}

// Columns implements [Stage].
func (s *Where) Columns() []Column { return s.Cols }

// Columns implements [Stage].
func (s *Stats) Columns() []Column { return s.Cols }

// Columns implements [Stage].
func (s *Extend) Columns() []Column { return s.Cols }

// Columns implements [Stage].
func (s *Select) Columns() []Column { return s.Cols }

// Columns implements [Stage].
func (s *Dedup) Columns() []Column { return s.Cols }

// Columns implements [Stage].
func (s *Sort) Columns() []Column { return s.Cols }

// Columns implements [Stage].
func (s *Head) Columns() []Column { return s.Cols }

// Columns implements [Stage].
func (s *Then) Columns() []Column { return s.Cols }
