package zeek

// A column is one that some log has and that is read.
type column uint8

// The columns, by what they are called in Zeek's logs of today.
const (
	cTime column = iota
	cUID
	cUIDs
	cOrigHost
	cOrigPort
	cRespHost
	cRespPort
	cPath
	cStream
	cDataset
	cFile
	cMessage
	cSystem
	cProto
	cIPProto
	// conn
	cService
	cDuration
	cOrigBytes
	cRespBytes
	cConnState
	cLocalOrig
	cLocalResp
	cHistory
	cOrigPackets
	cOrigIPBytes
	cRespPackets
	cRespIPBytes
	cTunnelParents
	cVLAN
	cOrigMAC
	cRespMAC
	// dns
	cTransID
	cRTT
	cQuery
	cClass
	cClassName
	cType
	cTypeName
	cCode
	cCodeName
	cAA
	cTC
	cRD
	cRA
	cAnswers
	cTTLs
	// ssl
	cVersion
	cCipher
	cServerName
	cNextProtocol
	cEstablished
	cChainIDs
	cChainPrints
	cSubject
	cIssuer
	cNotBefore
	cNotAfter
	cJA3
	cJA3S
	cJA4
	// x509
	cID
	cFingerprint
	cCertSubject
	cCertIssuer
	cCertNotBefore
	cCertNotAfter
	cHostCert
	// http
	cDepth
	cMethod
	cHost
	cURI
	cReferrer
	cUserAgent
	cBodyUp
	cBodyDown
	cStatusCode
	cUsername
	cTypesUp
	cTypesDown
	cMediaType
	// ssh
	cAuthSuccess
	cAuthAttempts
	cClient
	cServer
	cCipherAlg
	cKexAlg
	cHostKeyAlg
	cHostKey
	cHASSH
	cHASSHServer
	// files
	cFUID
	cTxHosts
	cRxHosts
	cSource
	cFilename
	cIsOrig
	cSeenBytes
	cTotalBytes
	cMissingBytes
	cMD5
	cSHA1
	cSHA256
	// smb, dce_rpc
	cFilePath
	cShareType
	cAction
	cName
	cSize
	cPrevName
	cPipe
	cEndpoint
	cOperation
	// kerberos, ntlm
	cRequestType
	cSuccess
	cErrorMsg
	cTill
	cForwardable
	cRenewable
	cHostname
	cDomainName
	cServerNB
	cServerDNS
	cServerTree
	cStatus
	// rdp
	cCookie
	cResult
	cSecurity
	cKeyboard
	cClientBuild
	cClientName
	cCertCount
	// dhcp
	cClientAddr
	cServerAddr
	cMAC
	cHostName
	cClientFQDN
	cDomain
	cRequestedAddr
	cAssignedAddr
	cLeaseTime
	cMsgTypes
	cClientSoftware
	// weird, notice, tunnel
	cAddl
	cPeer
	cNote
	cMsg
	cSub
	cSrc
	cDst
	cPort
	cTunnelType

	columnCount
	cIgnored column = 255
)

