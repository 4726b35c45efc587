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

const (
	unread = "link type or encapsulation that Weir does not read"
	sctp   = "HTTP over SCTP, whose streams Weir does not put in order"
	h2     = "HTTP/2, which is only named"
)

// ofSuricata are those from Suricata's records.
var ofSuricata = []metertest.Difference{
	metertest.Explain("arkime-arkime_synthetic.pcap", "transactions", "0", "2", "SIP over TCP, which Suricata takes for HTTP"),
	metertest.Explain("arkime-gre-erspan-vxlan.pcap", "uri", "/Hello Arkime", "/Hello", "a target with a space: Suricata ends it there"),
	metertest.Explain("arkime-gre-erspan-vxlan.pcap", "version", "1.0", "Arkime HTTP/1.0", "likewise"),
	metertest.Explain("arkime-gre-erspan-vxlan.pcap", "status", "200", "", "likewise"),
	metertest.Explain("arkime-gre-erspan-vxlan.pcap", "body.down", "8", "1", "likewise"),
}

// ofSuricataVerify are those from the checks of its own tests.
var ofSuricataVerify = []metertest.Difference{
	metertest.Explain("bug-3844", "count", "0", "1", "a request of five octets without the end of its line"),
	metertest.Explain("http2-compression-bug", "count", "0", "7", h2),
	metertest.Explain("uricontent/detect-uricontent-04", "count", "0", "1", "one packet, from port 53: to Weir that is the server, and a server sends no request"),
}

// ofArkime are those from Arkime's sessions.
var ofArkime = []metertest.Difference{
	metertest.Explain("80211http", "*", "", "*", unread+": IEEE 802.11"),
	metertest.Explain("nflog", "*", "", "*", unread+": NFLOG"),
	metertest.Explain("sctp-www", "*", "", "*", sctp),
	metertest.Explain("arkime_synthetic", "*", "", "*", h2),
	metertest.Explain("socks5-reverse", "*", "", "*", "what the far end asks for through the connection: the roles are turned round, and Weir's readers have a client and a server"),
	metertest.Explain("http-100-continue", "status", "404", "100 | 404", "Arkime has interim answers, too"),
	metertest.Explain("websocket", "host", "192.168.43.135", "192.168.43.135 | 192.168.43.135:12345", "Arkime has the port, too, which is that of the record"),
}

// ofTshark are those from tshark 4.0.17 on the corpus: 2,264 requests and 2,121
// status codes are equal.
var ofTshark = func() []metertest.Difference {
	const complete = "tshark tells an answer when its body is complete, unless told not to put streams together (tcp.desegment_tcp_streams:FALSE shows it)"
	list := []metertest.Difference{
		metertest.Explain("elmminh-Ioc_OSFingerprintingAttempt.pcapng", "requests", "1", "0", "a scanner's GET on ports of other protocols, after which tshark names it"),
	}
	for _, capture := range []string{
		"corelight-db9f075c-7879-4957-923a-f79fac957a2d.pcap",
		"corelight-f9421792-7d2c-47d3-90e0-07eb54ae12fa.pcap",
		"doh-20may_benign.pcap",
		"doh-24may_benign.pcap",
		"elcabezzonn-capture-Mon-02-13-17-17-15-34_Empire.pcap",
		"hatboy-123.pcap",
		"hatboy-test.pcap",
		"iotsentinel-Setup-A-1-STA.pcap-9.pcap",
		"iotsentinel-Setup-C-1-STA.pcap-10.pcap",
		"ndpi-instagram.pcap",
		"ndpi-windowsupdate_over_http.pcap",
		"smtpexfil-chal2.pcap",
		"stratocyberlab-class10-capture1.pcap",
	} {
		list = append(list, metertest.Explain(capture, "answers", "*", "*", complete))
	}
	return list
}()
