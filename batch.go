package weir

import "time"

// A Batch is the unit that moves through the program: records decoded from
// some stretch of input. Until it is handed on, a batch belongs to the stage
// that fills it; from then on nobody writes to it.
type Batch struct {
	Flows         []Flow
	DNS           []DNSTransaction
	HTTP          []HTTPTransaction
	SSH           []SSHSession
	SMB           []SMBAction
	RPC           []RPCCall
	Kerberos      []KerberosMessage
	NTLM          []NTLMLogon
	RDP           []RDPSession
	DHCP          []DHCPMessage
	Files         []File
	Commands      []Command
	Announcements []Announcement
	Hosts         []Host
	Oddities      []Oddity
	Findings      []Finding
	Exporters     []Exporter
	// Through is how far the source has got by the clock of the traffic: no
	// later batch of it holds a record that ended before. The zero time says
	// nothing.
	Through time.Time
}

// Latest returns the latest time of the traffic in b, which is how far its
// source has got at least. Findings are made of traffic, and the health of
// exporters goes by the clock of arrival: neither counts.
func (b *Batch) Latest() time.Time {
	t := b.Through
	later := func(u time.Time) {
		if u.After(t) {
			t = u
		}
	}
	for i := range b.Flows {
		later(b.Flows[i].End)
	}
	for i := range b.DNS {
		later(b.DNS[i].Time)
	}
	for i := range b.Oddities {
		later(b.Oddities[i].Time)
	}
	for e := range b.Endpoints {
		later(e.Time)
	}
	return t
}
