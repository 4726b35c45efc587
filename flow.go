package weir

import (
	"net/netip"
	"time"
)

// A Flow is what one sensor saw of one conversation between two endpoints:
// who, when, how much, and what their handshakes said. It is directed as the
// conversation was: Src began it.
//
// A conversation that outlasts the meter's active timeout is reported in
// several records, its slices. Their counters are those of the slice alone,
// so that sums over records never count anything twice; what was learned of
// the conversation (application, names, handshakes, state) stands in every
// slice from then on.
type Flow struct {
	// Start is when the first packet of this record was seen.
	Start time.Time `weir:"ts" zeek:"ts" ecs:"@timestamp" ocsf:"time" example:"2026-11-21T09:14:01Z"`
	// End is when the last packet of this record was seen.
	End time.Time `weir:"end" ecs:"event.end" ocsf:"end_time" example:"2026-11-21T09:14:31Z"`
	// Duration is how long the conversation had lasted at End, since its own
	// first packet, which may lie in an earlier slice.
	Duration time.Duration `weir:"dur" zeek:"duration" ecs:"event.duration" ocsf:"duration" example:"30s"`
	// Slice counts the records of the same conversation before this one: 0 for
	// a conversation told in one record.
	Slice uint32 `weir:"slice" example:"0"`
	// Ongoing says that the conversation had not ended with this record.
	Ongoing bool `weir:"ongoing" example:"false"`
	// Sensor names the place where the traffic was seen.
	Sensor string `weir:"sensor" ecs:"observer.name" ocsf:"metadata.log_provider" example:"core-1"`
	// Exporters are the addresses of the exporters that told of the
	// conversation, the one whose counters are used first. A conversation told
	// by several is one record.
	Exporters []string `weir:"exporter" ecs:"observer.ip" example:"192.0.2.1"`
	// UID is how the source of the record calls the conversation: the uid of
	// Zeek, the flow_id of Suricata.
	UID string `weir:"uid,omitzero" zeek:"uid" ecs:"event.id" ocsf:"connection_info.uid" example:"CHhAvVGS1DHFjwGM9"`

	// Src is the address of the originator, which began the conversation.
	Src netip.Addr `weir:"src.ip" zeek:"id.orig_h" ecs:"source.ip" ocsf:"src_endpoint.ip" example:"10.10.1.23"`
	// Dst is the address of the responder.
	Dst netip.Addr `weir:"dst.ip" zeek:"id.resp_h" ecs:"destination.ip" ocsf:"dst_endpoint.ip" example:"203.0.113.77"`
	// SrcPort is the transport port at Src, 0 if the protocol has none.
	SrcPort uint16 `weir:"src.port" zeek:"id.orig_p" ecs:"source.port" ocsf:"src_endpoint.port" example:"51512"`
	// DstPort is the transport port at Dst, 0 if the protocol has none.
	DstPort uint16 `weir:"dst.port" zeek:"id.resp_p" ecs:"destination.port" ocsf:"dst_endpoint.port" example:"443"`
	// Proto is the IP protocol.
	Proto Proto `weir:"proto,enum" zeek:"proto" ecs:"network.transport" ocsf:"connection_info.protocol_name" example:"tcp"`
	// ICMP holds type and code where Proto is icmp or icmp6.
	ICMP *ICMP `weir:"icmp"`
	// OriginGuessed says that which side began is a guess from the ports: no
	// flag and no order told it.
	OriginGuessed bool `weir:"origin.guessed" example:"false"`
	// Half says that only one direction was told of and that whether Dst
	// answered is therefore not known. An attempt seen to go unanswered is none.
	Half bool `weir:"half" example:"false"`

	// App is the application protocol: what the handshake shows or, with
	// app.guessed, what usually runs on the port.
	App string `weir:"app,omitzero" zeek:"service" ecs:"network.protocol" ocsf:"app_name" example:"tls"`
	// AppGuessed says that App is a guess from the port alone.
	AppGuessed bool `weir:"app.guessed" example:"false"`
	// State is the state of the connection in Zeek's terms (conn_state).
	State State `weir:"state,enum,omitzero" zeek:"conn_state" example:"SF"`
	// History is the order of events in Zeek's letters, upper case for the
	// originator: S syn, H syn-ack, A ack, D data, F fin, R reset, T
	// retransmission, ^ direction flipped.
	History string `weir:"history,omitzero" zeek:"history" ocsf:"connection_info.flag_history" example:"ShADadFf"`
	// Direction says how the conversation crosses the border of the local networks.
	Direction Direction `weir:"dir,enum,omitzero" ecs:"network.direction" ocsf:"connection_info.direction" example:"outbound"`

	// BytesUp counts octets sent by Src, IP headers included.
	BytesUp uint64 `weir:"bytes.up,unit=bytes" zeek:"orig_ip_bytes" ecs:"source.bytes" ocsf:"traffic.bytes_out" example:"1820"`
	// BytesDown counts octets sent by Dst, IP headers included.
	BytesDown uint64 `weir:"bytes.down,unit=bytes" zeek:"resp_ip_bytes" ecs:"destination.bytes" ocsf:"traffic.bytes_in" example:"40960"`
	// PacketsUp counts packets sent by Src.
	PacketsUp uint64 `weir:"pkts.up,unit=packets" zeek:"orig_pkts" ecs:"source.packets" ocsf:"traffic.packets_out" example:"12"`
	// PacketsDown counts packets sent by Dst.
	PacketsDown uint64 `weir:"pkts.down,unit=packets" zeek:"resp_pkts" ecs:"destination.packets" ocsf:"traffic.packets_in" example:"34"`
	// DataUp counts octets of transport payload sent by Src, retransmissions
	// included. Where an exporter does not tell it, it is a lower bound.
	DataUp uint64 `weir:"data.up,unit=bytes" zeek:"orig_bytes" example:"1180"`
	// DataDown counts octets of transport payload sent by Dst, retransmissions
	// included. Where an exporter does not tell it, it is a lower bound.
	DataDown uint64 `weir:"data.down,unit=bytes" zeek:"resp_bytes" example:"39120"`
	// FlagsUp is the union of the TCP flags sent by Src.
	FlagsUp TCPFlags `weir:"flags.up,omitzero" example:"SAPF"`
	// FlagsDown is the union of the TCP flags sent by Dst.
	FlagsDown TCPFlags `weir:"flags.down,omitzero" example:"SAPF"`

	// TTLUp is the time to live (hop limit) of the first packet of Src.
	TTLUp uint8 `weir:"ttl.up,omitzero" example:"64"`
	// TTLDown is the time to live (hop limit) of the first packet of Dst.
	TTLDown uint8 `weir:"ttl.down,omitzero" example:"57"`

	// Sampling is N where one packet in N was looked at; counters of bytes and
	// packets are scaled by it. It is missing where every packet was.
	Sampling uint32 `weir:"sampling,omitzero" example:"100"`
	// SamplingUnknown says that the exporter samples, or is likely to, at a rate
	// that it has not told: the counters are as exported.
	SamplingUnknown bool `weir:"sampling.unknown" example:"false"`

	// VLAN is the outermost VLAN identifier, if the packets carried one.
	VLAN uint16 `weir:"vlan,omitzero" zeek:"vlan" ecs:"network.vlan.id" ocsf:"src_endpoint.vlan_uid" example:"12"`
	// Tunnel names the encapsulation that the packets came in, outermost
	// first, such as "gre" or "vxlan".
	Tunnel string `weir:"tunnel,omitzero" example:"vxlan"`

	// SrcHost is a name of Src, lower case.
	SrcHost string `weir:"src.host,omitzero" ecs:"source.domain" ocsf:"src_endpoint.hostname" example:"ws-0023"`
	// DstHost is the name by which Src knew Dst: of a look-up before it, else
	// of the handshake (SNI, Host).
	DstHost string `weir:"dst.host,omitzero" ecs:"destination.domain" ocsf:"dst_endpoint.hostname" example:"cdn-sync.example.net"`
	// DstDomain is the registered domain of DstHost, by the Public Suffix List.
	DstDomain string `weir:"dst.domain,omitzero" ecs:"destination.registered_domain" ocsf:"dst_endpoint.domain" example:"example.net"`
	// SrcUser is who was logged on at Src, as told by the exporter or log.
	SrcUser string `weir:"src.user,omitzero" ecs:"source.user.name" ocsf:"src_endpoint.owner.name" example:"j.doe"`
	// DstUser is who was logged on at Dst.
	DstUser string `weir:"dst.user,omitzero" ecs:"destination.user.name" ocsf:"dst_endpoint.owner.name" example:"svc_backup"`
	// SrcMAC is the link-layer address of Src, or of the router before it.
	SrcMAC string `weir:"src.mac,omitzero" zeek:"orig_l2_addr" ecs:"source.mac" ocsf:"src_endpoint.mac" example:"02:00:5e:10:00:01"`
	// DstMAC is the link-layer address of Dst, or of the router before it.
	DstMAC string `weir:"dst.mac,omitzero" zeek:"resp_l2_addr" ecs:"destination.mac" ocsf:"dst_endpoint.mac" example:"02:00:5e:10:00:02"`
	// SrcGroup is the configured network or group that Src belongs to.
	SrcGroup string `weir:"src.group,omitzero" ocsf:"src_endpoint.zone" example:"workstations"`
	// DstGroup is the configured network or group that Dst belongs to.
	DstGroup string `weir:"dst.group,omitzero" ocsf:"dst_endpoint.zone" example:"internet"`
	// SrcASN is the autonomous system that announces Src.
	SrcASN uint32 `weir:"src.asn,omitzero" ecs:"source.as.number" ocsf:"src_endpoint.autonomous_system.number" example:"64510"`
	// DstASN is the autonomous system that announces Dst.
	DstASN uint32 `weir:"dst.asn,omitzero" ecs:"destination.as.number" ocsf:"dst_endpoint.autonomous_system.number" example:"64510"`
	// SrcOrg is the holder of that autonomous system.
	SrcOrg string `weir:"src.org,omitzero" ecs:"source.as.organization.name" ocsf:"src_endpoint.autonomous_system.name" example:"ExampleCloud"`
	// DstOrg is the holder of that autonomous system.
	DstOrg string `weir:"dst.org,omitzero" ecs:"destination.as.organization.name" ocsf:"dst_endpoint.autonomous_system.name" example:"ExampleCloud"`
	// SrcCountry is the country of Src, ISO 3166-1 alpha-2.
	SrcCountry string `weir:"src.country,omitzero" ecs:"source.geo.country_iso_code" ocsf:"src_endpoint.location.country" example:"NL"`
	// DstCountry is the country of Dst, ISO 3166-1 alpha-2.
	DstCountry string `weir:"dst.country,omitzero" ecs:"destination.geo.country_iso_code" ocsf:"dst_endpoint.location.country" example:"NL"`

	// SrcDevice tells the device behind Src apart where that is more than its
	// address: the id of table host. It stays when the address changes.
	SrcDevice string `weir:"src.device,omitzero" ocsf:"src_endpoint.uid" example:"mac:02:00:5e:10:00:01"`
	// DstDevice tells the device behind Dst apart likewise.
	DstDevice string `weir:"dst.device,omitzero" ocsf:"dst_endpoint.uid" example:"mac:02:00:5e:10:00:02"`
	// SrcRole is what Src is for, of table host: "workstation", "dns server" …
	SrcRole string `weir:"src.role,omitzero" ocsf:"src_endpoint.type" example:"workstation"`
	// DstRole is what Dst is for.
	DstRole string `weir:"dst.role,omitzero" ocsf:"dst_endpoint.type" example:"file server"`

	// TCP holds what the TCP headers show, where packets were seen.
	TCP *TCPHead `weir:"tcp"`
	// Shape holds sizes and times of the first packets, where packets were seen.
	Shape *Shape `weir:"shape"`
	// TLS holds what both sides said in the clear before encryption began.
	TLS *TLS `weir:"tls"`
	// HTTP holds the first request of the conversation and its answer.
	HTTP *HTTP `weir:"http"`
	// NAT holds the addresses on the other side of a translation.
	NAT *NAT `weir:"nat"`
	// Export holds what only an exporter of flows knows.
	Export *Export `weir:"export"`
}

