// Package sflow decodes datagrams of sFlow version 5
// (https://sflow.org/sflow_version_5.txt): packets picked at random, of which
// the agent sends the first octets, and the counters of its interfaces.
//
// # Records
//
// Each sampled packet that is IP becomes a [flowrec.Record] of one packet. Its
// octets are those of the IP packet by its own header, as everywhere in Weir;
// a sampled header is read by decode/packet, so that tunnels, fragments and
// what lies behind them mean the same as in a capture. What a whole DNS
// message, ClientHello or request says in it stands in More. Agents send no
// time but that since their start, so that the time of arrival is the time of
// the packet.
//
// A datagram may be hostile: every count in it is bounded by the octets that
// are there, and every length by what surrounds it.
//
// # Records that are read
//
// Raw headers of Ethernet, PPP, IPv4, IPv6 and MPLS; sampled Ethernet, IPv4 and
// IPv6; the extended data of switch, router, gateway, user, URL, MPLS, NAT and
// its ports, VLAN tunnel, and the tunnels at ingress and egress. Discarded
// packets (https://sflow.org/sflow_drops.txt) are records as well, with what is
// told of rule, trap and function. Of counters the generic ones of an interface
// are read. All else is passed over by its length and counted.
//
// Left out of what is read: the AS path between its ends, communities and
// local preference, priorities, prefix lengths.
package sflow
