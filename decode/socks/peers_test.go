package socks_test

import "github.com/weir-nta/weir/meter/metertest"

// ofArkime are the differences from Arkime's sessions.
var ofArkime = []metertest.Difference{
	metertest.Explain("socks5-reverse", "*", "", "*", "malware that connects out and then serves the other end as a proxy, behind six octets of its own: Weir's readers have a client and a server"),
}
