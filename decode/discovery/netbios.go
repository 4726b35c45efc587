package discovery

import (
	"encoding/binary"
	"net/netip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dns"
)

// The operations of the NetBIOS name service by which a host says its name
// (RFC 1002, 4.2.1.1; 8 and 9 are both in use for a refresh, 15 is Windows'
// registration of a host with several addresses).
const (
	nbQuery         = 0
	nbRegistration  = 5
	nbRefresh       = 8
	nbRefreshToo    = 9
	nbMultihomed    = 15
	nbGroup         = 0x8000 // flag of a name that many may have
	nbStatusEntry   = 18
	nbStatusMaximum = 64
)

// netbios reads names that are registered, found, or listed in a node status.
func netbios(s *speaker, m *dns.Message) {
	registers := !m.Response && (m.Opcode == nbRegistration || m.Opcode == nbRefresh || m.Opcode == nbRefreshToo || m.Opcode == nbMultihomed)
	answers := m.Response && m.Opcode == nbQuery && m.Code == 0
	if !registers && !answers {
		return
	}
	m.Records(maxRecords, func(r dns.Record) bool {
		switch r.Type {
		case dns.TypeNB:
			if name, suffix, ok := m.NetBIOSName(r.Name); ok && len(r.Data) >= 6 && len(r.Data)%6 == 0 {
				s.registered(name, suffix, r.Data)
			}
		case dns.TypeNBSTAT:
			s.status(r.Data)
		}
		return s.left > 0
	})
}

// registered tells a name with the addresses that it has.
func (s *speaker) registered(name [15]byte, suffix byte, data []byte) {
	for ; len(data) >= 6; data = data[6:] {
		addr := netip.AddrFrom4([4]byte(data[2:6]))
		if !spoken(addr) {
			addr = netip.Addr{}
		}
		group := binary.BigEndian.Uint16(data)&nbGroup != 0
		if group && addr == s.d.Src {
			addr = netip.Addr{} // one of many that it is of
		}
		own := s.say.MAC
		if addr.IsValid() && addr != s.d.Src { // a name server tells of another
			s.say.MAC = ""
		}
		s.netbiosName(name, suffix, group, addr)
		s.say.MAC = own
	}
}

// status tells all names of a host (RFC 1002, 4.2.18).
func (s *speaker) status(data []byte) {
	if len(data) < 1 {
		return
	}
	n := min(int(data[0]), nbStatusMaximum)
	data = data[1:]
	for range n {
		if len(data) < nbStatusEntry {
			return
		}
		s.netbiosName([15]byte(data), data[15], binary.BigEndian.Uint16(data[16:])&nbGroup != 0, netip.Addr{})
		data = data[nbStatusEntry:]
	}
}

// netbiosName tells a name in the words of its suffix (Microsoft, NetBIOS
// suffixes).
func (s *speaker) netbiosName(name [15]byte, suffix byte, group bool, addr netip.Addr) {
	text := printable(name[:])
	if text == "" || text == "*" || name[0] == 1 { // 1: \x01\x02__MSBROWSE__\x02, which all masters have
		if name[0] == 1 && suffix == 1 {
			s.tell(weir.Announcement{Kind: "role", Text: "master browser"})
		}
		return
	}
	other := addr.IsValid() && addr != s.d.Src
	switch {
	case other && suffix != 0x00 && suffix != 0x03 && suffix != 0x20:
		// Whose role or group it is does not show.
	case group && suffix == 0x1c:
		s.tell(weir.Announcement{Kind: "role", Text: "domain controller"})
		s.tell(weir.Announcement{Kind: "workgroup", Text: text})
	case group || suffix == 0x1d: // the master browser of a workgroup has <1d> for itself
		s.tell(weir.Announcement{Kind: "workgroup", Text: text})
		if suffix == 0x1d {
			s.tell(weir.Announcement{Kind: "role", Text: "master browser"})
		}
	case suffix == 0x1b:
		s.tell(weir.Announcement{Kind: "role", Text: "domain master browser"})
		s.tell(weir.Announcement{Kind: "workgroup", Text: text})
	default:
		s.tell(weir.Announcement{Kind: "name", Name: text, Text: sortOf(suffix), Addr: addr})
	}
}

// sortOf returns what sort of name one with this suffix is.
func sortOf(suffix byte) string {
	switch suffix {
	case 0x00:
		return "workstation"
	case 0x03:
		return "messenger"
	case 0x20:
		return "server"
	}
	const hex = "0123456789abcdef"
	return string([]byte{'<', hex[suffix>>4], hex[suffix&15], '>'})
}
