package snmp

import (
	"bytes"
	"encoding/binary"
	"net"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/ber"
)

// announce tells what a device answers of its system group.
func (r *Reader) announce(d *dialog.Dialog, who dialog.End, l ber.List) {
	defer from(d, who)()
	bindings(l, func(oid []byte, value ber.Element) {
		switch {
		case value.Tag == ber.OctetString && bytes.Equal(oid, sysDescr) && len(value.Body) > 0:
			d.Announce(weir.Announcement{Protocol: "snmp", Kind: "os", Text: text(value.Body, maxText)})
		case value.Tag == ber.OctetString && bytes.Equal(oid, sysName) && len(value.Body) > 0:
			d.Announce(weir.Announcement{Protocol: "snmp", Kind: "name", Name: text(value.Body, maxText)})
		case value.Tag == ber.OID && bytes.Equal(oid, sysObjectID):
			if rest, ok := bytes.CutPrefix(value.Body, enterprises); ok {
				announceVendor(d, firstArc(rest), "")
			}
		}
	})
}

// announceEngine tells the vendor, and the address if there is one, in the
// identifier of an engine (RFC 3411, 5). It is that of who answers or reports.
func (r *Reader) announceEngine(d *dialog.Dialog, who dialog.End, engine []byte, pdu ber.Tag) {
	const structured, formMAC = 0x80, 3
	if pdu != response && pdu != report && pdu != trap2 || len(engine) < 5 || engine[0]&structured == 0 {
		return
	}
	defer from(d, who)()
	mac := ""
	if engine[4] == formMAC && len(engine) == 5+6 {
		mac = net.HardwareAddr(engine[5:]).String()
	}
	announceVendor(d, uint64(binary.BigEndian.Uint32(engine)&^(1<<31)), mac)
}

func announceVendor(d *dialog.Dialog, number uint64, mac string) {
	name := vendors[number]
	if name == "" {
		name = "enterprise " + strconv.FormatUint(number, 10)
	}
	d.Announce(weir.Announcement{Protocol: "snmp", Kind: "vendor", Text: name, MAC: mac})
}

// firstArc returns the first arc of what is left of an object identifier.
func firstArc(b []byte) (arc uint64) {
	for _, c := range b[:min(len(b), 5)] {
		arc = arc<<7 | uint64(c&0x7f)
		if c&0x80 == 0 {
			break
		}
	}
	return arc
}

// vendors are the holders of private enterprise numbers whose devices are met
// most (IANA, "Private Enterprise Numbers").
var vendors = map[uint64]string{
	2: "IBM", 9: "Cisco", 11: "Hewlett-Packard", 42: "Sun Microsystems", 43: "3Com", 45: "SynOptics", 171: "D-Link", 207: "Allied Telesis", 232: "Compaq",
	253: "Xerox", 311: "Microsoft", 318: "APC", 367: "Ricoh", 368: "Axis", 476: "Vertiv", 534: "Eaton", 641: "Lexmark", 674: "Dell",
	789: "NetApp", 890: "Zyxel", 1248: "Epson", 1347: "Kyocera", 1588: "Brocade", 1602: "Canon", 1916: "Extreme Networks", 1991: "Foundry Networks",
	2011: "Huawei", 2021: "UC Davis (Net-SNMP)", 2272: "Nortel", 2334: "Packeteer", 2435: "Brother", 2604: "Sophos", 2620: "Check Point",
	2636: "Juniper", 3076: "Altiga", 3375: "F5", 3808: "CyberPower", 3854: "Digi", 4413: "Broadcom", 4526: "Netgear", 4881: "Ruijie", 5624: "Enterasys",
	5951: "NetScaler", 6486: "Alcatel-Lucent Enterprise", 6574: "Synology", 6876: "VMware", 6889: "Avaya", 8072: "Net-SNMP", 8741: "SonicWall", 10002: "Ubiquiti", 11863: "TP-Link",
	12356: "Fortinet", 14179: "Airespace", 14823: "Aruba", 14988: "MikroTik", 18334: "Konica Minolta", 24681: "QNAP", 25053: "Ruckus",
	25461: "Palo Alto Networks", 25506: "H3C", 29671: "Meraki", 30065: "Arista", 39165: "Hikvision", 41112: "Ubiquiti", 47196: "Hewlett Packard Enterprise",
}
