package http_test

import "github.com/weir-nta/weir/meter/metertest"

const (
	replies  = "Zeek's version is that of the reply, Weir's that of the request"
	old      = "HTTP/0.9, which Weir does not recognise: neither side says what it is"
	broken   = "a request line without a version: Zeek takes it, and the answer with its status line, for HTTP/0.9"
	confused = "the answer comes first, with a body that does not come; then HTTP/0.9. Zeek begins anew, Weir takes the four octets that were announced"
)

// ofZeek are the differences from Zeek's logs.
var ofZeek = []metertest.Difference{
	metertest.Explain("request-analyzer", "version", "1.1", "1.0", replies),
	metertest.Explain("ascii-escape-odd-url", "version", "1.0", "1.1", replies),
	metertest.Explain("http-connect-with-header", "version", "1.1", "1.0", replies),
	metertest.Explain("vlan-mpls", "version", "1.0", "1.1", replies),
	metertest.Explain("deeply-nested-mime", "version", "1.1", "1.0", replies),
	metertest.Explain("curl-http-09", "version", "1.1", "", replies+"; there is none"),
	metertest.Explain("no-version", "transactions", "0", "2", old),
	metertest.Explain("vlan-mpls", "transactions", "0", "1", old),
	metertest.Explain("http-09", "transactions", "0", "2", old),
	metertest.Explain("http-methods", "version", "*", "*", replies+"; and "+broken),
	metertest.Explain("http-methods", "status_code", "4*", "0", broken),
	metertest.Explain("http-methods", "response_body_len", "*", "*", broken+": head and body"),
	metertest.Explain("http-methods", "method", "", "CCM_POST", "no method of the standard, and no version: only the answer is told"),
	metertest.Explain("http-methods", "host", "", "www.google.com", "likewise"),
	metertest.Explain("http-methods", "uri", "", "/*", "likewise"),
	metertest.Explain("http-09-content-length-confusion", "version", "*", "*", confused),
	metertest.Explain("http-09-content-length-confusion", "status_code", "*", "*", confused),
	metertest.Explain("http-09-content-length-confusion", "response_body_len", "*", "*", confused),
	metertest.Explain("http-port-22", "response_body_len", "12630", "12632", "12,649 octets less 19 of the head are 12,630: Zeek counts a line end too many"),
}
