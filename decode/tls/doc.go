// Package tls reads what a TLS conversation says in the clear before its
// encryption begins (RFC 5246, RFC 8446): versions, cipher, names, the
// server's certificate, and the fingerprints JA3, JA3S and JA4.
package tls
