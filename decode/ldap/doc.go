// Package ldap reads LDAP version 2 and 3 (RFC 4511) over TCP and, as domain
// controllers are looked for, over UDP (RFC 1798, MS-ADTS 6.3.3): who binds how,
// what is searched for and what is changed. Each request is one [weir.Command]
// with its result, Protocol "ldap":
//
//	command    object                                            size
//	bind       simple, anonymous, unauthenticated (RFC 4513,     -
//	           5.1.2), sasl and a mechanism, or sicily
//	search     base, scope, filter, [attributes wanted]          octets of the filter
//	modify     DN and what is done to which attributes           -
//	add, delete, modify_dn, compare                              -
//	           DN and, of the last two, the new name or attribute
//	extended   object identifier and its name                    -
//	unbind, abandon, disconnection                               -
//
// A simple bind that is read here went without TLS, and so did its password. A
// filter is written as in RFC 4515, its values as ?: those are names of people
// and machines. Values of the schema stay, which tell of nobody and are what
// reconnaissance is known by: classes, kinds of accounts, bit masks. So a search
// for accounts to roast is
//
//	DC=corp,DC=example sub (&(objectClass=user)(servicePrincipalName=*)) [sAMAccountName]
//
// Status is the result code by its name in the standard; Active Directory's own
// code for why a bind failed stands behind it: "invalidCredentials 52e". A SASL
// bind that goes on is a command of its own, without Success. NTLM and Kerberos
// in binds are told as [weir.NTLMLogon] and [weir.KerberosMessage] as well.
//
// After StartTLS the conversation is TLS. What is sealed after a SASL bind is
// passed over; what is only signed is read on. Passwords, the values of
// attributes and what was found are not kept, but for what a domain controller
// says of itself who is looked for over UDP: its names and its role are announced.
package ldap
