// Package ntlm reads authentication by NTLM (MS-NLMP) in whatever protocol it
// is carried: who logs on from which machine to which server. Tokens may be bare
// or wrapped by SPNEGO (RFC 4178, MS-SPNG) and GSS-API (RFC 2743, 3.1).
//
// A carrier has a [Logon] for each authentication, shows it every token with
// [Logon.Token] or [Logon.Header], and says with [Logon.End] how it ended:
//
//	if l.Token(d, token) == ntlm.Kerberos { … }
//	if l.Pending() { l.End(d, status == 0, statusName) }
//
// Of the messages only names and versions are kept, never a challenge or a
// response.
package ntlm
