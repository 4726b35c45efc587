package eve

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/uri"
)

// A field is a member of an event that a record is made of.
type field uint8

// The fields that code asks for by name; the others are in the table alone.
const (
	none field = iota
	fTimestamp
	fType
	fFlowID
	fHost
	fSrcIP
	fSrcPort
	fDstIP
	fDstPort
	fProto
	fAppProto
	fPktSrc
	fVLAN
	fSrcMAC
	fDstMAC
	fSrcMACs
	fDstMACs
	fICMPType
	fICMPCode

	fFlowStart
	fFlowEnd
	fFlowState
	fFlowReason
	fFlowAction
	fPktsUp
	fPktsDown
	fBytesUp
	fBytesDown
	fFlags
	fFlagsUp
	fFlagsDown

	fNetflowStart
	fNetflowEnd
	fNetflowPkts
	fNetflowBytes

	fDNSType
	fDNSID
	fDNSName
	fDNSRRType
	fDNSCode
	fDNSFlags
	fDNSAA
	fDNSTC
	fDNSRD
	fDNSRA
	fDNSTTL
	fDNSData
	fDNSAnswers
	fDNSQueries

	fSNI
	fTLSVersion
	fSubject
	fIssuer
	fNotBefore
	fNotAfter
	fJA3
	fJA3S
	fJA4
	fCertificate
	fChain
	fALPNClient
	fALPNServer

	fHostname
	fURL
	fUserAgent
	fContentType
	fReferrer
	fMethod
	fHTTPProtocol
	fHTTPVersion
	fStatus
	fLength
	fRequestHeaders

	fSSHClientProto
	fSSHClient
	fSSHServerProto
	fSSHServer
	fHASSH
	fHASSHServer

	fDialect
	fCommand
	fSMBStatus
	fShare
	fShareType
	fFilename
	fPipe
	fRenamedFrom
	fRenamedTo
	fSMBSize
	fServiceReply
	fNTLMUser
	fNTLMDomain
	fNTLMHost
	fSMBRealm
	fSMBSNames

	fRPCRequest
	fRPCResponse
	fRPCInterfaces
	fRPCInterface
	fRPCOpnum
	fSMBRPCRequest
	fSMBRPCInterfaces
	fSMBRPCOpnum

	fKrbType
	fKrbFailed
	fKrbClient
	fKrbRealm
	fKrbService
	fKrbError
	fKrbCipher
	fKrbTicketCipher

	fDHCPType
	fDHCPKind
	fDHCPMAC
	fDHCPAssigned
	fDHCPRequested
	fDHCPLease
	fDHCPHost
	fDHCPVendor
	fDHCPDomain

	fRDPEvent
	fRDPCookie
	fRDPProtocol
	fRDPClient
	fRDPBuild
	fRDPKeyboard
	fRDPCerts
	fRDPError

	fFileName
	fFileSize
	fFileMD5
	fFileSHA1
	fFileSHA256
	fFileID

	fAlertAction
	fAlertGID
	fAlertSID
	fAlertRev
	fSignature
	fCategory
	fAlertSeverity
	fAlertSource
	fAlertTarget
	fMetaSeverity
	fMetaConfidence
	fMetaTechnique

	fAnomalyType
	fAnomalyEvent
	fAnomalyLayer
	fAnomalyApp
	fDropReason

	fieldCount
)