// columnOf finds a column by its name: that of Zeek today, of earlier Zeeks,
// of plugins, and of those who ship logs elsewhere.
var columnOf = map[string]column{
	"ts": cTime, "uid": cUID, "uids": cUIDs, "conn_uids": cUIDs,
	"id.orig_h": cOrigHost, "id.orig_p": cOrigPort, "id.resp_h": cRespHost, "id.resp_p": cRespPort,
	"id_orig_h": cOrigHost, "id_orig_p": cOrigPort, "id_resp_h": cRespHost, "id_resp_p": cRespPort,
	"_path": cPath, "@path": cPath, "@stream": cStream, "stream": cStream, "event.dataset": cDataset, "log.file.path": cFile,
	"message": cMessage, "event.original": cMessage, "_system_name": cSystem, "@system": cSystem,
	"proto": cProto, "ip_proto": cIPProto,

	"service": cService, "duration": cDuration, "orig_bytes": cOrigBytes, "resp_bytes": cRespBytes,
	"conn_state": cConnState, "local_orig": cLocalOrig, "local_resp": cLocalResp, "history": cHistory,
	"orig_pkts": cOrigPackets, "orig_ip_bytes": cOrigIPBytes, "resp_pkts": cRespPackets, "resp_ip_bytes": cRespIPBytes,
	"tunnel_parents": cTunnelParents, "vlan": cVLAN, "orig_l2_addr": cOrigMAC, "resp_l2_addr": cRespMAC,

	"trans_id": cTransID, "rtt": cRTT, "query": cQuery, "qclass": cClass, "qclass_name": cClassName,
	"qtype": cType, "qtype_name": cTypeName, "rcode": cCode, "rcode_name": cCodeName,
	"AA": cAA, "TC": cTC, "RD": cRD, "RA": cRA, "answers": cAnswers, "TTLs": cTTLs,

	"version": cVersion, "cipher": cCipher, "server_name": cServerName, "next_protocol": cNextProtocol, "established": cEstablished,
	"cert_chain_fuids": cChainIDs, "cert_chain_fps": cChainPrints, "subject": cSubject, "issuer": cIssuer, "issuer_subject": cIssuer,
	"not_valid_before": cNotBefore, "not_valid_after": cNotAfter, "ja3": cJA3, "ja3s": cJA3S, "ja4": cJA4,

	"id": cID, "fingerprint": cFingerprint, "certificate.subject": cCertSubject, "certificate.issuer": cCertIssuer,
	"certificate.not_valid_before": cCertNotBefore, "certificate.not_valid_after": cCertNotAfter, "host_cert": cHostCert,

	"trans_depth": cDepth, "method": cMethod, "host": cHost, "uri": cURI, "referrer": cReferrer, "user_agent": cUserAgent,
	"request_body_len": cBodyUp, "response_body_len": cBodyDown, "status_code": cStatusCode, "username": cUsername,
	"orig_mime_types": cTypesUp, "resp_mime_types": cTypesDown, "mime_type": cMediaType,

	"auth_success": cAuthSuccess, "auth_attempts": cAuthAttempts, "client": cClient, "server": cServer,
	"cipher_alg": cCipherAlg, "kex_alg": cKexAlg, "host_key_alg": cHostKeyAlg, "host_key": cHostKey, "host_key_fingerprint": cHostKey,
	"hassh": cHASSH, "hasshServer": cHASSHServer, "hassh_server": cHASSHServer,

	"fuid": cFUID, "tx_hosts": cTxHosts, "rx_hosts": cRxHosts, "source": cSource, "filename": cFilename, "is_orig": cIsOrig,
	"seen_bytes": cSeenBytes, "total_bytes": cTotalBytes, "missing_bytes": cMissingBytes, "md5": cMD5, "sha1": cSHA1, "sha256": cSHA256,

	"path": cFilePath, "share_type": cShareType, "action": cAction, "name": cName, "size": cSize, "prev_name": cPrevName,
	"named_pipe": cPipe, "endpoint": cEndpoint, "operation": cOperation,

	"request_type": cRequestType, "success": cSuccess, "error_msg": cErrorMsg, "till": cTill, "forwardable": cForwardable, "renewable": cRenewable,
	"hostname": cHostname, "domainname": cDomainName, "server_nb_computer_name": cServerNB, "server_dns_computer_name": cServerDNS,
	"server_tree_name": cServerTree, "status": cStatus,

	"cookie": cCookie, "result": cResult, "security_protocol": cSecurity, "keyboard_layout": cKeyboard, "client_build": cClientBuild,
	"client_name": cClientName, "cert_count": cCertCount,

	"client_addr": cClientAddr, "server_addr": cServerAddr, "mac": cMAC, "host_name": cHostName, "client_fqdn": cClientFQDN, "domain": cDomain,
	"requested_addr": cRequestedAddr, "assigned_addr": cAssignedAddr, "assigned_ip": cAssignedAddr, "lease_time": cLeaseTime,
	"msg_types": cMsgTypes, "client_software": cClientSoftware,

	"addl": cAddl, "peer": cPeer, "note": cNote, "msg": cMsg, "sub": cSub, "src": cSrc, "dst": cDst, "p": cPort, "tunnel_type": cTunnelType,
}

// columnNames are the names by which errors speak of columns, and by which
// arrays of JSON are asked for again.
var columnNames = func() (names [columnCount]string) {
	for name, c := range columnOf {
		// Of several names the one that is in Zeek's own logs: the longest, then
		// the first, is that, or near enough to be understood.
		if old := names[c]; len(name) > len(old) || len(name) == len(old) && name < old {
			names[c] = name
		}
	}
	return names
}()
