// Package quic reads what the handshake of QUIC says: its first packets are
// encrypted, but with keys made of what stands in them, so that they keep out
// accidents and not readers (RFC 9000; RFC 9001, 5; version 2: RFC 9369;
// version negotiation: RFC 8999, 6 and RFC 9368). The drafts from 22 on and
// Facebook's versions differ from version 1 by a salt. Of Google's QUIC before
// it, the versions with the letter Q say a hello of their own, up to Q046 in
// the clear (QUIC Crypto, Langley and Chang, 2016); those with T say that of TLS.
//
// What a hello says goes into the TLS of the flow: there is no record of QUIC
// itself. The certificate and the protocol agreed are encrypted in earnest; the
// ALPN told is the first one offered.
package quic
