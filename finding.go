package weir

import (
	"net/netip"
	"time"
)

// A Finding is what one detector saw once. It carries its evidence, so that
// the reader can check it without asking the detector again.
type Finding struct {
	// Time is when the evidence was complete, by the clock of the traffic.
	Time time.Time `weir:"ts" json:"time" zeek:"ts" ecs:"@timestamp" ocsf:"time" example:"2026-11-21T10:00:00Z"`
	// First is when the evidence begins.
	First time.Time `weir:"first" ecs:"event.start" ocsf:"start_time" example:"2026-11-21T01:00:00Z"`
	// Last is when the evidence ends.
	Last time.Time `weir:"last" ecs:"event.end" ocsf:"end_time" example:"2026-11-21T23:50:00Z"`
	// Detector names the detector.
	Detector string `weir:"detector" zeek:"note" ecs:"rule.name" ocsf:"finding_info.analytic.name" example:"beacon"`
	// Behaviour is the kind of thing found, one of [Behaviours].
	Behaviour string `weir:"behaviour" ecs:"rule.category" ocsf:"finding_info.types" example:"beacon"`
	// Severity says how bad it is if true, bounded by how surely it is said.
	Severity Severity `weir:"severity,enum" ocsf:"severity" example:"high"`
	// Certainty says how sure the detector is.
	Certainty Certainty `weir:"certainty,enum" ocsf:"confidence" example:"strong"`
	// Score is the detector's evidence on a scale from 0 to 1, 1/(1+exp(-L))
	// where L is the sum of Terms. It is no probability.
	Score float64 `weir:"score" ocsf:"confidence_score" example:"0.94"`
	// Src is who did it.
	Src netip.Addr `weir:"src.ip,omitzero" zeek:"src" ecs:"source.ip" ocsf:"evidences.src_endpoint.ip" example:"10.10.1.23"`
	// Dst is to whom.
	Dst netip.Addr `weir:"dst.ip,omitzero" zeek:"dst" ecs:"destination.ip" ocsf:"evidences.dst_endpoint.ip" example:"203.0.113.77"`
	// DstPort is the port it was done to.
	DstPort uint16 `weir:"dst.port,omitzero" zeek:"p" ecs:"destination.port" ocsf:"evidences.dst_endpoint.port" example:"443"`
	// DstName is the name of Dst or of the service, where known.
	DstName string `weir:"dst.name,omitzero" ecs:"destination.domain" ocsf:"evidences.dst_endpoint.hostname" example:"cdn-sync.example.net"`
	// Key joins findings: those of one detector with one key are one alert.
	Key string `weir:"key" zeek:"sub" ocsf:"finding_info.uid" example:"10.10.1.23 cdn-sync.example.net:443"`
	// Summary is one sentence, with the numbers in it.
	Summary string `weir:"summary" zeek:"msg" ecs:"message" ocsf:"message" example:"10.10.1.23 calls cdn-sync.example.net every 60 s"`
	// Checks are what was measured and where the line was.
	Checks []Check `weir:"checks,json"`
	// Terms are the parts of L, the log-odds behind Score.
	Terms []Term `weir:"terms,json"`
	// Against says what speaks against the finding; an empty list is a statement.
	Against []string `weir:"against" example:"the name is asked for by 30 of 48 hosts"`
	// CouldNotCheck says what would have been looked at but could not be seen.
	CouldNotCheck []string `weir:"could_not_check" example:"age: less than 14 days of history"`
	// Techniques are MITRE ATT&CK techniques.
	Techniques []string `weir:"techniques" ecs:"threat.technique.id" ocsf:"finding_info.attacks.technique.uid" example:"T1071.001"`
	// Query is the question that reproduces the numbers, in the hunting language.
	Query string `weir:"query" example:"from conn src.ip = 10.10.1.23 and dst.port = 443 | stats p = period(ts)"`
	// Count is how many findings this one stands for, itself included.
	Count uint64 `weir:"count" zeek:"n" ocsf:"count" example:"1"`
}

// A Check is one comparison that a detector made.
type Check struct {
	ID        string  `json:"id"`             // stable name, such as "regular"
	Label     string  `json:"label"`          // the same in words
	Pass      bool    `json:"pass"`           // whether it speaks for the finding
	Value     float64 `json:"value"`          // what was measured
	Unit      string  `json:"unit,omitempty"` // of Value and Threshold: "s", "bytes", "ratio", "hosts" …
	Op        string  `json:"op"`             // how Value passes Threshold: "<", "<=", ">", ">=" or "="
	Threshold float64 `json:"threshold"`
	Text      string  `json:"text"`            // the measurement in words
	Query     string  `json:"query,omitempty"` // the question that gives Value, if not that of the finding
}

// A Term is one part of the log-odds L of a finding.
type Term struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"` // in nats; positive speaks for the finding
	Text  string  `json:"text"`  // why, with the number behind it
}

// Behaviours are the kinds of things a detector may find.
var Behaviours = []string{
	"beacon", "encrypted_c2", "long_connection", "dns_tunnel", "icmp_tunnel", "dga", "port_scan", "host_sweep", "recon",
	"brute_force", "password_spray", "lateral_movement", "exfiltration", "iot_botnet", "unauthorized_service", "policy",
	"evasion", "ddos", "cryptomining", "threat_intel", "spoofing",
}
