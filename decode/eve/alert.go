package eve

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/jsonline"
)

// alert makes a finding of an alert, as README.md of this folder says.
func (d *Decoder) alert(b *weir.Batch) bool {
	e := &d.event
	src, dst := e.src, e.dst
	if a, t := e.addr(fAlertSource), e.addr(fAlertTarget); a.IsValid() && t.IsValid() {
		src, dst = a, t
	}
	certainty, term := alertCertainty(d.first(none, fMetaConfidence))
	f := weir.Finding{
		Time: e.time, First: earlier(e.time, e.moment(fFlowStart)), Last: e.time, Detector: "suricata", Count: 1,
		Severity: alertSeverity(e.uint(fAlertSeverity, 8), d.first(none, fMetaSeverity)), Certainty: certainty,
		Score: 1 / (1 + math.Exp(-term.Value)), Terms: []weir.Term{term},
		Src: src, Dst: dst, Techniques: d.techniques(), Summary: alertSummary(e, src.String(), dst.String()),
		CouldNotCheck: []string{"all of it: this is Suricata's word, and neither its rule nor the payload that matched is here"},
	}
	if dst == e.dst {
		f.DstPort = uint16(e.uint(fDstPort, 16))
	} else {
		f.DstPort = uint16(e.uint(fSrcPort, 16))
	}
	if name := alertName(e); name != "" {
		f.DstName = name
	}
	f.Behaviour = behaviour(f.Techniques, e.lower(fCategory), appName(e.value[fAppProto]))
	f.Key = fmt.Sprintf("%s %s %d:%d", src, dst, e.uint(fAlertGID, 32), e.uint(fAlertSID, 32))
	if e.is(fAlertAction, "blocked") {
		f.Against = []string{"Suricata blocked it"}
	}
	if src.IsValid() && dst.IsValid() {
		f.Query = fmt.Sprintf("from conn (src.ip = %s and dst.ip = %s) or (src.ip = %[2]s and dst.ip = %[1]s)", src, dst)
	}
	b.Findings = append(b.Findings, f)
	return true
}

func alertSummary(e *event, src, dst string) string {
	s := fmt.Sprintf("Suricata: %s (signature %d:%d, revision %d) on traffic from %s to %s",
		e.str(fSignature), e.uint(fAlertGID, 32), e.uint(fAlertSID, 32), e.uint(fAlertRev, 32), src, dst)
	if e.has(fDstPort) {
		s += " between ports " + e.str(fSrcPort) + " and " + e.str(fDstPort)
	}
	return s
}

// alertName returns the name of the other side that the alert's own extract of
// the protocol tells.
func alertName(e *event) string {
	if e.has(fSNI) {
		return strings.ToLower(e.printable(fSNI))
	}
	return strings.ToLower(e.printable(fHostname))
}

// alertSeverity returns what Suricata's priority, 1 to 4 and more, means, or
// the word that the rules of Emerging Threats have for it.
func alertSeverity(priority uint64, word string) weir.Severity {
	switch word {
	case "critical":
		return weir.Critical
	case "major":
		return weir.High
	case "minor":
		return weir.Low
	case "informational":
		return weir.Info
	}
	switch priority {
	case 1:
		return weir.High
	case 2:
		return weir.Medium
	case 3:
		return weir.Low
	}
	return weir.Info
}

// alertCertainty returns what the confidence means that the authors of the rule
// have in it, and what it adds to the log-odds. A signature is one check: alone
// it makes nothing strong.
func alertCertainty(confidence string) (weir.Certainty, weir.Term) {
	switch confidence {
	case "high":
		return weir.Some, weir.Term{Name: "suricata", Value: 2, Text: "a signature of high confidence matched"}
	case "low":
		return weir.Weak, weir.Term{Name: "suricata", Value: 0, Text: "a signature of low confidence matched"}
	}
	return weir.Some, weir.Term{Name: "suricata", Value: 1, Text: "a signature matched"}
}

// techniques returns the ATT&CK techniques of the rule's metadata: T1071 and
// the way in which Emerging Threats writes them.
func (d *Decoder) techniques() []string {
	var out []string
	_ = d.array.Elements(d.event.value[fMetaTechnique], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		t := strings.ReplaceAll(bounded(value), "_", ".")
		if kind == jsonline.String && isTechnique(t) && len(out) < 16 && !slices.Contains(out, t) {
			out = append(out, t)
		}
		return nil
	})
	return out
}

