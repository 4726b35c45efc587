// Package dcerpc reads remote procedure calls of DCE/RPC (C706, chapter 12;
// MS-RPCE): which interface is called, which of its operations, how long the
// answer took or why it was refused. It reads them over TCP (ncacn_ip_tcp, and
// ncacn_http behind its banner), over UDP (ncadg_ip_udp) and, for package smb,
// over named pipes (ncacn_np).
//
// Of arguments and results nothing is read but the answers of the endpoint
// mapper, which name the ports of other interfaces, and the tokens of logons.
package dcerpc
