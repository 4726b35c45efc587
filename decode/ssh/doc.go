// Package ssh reads what both ends of an SSH connection say before its
// encryption begins: identification, key exchange and host key (RFC 4253, 4.2
// and 7; RFC 4419; RFC 5656; RFC 8731), and the fingerprints HASSH and
// HASSHServer of it (github.com/salesforce/hassh). Of version 1 it tells the
// identification.
//
// How the logon ended it guesses from the sizes of encrypted packets, as Zeek
// does: the messages that accept a service and a user have a size that nothing
// else of that part of the conversation has (RFC 4252, RFC 4253). With ciphers
// that leave the length of packets in the clear, or to be known by it, the packets
// are told apart; with the others what comes in one segment counts as one.
package ssh