// TCPHead is what the headers of a TCP connection show of its two ends (RFC 9293).
type TCPHead struct {
	// WindowUp is the window in the SYN of Src, in octets, before scaling.
	WindowUp uint16 `weir:"window.up,omitzero" example:"64240"`
	// WindowDown is the window in the SYN-ACK of Dst, before scaling.
	WindowDown uint16 `weir:"window.down,omitzero" example:"65160"`
	// ScaleUp is the shift of the window that Src tells (RFC 7323).
	ScaleUp uint8 `weir:"scale.up,omitzero" example:"7"`
	// ScaleDown is the shift of the window that Dst tells.
	ScaleDown uint8 `weir:"scale.down,omitzero" example:"7"`
	// MSSUp is the maximum segment size that Src tells.
	MSSUp uint16 `weir:"mss.up,omitzero" example:"1460"`
	// MSSDown is the maximum segment size that Dst tells.
	MSSDown uint16 `weir:"mss.down,omitzero" example:"1460"`
	// OptionsUp are the options in the SYN of Src in their order, as p0f names
	// them: mss, nop, ws, sok, ts, eol, else ?kind.
	OptionsUp string `weir:"options.up,omitzero" example:"mss,sok,ts,nop,ws"`
	// OptionsDown are those in the SYN-ACK of Dst.
	OptionsDown string `weir:"options.down,omitzero" example:"mss,sok,ts,nop,ws"`
	// RTTUp is the time from the SYN-ACK to its acknowledgment: from the sensor
	// to Src and back.
	RTTUp time.Duration `weir:"rtt.up,omitzero" example:"1.2ms"`
	// RTTDown is the time from the SYN to the SYN-ACK: from the sensor to Dst
	// and back.
	RTTDown time.Duration `weir:"rtt.down,omitzero" example:"18ms"`
	// RetransUp counts segments that Src sent again, of this record.
	RetransUp uint32 `weir:"retrans.up,omitzero" example:"2"`
	// RetransDown counts segments that Dst sent again, of this record.
	RetransDown uint32 `weir:"retrans.down,omitzero" example:"0"`
}

