package query

import (
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
)

// An Ask is a question put to a store.
type Ask struct {
	Query *Query
	// From and To bound the records by their ts, From included, To not; the
	// zero time is no bound. A "since … until" in the text wins; its durations
	// count back from To or, if that is zero, from just after the last record
	// of the store's span.
	From, To time.Time
	// Local are the networks of the predicate local; nil stands for [Private].
	Local []netip.Prefix
	// Lists are the named lists; nil stands for none.
	Lists *Lists
	// Summary, if not nil, is filled when the sequence of rows has ended.
	Summary *Summary
}

// A Summary says how an answer came about and whether it is complete.
type Summary struct {
	Scanned  int64     // records in the window that were looked at
	Matched  int64     // rows of the answer before any limit of the caller
	From, To time.Time // the window asked, after the text's own since and until
	Complete bool      // no budget, limit or error cut the answer
	Notes    []string  // what the reader must know: "history is shorter than 30d"
	Plan     string    // what a store did, for explain: its SQL and the stages left to do after it
}

// A Row is one row of an answer: the values of Query.Columns in their order,
// each nil if missing, else of the Go type that weir.Type names. A value of
// the type Record is a [Record].
type Row []any

// A Column is one column of an answer.
type Column struct {
	Name string
	Type weir.Type
	List bool     // values are []any of Type
	Enum []string // set if the values are of an enumeration, in its order
	Unit string
	// Fields is set for a record-valued column, such as that of period.
	Fields []Column
}

// A Record is a value made of named parts, such as that of period.
type Record []any

// Private are the networks that the predicate private knows, and local where
// the asker names none: RFC 1918, unique local (RFC 4193) and link-local.
var Private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"),
}

// LocalNetworks returns the networks of the predicate local.
func (a *Ask) LocalNetworks() []netip.Prefix {
	if a.Local == nil {
		return Private
	}
	return a.Local
}

// Window returns the window of q, a sub-query or the query of the ask, given
// that of the query around it, or of the ask. Its durations count back from
// now, the end of the window asked for.
func (q *Query) Window(from, to, now time.Time) (time.Time, time.Time) {
	if q.Since == nil {
		return from, to
	}
	from, to = q.Since.time(now), now
	if q.Until != nil {
		to = q.Until.time(now)
	}
	return from, to
}

func (m *Moment) time(now time.Time) time.Time {
	if !m.At.IsZero() {
		return m.At
	}
	return now.Add(-m.Ago)
}
