package weir

import (
	"net/netip"
	"time"
)

// A DNSTransaction is one DNS query and its response, or either alone if the
// other was not seen (RFC 1035). Multicast DNS (RFC 6762), LLMNR (RFC 4795)
// and the NetBIOS name service (RFC 1002) speak the same format and are told
// apart by App.
type DNSTransaction struct {
	// Time is when the query was seen, else the response.
	Time time.Time `weir:"ts" zeek:"ts" ecs:"@timestamp" ocsf:"time" example:"2026-11-21T09:14:01Z"`
	// Sensor names the place where the traffic was seen.
	Sensor string `weir:"sensor" ecs:"observer.name" ocsf:"metadata.log_provider" example:"core-1"`
	// Src is who asked.
	Src netip.Addr `weir:"src.ip" zeek:"id.orig_h" ecs:"source.ip" ocsf:"src_endpoint.ip" example:"10.10.1.17"`
	// Dst is who was asked.
	Dst netip.Addr `weir:"dst.ip" zeek:"id.resp_h" ecs:"destination.ip" ocsf:"dst_endpoint.ip" example:"10.20.0.10"`
	// SrcPort is the transport port of who asked.
	SrcPort uint16 `weir:"src.port" zeek:"id.orig_p" ecs:"source.port" ocsf:"src_endpoint.port" example:"53211"`
	// DstPort is the transport port of who was asked.
	DstPort uint16 `weir:"dst.port" zeek:"id.resp_p" ecs:"destination.port" ocsf:"dst_endpoint.port" example:"53"`
	// Proto is the transport: udp or tcp.
	Proto Proto `weir:"proto,enum" zeek:"proto" ecs:"network.transport" ocsf:"connection_info.protocol_name" example:"udp"`
	// App is the dialect: dns, mdns, llmnr or nbns.
	App string `weir:"app" ecs:"network.protocol" ocsf:"app_name" example:"dns"`
	// Direction says how the query crosses the border of the local networks.
	Direction Direction `weir:"dir,enum,omitzero" ecs:"network.direction" ocsf:"connection_info.direction" example:"internal"`
	// SrcGroup is the configured network or group that Src belongs to.
	SrcGroup string `weir:"src.group,omitzero" ocsf:"src_endpoint.zone" example:"workstations"`
	// ID is the transaction identifier.
	ID uint16 `weir:"id" zeek:"trans_id" ecs:"dns.id" ocsf:"query.packet_uid" example:"4660"`
	// Query is the name asked for, or that of the first answer of what nobody
	// asked for, such as the announcements of mDNS; lower case, without the final
	// dot; octets that are not printable ASCII stand as \DDD (RFC 4343).
	Query string `weir:"query,omitzero" zeek:"query" ecs:"dns.question.name" ocsf:"query.hostname" example:"www.example.com"`
	// Domain is the registered domain of Query, by the Public Suffix List.
	Domain string `weir:"domain,omitzero" ecs:"dns.question.registered_domain" example:"example.com"`
	// Type is the record type asked for, such as A or TXT.
	Type string `weir:"qtype,omitzero" zeek:"qtype_name" ecs:"dns.question.type" ocsf:"query.type" example:"A"`
	// Class is the class asked for, almost always IN.
	Class string `weir:"qclass,omitzero" zeek:"qclass_name" ecs:"dns.question.class" ocsf:"query.class" example:"IN"`
	// Code is the response code, such as NOERROR or NXDOMAIN; missing if no
	// response was seen.
	Code string `weir:"rcode,omitzero" zeek:"rcode_name" ecs:"dns.response_code" ocsf:"rcode" example:"NOERROR"`
	// Answers are the data of the answer section in presentation format.
	Answers []string `weir:"answer" zeek:"answers" ecs:"dns.answers.data" ocsf:"answers.rdata" example:"198.51.100.9"`
	// TTLs are the times to live of Answers, in seconds.
	TTLs []uint32 `weir:"ttl" zeek:"TTLs" ecs:"dns.answers.ttl" ocsf:"answers.ttl" example:"300"`
	// RTT is the time from query to response, 0 if one of them was not seen.
	RTT time.Duration `weir:"rtt,omitzero" zeek:"rtt" ecs:"event.duration" ocsf:"duration" example:"12ms"`
	// Authoritative says that the server has authority over the name (AA).
	Authoritative bool `weir:"aa" zeek:"AA" example:"false"`
	// Truncated says that the response was cut (TC).
	Truncated bool `weir:"tc" zeek:"TC" example:"false"`
	// RecursionDesired says that the client asked for recursion (RD).
	RecursionDesired bool `weir:"rd" zeek:"RD" example:"true"`
	// RecursionAvailable says that the server offers recursion (RA).
	RecursionAvailable bool `weir:"ra" zeek:"RA" example:"true"`
	// EDNSSize is the UDP payload size offered by EDNS (RFC 6891), 0 without EDNS.
	EDNSSize uint16 `weir:"edns.size,omitzero" example:"1232"`
	// BytesUp counts octets of the query message.
	BytesUp uint64 `weir:"bytes.up,unit=bytes" ecs:"source.bytes" ocsf:"traffic.bytes_out" example:"45"`
	// BytesDown counts octets of the response message.
	BytesDown uint64 `weir:"bytes.down,unit=bytes" ecs:"destination.bytes" ocsf:"traffic.bytes_in" example:"61"`
}

