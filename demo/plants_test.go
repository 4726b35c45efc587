package demo

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

// flowsOf returns the flows of a plant.
func flowsOf(p Plant) (list []weir.Flow) {
	for _, f := range all().Flows {
		if among(p.Src, f.Src) && among(p.Dst, f.Dst) && (p.DstPort == 0 || p.DstPort == f.DstPort) && within(p, f.Start) && within(p, f.End) {
			list = append(list, f)
		}
	}
	return list
}

func dnsOf(p Plant) (list []weir.DNSTransaction) {
	for _, d := range all().DNS {
		if among(p.Src, d.Src) && among(p.Dst, d.Dst) && within(p, d.Time) {
			list = append(list, d)
		}
	}
	return list
}

func among(want, got netip.Addr) bool { return !want.IsValid() || want == got }

func within(p Plant, t time.Time) bool { return !t.Before(p.First) && !t.After(p.Last) }

// TestPlantsAreThere counts the records of each plant, whose list and whose
// generator are thus held to each other.
func TestPlantsAreThere(t *testing.T) {
	want := map[string][2]int{ // at least and at most, by behaviour and source
		"beacon 10.10.1.23":               {1360, 1382},
		"dns_tunnel 10.10.1.17":           {900, 900},
		"port_scan 10.10.1.52":            {960, 960},
		"port_scan 10.10.1.53":            {590, 600},
		"host_sweep 10.10.1.26":           {253, 253},
		"long_connection 10.10.1.29":      {36, 36},
		"lateral_movement 10.10.1.31":     {3, 3},
		"exfiltration 10.20.0.15":         {12, 12},
		"unauthorized_service 192.0.2.45": {1, 1},
		"unauthorized_service invalid IP": {2, 2},
		"encrypted_c2 10.10.1.40":         {15, 15},
		"policy 10.10.1.36":               {60, 60},
		"encrypted_c2 10.10.1.41":         {8, 8},
		"brute_force 10.10.1.33":          {46, 46},
		"icmp_tunnel 10.10.1.27":          {400, 400},
		"exfiltration 10.10.1.46":         {4, 4},
		"iot_botnet 10.30.0.22":           {6, 6},
		"threat_intel 10.10.1.21":         {5, 5},
		"brute_force 10.10.1.38":          {30, 30},
		"beacon 10.10.1.19":               {35, 35},
		"evasion invalid IP":              {300, 300},
	}
	for _, p := range Plants() {
		id := p.Behaviour + " " + p.Src.String()
		n := 0
		switch p.Behaviour {
		case "dns_tunnel":
			n = count(dnsOf(p), func(d weir.DNSTransaction) bool { return d.Type == "TXT" })
		case "threat_intel":
			n = count(dnsOf(p), func(d weir.DNSTransaction) bool { return d.Query == "login.evil.example" })
		case "evasion":
			n = count(flowsOf(p), func(f weir.Flow) bool { return f.Sensor == "branch-2" && f.State == weir.StateS0 })
		case "port_scan", "host_sweep":
			n = count(flowsOf(p), func(f weir.Flow) bool { return f.DataUp == 0 })
		default:
			n = len(flowsOf(p))
		}
		switch p.Src {
		case roasting:
			n = count(all().Kerberos, func(k weir.KerberosMessage) bool { return k.Src == p.Src && within(p, k.Time) && k.Cipher == "rc4" })
		case posting:
			n = count(all().HTTP, func(h weir.HTTPTransaction) bool { return h.Src == p.Src && within(p, h.Time) && h.Method == "POST" })
		}
		if w := want[id]; n < w[0] || n > w[1] {
			t.Errorf("%s (%s): got %d records, want %d to %d", id, p.What, n, w[0], w[1])
		}
		if !slices.Contains(weir.Behaviours, p.Behaviour) {
			t.Errorf("%s: behaviour is not one of weir.Behaviours", id)
		}
		delete(want, id)
	}
	for id := range want {
		t.Errorf("%s is not in the list of plants", id)
	}
}

func count[R any](list []R, ok func(R) bool) (n int) {
	for _, r := range list {
		if ok(r) {
			n++
		}
	}
	return n
}

// plant returns the first plant of a detector.
func plant(t *testing.T, detector string) Plant {
	i := slices.IndexFunc(Plants(), func(p Plant) bool { return p.Detector == detector })
	if i < 0 {
		t.Fatalf("no plant for the detector %s", detector)
	}
	return Plants()[i]
}

