// Package netflow decodes the exports of flow meters: NetFlow 1, 5, 7 and 9
// (RFC 3954) and IPFIX (RFC 7011 to 7013, 5103, 5610, 6313), with the elements
// that Cisco, Juniper, Palo Alto, ntop, VMware and others add.
//
// A [Decoder] is the state of one exporter address. Each template that it is
// sent is compiled into a plan, a list of loads and where they go, so that a
// data record costs no look-up and no allocation. The fixed formats are plans
// that are always there.
package netflow