// Shape is how a conversation begins, whatever it says: sizes and times of its
// first packets and how even its octets are. It stands in the first record.
// Of DNS there is none: its transactions tell more.
type Shape struct {
	// Lengths are the payload octets of the first 20 packets that carry any,
	// negative for those of Dst.
	Lengths []int32 `weir:"lens" example:"517"`
	// Gaps are the microseconds from each of them to the one before, the first
	// since the conversation began.
	Gaps []uint32 `weir:"gaps" example:"18250"`
	// EntropyUp is the Shannon entropy of the first payload octets of Src, in
	// bits per octet from 0 to 8. The octets themselves are not kept.
	EntropyUp float64 `weir:"entropy.up,omitzero" example:"7.42"`
	// EntropyDown is that of the first payload octets of Dst.
	EntropyDown float64 `weir:"entropy.down,omitzero" example:"7.81"`
}

// NAT is what a translating device told of a conversation: its addresses and
// ports after the translation (IPFIX postNATSourceIPv4Address and so on).
type NAT struct {
	// Src is the address of the originator behind the translation.
	Src netip.Addr `weir:"src.ip" ecs:"source.nat.ip" example:"203.0.113.9"`
	// SrcPort is its port there.
	SrcPort uint16 `weir:"src.port,omitzero" ecs:"source.nat.port" example:"40122"`
	// Dst is the address of the responder behind the translation.
	Dst netip.Addr `weir:"dst.ip" ecs:"destination.nat.ip" example:"10.20.0.15"`
	// DstPort is its port there.
	DstPort uint16 `weir:"dst.port,omitzero" ecs:"destination.nat.port" example:"8443"`
	// Event is what happened to the translation (IPFIX natEvent), such as "create".
	Event string `weir:"event,omitzero" example:"create"`
}

