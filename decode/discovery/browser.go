package discovery

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dns"
)

// NewDatagrams returns a reader of the NetBIOS datagram service (RFC 1002, 4.4)
// and of the announcements of servers to browsers in it (MS-BRWS).
func NewDatagrams() dialog.Reader { return messages(datagrams) }

// Sizes of the headers: of a datagram with both names unscoped, of SMB.
const (
	dgmHeader = 14
	dgmName   = 34
	smbHeader = 32
)

func datagrams(d *dialog.Dialog, from dialog.End, b []byte) {
	if len(b) < dgmHeader+2*dgmName || b[0] < 0x10 || b[0] > 0x12 {
		return
	}
	s := newSpeaker(d, from, "netbios_dgm")
	if netip.AddrFrom4([4]byte(b[4:])) != d.Src { // passed on by a distribution server
		return
	}
	if name, suffix, ok := dns.NetBIOSName(b[dgmHeader:]); ok {
		s.netbiosName(name, suffix, false, d.Src)
	}
	if _, _, ok := dns.NetBIOSName(b[dgmHeader+dgmName:]); !ok {
		return
	}
	s.say.Protocol = "browser"
	s.browser(b[dgmHeader+2*dgmName:])
}

// browser finds the frame for browsers in a transaction of SMB (MS-CIFS,
// 2.2.4.33.1).
func (s *speaker) browser(b []byte) {
	const transaction, words, dataCount, dataOffset = 0x25, 17, 55, 57
	if len(b) < dataOffset+2 || string(b[:4]) != "\xffSMB" || b[4] != transaction || b[smbHeader] < words {
		return
	}
	slot := bytes.ToUpper(b[dataOffset:min(len(b), dataOffset+48)])
	if !bytes.Contains(slot, []byte(`\MAILSLOT\BROWSE`)) && !bytes.Contains(slot, []byte(`\MAILSLOT\LANMAN`)) {
		return
	}
	at, n := int(binary.LittleEndian.Uint16(b[dataOffset:])), int(binary.LittleEndian.Uint16(b[dataCount:]))
	if at > len(b) {
		return
	}
	s.announced(b[at:min(len(b), at+n)])
}

// The roles of servers (MS-BRWS, 2.2.1.2's ServerType; MS-SRVS, 2.2.2.7).
var serverRoles = []role{
	{0x1, "workstation"}, {0x2, "server"}, {0x4, "sql server"}, {0x8, "domain controller"}, {0x10, "backup domain controller"},
	{0x20, "time source"}, {0x40, "apple file server"}, {0x80, "netware server"}, {0x100, "domain member"}, {0x200, "print server"},
	{0x400, "dial-in server"}, {0x800, "unix server"}, {0x20000, "backup browser"}, {0x40000, "master browser"},
	{0x80000, "domain master browser"}, {0x2000000, "terminal server"},
}

// announced reads a host's, local master's or domain's announcement (MS-BRWS,
// 2.2.1, 2.2.6, 2.2.10).
func (s *speaker) announced(b []byte) {
	const host, domain, localMaster, size = 1, 12, 15, 32
	const unix, nt = 0x800, 0x1000
	if len(b) < size || b[0] != host && b[0] != localMaster && b[0] != domain {
		return
	}
	name, _, _ := bytes.Cut(b[6:22], []byte{0})
	comment, _, _ := bytes.Cut(b[size:], []byte{0})
	kinds := binary.LittleEndian.Uint32(b[24:])
	if b[0] == domain { // of the workgroup, by its master browser, whose name stands for the comment
		s.text("workgroup", name)
		return
	}
	if text := printable(name); text != "" {
		s.tell(weir.Announcement{Kind: "name", Name: text, Text: "server", Addr: s.d.Src})
	}
	system := "Windows " + strconv.Itoa(int(b[22])) + "." + strconv.Itoa(int(b[23]))
	switch {
	case kinds&unix != 0:
		s.text("os", []byte("Samba, as "+system))
	case kinds&nt != 0:
		s.text("os", []byte(system))
	}
	for _, r := range serverRoles {
		if kinds&r.bit != 0 {
			s.tell(weir.Announcement{Kind: "role", Text: r.name})
		}
	}
	s.text("comment", comment)
}