// Bytes counts octets of both messages.
//
//weir:field bytes,unit=bytes ecs:"network.bytes" ocsf:"traffic.bytes" example:"106"
func (d *DNSTransaction) Bytes() uint64 { return d.BytesUp + d.BytesDown }

// Answered reports whether a response was seen.
func (d *DNSTransaction) Answered() bool { return d.Code != "" }

// An Oddity is something a decoder could not make sense of. It is a record
// like any other, because malformed traffic is itself a thing to hunt.
type Oddity struct {
	// Time is when it was seen.
	Time time.Time `weir:"ts" zeek:"ts" ecs:"@timestamp" ocsf:"time" example:"2026-11-21T09:14:01Z"`
	// Sensor names the place where the traffic was seen.
	Sensor string `weir:"sensor" ecs:"observer.name" ocsf:"metadata.log_provider" example:"core-1"`
	// Src is who sent it.
	Src netip.Addr `weir:"src.ip,omitzero" zeek:"id.orig_h" ecs:"source.ip" ocsf:"src_endpoint.ip" example:"10.10.1.17"`
	// Dst is to whom it was sent.
	Dst netip.Addr `weir:"dst.ip,omitzero" zeek:"id.resp_h" ecs:"destination.ip" ocsf:"dst_endpoint.ip" example:"10.20.0.10"`
	// SrcPort is the transport port of who sent it.
	SrcPort uint16 `weir:"src.port,omitzero" zeek:"id.orig_p" ecs:"source.port" ocsf:"src_endpoint.port" example:"53211"`
	// DstPort is the transport port it was sent to.
	DstPort uint16 `weir:"dst.port,omitzero" zeek:"id.resp_p" ecs:"destination.port" ocsf:"dst_endpoint.port" example:"53"`
	// Proto is the IP protocol.
	Proto Proto `weir:"proto,enum,omitzero" ecs:"network.transport" ocsf:"connection_info.protocol_name" example:"udp"`
	// Name says what is odd: one of a fixed list per decoder, such as
	// "dns_name_loop" or "ip_fragment_overlap".
	Name string `weir:"name" zeek:"name" ecs:"event.code" ocsf:"status_code" example:"dns_name_loop"`
	// Detail says more where there is more to say.
	Detail string `weir:"detail,omitzero" zeek:"addl" ecs:"message" ocsf:"status_detail" example:"pointer at 12"`
	// Count is how often the same oddity was seen from the same sender and is
	// told by this one record.
	Count uint64 `weir:"count" ocsf:"count" example:"1"`
}