func TestBeaconKeepsTime(t *testing.T) {
	p := plant(t, "beacon")
	flows := flowsOf(p)
	for i := 1; i < len(flows); i++ {
		// Flows come in the order of their ends, which lie up to 0.4 s off.
		if d := flows[i].Start.Sub(flows[i-1].Start); d < 55*time.Second || d > 65*time.Second {
			t.Errorf("check-in %d comes %v after the one before, want 60 s, 8 %% more or less", i, d)
		}
	}
	const ja4 = "t13d190900_9dc949149365_97f8aa674fd9"
	for i := range all().Flows {
		f := &all().Flows[i]
		if f.TLS != nil && f.TLS.JA4 == ja4 && f.Src != p.Src || f.Dst == p.Dst && f.Src != p.Src {
			t.Fatalf("%v has the implant's fingerprint or destination too: %+v", f.Src, *f)
		}
		if f.Dst == p.Dst && (f.TLS == nil || f.TLS.JA4 != ja4 || f.TLS.SNI != "cdn-sync.example.net") {
			t.Fatalf("check-in without the implant's fingerprint: %+v", *f)
		}
	}
}

func TestTunnelNamesAreUnique(t *testing.T) {
	names := map[string]bool{}
	for _, d := range dnsOf(plant(t, "dnstunnel")) {
		if d.Type == "TXT" {
			names[d.Query] = true
		}
	}
	if len(names) != 900 {
		t.Errorf("got %d names, want 900", len(names))
	}
}

func TestScansAreWhatTheySay(t *testing.T) {
	type door struct {
		ip   netip.Addr
		port uint16
	}
	doors, answered := map[door]bool{}, 0
	for _, f := range flowsOf(plant(t, "portscan")) {
		doors[door{f.Dst, f.DstPort}] = true
		if f.State == weir.StateREJ {
			answered++
		}
	}
	if len(doors) != 8*120 || answered == 0 {
		t.Errorf("fast scan: got %d doors, %d refused, want 960 and some", len(doors), answered)
	}

	slow := flowsOf(Plants()[3])
	for i := 1; i < len(slow); i++ {
		if d := slow[i].Start.Sub(slow[i-1].Start); d < 100*time.Second || d > 140*time.Second {
			t.Errorf("slow scan: port %d comes %v after the one before, want about two minutes", i, d)
		}
	}

	targets := map[netip.Addr]bool{}
	for _, f := range flowsOf(plant(t, "hostsweep")) {
		targets[f.Dst] = true
	}
	if len(targets) != 253 {
		t.Errorf("sweep: got %d targets, want 253", len(targets))
	}
}

// TestLookAlikesAreThere checks that the honest traffic of the list exists,
// much of it and for long.
func TestLookAlikesAreThere(t *testing.T) {
	for _, l := range LookAlikes() {
		for _, src := range l.Src {
			n := count(all().Flows, func(f weir.Flow) bool { return f.Src == src && among(l.Dst, f.Dst) })
			if l.Detector == "dnstunnel" {
				n = count(all().DNS, func(d weir.DNSTransaction) bool { return d.Src == src && len(d.Query) > 20 })
			}
			if n < 25 {
				t.Errorf("%s by %v (%s): got %d records, want 25 and more", l.Detector, src, l.What, n)
			}
		}
	}
}

// TestLookAlikesAreNoPlants checks that a finding is about one or the other.
func TestLookAlikesAreNoPlants(t *testing.T) {
	for _, l := range LookAlikes() {
		for _, p := range Plants() {
			if l.Detector == p.Detector && slices.Contains(l.Src, p.Src) && (!l.Dst.IsValid() || l.Dst == p.Dst) {
				t.Errorf("%s: %v is planted (%s) and a look-alike (%s)", l.Detector, p.Src, p.What, l.What)
			}
		}
	}
}

// TestNobodyLooksUpAlone checks that of all zones with many names only that of
// the tunnel is asked by one host.
func TestNobodyLooksUpAlone(t *testing.T) {
	names, askers := map[string]map[string]bool{}, map[string]map[netip.Addr]bool{}
	for i := range all().DNS {
		d := &all().DNS[i]
		z := parent(d.Query)
		if names[z] == nil {
			names[z], askers[z] = map[string]bool{}, map[netip.Addr]bool{}
		}
		names[z][d.Query] = true
		askers[z][d.Src] = true
	}
	for z := range names {
		if alone := len(names[z]) > 50 && len(askers[z]) == 1; alone != (z == "badcdn.example") {
			t.Errorf("%s: %d names asked by %d hosts", z, len(names[z]), len(askers[z]))
		}
	}
}

// parent returns the last two labels, which for the names of the demo are the
// registered domain.
func parent(name string) string {
	dots := 0
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			if dots++; dots == 2 {
				return name[i+1:]
			}
		}
	}
	return name
}

func BenchmarkRecords(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		for range Records(Seed) {
		}
	}
}
