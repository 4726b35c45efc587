package weir

import (
	"net/netip"
	"time"
)

// An HTTPTransaction is one HTTP request and its answer (RFC 9110). Nothing of
// a body is kept.
type HTTPTransaction struct {
	Endpoints
	// Method is the request method.
	Method string `weir:"method,omitzero" zeek:"method" ecs:"http.request.method" ocsf:"http_request.http_method" example:"POST"`
	// Host is the host asked for, lower case, without port.
	Host string `weir:"host,omitzero" zeek:"host" ecs:"url.domain" ocsf:"http_request.url.hostname" example:"portal.example.com"`
	// URI is the request target, with the values in its query masked.
	URI string `weir:"uri,omitzero" zeek:"uri" ecs:"url.original" ocsf:"http_request.url.url_string" example:"/gate.php"`
	// Referrer is the page that led here.
	Referrer string `weir:"referrer,omitzero" zeek:"referrer" ecs:"http.request.referrer" ocsf:"http_request.referrer" example:"http://portal.example.com/"`
	// UserAgent is what the client calls itself.
	UserAgent string `weir:"ua,omitzero" zeek:"user_agent" ecs:"user_agent.original" ocsf:"http_request.user_agent" example:"Mozilla/5.0"`
	// Version is the version of HTTP.
	Version string `weir:"version,omitzero" zeek:"version" ecs:"http.version" ocsf:"http_request.version" example:"1.1"`
	// Status is the status code of the answer.
	Status uint16 `weir:"status,omitzero" zeek:"status_code" ecs:"http.response.status_code" ocsf:"http_response.code" example:"200"`
	// BodyUp counts octets of the request's body.
	BodyUp uint64 `weir:"body.up,unit=bytes" zeek:"request_body_len" ecs:"http.request.body.bytes" ocsf:"http_request.body_length" example:"312"`
	// BodyDown counts octets of the answer's body.
	BodyDown uint64 `weir:"body.down,unit=bytes" zeek:"response_body_len" ecs:"http.response.body.bytes" ocsf:"http_response.body_length" example:"1024"`
	// TypeUp is the media type of the request's body.
	TypeUp string `weir:"type.up,omitzero" zeek:"orig_mime_types" ecs:"http.request.mime_type" example:"application/json"`
	// TypeDown is the media type of the answer's body.
	TypeDown string `weir:"type.down,omitzero" zeek:"resp_mime_types" ecs:"http.response.mime_type" ocsf:"http_response.content_type" example:"text/html"`
	// User is the name given in basic or digest authentication; never the password.
	User string `weir:"user,omitzero" zeek:"username" ecs:"url.username" example:"admin"`
}

// An SSHSession is what both sides of an SSH connection say before encryption
// begins (RFC 4253), and how the logon seems to have ended.
type SSHSession struct {
	Endpoints
	// Version is the version of the protocol: 1 or 2.
	Version uint8 `weir:"version,omitzero" zeek:"version" ocsf:"protocol_ver" example:"2"`
	// Client is the identification of the client's software.
	Client string `weir:"client,omitzero" zeek:"client" example:"SSH-2.0-OpenSSH_9.2p1"`
	// Server is the identification of the server's software.
	Server string `weir:"server,omitzero" zeek:"server" example:"SSH-2.0-OpenSSH_9.2p1"`
	// HASSH is the fingerprint of the client's key exchange.
	HASSH string `weir:"hassh,omitzero" zeek:"hassh" ocsf:"client_hassh.fingerprint.value" example:"ec7378c1a92f5a8dde7e8b7a1ddf33d1"`
	// HASSHServer is the fingerprint of the server's key exchange.
	HASSHServer string `weir:"hassh.server,omitzero" zeek:"hasshServer" ocsf:"server_hassh.fingerprint.value" example:"d43d91bc39d5aaed819ad9f6b57b7348"`
	// Auth says how the logon seems to have ended: success, failure, or missing.
	Auth string `weir:"auth,omitzero" zeek:"auth_success" ecs:"event.outcome" ocsf:"status" example:"success"`
	// Attempts counts attempts to log on.
	Attempts uint32 `weir:"attempts,omitzero" zeek:"auth_attempts" example:"3"`
	// Cipher is the encryption agreed.
	Cipher string `weir:"cipher,omitzero" zeek:"cipher_alg" example:"aes256-gcm@openssh.com"`
	// KeyExchange is the key exchange agreed.
	KeyExchange string `weir:"kex,omitzero" zeek:"kex_alg" example:"curve25519-sha256"`
	// HostKeyType is the algorithm of the server's host key.
	HostKeyType string `weir:"hostkey.type,omitzero" zeek:"host_key_alg" example:"ssh-ed25519"`
	// HostKey is the fingerprint of the server's host key.
	HostKey string `weir:"hostkey,omitzero" zeek:"host_key" example:"SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"`
}