// Export is what a flow exporter tells of a conversation beside its counters:
// the way through the device, and what the device did with it.
type Export struct {
	// InIf is the interface by which packets of Src came in (ifIndex).
	InIf uint32 `weir:"in.if,omitzero" ecs:"observer.ingress.interface.id" example:"3"`
	// OutIf is the interface by which packets of Src went out (ifIndex).
	OutIf uint32 `weir:"out.if,omitzero" ecs:"observer.egress.interface.id" example:"7"`
	// Next is the router to which packets of Src were sent.
	Next netip.Addr `weir:"next" example:"192.0.2.254"`
	// TOS is the type of service octet of the first packet (DSCP and ECN).
	TOS uint8 `weir:"tos,omitzero" example:"184"`
	// Domain is the observation domain (IPFIX), source (NetFlow v9), engine
	// (v5) or sub-agent (sFlow) that exported it.
	Domain uint32 `weir:"domain,omitzero" example:"256"`
	// Reason is why the exporter reported it: idle, active, end, forced or
	// resources (IPFIX flowEndReason).
	Reason string `weir:"reason,omitzero" example:"idle"`
	// Action is what a firewall did (IPFIX firewallEvent): created, deleted,
	// denied, alert or update.
	Action string `weir:"action,omitzero" example:"denied"`
	// ACL is the rule or policy that applied.
	ACL string `weir:"acl,omitzero" ecs:"rule.name" example:"outside_access_in"`
	// VRF is the routing instance.
	VRF string `weir:"vrf,omitzero" example:"guest"`
	// Extra are elements that no other field is for, as name=value, or
	// enterprise.number=hexadecimal where the name is not known.
	Extra []string `weir:"extra" example:"flowId=12"`
}

