// Package smb reads SMB over TCP, directly or in sessions of NetBIOS: SMB 1
// (MS-CIFS, MS-SMB), SMB 2 and 3 (MS-SMB2), RFC 1001 and RFC 1002. It tells who
// logs on and how, which shares are connected to and what is done with which
// files; of calls over named pipes package dcerpc tells. Contents are passed
// over.
//
// What an action is follows the logs that are common in this field, those of
// Zeek, so that one hunt serves both: the name of the top of a share is
// <share_root>, a rename has its new name in File. What was refused is told
// too, by its status. Reads and writes of a file are summed up and told when it
// is closed, once a minute at the latest.
//
// The dialect is that of the negotiation; where that was not seen it is 1, 2 or 3
// alone. Statuses are named as MS-ERREF does, without STATUS_, or are numbers.
//
// Behind encryption nothing can be seen: that it began is told by the action
// "encrypted", and compression by "compressed".
package smb
