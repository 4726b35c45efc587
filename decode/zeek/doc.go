// Package zeek decodes the lines of Zeek's logs into records, whether they are
// written as tab-separated values with a header or as JSON, by Zeek itself, by
// Corelight, or wrapped by Security Onion's shippers.
//
// A [Decoder] reads one log. Most lines become a record each; those of ssl.log,
// x509.log, tunnel.log and, besides its transactions, http.log are what other
// records need: they go into a [Join], from which the flows of conn.log get
// them by their uid.
//
// # What is made of conn.log
//
// orig_ip_bytes and resp_ip_bytes become bytes.up and bytes.down; orig_bytes
// and resp_bytes, which count payload by sequence numbers, data.up and
// data.down. Logs without the former (it is not in every JSON) give bytes.up
// and bytes.down from the latter. Where packets are not logged, one packet
// stands for each side that the state, the history or the bytes show to have
// spoken. TCP flags are those that the history tells. Of a service of several
// names the one that carries the others is app.
//
// conn.log tells of a conversation when it is over. Logs of those that go on
// (open_conn.log, conn_long.log) tell totals so far again and again; they
// become slices, each with what came since the line before.
package zeek
