package zeek

import (
	"strings"

	"github.com/weir-nta/weir"
)

// A meaning is what a notice is as a finding.
type meaning struct {
	note      string
	behaviour string
	severity  weir.Severity
	certainty weir.Certainty
	technique string // of ATT&CK
}

// meanings are the notices of Zeek's own scripts and of well-known packages
// whose names say what was found; a note that ends with :: stands for all of
// that module.
var meanings = []meaning{
	{"Scan::Port_Scan", "port_scan", weir.Medium, weir.Strong, "T1046"},
	{"Scan::Address_Scan", "host_sweep", weir.Medium, weir.Strong, "T1046"},
	{"Scan::Random_Scan", "host_sweep", weir.Medium, weir.Some, "T1046"},
	{"SSH::Password_Guessing", "brute_force", weir.Medium, weir.Strong, "T1110"},
	{"FTP::Bruteforcing", "brute_force", weir.Medium, weir.Strong, "T1110"},
	{"RDP::RDP_Bruteforce", "brute_force", weir.Medium, weir.Strong, "T1110"},
	{"HTTP::HTTP_BasicAuth_Bruteforcing", "brute_force", weir.Medium, weir.Strong, "T1110"},
	{"KRB::Password_Guessing", "brute_force", weir.Medium, weir.Some, "T1110"},
	{"Intel::Notice", "threat_intel", weir.High, weir.Strong, "T1071"},
	{"TeamCymruMalwareHashRegistry::Match", "threat_intel", weir.High, weir.Strong, "T1105"},
	{"Traceroute::Detected", "recon", weir.Low, weir.Some, "T1018"},
	{"HTTP::SQL_Injection_Attacker", "recon", weir.Medium, weir.Some, "T1190"},
	{"HTTP::SQL_Injection_Victim", "recon", weir.Medium, weir.Some, "T1190"},
	{"ATTACK::Lateral_Movement", "lateral_movement", weir.High, weir.Some, "T1021"},
	{"ATTACK::Lateral_Movement_Multiple_Attempts", "lateral_movement", weir.High, weir.Some, "T1021"},
	{"ATTACK::Lateral_Movement_Extracted_File", "lateral_movement", weir.High, weir.Some, "T1570"},
	{"ATTACK::Discovery", "recon", weir.Medium, weir.Some, "T1018"},
	{"Exfil::", "exfiltration", weir.Medium, weir.Some, "T1048"},
	{"LargeUpload::", "exfiltration", weir.Medium, weir.Some, "T1048"},
	{"DNS_TUNNELS::", "dns_tunnel", weir.Medium, weir.Some, "T1071.004"},
	{"LongConnection::found", "long_connection", weir.Low, weir.Some, "T1071"},
	{"BitcoinMiner::", "cryptomining", weir.Medium, weir.Some, "T1496"},
	{"Bitcoin::", "cryptomining", weir.Medium, weir.Some, "T1496"},
	{"Mining::", "cryptomining", weir.Medium, weir.Some, "T1496"},
	{"ProtocolDetector::Protocol_Found", "unauthorized_service", weir.Low, weir.Some, "T1571"},
	{"ProtocolDetector::Server_Found", "unauthorized_service", weir.Low, weir.Some, "T1571"},
	{"Detect_Protocols::", "unauthorized_service", weir.Low, weir.Some, "T1571"},
}

// meaningOf returns what a note is as a finding; of what is not known, that
// somebody wanted to be told.
func meaningOf(note string) meaning {
	for _, m := range meanings {
		if note == m.note || strings.HasSuffix(m.note, "::") && strings.HasPrefix(note, m.note) {
			return m
		}
	}
	return meaning{note, "policy", weir.Low, weir.Some, ""}
}

// notice makes a finding of the detector "zeek" of a line of notice.log.
func (d *Decoder) notice(b *weir.Batch) {
	f := add(&b.Findings)
	note := d.str(cNote)
	m := meaningOf(note)
	f.Time, f.First, f.Last, f.Count = d.now, d.now, d.now, 1
	f.Detector, f.Behaviour, f.Severity, f.Certainty = "zeek", m.behaviour, m.severity, m.certainty
	if m.technique != "" {
		f.Techniques = []string{m.technique}
	}
	if f.Src = d.addr(cSrc); !f.Src.IsValid() {
		f.Src = d.addr(cOrigHost)
	}
	if f.Dst = d.addr(cDst); !f.Dst.IsValid() {
		f.Dst = d.addr(cRespHost)
	}
	if f.DstPort = d.uint16(cPort); f.DstPort == 0 {
		f.DstPort = d.uint16(cRespPort)
	}
	f.Key = note
	if f.Src.IsValid() {
		f.Key += " " + f.Src.String()
		f.Query = "from conn src.ip = " + f.Src.String()
	}
	if f.Dst.IsValid() {
		f.Key += " " + f.Dst.String()
		if f.Query != "" {
			f.Query += " and dst.ip = " + f.Dst.String()
		} else {
			f.Query = "from conn dst.ip = " + f.Dst.String()
		}
	}
	f.Summary = note
	for _, c := range [...]column{cMsg, cSub} {
		if s := d.str(c); s != "" {
			f.Summary += ": " + s
		}
	}
	// Zeek's own judgement cannot be checked from the records.
	f.CouldNotCheck = []string{"the notice is Zeek's: what it was measured by is not in the log"}
}