// isTechnique says whether s is T and four digits, with .NNN behind for a
// sub-technique.
func isTechnique(s string) bool {
	if len(s) != len("T1071") && len(s) != len("T1071.001") {
		return false
	}
	for i, want := range "T0000.000"[:len(s)] {
		if digit := s[i]-'0' <= 9; digit != (want == '0') || !digit && rune(s[i]) != want {
			return false
		}
	}
	return true
}

// behavioursByTechnique go first: the longest prefix that is here counts.
var behavioursByTechnique = []struct{ prefix, behaviour string }{
	{"T1110.003", "password_spray"}, {"T1110", "brute_force"}, {"T1046", "port_scan"}, {"T1018", "host_sweep"},
	{"T1595", "recon"}, {"T1590", "recon"}, {"T1592", "recon"}, {"T1021", "lateral_movement"}, {"T1210", "lateral_movement"},
	{"T1570", "lateral_movement"}, {"T1071.004", "dns_tunnel"}, {"T1048", "exfiltration"}, {"T1041", "exfiltration"},
	{"T1567", "exfiltration"}, {"T1568.002", "dga"}, {"T1573", "encrypted_c2"}, {"T1496", "cryptomining"},
	{"T1498", "ddos"}, {"T1499", "ddos"}, {"T1557", "spoofing"}, {"T1036", "evasion"}, {"T1562", "evasion"},
}

// behavioursByCategory are by words of the rule's classification.
var behavioursByCategory = []struct{ word, behaviour string }{
	{"network scan", "port_scan"}, {"information leak", "recon"}, {"retrieving external ip", "recon"},
	{"denial of service", "ddos"}, {"crypto currency mining", "cryptomining"}, {"default username", "brute_force"},
	{"suspicious username", "brute_force"}, {"credential theft", "brute_force"}, {"login credentials", "brute_force"},
	{"policy violation", "policy"}, {"privacy violation", "policy"}, {"inappropriate content", "policy"},
	{"unusual client port", "unauthorized_service"}, {"non-standard protocol", "unauthorized_service"},
}

// behaviour returns the kind of thing that an alert tells of. That a known
// pattern was seen, which nothing more is said of, is like an address on a list.
func behaviour(techniques []string, category, app string) string {
	for _, b := range behavioursByTechnique {
		if slices.ContainsFunc(techniques, func(t string) bool { return strings.HasPrefix(t, b.prefix) }) {
			return b.behaviour
		}
	}
	for _, b := range behavioursByCategory {
		if strings.Contains(category, b.word) {
			return b.behaviour
		}
	}
	if strings.Contains(category, "command and control") && (app == "tls" || app == "quic") {
		return "encrypted_c2"
	}
	return "threat_intel"
}

// anomaly makes an oddity of what Suricata could not make sense of.
func (d *Decoder) anomaly(b *weir.Batch) bool {
	e := &d.event
	name := strings.ToLower(e.printable(fAnomalyEvent))
	if name == "" {
		name = "anomaly"
	}
	detail := make([]string, 0, 3)
	for _, f := range []field{fAnomalyType, fAnomalyLayer, fAnomalyApp} {
		if e.has(f) {
			detail = append(detail, e.printable(f))
		}
	}
	b.Oddities = append(b.Oddities, d.oddity("suricata_"+strings.ReplaceAll(name, ".", "_"), strings.Join(detail, " ")))
	return true
}

// drop makes an oddity of a packet that an inline Suricata did not let pass.
func (d *Decoder) drop(b *weir.Batch) bool {
	b.Oddities = append(b.Oddities, d.oddity("suricata_drop", d.event.printable(fDropReason)))
	return true
}

func (d *Decoder) oddity(name, detail string) weir.Oddity {
	e := &d.event
	return weir.Oddity{
		Time: e.time, Sensor: d.sensor(), Src: e.src, Dst: e.dst, SrcPort: uint16(e.uint(fSrcPort, 16)),
		DstPort: uint16(e.uint(fDstPort, 16)), Proto: e.proto(), Name: name, Detail: detail, Count: 1,
	}
}
