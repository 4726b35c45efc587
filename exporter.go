package weir

import (
	"net/netip"
	"time"
)

// An Exporter is the health of one exporter's observation domain, or of
// another source of records, over the time since the row before it: what came,
// what was lost on the way, and what it tells of itself. Counters are those of
// that time alone, so that sums over rows never count anything twice.
type Exporter struct {
	// Time is the end of the time that the row tells of, by the clock of arrival.
	Time time.Time `weir:"ts" ecs:"@timestamp" example:"2026-11-21T09:15:00Z"`
	// Since is its begin.
	Since time.Time `weir:"since" example:"2026-11-21T09:14:00Z"`
	// Sensor is the name that records of it carry.
	Sensor string `weir:"sensor" ecs:"observer.name" example:"edge-router"`
	// Addr is the address of the exporter, missing for a file or an interface.
	Addr netip.Addr `weir:"ip" ecs:"observer.ip" example:"192.0.2.1"`
	// Input is the file, interface or address listened on.
	Input string `weir:"input,omitzero" example:"udp [::]:2055"`
	// Kind is what it speaks: netflow1, netflow5, netflow7, netflow9, ipfix,
	// sflow5, nfcapd, pcap, interface, zeek, eve or argus. store for the store
	// itself, whose rows tell of what it lost; udp, tcp or tls for a socket, whose
	// rows tell of what belongs to no exporter: datagrams refused, not read, or
	// dropped by the kernel.
	Kind string `weir:"kind" example:"netflow9"`
	// Domain is the observation domain, source, engine or sub-agent.
	Domain uint32 `weir:"domain,omitzero" example:"256"`
	// Seen is when the last datagram, packet or line of it arrived.
	Seen time.Time `weir:"seen" example:"2026-11-21T09:14:59Z"`

	// Datagrams counts datagrams, messages, packets or lines received.
	Datagrams uint64 `weir:"datagrams" example:"1200"`
	// Bytes counts octets received.
	Bytes uint64 `weir:"bytes,unit=bytes" example:"1560000"`
	// Records counts records decoded.
	Records uint64 `weir:"records" example:"34800"`
	// Rate is Records per second.
	Rate float64 `weir:"rate" example:"580"`
	// Flows counts records of the table conn that they became, after joining.
	Flows uint64 `weir:"flows" example:"17100"`

	// Templates is the number of templates known.
	Templates uint32 `weir:"templates,omitzero" example:"4"`
	// MissingTemplates lists templates that data came for and that are not known.
	MissingTemplates []uint32 `weir:"templates.missing" example:"260"`
	// Held counts sets of data put aside until their template comes.
	Held uint64 `weir:"held,omitzero" example:"3"`
	// HeldLost counts sets of data given up: the template did not come in time,
	// or too much was waiting.
	HeldLost uint64 `weir:"held.lost,omitzero" example:"0"`
	// Sampling is N of 1:N, 0 where it is not sampled or not told.
	Sampling uint32 `weir:"sampling,omitzero" example:"100"`
	// SamplingUnknown says that it samples at a rate that is not known.
	SamplingUnknown bool `weir:"sampling.unknown" example:"false"`

	// Lost is the number of records or datagrams that are missing by the
	// sequence numbers, in the unit that these count.
	Lost uint64 `weir:"lost,omitzero" example:"12"`
	// Reordered counts datagrams that came after later ones.
	Reordered uint64 `weir:"reordered,omitzero" example:"2"`
	// Duplicated counts datagrams that came twice and were used once.
	Duplicated uint64 `weir:"duplicated,omitzero" example:"0"`
	// Restarts counts restarts of the exporter, by its sequence and up time.
	Restarts uint64 `weir:"restarts,omitzero" example:"1"`
	// Skew is how far the clock of the exporter is behind that of arrival:
	// negative if it is ahead.
	Skew time.Duration `weir:"skew,omitzero" example:"1.2s"`
	// ActiveTimeout is the active timeout as observed, 0 if none shows.
	ActiveTimeout time.Duration `weir:"timeout.active,omitzero" example:"60s"`
	// InactiveTimeout is the inactive timeout as observed, 0 if none shows.
	InactiveTimeout time.Duration `weir:"timeout.inactive,omitzero" example:"15s"`
	// OneWay is the share of conversations of which one direction only was
	// told, from 0 to 1.
	OneWay float64 `weir:"oneway" example:"0.04"`
	// Interfaces counts the interfaces that it tells counters of (sFlow).
	Interfaces uint32 `weir:"interfaces,omitzero" example:"48"`
	// InterfaceErrors counts errors and discards of these interfaces.
	InterfaceErrors uint64 `weir:"interfaces.errors,omitzero" example:"0"`

	// DroppedKernel counts datagrams or packets that the kernel dropped because
	// the program did not fetch them in time. They are those of the socket:
	// only the row of the source as a whole tells them.
	DroppedKernel uint64 `weir:"dropped.kernel,omitzero" example:"0"`
	// DroppedDecoder counts datagrams, sets or lines that could not be read.
	DroppedDecoder uint64 `weir:"dropped.decoder,omitzero" example:"3"`
	// DroppedLimit counts datagrams not looked at because of a limit: of
	// exporters, domains, templates, or because the address is not allowed.
	DroppedLimit uint64 `weir:"dropped.limit,omitzero" example:"0"`
	// DroppedStore counts records that the store did not take.
	DroppedStore uint64 `weir:"dropped.store,omitzero" example:"0"`
}
