// Package query is the hunting language: its text, its syntax tree, and the
// check of a tree against the fields of the records. It does not know how any
// store answers, but says here what every store must answer.
//
// # Values
//
// A value is of one of the types of [weir.Type], a list of such values, or a
// record (what period gives). Any value may be missing. Times are kept to the
// microsecond; durations are seconds in double precision; integers have 64
// bits.
//
// Values of one type are ordered: numbers by size, strings by their bytes,
// false before true, IPv4 addresses before IPv6 and then by their bytes, times
// as they pass, the values of an enumeration in its order ("severity >= high"),
// lists and records by their first unequal element, a shorter list before a
// longer one that begins with it. In any sorting, missing comes last, also
// where it is descending.
//
// Equality of strings is of bytes. In "like", "contains", "starts_with",
// "ends_with", a text search and a short form with "*", letters A to Z are the
// same as a to z; no others are. "~" is RE2 and minds case unless the flag i
// is given. Values of an enumeration may be typed in any case.
//
// A text search looks into every column of strings and of addresses, but not
// into those marked Slow, such as the Community ID, which is computed.
//
// # Missing values
//
// A comparison with a missing value is false, but for "!=", which is true
// unless both sides are missing. Missing is in no set, so "not in" is true of
// it, and matches no expression, so "!~" is true. "not" turns false into true
// as always: there is no third truth value. "has" is false of missing and of
// the empty string. Arithmetic with a missing value is missing, as is a
// function whose first argument is.
//
// "by" makes missing a group like any other; aggregates skip missing values.
//
// # Lists
//
// A condition on a list field (answer, ttl) is true if it is for any element;
// "!=", "!~" and "not in" are true if no element is equal, matches, is in the
// set. An empty list is missing. A sub-query behind "in" stands for all its
// elements. dcount and values count elements; everywhere else (by, dedup,
// select, sort, any, first, last) a list is one value.
//
// # Arithmetic
//
// "+", "-" and "*" of integers are integers, "/" is always a float. A result
// that does not fit (an integer of more than 64 bits, a float that is infinite)
// is missing, as is what is divided by 0. Integers are made floats where the
// other side is one. The difference of two times is a duration; a number next
// to a duration or a time is seconds. "20%" is 0.2, KB is 1000, KiB is 1024.
// A size or a count is an integer if it is whole.
//
// # Aggregates
//
// A sum of integers is exact, and missing if it does not fit. Floats and
// durations are summed as whole numbers of 1e-9, each rounded half away from
// zero, so that the sum does not depend on the order (one beyond 1e21 makes it
// missing); avg is that sum, or the
// exact one of integers as a double, divided by the count. stdev is that of the
// population, and alone of all values may differ between stores, in its last
// digits (a relative error of 1e-9). median is the average of the middle two,
// a float; pct(x, p) is element floor(p/100*n), counted from 0 and n-1 at most,
// of the n sorted values, where p/100*n is computed in doubles from left to
// right; p95 is pct(x, 95). dcount is exact. values is texts ([Text]), sorted
// by their bytes, distinct, the first 20.
//
// first and last take the value at the least and greatest ts; of several there,
// the least and the greatest value. any is first, or min where the rows have
// no ts any more.
//
// period(ts) is a record: n, the number of times; interval, the median gap in
// seconds; jitter, the median absolute deviation of the gaps from it, divided
// by it; coverage, the share of the window between the first and the last
// time (where the window has no bound, that of the records); score, that of
// internal/periodic. With fewer than 9 times, interval and jitter are missing,
// coverage and score 0.
//
// # Order
//
// Row order is the order of rows as lists of their values: by the first
// column, then the second, and so on. sort puts rows in the order of its keys
// and, where these are equal, in row order. top, rare and timechart sort. What
// follows keeps the order, but for stats, which leaves none. head and dedup
// take the first rows of the order there is, else of row order: of records
// that is by ts first. An answer without order may come in any.
//
// # Records of other times
//
// new(k, …, span) is true of a row whose values of the fields k no record of
// the table has had together in the span, 30 days if not given, that ends where
// the window begins; known is its opposite. Here missing is a value, equal to
// itself; a list stands for each of its elements, and is known if one is.
// first_seen(k, …) is the ts of the first of all records that have the values.
// prevalence(f) is the number of local hosts (by src.ip) that have used the
// value in the 30 days that end with the window; 0 for missing.
//
// usual(x), after a stats, is the 95th percentile of the aggregate x of the
// same groups in the windows of equal length before this one: up to 30 of them
// and 30 days, but not beyond the table's first record. All stages before the
// stats count there too. A group that a window lacks is 0 in it. With fewer
// than 7 windows usual is missing.
//
// "then (q) within d by k" gives each row the first row of q with the same
// values of k (missing equal to missing), at its ts or up to d later: gap is
// the time between, and its columns follow as then.NAME. Of several at one
// time it is the first in row order. Rows without one go. A record that q
// also finds is followed by itself.
//
// The answer notes where history is shorter than what is looked back at.
//
// # Named lists
//
// "in @list:NAME" looks in a list of the [Ask], "in @NAME" too; "in @intel" in
// all indicators, "in @intel:SOURCE" in those of one source, "in @sensors:T"
// among the sensors that have records of table T in the window. A list holds
// addresses, networks, text and numbers: of these, those count that can be a
// value of the field. An address or network counts for text that spells an
// address. Entries count up to the end of the window asked for: one that
// expires before it does not. "lookup @NAME on f" adds the columns list, the
// name, and listed, whether f is in it.
//
// # Names of other tools
//
// Fields and stages may be called as other tools do, and are written in the
// language when they are printed. Zeek's orig_bytes and resp_bytes count
// payload, which is data.up and data.down here; they stand for bytes.up and
// bytes.down all the same, because most exports of flows do not tell payload,
// and a question must not be false of all their records without a word.
//
// # Windows
//
// A query is asked of the records whose ts lies in a window, its begin
// included, its end not. "since" and "until" in the text win over the window
// of who asks; their durations count back from the end of the window asked
// for, also in a sub-query. A sub-query that says none has the window of its
// query.
package query
