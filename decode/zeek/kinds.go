package zeek

import (
	"strings"

	"github.com/weir-nta/weir"
)

// A kind is what is made of the lines of one log.
type kind struct {
	name    string
	becomes table
	append  func(*Decoder, *weir.Batch) // makes a record of the line
	join    func(*Decoder)              // tells the Join of it
	// tells are columns that this log alone has, or has together: lines with
	// one of these groups are of it.
	tells    [][]column
	timeless bool // its lines need no time
}

// A table is where the records of a log go.
type table uint8

const (
	nothing table = iota
	flows
	dnsTable
	httpTable
	sshTable
	smbTable
	rpcTable
	kerberosTable
	ntlmTable
	rdpTable
	dhcpTable
	files
	oddities
	findings
)

// takeBack takes back the record that append has just made.
func (k *kind) takeBack(b *weir.Batch) {
	switch k.becomes {
	case flows:
		b.Flows = b.Flows[:len(b.Flows)-1]
	case dnsTable:
		b.DNS = b.DNS[:len(b.DNS)-1]
	case httpTable:
		b.HTTP = b.HTTP[:len(b.HTTP)-1]
	case sshTable:
		b.SSH = b.SSH[:len(b.SSH)-1]
	case smbTable:
		b.SMB = b.SMB[:len(b.SMB)-1]
	case rpcTable:
		b.RPC = b.RPC[:len(b.RPC)-1]
	case kerberosTable:
		b.Kerberos = b.Kerberos[:len(b.Kerberos)-1]
	case ntlmTable:
		b.NTLM = b.NTLM[:len(b.NTLM)-1]
	case rdpTable:
		b.RDP = b.RDP[:len(b.RDP)-1]
	case dhcpTable:
		b.DHCP = b.DHCP[:len(b.DHCP)-1]
	case files:
		b.Files = b.Files[:len(b.Files)-1]
	case oddities:
		b.Oddities = b.Oddities[:len(b.Oddities)-1]
	case findings:
		b.Findings = b.Findings[:len(b.Findings)-1]
	}
}

// kinds are the logs that are read. Where a line does not say of which it is,
// the first that its columns tell wins.
var kinds = []*kind{
	{name: "conn", becomes: flows, append: (*Decoder).conn, tells: [][]column{{cConnState}, {cOrigIPBytes}, {cHistory, cProto}, {cOrigPackets, cProto}}},
	{name: "dns", becomes: dnsTable, append: (*Decoder).dns, tells: [][]column{{cTypeName}, {cTransID, cQuery}, {cCodeName, cRD}}},
	{name: "x509", join: (*Decoder).x509, tells: [][]column{{cCertSubject}, {cCertNotAfter}}},
	{name: "ssl", join: (*Decoder).ssl, tells: [][]column{{cChainIDs}, {cChainPrints}, {cEstablished}, {cServerName, cCipher}}},
	{name: "http", becomes: httpTable, append: (*Decoder).http, join: (*Decoder).httpJoin, tells: [][]column{{cDepth, cHost}, {cDepth, cVersion}, {cDepth, cTypesDown}, {cDepth, cReferrer}}},
	{name: "ssh", becomes: sshTable, append: (*Decoder).ssh, tells: [][]column{{cKexAlg}, {cHASSH}, {cAuthAttempts}}},
	{name: "files", becomes: files, append: (*Decoder).files, tells: [][]column{{cFUID, cSeenBytes}}},
	{name: "smb_mapping", becomes: smbTable, append: (*Decoder).smbMapping, tells: [][]column{{cShareType}}},
	{name: "smb_files", becomes: smbTable, append: (*Decoder).smbFiles, tells: [][]column{{cAction, cFilePath, cName}, {cPrevName}}},
	{name: "dce_rpc", becomes: rpcTable, append: (*Decoder).dceRPC, tells: [][]column{{cEndpoint, cOperation}}},
	{name: "kerberos", becomes: kerberosTable, append: (*Decoder).kerberos, tells: [][]column{{cRequestType}, {cTill}}},
	{name: "ntlm", becomes: ntlmTable, append: (*Decoder).ntlm, tells: [][]column{{cServerNB}, {cDomainName}}},
	{name: "rdp", becomes: rdpTable, append: (*Decoder).rdp, tells: [][]column{{cSecurity}, {cKeyboard}}},
	{name: "dhcp", becomes: dhcpTable, append: (*Decoder).dhcp, tells: [][]column{{cMsgTypes}, {cAssignedAddr}, {cLeaseTime}}},
	{name: "notice", becomes: findings, append: (*Decoder).notice, tells: [][]column{{cNote, cMsg}}},
	{name: "tunnel", join: (*Decoder).tunnel, tells: [][]column{{cTunnelType}}},
	{name: "weird", becomes: oddities, append: (*Decoder).weird, tells: [][]column{{cName, cPeer}, {cName, cAddl}}},
	// What is ongoing: Corelight's and the community's packages.
	{name: "open_conn", becomes: flows, append: (*Decoder).openConn},
	{name: "open_ssl", join: (*Decoder).ssl},
	{name: "open_http", join: (*Decoder).httpJoin},
}

var kindByName = func() map[string]*kind {
	m := map[string]*kind{}
	for _, k := range kinds {
		m[k.name] = k
	}
	m["conn_long"] = m["open_conn"]
	m["conn_red"] = m["conn"] // Corelight's reduced logs
	m["dns_red"], m["ssl_red"], m["http_red"], m["files_red"], m["weird_red"], m["x509_red"] =
		m["dns"], m["ssl"], m["http"], m["files"], m["weird"], m["x509"]
	return m
}()

// kindOf returns what is made of a log, nil if nothing is.
func kindOf(path string) *kind {
	if k, ok := kindByName[path]; ok {
		return k
	}
	return kindByName[strings.ToLower(path)]
}

// guess finds out by its columns which log a line is of.
func guess(has func(column) bool) *kind {
	for _, k := range kinds {
		for _, group := range k.tells {
			all := true
			for _, c := range group {
				all = all && has(c)
			}
			if all {
				return k
			}
		}
	}
	return nil
}

// Known reports whether lines of a log by that name, such as "conn", become
// records or tell something of others.
func Known(path string) bool { return kindOf(path) != nil }

// Conn reports whether a log by that name tells of conversations.
func Conn(path string) bool {
	k := kindOf(path)
	return k != nil && k.becomes == flows
}
