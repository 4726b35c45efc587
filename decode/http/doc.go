// Package http reads HTTP/1 conversations (RFC 9110, RFC 9112): each request and
// its answer is told as a [weir.HTTPTransaction] when both are complete, and the
// first of them in the flow record.
//
// Heads are read line by line, whatever their length; bodies are passed over by
// the framing of RFC 9112, 6.3, and of their content only the first octets are
// looked at, for what kind of file they are. Kept of a request are names, not
// secrets: of parameters in its target and referrer the keys, of credentials
// the name of the user.
//
// What it decides where the standard leaves it open:
//
//   - A transaction is told when its answer ends, or, of answers that take
//     longer than a minute, with the length announced or seen so far: detectors
//     go by the clock of the traffic.
//   - A request whose length cannot be told (invalid or contradictory
//     Content-Length, a transfer coding that does not end with chunked, a chunk
//     size beyond 64 bits) is an [weir.Oddity], and reading goes on at the next
//     line that is a request: what was smuggled is told, as it was sent.
//   - Of HTTP/1.0, an answer with Transfer-Encoding ends with the connection.
//   - An answer that nobody was seen to ask for is told with its status alone,
//     and a request behind which 16 others or 4 KB wait for their answers is told
//     without its own. A million tiny requests in one segment after the other
//     are a million records: that is what was done, and batches are bounded by
//     the meter.
//   - HTTP/0.9 has no version in its request and is not recognised. Where the
//     first request of a client has none but the server answers in HTTP/1, it is
//     told without.
//   - Version is that of the request.
//
// A connection that changes its protocol is given back to be recognised anew
// (CONNECT, Upgrade to TLS and whatever else), or named and left: websocket,
// http2. A POST below /wsman makes it winrm (MS-WSMV, DSP0226): its SOAP is
// usually encrypted by NTLM or Kerberos, whose logon is told.
//
// A [weir.File] is told of bodies whose name is told by Content-Disposition or
// whose first octets are those of a program, an archive or a document.
package http