// An SMBAction is one thing done by SMB: a share connected to, a file or pipe
// opened, read, written, renamed or deleted (MS-SMB, MS-SMB2).
type SMBAction struct {
	Endpoints
	// Version is the dialect, such as "3.1.1".
	Version string `weir:"version,omitzero" ocsf:"dialect" example:"3.1.1"`
	// Action is what was done: connect, open, close, read, write, rename,
	// delete, print, or the name of another command in lower case.
	Action string `weir:"action,omitzero" zeek:"action" ecs:"event.action" ocsf:"command" example:"write"`
	// Share is the share or the path of its tree.
	Share string `weir:"share,omitzero" zeek:"path" ocsf:"share" example:"\\\\10.20.0.15\\ADMIN$"`
	// ShareType is disk, pipe or print.
	ShareType string `weir:"share.type,omitzero" zeek:"share_type" ocsf:"share_type" example:"disk"`
	// Service is the service that the tree stands for, as told by the server.
	Service string `weir:"service,omitzero" zeek:"service" example:"IPC"`
	// File is the name of the file or pipe, below the share.
	File string `weir:"file,omitzero" zeek:"name" ecs:"file.path" ocsf:"file.name" example:"system32\\psexesvc.exe"`
	// Renamed is the file's name before it was renamed.
	Renamed string `weir:"renamed,omitzero" zeek:"prev_name" example:"old.txt"`
	// Disposition is what became of a file by being opened: opened, created,
	// overwritten or superseded.
	Disposition string `weir:"disposition,omitzero" example:"created"`
	// Size is the size of the file; of a read or write, how many octets of it.
	Size uint64 `weir:"size,omitzero,unit=bytes" zeek:"size" ecs:"file.size" ocsf:"file.size" example:"383872"`
	// Status is the status of the answer, such as "ACCESS_DENIED".
	Status string `weir:"status,omitzero" ecs:"event.code" ocsf:"status_code" example:"SUCCESS"`
	// User is who is logged on to the session.
	User string `weir:"user,omitzero" ecs:"user.name" example:"CORP\\j.doe"`
}

// An RPCCall is one call by DCE/RPC (C706, MS-RPCE).
type RPCCall struct {
	Endpoints
	// Endpoint is the interface called, by its common name, else its UUID.
	Endpoint string `weir:"endpoint,omitzero" zeek:"endpoint" example:"svcctl"`
	// Operation is the operation called, by its name, else its number.
	Operation string `weir:"operation,omitzero" zeek:"operation" ecs:"event.action" example:"CreateServiceW"`
	// Pipe is the named pipe or port that carries the calls.
	Pipe string `weir:"pipe,omitzero" zeek:"named_pipe" example:"\\pipe\\svcctl"`
	// User is who calls, where that was said without encryption.
	User string `weir:"user,omitzero" ecs:"user.name" example:"CORP\\j.doe"`
	// Status is why the call was refused, such as "access_denied"; missing
	// where it was answered or no answer was seen.
	Status string `weir:"status,omitzero" ecs:"event.code" example:"access_denied"`
	// RTT is the time from call to answer, 0 if one of them was not seen.
	RTT time.Duration `weir:"rtt,omitzero" zeek:"rtt" ecs:"event.duration" ocsf:"duration" example:"12ms"`
}

