// Package tunnel reads and tells what carries other traffic or hides it: STUN
// and TURN (RFC 8489, RFC 8656), the negotiation of IKE (RFC 2409, RFC 7296),
// media by RTP and RTCP (RFC 3550) as far as their shape tells, and the
// handshake of Tor. WireGuard and OpenVPN are told by package app: beyond their
// first packets nothing in them can be read.
//
// [STUN] makes [weir.Command] with app "stun": Command is the method (binding,
// allocate …), Object the realm, Client and Server the software, Status the
// error code. The addresses that it maps are not kept. [IKE] makes them with app
// "ipsec": Command is the exchange (ike_sa_init, main_mode, aggressive_mode …),
// Object the proposal that was chosen, else the first that was made, Status the
// notification that refused it, Client and Server the makers by their vendor
// identifiers.
//
// Streams that are encrypted from their first octet on, to look like nothing,
// are not named. The rule by which the Great Firewall finds them (bits set,
// printable runs; USENIX Security 2023) would name 46 conversations of the
// captures that it was tried on, 43 of them wrongly: encrypted_test.go measures it.
package tunnel
