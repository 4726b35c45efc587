// Package meter turns packets into flows and transactions, as RFC 7011 says a
// metering process does: by key, with an idle and an active timeout.
//
// # Conversations
//
// A conversation is what two endpoints send each other with the same
// addresses, protocol and ports; for ICMP the type (with that of its answer,
// or with the code where there is none) and the identifier stand for the
// ports. Neither VLAN nor tunnel tells conversations apart. Src is who began:
// the sender of the SYN, else of the first packet, unless its port shows that
// the beginning was missed (see flipped); the history then begins with ^.
//
// TCP connections go through the states of Zeek, step by step in its order, so
// that conn_state and history mean what Zeek's documentation says. What
// differs: checksums are not verified (C), and a gap (G) is told by sequence
// numbers, so that packets cut by the snaplen make none.
//
// # Time
//
// The only clock is the traffic's: the latest time stamp seen. A packet late by
// less than an hour is metered with its own time; a larger step waits for the
// next packet to confirm it (see believe).
//
// A conversation ends when it has been idle (TCP 5 minutes, others 1 minute),
// when a SYN was not answered for 5 s, 5 s after both ends have sent FIN or one
// has sent RST (100 ms where the RST follows its own FIN), when a new SYN
// takes its ports, or with the input. One that lasts longer than the active timeout is
// told in slices: the first packet after it is over makes the record of what
// came before and begins the next slice. A record without packets is never
// made, so the sums over all records are the sums over all packets.
//
// # Names
//
// The first octets of each direction of a TCP connection are shown to the
// recognisers, and all of them to the reader of their protocol if there is one
// (readers.go), from the packet itself as long as that suffices. Otherwise they
// are put in order in a buffer that goes back to its pool as soon as nothing more
// is wanted. Where two copies of octets in such a buffer differ, the first wins
// and an oddity is reported. What was missed is told to the reader as soon as the
// other end has acknowledged it and something behind it has come. DNS
// messages are read throughout, over UDP and TCP, and queries matched with their
// responses by flow, identifier and question.
//
// # Bounds
//
// Flows are kept up to MaxFlows. At the limit the flow that would end soonest
// anyway is reported early: attempts nobody answered and closed connections
// first, then UDP, and established TCP connections last. So a flood of SYNs or
// of UDP from forged addresses drives out mostly itself; an attacker who fills
// the table with established connections can cut the records of others short,
// which then go on in new flows: nothing is lost from the sums, and
// Counters.Early tells. Heads, readers, shapes, DNS queries, histories, gaps and
// oddities have limits of their own, and a counter each: what has waited longest
// makes way for what is new, so that what is begun and never finished drives out
// itself. docs/operate/limits.md says what floods and evasion come to.
//
// # Speed
//
// A packet costs a hash, one slot of a table and four cache lines of one flow: no
// list is moved, no memory allocated. Timers are a wheel whose entries are asked for their true
// end only when their slot comes up. The table is open addressing over numbers
// of flows, which lie in slabs: small, and with few pointers for the garbage
// collector to follow.
package meter
