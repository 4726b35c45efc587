package weir

import (
	"net/netip"
	"time"
)

// Endpoints is what all records of one application message have in common:
// when, where and between whom. Src is the client.
type Endpoints struct {
	// Time is when the message was seen, of a request and its answer the request.
	Time time.Time `weir:"ts" example:"2026-11-21T09:14:01Z"`
	// Sensor names the place where the traffic was seen.
	Sensor string `weir:"sensor" example:"core-1"`
	// UID is how the source of the record calls the conversation: the uid of
	// Zeek, the flow_id of Suricata.
	UID string `weir:"uid,omitzero" example:"CHhAvVGS1DHFjwGM9"`
	// Src is the address of the client.
	Src netip.Addr `weir:"src.ip" example:"10.10.1.23"`
	// Dst is the address of the server.
	Dst netip.Addr `weir:"dst.ip" example:"10.20.0.15"`
	// SrcPort is the transport port of the client.
	SrcPort uint16 `weir:"src.port" example:"51512"`
	// DstPort is the transport port of the server.
	DstPort uint16 `weir:"dst.port" example:"445"`
	// Proto is the IP protocol.
	Proto Proto `weir:"proto,enum,omitzero" example:"tcp"`
	// Direction says how the conversation crosses the border of the local networks.
	Direction Direction `weir:"dir,enum,omitzero" example:"internal"`
	// SrcGroup is the configured network or group that Src belongs to.
	SrcGroup string `weir:"src.group,omitzero" example:"workstations"`
	// DstGroup is the configured network or group that Dst belongs to.
	DstGroup string `weir:"dst.group,omitzero" example:"servers"`
}
