// Package snmp reads SNMP version 1 (RFC 1157), 2c (RFC 1901, RFC 3416) and 3
// (RFC 3412, RFC 3414) over UDP: who asks which device for what, who sets
// something, and what devices report. Each request is one [weir.Command] with
// its answer, Protocol "snmp":
//
//	get, get_next, get_bulk, set, inform, trap    by the kind of message
//	encrypted                                     version 3 with privacy
//	response                                      an answer whose request was not seen
//
// Object are the object identifiers asked for, four at most: of a get cut to ten
// arcs and of a get_next or get_bulk to eight, with ".*" behind, so that the walk
// through a table is one command counted often; of a set and a trap in full.
// Client is the version, of version 3 with the level of security: "SNMPv3 authPriv".
// User is the user of version 3. Status is the error of the answer by its name,
// or the report in place of one: "wrongDigests" is a wrong password.
//
// The community of versions 1 and 2c is a password and not kept. Only where it
// is one of the two that devices are delivered with, public and private, it is
// told as User: whoever finds that has found a device that is open to all.
//
// What a device answers of its system group (RFC 3418) is announced: its name,
// its system and its vendor; so is the vendor in the identifier of its engine
// (RFC 3411, 5), with a MAC address if it holds one. No other value is kept.
package snmp
