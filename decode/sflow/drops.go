package sflow

import (
	"strconv"

	"github.com/weir-nta/weir/decode/flowrec"
)

// reasons names why packets are dropped: up to 255 the codes of ICMP
// destination unreachable, from 256 on those of sFlow (sflow_version_5.txt and
// sflow_drops.txt, drop_reason).
var reasons = map[uint32]string{
	0: "net_unreachable", 1: "host_unreachable", 2: "protocol_unreachable", 3: "port_unreachable",
	4: "frag_needed", 5: "src_route_failed", 6: "dst_net_unknown", 7: "dst_host_unknown",
	8: "src_host_isolated", 9: "dst_net_prohibited", 10: "dst_host_prohibited",
	11: "dst_net_tos_unreachable", 12: "dst_host_tos_unreachable", 13: "comm_admin_prohibited",
	14: "host_precedence_violation", 15: "precedence_cutoff",
	256: "unknown", 257: "ttl_exceeded", 258: "acl", 259: "no_buffer_space", 260: "red",
	261: "traffic_shaping", 262: "pkt_too_big", 263: "src_mac_is_multicast", 264: "vlan_tag_mismatch",
	265: "ingress_vlan_filter", 266: "ingress_spanning_tree_filter", 267: "port_list_is_empty",
	268: "port_loopback_filter", 269: "blackhole_route", 270: "non_ip",
}

// drop notes that the device dropped the packet: denied it where a rule said
// so, else for the reason that it gives.
func drop(r *flowrec.Record, reason uint32) {
	m := more(r)
	switch reason {
	case 9, 10, 13, 258:
		m.Action = "denied"
	}
	name, ok := reasons[reason]
	if !ok {
		name = strconv.FormatUint(uint64(reason), 10)
	}
	m.Extra = append(m.Extra, "dropReason="+name)
}
