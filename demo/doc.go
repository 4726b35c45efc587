// Package demo makes a synthetic office network: 37 days of its conversations
// and DNS look-ups, with attacks planted in it and honest traffic that looks
// like them. Nothing in it is real: see [Notice].
//
// [Records] gives the records of all days as a meter and an exporter would
// have sent them, [WritePcap] the packets of two hours of the last day. What
// is planted is listed by [Plants], what only looks so by [LookAlikes]. Both
// follow from a seed alone: the same seed gives the same bytes.
//
// Addresses outside are those of RFC 5737 and RFC 3849, names those of RFC
// 2606, autonomous systems those of RFC 5398. The records are filled as far as
// a sensor fills them: names, groups and directions are left to the enrichers.
// As with most exporters, DNS stands in the dns table only and has no flow
// beside it.
//
// Beside the flows stand what logs would tell: Kerberos tickets, what is done
// to shares, calls that make services, and HTTP requests.
package demo

import "time"

// Notice says that nothing of the demo is real; whoever shows the demo shows
// this with it.
const Notice = "Demo data: a synthetic office network. Nothing here is real: no host, no name, no attack."

// Days is how many days the demo covers. The attacks lie in the last three,
// most of them in the last.
const Days = 37

// Seed is the seed of the demo where nobody asks for another.
const Seed = 7

const day = 24 * time.Hour

// End returns when the demo ends, midnight after its last day.
func End() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }

// Start returns when the demo begins.
func Start() time.Time { return End().Add(-Days * day) }

// LastDay returns when the last day of the demo begins, a Saturday on which
// the office works.
func LastDay() time.Time { return End().Add(-day) }
