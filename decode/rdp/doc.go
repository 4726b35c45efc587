// Package rdp reads the beginning of a remote desktop connection (MS-RDPBCGR
// 1.3.1.1): the connection request with its cookie, the security protocol that
// the server chooses or why it refuses, and, where that is RDP's own, what the
// client says of itself in its conference request (T.124, T.125). With any other
// security the conversation is TLS from there on, in which CredSSP hides who
// logs on.
//
// Each connection is one [weir.RDPSession]. Its Result is "encrypted" if TLS
// follows, the result of the conference (T.124, 8.7) in RDP's own security, and
// the name of the failure (2.2.1.2.2) if the server refuses; that is how Zeek
// tells it. Certificates counts those of RDP's own security: those of TLS are
// told by the flow.
package rdp
