// Package kerberos reads Kerberos version 5 (RFC 4120) over UDP and TCP, and
// the protocol that changes passwords by it (RFC 3244): who asks for a ticket
// to what, with which encryption, and what the key distribution centre says.
//
// Each request is one [weir.KerberosMessage] with its answer. A client that
// sends its first request without pre-authentication is told
// KDC_ERR_PREAUTH_REQUIRED and asks again. That is how an ordinary logon
// begins, and it is also all that a probe for accounts shows, so both are kept:
// the first as a record of its own, with Success "false" and that error. Zeek
// keeps it if it comes without a text or with an unknown one, and drops it if
// the text is that of MIT or Heimdal.
//
// Nothing that is encrypted is looked at: no timestamp, authenticator or
// ticket is kept.
package kerberos