// fields are the keys of the members. Where the versions of Suricata call one
// thing by several names, all lead to one field.
var fields = map[string]field{
	"timestamp": fTimestamp, "event_type": fType, "flow_id": fFlowID, "host": fHost,
	"src_ip": fSrcIP, "src_port": fSrcPort, "dest_ip": fDstIP, "dest_port": fDstPort, "proto": fProto,
	"app_proto": fAppProto, "pkt_src": fPktSrc, "vlan": fVLAN, "ether.src_mac": fSrcMAC, "ether.dest_mac": fDstMAC,
	"ether.src_macs": fSrcMACs, "ether.dest_macs": fDstMACs, "icmp_type": fICMPType, "icmp_code": fICMPCode,

	"flow.start": fFlowStart, "flow.end": fFlowEnd, "flow.state": fFlowState, "flow.reason": fFlowReason,
	"flow.action": fFlowAction, "flow.pkts_toserver": fPktsUp, "flow.pkts_toclient": fPktsDown,
	"flow.bytes_toserver": fBytesUp, "flow.bytes_toclient": fBytesDown,
	"tcp.tcp_flags": fFlags, "tcp.tcp_flags_ts": fFlagsUp, "tcp.tcp_flags_tc": fFlagsDown,

	"netflow.start": fNetflowStart, "netflow.end": fNetflowEnd, "netflow.pkts": fNetflowPkts, "netflow.bytes": fNetflowBytes,

	"dns.type": fDNSType, "dns.id": fDNSID, "dns.rrname": fDNSName, "dns.rrtype": fDNSRRType, "dns.rcode": fDNSCode,
	"dns.flags": fDNSFlags, "dns.aa": fDNSAA, "dns.tc": fDNSTC, "dns.rd": fDNSRD, "dns.ra": fDNSRA, "dns.ttl": fDNSTTL,
	"dns.rdata": fDNSData, "dns.answers": fDNSAnswers, "dns.queries": fDNSQueries,
	"mdns.type": fDNSType, "mdns.id": fDNSID, "mdns.rcode": fDNSCode, "mdns.flags": fDNSFlags, "mdns.answers": fDNSAnswers,
	"mdns.queries": fDNSQueries, "mdns.aa": fDNSAA, "mdns.tc": fDNSTC, "mdns.rd": fDNSRD, "mdns.ra": fDNSRA,

	"tls.sni": fSNI, "tls.version": fTLSVersion, "tls.subject": fSubject, "tls.issuerdn": fIssuer, "tls.notbefore": fNotBefore,
	"tls.notafter": fNotAfter, "tls.ja3.hash": fJA3, "tls.ja3s.hash": fJA3S, "tls.ja4": fJA4, "tls.certificate": fCertificate,
	"tls.chain": fChain, "tls.client_alpns": fALPNClient, "tls.server_alpns": fALPNServer,
	"quic.sni": fSNI, "quic.ja3.hash": fJA3, "quic.ja3s.hash": fJA3S, "quic.ja4": fJA4,

	"http.hostname": fHostname, "http.url": fURL, "http.http_user_agent": fUserAgent, "http.http_content_type": fContentType,
	"http.http_refer": fReferrer, "http.http_method": fMethod, "http.protocol": fHTTPProtocol, "http.version": fHTTPVersion,
	"http.status": fStatus, "http.length": fLength, "http.request_headers": fRequestHeaders,

	"ssh.client.proto_version": fSSHClientProto, "ssh.client.software_version": fSSHClient, "ssh.client.hassh.hash": fHASSH,
	"ssh.server.proto_version": fSSHServerProto, "ssh.server.software_version": fSSHServer, "ssh.server.hassh.hash": fHASSHServer,

	"smb.dialect": fDialect, "smb.command": fCommand, "smb.status": fSMBStatus, "smb.share": fShare, "smb.share_type": fShareType,
	"smb.filename": fFilename, "smb.named_pipe": fPipe, "smb.rename.from": fRenamedFrom, "smb.rename.to": fRenamedTo,
	"smb.size": fSMBSize, "smb.service.response": fServiceReply, "smb.ntlmssp.user": fNTLMUser, "smb.ntlmssp.domain": fNTLMDomain,
	"smb.ntlmssp.host": fNTLMHost, "smb.kerberos.realm": fSMBRealm, "smb.kerberos.snames": fSMBSNames,
	"smb.dcerpc.request": fSMBRPCRequest, "smb.dcerpc.interfaces": fSMBRPCInterfaces, "smb.dcerpc.interface.uuid": fRPCInterface,
	"smb.dcerpc.opnum": fSMBRPCOpnum, "smb.dcerpc.req.opnum": fSMBRPCOpnum,

	"dcerpc.request": fRPCRequest, "dcerpc.response": fRPCResponse, "dcerpc.interfaces": fRPCInterfaces,
	"dcerpc.interface.uuid": fRPCInterface, "dcerpc.req.opnum": fRPCOpnum,

	"krb5.msg_type": fKrbType, "krb5.failed_request": fKrbFailed, "krb5.cname": fKrbClient, "krb5.realm": fKrbRealm,
	"krb5.sname": fKrbService, "krb5.error_code": fKrbError, "krb5.encryption": fKrbCipher, "krb5.ticket_encryption": fKrbTicketCipher,

	"dhcp.type": fDHCPKind, "dhcp.dhcp_type": fDHCPType, "dhcp.client_mac": fDHCPMAC, "dhcp.assigned_ip": fDHCPAssigned,
	"dhcp.requested_ip": fDHCPRequested, "dhcp.lease_time": fDHCPLease, "dhcp.hostname": fDHCPHost,
	"dhcp.vendor_class_identifier": fDHCPVendor, "dhcp.domain": fDHCPDomain,

	"rdp.event_type": fRDPEvent, "rdp.cookie": fRDPCookie, "rdp.protocol": fRDPProtocol, "rdp.client.client_name": fRDPClient,
	"rdp.client.version": fRDPBuild, "rdp.client.build": fRDPBuild, "rdp.client.keyboard_layout": fRDPKeyboard,
	"rdp.x509_serials": fRDPCerts, "rdp.error": fRDPError, "rdp.reason": fRDPError,

	"fileinfo.filename": fFileName, "fileinfo.size": fFileSize, "fileinfo.md5": fFileMD5, "fileinfo.sha1": fFileSHA1,
	"fileinfo.sha256": fFileSHA256, "fileinfo.file_id": fFileID,

	"alert.action": fAlertAction, "alert.gid": fAlertGID, "alert.signature_id": fAlertSID, "alert.rev": fAlertRev,
	"alert.signature": fSignature, "alert.category": fCategory, "alert.severity": fAlertSeverity,
	"alert.source.ip": fAlertSource, "alert.target.ip": fAlertTarget,
	"alert.metadata.signature_severity": fMetaSeverity, "alert.metadata.confidence": fMetaConfidence,
	"alert.metadata.mitre_technique_id": fMetaTechnique,

	"anomaly.type": fAnomalyType, "anomaly.event": fAnomalyEvent, "anomaly.code": fAnomalyEvent, "anomaly.layer": fAnomalyLayer,
	"anomaly.app_proto": fAnomalyApp, "drop.reason": fDropReason,
}