// A KerberosMessage is one request to a key distribution centre and its answer
// (RFC 4120).
type KerberosMessage struct {
	Endpoints
	// Type is the kind of request: AS, TGS or AP.
	Type string `weir:"msg,omitzero" zeek:"request_type" ecs:"event.action" example:"TGS"`
	// Client is the principal that asks, with its realm.
	Client string `weir:"client,omitzero" zeek:"client" ecs:"user.name" example:"j.doe/CORP.EXAMPLE"`
	// Service is the principal of the service that the ticket is for.
	Service string `weir:"spn,omitzero" zeek:"service" ecs:"service.name" example:"cifs/fs.corp.example"`
	// Success says whether the answer was a ticket: "true", "false", or missing
	// if no answer was seen.
	Success string `weir:"success,omitzero" zeek:"success" ecs:"event.outcome" ocsf:"status" example:"true"`
	// Error is the error of the answer.
	Error string `weir:"error,omitzero" zeek:"error_msg" ecs:"error.code" ocsf:"status_detail" example:"KDC_ERR_PREAUTH_FAILED"`
	// Cipher is the encryption of the ticket: rc4, aes128, aes256, des or its
	// name in lower case.
	Cipher string `weir:"etype,omitzero" zeek:"cipher" example:"aes256"`
	// ReplyCipher is the encryption of what the answer has for the client alone,
	// of an AS with the client's own key.
	ReplyCipher string `weir:"etype.reply,omitzero" example:"aes256"`
	// PreAuth says of an AS whether the client proved with its request that it
	// knows its key: "true", "false", or missing if that was not seen.
	PreAuth string `weir:"preauth,omitzero" example:"true"`
	// Requested are the encryptions that the client offers.
	Requested []string `weir:"etypes" example:"aes256"`
	// Forwardable says that a forwardable ticket was asked for.
	Forwardable bool `weir:"forwardable" zeek:"forwardable" example:"true"`
	// Renewable says that a renewable ticket was asked for.
	Renewable bool `weir:"renewable" zeek:"renewable" example:"true"`
	// Until is when the ticket expires.
	Until time.Time `weir:"until" zeek:"till" example:"2026-11-21T19:14:01Z"`
}

// An NTLMLogon is one authentication by NTLM, in whatever protocol it was
// carried (MS-NLMP).
type NTLMLogon struct {
	Endpoints
	// User is the name of who logs on.
	User string `weir:"user,omitzero" zeek:"username" ecs:"user.name" example:"j.doe"`
	// Host is the name of the client's machine.
	Host string `weir:"host,omitzero" zeek:"hostname" ecs:"source.domain" ocsf:"src_endpoint.hostname" example:"WS-0023"`
	// Domain is the domain of the user.
	Domain string `weir:"domain,omitzero" zeek:"domainname" ecs:"user.domain" example:"CORP"`
	// ServerName is the name of the server, of NetBIOS or DNS.
	ServerName string `weir:"server,omitzero" zeek:"server_nb_computer_name" ecs:"destination.domain" ocsf:"dst_endpoint.hostname" example:"FS01"`
	// ServerDomain is the DNS domain of the server.
	ServerDomain string `weir:"server.domain,omitzero" zeek:"server_tree_name" ocsf:"dst_endpoint.domain" example:"corp.example"`
	// Success says whether it succeeded: "true", "false", or missing if that
	// was not seen.
	Success string `weir:"success,omitzero" zeek:"success" ecs:"event.outcome" ocsf:"status" example:"true"`
	// Status is the status of the answer.
	Status string `weir:"status,omitzero" ecs:"event.code" ocsf:"status_detail" example:"SUCCESS"`
}

// An RDPSession is the beginning of a remote desktop connection (MS-RDPBCGR).
type RDPSession struct {
	Endpoints
	// Cookie is the user name in the connection request, of which clients often
	// cut all but nine letters off, or the routing token: "msts=…".
	Cookie string `weir:"cookie,omitzero" zeek:"cookie" ecs:"user.name" example:"j.doe"`
	// Result is how the connection request ended.
	Result string `weir:"result,omitzero" zeek:"result" example:"Success"`
	// Security is the security protocol agreed: rdp, tls, hybrid …
	Security string `weir:"security,omitzero" zeek:"security_protocol" example:"hybrid"`
	// Client is the name of the client's machine.
	Client string `weir:"client,omitzero" zeek:"client_name" ecs:"source.domain" ocsf:"src_endpoint.hostname" example:"WS-0023"`
	// Build is the version of the client.
	Build string `weir:"build,omitzero" zeek:"client_build" ocsf:"protocol_ver" example:"RDP 10.7"`
	// Keyboard is the layout of the client's keyboard.
	Keyboard string `weir:"keyboard,omitzero" zeek:"keyboard_layout" example:"English - United States"`
	// Certificates counts the certificates that the server showed.
	Certificates uint32 `weir:"certificates,omitzero" zeek:"cert_count" example:"1"`
	// Auth says whether the logon seems to have succeeded: "true", "false", or missing.
	Auth string `weir:"auth,omitzero" zeek:"auth_success" ecs:"event.outcome" ocsf:"status" example:"true"`
}

