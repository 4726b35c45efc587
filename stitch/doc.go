// Package stitch makes conversations of flow records: it joins the two halves
// of each, adds up the slices in which exporters tell long ones, and counts
// once what several exporters told. It is to flow records what package meter
// is to packets.
//
// # Conversations
//
// Records belong together by addresses, protocol and ports, for ICMP the type
// with that of its answer, whichever exporter, domain or routing instance they
// come from (see keyOf), and by time: a record goes on with a conversation if
// it begins within a gap of its end and tells no new SYN. The gap is the
// exporter's active timeout and 5 seconds; for TCP with flags not less than the
// meter's five minutes, for other protocols two minutes. So neither a cut at
// the active nor one at the inactive timeout makes a start (slice 0) that the
// traffic did not have, with one exception: while one half of a conversation by
// UDP stays in the exporter for its active timeout, pauses of the other half
// beyond two minutes are taken for ends.
//
// Long ones are told in slices of at least Config.Active, as the meter does;
// records longer than that come as they are, never split.
//
// Who began is what the exporter says, else what flags say, else the order of
// the two halves where one exporter told both, and only then a guess by the
// ports, which is marked. The state is what flags, whose order is not told,
// allow; there is no history.
//
// A direction that was not told was silent if the other is TCP that never
// acknowledged anything, if a biflow says so, or if its exporter usually tells
// both directions; otherwise, and always where packets were sampled, the flow
// is marked as half.
//
// # Several exporters
//
// Of each direction the counters of the exporter that told it first are used,
// and of its ingress and egress those that came first, until it has been silent
// for its active timeout and Config.Wait; then another takes over, and what it
// told meanwhile stays left out. Its word on names, flags and actions counts in
// any case.
//
// # Time
//
// Times of flows are those of the records. When a flow is emitted goes by the
// clock of arrival, so that an exporter whose clock is wrong is put together
// all the same: Config.Linger after the latest record if both halves have come
// and the conversation is over or has filled a record, else Config.Wait. What
// is due at once is emitted in the order in which it ended.
//
// After that a conversation is remembered for as long as a record may come that
// goes on with it or tells it once more.
//
// # Bounds
//
// At most MaxFlows conversations are kept, emitted ones that are remembered
// among them. At the limit these are forgotten first, then what is due next is
// emitted early: nothing is lost from the sums, but halves that come later are
// flows of their own, marked as halves, and what was cut may look like a start.
// Whoever can send records, or cause traffic with ever new ports, can bring
// that about; Counters.Early and Forgotten tell. What records tell beyond
// addresses and counters is kept up to MaxMoreBytes, and left out beyond it.
package stitch