// An event holds the members of one line.
type event struct {
	value    [fieldCount][]byte // texts of strings, numbers and arrays; nil where there is none
	time     time.Time
	src, dst netip.Addr
}

// maxText is how much of a text is kept, in bytes, unless it is said otherwise.
const maxText = 512

func (e *event) has(f field) bool { return len(e.value[f]) > 0 }

func (e *event) is(f field, text string) bool { return string(e.value[f]) == text }

// str returns a text as a string of its own.
func (e *event) str(f field) string { return bounded(e.value[f]) }

func bounded(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return strings.ToValidUTF8(string(b[:min(len(b), maxText)]), "")
}

// printable returns a text as the decoders of packets keep what is said.
func (e *event) printable(f field) string { return uri.Printable(e.value[f], maxText) }

func (e *event) lower(f field) string { return strings.ToLower(e.str(f)) }

// uint returns a number, 0 if there is none or it does not fit.
func (e *event) uint(f field, bits int) uint64 {
	n, err := strconv.ParseUint(string(e.value[f]), 10, bits)
	if err != nil {
		return 0
	}
	return n
}

// hex returns a number in hexadecimal, 0 if there is none.
func (e *event) hex(f field, bits int) uint64 {
	n, err := strconv.ParseUint(string(e.value[f]), 16, bits)
	if err != nil {
		return 0
	}
	return n
}