// A DHCPMessage is one exchange of DHCP (RFC 2131, RFC 8415): an address asked
// for and given.
type DHCPMessage struct {
	Endpoints
	// MAC is the link-layer address of the client.
	MAC string `weir:"mac,omitzero" zeek:"mac" ecs:"source.mac" ocsf:"src_endpoint.mac" example:"02:00:5e:10:00:01"`
	// Requested is the address that the client asked for.
	Requested netip.Addr `weir:"requested" zeek:"requested_addr" example:"10.10.1.23"`
	// Assigned is the address that it was given.
	Assigned netip.Addr `weir:"assigned" zeek:"assigned_addr" example:"10.10.1.23"`
	// Server is the address of the server that gave it.
	Server netip.Addr `weir:"server" zeek:"server_addr" example:"10.10.1.1"`
	// Lease is how long it was given for.
	Lease time.Duration `weir:"lease,omitzero" zeek:"lease_time" ocsf:"lease_dur" example:"24h"`
	// Host is the host name that the client tells.
	Host string `weir:"host,omitzero" zeek:"host_name" ecs:"source.domain" ocsf:"src_endpoint.hostname" example:"ws-0023"`
	// FQDN is the full name that the client tells.
	FQDN string `weir:"fqdn,omitzero" zeek:"client_fqdn" example:"ws-0023.corp.example"`
	// Domain is the domain that the server tells.
	Domain string `weir:"domain,omitzero" zeek:"domain" ocsf:"src_endpoint.domain" example:"corp.example"`
	// Vendor is the class that the client tells of itself.
	Vendor string `weir:"vendor,omitzero" zeek:"client_software" example:"MSFT 5.0"`
	// Fingerprint is the list of options that the client asks for.
	Fingerprint string `weir:"fingerprint,omitzero" example:"1,3,6,15,31,33"`
	// Messages are the types of the messages seen.
	Messages []string `weir:"msg" zeek:"msg_types" ecs:"event.action" example:"DISCOVER"`
}

// A File is one file that crossed the network, told by its kind and hashes.
// Its content is not kept.
type File struct {
	Endpoints
	// ID is how the source of the record calls the file.
	ID string `weir:"id,omitzero" zeek:"fuid" example:"FMnxxt3xjVcWNS2141"`
	// Protocol is what carried it: http, smb, smtp, ftp …
	Protocol string `weir:"app,omitzero" zeek:"source" ecs:"network.protocol" ocsf:"app_name" example:"http"`
	// Name is the file's name where one was told.
	Name string `weir:"name,omitzero" zeek:"filename" ecs:"file.name" example:"invoice.exe"`
	// Type is the media type by content.
	Type string `weir:"type,omitzero" zeek:"mime_type" ecs:"file.mime_type" example:"application/x-dosexec"`
	// FromSrc says that it went from Src to Dst.
	FromSrc bool `weir:"up" zeek:"is_orig" example:"false"`
	// Size counts the octets seen of it.
	Size uint64 `weir:"size,unit=bytes" zeek:"seen_bytes" example:"383872"`
	// Total is the size that was told, 0 if none was.
	Total uint64 `weir:"total,omitzero,unit=bytes" zeek:"total_bytes" ecs:"file.size" example:"383872"`
	// Missing counts octets that were not seen.
	Missing uint64 `weir:"missing.bytes,omitzero,unit=bytes" zeek:"missing_bytes" ocsf:"traffic.bytes_missed" example:"0"`
	// Duration is how long it took.
	Duration time.Duration `weir:"dur,omitzero" zeek:"duration" ecs:"event.duration" ocsf:"duration" example:"200ms"`
	// MD5 is the MD5 of the content, in hexadecimal.
	MD5 string `weir:"md5,omitzero" zeek:"md5" ecs:"file.hash.md5" example:"d41d8cd98f00b204e9800998ecf8427e"`
	// SHA1 is the SHA-1 of the content, in hexadecimal.
	SHA1 string `weir:"sha1,omitzero" zeek:"sha1" ecs:"file.hash.sha1" example:"da39a3ee5e6b4b0d3255bfef95601890afd80709"`
	// SHA256 is the SHA-256 of the content, in hexadecimal.
	SHA256 string `weir:"sha256,omitzero" zeek:"sha256" ecs:"file.hash.sha256" example:"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`
}