// ICMP is the type and code of the first message of an ICMP or ICMPv6 flow
// (RFC 792, RFC 4443).
type ICMP struct {
	// Type is the ICMP type.
	Type uint8 `weir:"type" example:"8"`
	// Code is the ICMP code.
	Code uint8 `weir:"code" example:"0"`
}

// TLS is what the handshake of a TLS or DTLS conversation shows (RFC 5246,
// RFC 8446). Up to TLS 1.2 the certificate is among it, from 1.3 on it is not.
type TLS struct {
	// Version is the version agreed, else the highest one offered.
	Version string `weir:"version,omitzero" zeek:"version" ecs:"tls.version" ocsf:"tls.version" example:"1.3"`
	// Cipher is the cipher suite agreed, by its IANA name.
	Cipher string `weir:"cipher,omitzero" zeek:"cipher" ecs:"tls.cipher" ocsf:"tls.cipher" example:"TLS_AES_128_GCM_SHA256"`
	// QUIC is the version of QUIC that carried the handshake: "1", "2", else as
	// its drafts and vendors call it.
	QUIC string `weir:"quic,omitzero" example:"1"`
	// SNI is the server name that the client asked for, lower case.
	SNI string `weir:"sni,omitzero" zeek:"server_name" ecs:"tls.client.server_name" ocsf:"tls.sni" example:"cdn-sync.example.net"`
	// ALPN is the application protocol agreed, else the first one offered.
	ALPN string `weir:"alpn,omitzero" zeek:"next_protocol" ecs:"tls.next_protocol" example:"h2"`
	// JA3 is the MD5 fingerprint of the ClientHello.
	JA3 string `weir:"ja3,omitzero" zeek:"ja3" ecs:"tls.client.ja3" ocsf:"tls.ja3_hash.value" example:"e7d705a3286e19ea42f587b344ee6865"`
	// JA3S is the MD5 fingerprint of the ServerHello.
	JA3S string `weir:"ja3s,omitzero" zeek:"ja3s" ecs:"tls.server.ja3s" ocsf:"tls.ja3s_hash.value" example:"f4febc55ea12b31ae17cfb7e614afda8"`
	// JA4 is the JA4 fingerprint of the ClientHello.
	JA4 string `weir:"ja4,omitzero" zeek:"ja4" ecs:"tls.client.ja4" ocsf:"ja4_fingerprint_list.value" example:"t13d1516h2_8daaf6152771_02713d6af862"`
	// Subject is the distinguished name of the server's certificate (RFC 2253).
	Subject string `weir:"subject,omitzero" zeek:"subject" ecs:"tls.server.subject" example:"CN=localhost"`
	// Issuer is the distinguished name of who signed it.
	Issuer string `weir:"issuer,omitzero" zeek:"issuer" ecs:"tls.server.issuer" example:"CN=localhost"`
	// NotBefore is when the certificate becomes valid.
	NotBefore time.Time `weir:"not_before,omitzero" zeek:"not_valid_before" ecs:"tls.server.not_before" example:"2026-01-01T00:00:00Z"`
	// NotAfter is when the certificate ceases to be valid.
	NotAfter time.Time `weir:"not_after,omitzero" zeek:"not_valid_after" ecs:"tls.server.not_after" example:"2027-01-01T00:00:00Z"`
	// SelfSigned says that the certificate names itself as its issuer. The
	// signature is not verified.
	SelfSigned bool `weir:"self_signed" example:"true"`
	// SHA256 is the fingerprint of the certificate, in hexadecimal.
	SHA256 string `weir:"sha256,omitzero" zeek:"cert_chain_fps" ecs:"tls.server.hash.sha256" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
}

// HTTP is the first request of an HTTP/1 conversation and its answer (RFC
// 9112). Strings are cut at a bound; nothing of a body is kept.
type HTTP struct {
	// Method is the request method.
	Method string `weir:"method,omitzero" zeek:"method" ecs:"http.request.method" example:"GET"`
	// Host is the host asked for, lower case, without port.
	Host string `weir:"host,omitzero" zeek:"host" ecs:"url.domain" example:"portal.example.com"`
	// URI is the request target, with the values in its query masked.
	URI string `weir:"uri,omitzero" zeek:"uri" ecs:"url.original" example:"/gate.php"`
	// UserAgent is what the client calls itself.
	UserAgent string `weir:"ua,omitzero" zeek:"user_agent" ecs:"user_agent.original" example:"Mozilla/5.0"`
	// Status is the status code of the answer.
	Status uint16 `weir:"status,omitzero" zeek:"status_code" ecs:"http.response.status_code" example:"200"`
}

// Bytes counts octets in both directions, IP headers included.
//
//weir:field bytes,unit=bytes ecs:"network.bytes" ocsf:"traffic.bytes" example:"42780"
func (f *Flow) Bytes() uint64 { return f.BytesUp + f.BytesDown }

// Packets counts packets in both directions.
//
//weir:field pkts,unit=packets ecs:"network.packets" ocsf:"traffic.packets" example:"46"
func (f *Flow) Packets() uint64 { return f.PacketsUp + f.PacketsDown }

// CID is the Community ID of the conversation, version 1, seed 0.
//
//weir:field cid,slow zeek:"community_id" ecs:"network.community_id" ocsf:"connection_info.community_uid" example:"1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="
func (f *Flow) CID() string {
	return CommunityID(0, f.Proto, f.Src, f.Dst, f.SrcPort, f.DstPort, f.ICMP)
}

// Answered reports whether Dst sent anything back.
func (f *Flow) Answered() bool { return f.PacketsDown > 0 }

// First returns when the conversation began, which for a slice lies before Start.
func (f *Flow) First() time.Time { return f.End.Add(-f.Duration) }