// addr returns an address, the zero one if there is none.
func (e *event) addr(f field) netip.Addr {
	if !e.has(f) {
		return netip.Addr{}
	}
	if a, ok := parseIPv4(e.value[f]); ok {
		return a
	}
	a, err := netip.ParseAddr(string(e.value[f]))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// parseIPv4 reads an address in dotted decimal. It saves the string that
// netip.ParseAddr wants, for two addresses a line.
func parseIPv4(b []byte) (a netip.Addr, ok bool) {
	var octets [4]byte
	n, digits, value := 0, 0, 0
	for _, c := range b {
		switch {
		case c-'0' <= 9 && digits < 3 && (digits == 0 || value > 0):
			value, digits = 10*value+int(c-'0'), digits+1
		case c == '.' && digits > 0 && n < 3 && value <= 255:
			octets[n] = byte(value)
			n, digits, value = n+1, 0, 0
		default:
			return a, false
		}
	}
	if n != 3 || digits == 0 || value > 255 {
		return a, false
	}
	octets[3] = byte(value)
	return netip.AddrFrom4(octets), true
}

func (e *event) moment(f field) time.Time {
	t, _ := parseTime(e.value[f])
	return t
}

// protocols are Suricata's names of IP protocols where they are not the lower
// case of ours.
var protocols = map[string]weir.Proto{"IPv6-ICMP": weir.ICMPv6, "ICMPv6": weir.ICMPv6, "IPv6": 41, "IP-ENCAP": 4, "IPIP": 4, "HOPOPT": 0}

func (e *event) proto() weir.Proto {
	switch text := e.value[fProto]; string(text) {
	case "TCP":
		return weir.TCP
	case "UDP":
		return weir.UDP
	default:
		p, ok := protocols[string(text)]
		if !ok {
			_ = p.UnmarshalText(bytes.ToLower(text)) // of a name not known, 0
		}
		return p
	}
}

// parseTime reads the times of all versions, up to the year 2262, beyond which
// int64 holds no nanoseconds: 2017-06-27T11:11:08.006624+0000,
// without fraction or zone, which is UTC then, with a zone as RFC 3339 writes
// it, and 06/27/2017-11:11:08.006624.
func parseTime(b []byte) (t time.Time, ok bool) {
	if len(b) < len("2017-06-27T11:11:08") {
		return t, false
	}
	year, month, day := b[0:4], b[5:7], b[8:10]
	if b[2] == '/' {
		year, month, day = b[6:10], b[0:2], b[3:5]
	}
	clean := true
	number := func(b []byte) (n int) {
		for _, c := range b {
			clean = clean && c-'0' <= 9
			n = 10*n + int(c-'0')
		}
		return n
	}
	y, mo, d, h, mi, s := number(year), number(month), number(day), number(b[11:13]), number(b[14:16]), number(b[17:19])
	b = b[19:]
	nanos := 0
	if len(b) > 0 && b[0] == '.' {
		unit := int(time.Second)
		for b = b[1:]; len(b) > 0 && b[0]-'0' <= 9; b = b[1:] {
			unit /= 10
			nanos += unit * int(b[0]-'0')
		}
	}
	offset := 0
	switch {
	case len(b) == 0 || len(b) == 1 && b[0] == 'Z':
	case (b[0] == '+' || b[0] == '-') && (len(b) == 5 || len(b) == 6 && b[3] == ':'):
		offset = number(b[1:3])*3600 + number(b[len(b)-2:])*60
		if b[0] == '-' {
			offset = -offset
		}
	default:
		return t, false
	}
	if !clean || y < 1970 || y >= 2262 || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60 {
		return t, false
	}
	return time.Date(y, time.Month(mo), d, h, mi, s, nanos, time.UTC).Add(-time.Duration(offset) * time.Second), true
}
