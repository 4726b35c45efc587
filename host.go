package weir

import (
	"net/netip"
	"time"
)

// A Command is one thing asked for in an application protocol that has no
// table of its own, and how that ended: a logon to a mail server, a register
// written in a controller, a topic subscribed to. It names what was done and to
// what; contents and passwords are not kept. Equal ones of one conversation are
// counted in one record.
type Command struct {
	Endpoints
	// Protocol is the application protocol, as in conn: ftp, smtp, ldap, modbus,
	// mqtt, snmp, mysql …
	Protocol string `weir:"app" ecs:"network.protocol" ocsf:"app_name" example:"modbus"`
	// Command is what was asked for, in the words of the protocol's standard.
	Command string `weir:"command,omitzero" ecs:"event.action" example:"write_single_coil"`
	// Object is what it was asked of: a file, mailbox, topic, register, search
	// base, database. Cut at a bound.
	Object string `weir:"object,omitzero" example:"unit 1 address 17"`
	// User is who asked, where that was said.
	User string `weir:"user,omitzero" ecs:"user.name" example:"operator"`
	// Status is how it ended, in the words or numbers of the protocol.
	Status string `weir:"status,omitzero" ecs:"event.code" ocsf:"status_code" example:"ok"`
	// Success says whether it succeeded: "true", "false", or missing if that
	// was not seen.
	Success string `weir:"success,omitzero" ecs:"event.outcome" ocsf:"status" example:"true"`
	// Client is what the client calls its software.
	Client string `weir:"client,omitzero" ecs:"user_agent.original" example:"libmodbus 3.1"`
	// Server is what the server calls its software.
	Server string `weir:"server,omitzero" example:"ProFTPD 1.3.5"`
	// Size is the size of what it was about, in octets, where one was told.
	Size uint64 `weir:"size,omitzero,unit=bytes" example:"512"`
	// Count is how often it was asked for like this.
	Count uint64 `weir:"count" example:"1"`
}

// An Announcement is what a device says of itself on its network, or of the
// services there: by ARP or neighbour discovery which address it has, by mDNS,
// SSDP, NetBIOS, LLDP or SNMP what it is called and what it is. Src is who said
// it. The same said again is one record an hour.
type Announcement struct {
	Endpoints
	// Protocol is how it was said: arp, ndp, mdns, llmnr, nbns, ssdp, wsd,
	// lldp, cdp, snmp, dhcp, browser …
	Protocol string `weir:"app" ecs:"network.protocol" ocsf:"app_name" example:"mdns"`
	// MAC is the link-layer address of the device that it is about.
	MAC string `weir:"mac,omitzero" ecs:"source.mac" ocsf:"src_endpoint.mac" example:"02:00:5e:10:00:01"`
	// Addr is the address that the device is said to have.
	Addr netip.Addr `weir:"addr" example:"10.10.1.40"`
	// Name is a name of the device.
	Name string `weir:"name,omitzero" example:"kitchen-speaker"`
	// Kind is what is told: binding, probe, name, service, model, vendor, os,
	// workgroup …
	Kind string `weir:"kind" example:"service"`
	// Text is what is told of it: "_ipp._tcp", "HP LaserJet M404".
	Text string `weir:"text,omitzero" example:"_googlecast._tcp"`
	// Port is the port of a service.
	Port uint16 `weir:"port,omitzero" example:"8009"`
}

// A Host is what is known of one device at a time: who it is, how it is called,
// what it seems to be and on what evidence, what it offers and what it uses.
// Its identity is its link-layer address where that shows, or the lease or name
// that links its addresses, else its address.
type Host struct {
	// Time is up to when the record tells.
	Time time.Time `weir:"ts" ecs:"@timestamp" ocsf:"time" example:"2026-11-21T09:14:01Z"`
	// Sensor names the place where the device was seen.
	Sensor string `weir:"sensor" ecs:"observer.name" ocsf:"metadata.log_provider" example:"core-1"`
	// ID tells the device apart: "mac:" and its link-layer address, else "ip:"
	// and its address.
	ID string `weir:"id" ecs:"host.id" ocsf:"device.uid" example:"mac:02:00:5e:10:00:01"`
	// Addr is the address that it had last.
	Addr netip.Addr `weir:"ip" ecs:"host.ip" ocsf:"device.ip" example:"10.10.1.23"`
	// Addrs are all addresses that it has had, the latest first, up to a bound.
	Addrs []string `weir:"addrs" example:"10.10.1.23"`
	// MAC is its link-layer address.
	MAC string `weir:"mac,omitzero" ecs:"host.mac" ocsf:"device.mac" example:"02:00:5e:10:00:01"`
	// Vendor is the holder of the first part of it (OUI).
	Vendor string `weir:"vendor,omitzero" ocsf:"device.vendor_name" example:"Hewlett Packard"`
	// Name is the best of its names.
	Name string `weir:"name,omitzero" ecs:"host.name" ocsf:"device.hostname" example:"ws-0023"`
	// Names are all its names, each with where it is from: "dhcp:ws-0023".
	Names []string `weir:"names" example:"dhcp:ws-0023"`
	// Class is what kind of device it seems to be: workstation, server, phone,
	// printer, camera, router, controller …
	Class string `weir:"class,omitzero" ecs:"host.type" ocsf:"device.type" example:"printer"`
	// ClassCertainty is how sure that is, from 0 to 1.
	ClassCertainty float64 `weir:"class.certainty,omitzero" example:"0.9"`
	// OS is the operating system that it seems to run.
	OS string `weir:"os,omitzero" ecs:"host.os.name" ocsf:"device.os.name" example:"Windows"`
	// Role is what it is for on this network: domain controller, dns server,
	// file server, gateway, workstation …
	Role string `weir:"role,omitzero" example:"file server"`
	// RoleCertainty is how sure that is, from 0 to 1.
	RoleCertainty float64 `weir:"role.certainty,omitzero" example:"0.8"`
	// Evidence are the reasons for class, system and role, one sentence each.
	Evidence []string `weir:"evidence" example:"announces _ipp._tcp (mdns)"`
	// Offers are the services that others used there: port, protocol,
	// application and how many used it.
	Offers []string `weir:"offers" example:"445/tcp smb (12 clients)"`
	// Uses are the services that it used elsewhere, the most used first.
	Uses []string `weir:"uses" example:"443/tcp tls (31 servers)"`
	// First is when it was seen first.
	First time.Time `weir:"first" example:"2026-11-14T08:00:12Z"`
	// Last is when it was seen last.
	Last time.Time `weir:"last" example:"2026-11-21T09:14:01Z"`
	// Flows counts its conversations since the record before.
	Flows uint64 `weir:"flows" example:"412"`
}
