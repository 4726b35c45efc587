package weir

import (
	"net/netip"
	"time"
)

// Endpoints is what all records of one application message have in common:
// when, where and between whom. Src is the client.
type Endpoints struct {
	// Time is when the message was seen, of a request and its answer the request.
	Time time.Time `weir:"ts" zeek:"ts" ecs:"@timestamp" ocsf:"time" example:"2026-11-21T09:14:01Z"`
	// Sensor names the place where the traffic was seen.
	Sensor string `weir:"sensor" ecs:"observer.name" ocsf:"metadata.log_provider" example:"core-1"`
	// UID is how the source of the record calls the conversation: the uid of
	// Zeek, the flow_id of Suricata.
	UID string `weir:"uid,omitzero" zeek:"uid" ecs:"event.id" ocsf:"connection_info.uid" example:"CHhAvVGS1DHFjwGM9"`
	// Src is the address of the client.
	Src netip.Addr `weir:"src.ip" zeek:"id.orig_h" ecs:"source.ip" ocsf:"src_endpoint.ip" example:"10.10.1.23"`
	// Dst is the address of the server.
	Dst netip.Addr `weir:"dst.ip" zeek:"id.resp_h" ecs:"destination.ip" ocsf:"dst_endpoint.ip" example:"10.20.0.15"`
	// SrcPort is the transport port of the client.
	SrcPort uint16 `weir:"src.port" zeek:"id.orig_p" ecs:"source.port" ocsf:"src_endpoint.port" example:"51512"`
	// DstPort is the transport port of the server.
	DstPort uint16 `weir:"dst.port" zeek:"id.resp_p" ecs:"destination.port" ocsf:"dst_endpoint.port" example:"445"`
	// Proto is the IP protocol.
	Proto Proto `weir:"proto,enum,omitzero" zeek:"proto" ecs:"network.transport" ocsf:"connection_info.protocol_name" example:"tcp"`
	// Direction says how the conversation crosses the border of the local networks.
	Direction Direction `weir:"dir,enum,omitzero" ecs:"network.direction" ocsf:"connection_info.direction" example:"internal"`
	// SrcGroup is the configured network or group that Src belongs to.
	SrcGroup string `weir:"src.group,omitzero" ocsf:"src_endpoint.zone" example:"workstations"`
	// DstGroup is the configured network or group that Dst belongs to.
	DstGroup string `weir:"dst.group,omitzero" ocsf:"dst_endpoint.zone" example:"servers"`
}
