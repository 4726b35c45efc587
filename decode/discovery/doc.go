// Package discovery reads what devices say of themselves on their own network,
// without being asked or in answer to everybody: ARP (RFC 826, RFC 5227),
// neighbour discovery (RFC 4861, RFC 8106), multicast DNS and DNS-SD (RFC 6762,
// RFC 6763), LLMNR (RFC 4795), the NetBIOS name and datagram services (RFC 1001,
// RFC 1002) with the announcements of browsers (MS-BRWS), SSDP (UPnP Device
// Architecture 2.0), WS-Discovery (OASIS 1.1), LLDP (IEEE 802.1AB) and CDP.
//
// All of it becomes [weir.Announcement], Src being the device that speaks. Src
// is missing where a frame tells no address (LLDP and CDP without a management
// address) and 0.0.0.0 or :: where the device has none yet (probes). MAC is the
// link-layer address that the device itself names, else that of the frame, which
// may be a router's only where Src is not on the network of the sensor.
//
// # What the announcements say
//
// Protocol is how it was said: arp, ndp, mdns, llmnr, nbns, browser, netbios_dgm,
// ssdp, wsd, lldp, cdp, dhcp. One announcement says one thing, and the same is
// said once an hour:
//
//	Kind        what it says                           Name     Text                  Addr, Port
//	binding     Addr is at MAC (arp, ndp)                                             Addr
//	probe       may I have Addr? nobody objected yet                                  Addr
//	request     who has Addr?                                                         Addr
//	router      it is a router of this network (ndp)            prefix, or empty      Addr of it
//	dns         it names Addr as a DNS server (ndp)                                   Addr
//	name        it is called Name                      Name     sort of name, below   Addr if told
//	workgroup   it belongs to the workgroup or domain           CORP
//	role        what it is there for                            words below
//	service     it offers a service                    instance _ipp._tcp or a URN    Port if told
//	model       what model it is                       instance LaserJet M404
//	vendor      who made it                            instance Hewlett-Packard
//	os          its operating system                            Windows 10.0
//	software    what it runs                                    Linux UPnP/1.0 Sonos/63.2
//	comment     what its owner says of it                       Accounting, 2nd floor
//	address     it is managed at Addr (lldp, cdp)                                     Addr
//	port        the port of it that we are at (lldp, cdp)       GigabitEthernet1/0/12
//	vlan        the VLAN of that port without tag               10
//	search      it looks for such a service (ssdp, wsd)         urn:schemas-upnp-org:…
//
// Name of kinds service, model and vendor is what the service instance is
// called, as its owner wrote it ("Kitchen speaker"): often a good name for
// people, but of the service; kind name alone tells what the device is called.
//
// Addr, where a name comes with one, is whose name it is: mostly Src or another
// address of the same device, but a name server may tell of others, and then
// there is no MAC.
//
// Names are as the device writes them, without ".local" and without the NetBIOS
// suffix, which Text tells in words: workstation, server, messenger, master
// browser, domain master browser, or "<1d>" and the like for what has no word
// here. Of LLMNR and mDNS Text is empty.
//
// Roles: router, switch, access point, telephone, repeater, docsis, station
// (LLDP and CDP capabilities that are enabled, RA and NA of IPv6), domain
// controller, backup domain controller, domain member, server, workstation, print
// server, sql server, terminal server, time source, master browser, domain
// master browser, backup browser, dial-in server, apple file server, netware
// server, unix server, dhcp server, dhcp relay.
//
// A binding is told by any ARP packet and by any solicitation or advertisement
// with a link-layer address, so that two of one Addr with different MAC are a
// conflict: the meter reports these as the oddity arp_conflict too, with both in
// its detail. A request is told once an hour per asker and target: what asks for
// many addresses shows by counting Addr per MAC or Src.
//
// Nothing here is proved: any device may say anything. LLMNR and NetBIOS answers
// in particular are what poisoners forge: one Src that goes by many names there
// is one.
//
// # Bounds
//
// Every message is read by itself. What is remembered is the last MAC of each
// address (4096 addresses, the least used forgotten) and, by the meter, what was
// announced within the hour. Texts are cut at 128 octets; octets that are not
// printable stand as \xHH, but letters of UTF-8 stay. Of one message at most 64
// records or elements are looked at and 32 announcements made.
package discovery
