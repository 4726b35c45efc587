// Package mail reads the conversations of mail: SMTP (RFC 5321, with pipelining
// RFC 2920, BDAT RFC 3030, AUTH RFC 4954, STARTTLS RFC 3207) and LMTP (RFC
// 2033), POP3 (RFC 1939, RFC 5034, RFC 2595) and IMAP (RFC 9051). Each command
// and how it ended is a [weir.Command], equal ones counted.
//
// What is kept of a message are the addresses of its envelope and its size; of
// a logon, who and by which mechanism. Passwords and what mails say are passed
// over. In detail:
//
//   - MAIL and RCPT have the address as object, each recipient a record; DATA and
//     BDAT the size of what was sent. AUTH and AUTHENTICATE have the mechanism.
//   - EHLO and HELO have the name that the client gives itself as object, and
//     what the server calls itself in its greeting.
//   - A logon by USER and PASS in POP3 is one record, PASS with the user.
//   - RETR and TOP have the size of what was sent. Of IMAP, mailboxes are objects,
//     messages are not, so that a thousand of FETCH are one record with a count.
//
// STARTTLS and STLS give the conversation back to be recognised anew: as TLS.
// COMPRESS ends the reading. A reader keeps up to 16 commands that wait for
// their answers, each with an object of up to 256 octets; those beyond are told
// without an answer.
package mail
