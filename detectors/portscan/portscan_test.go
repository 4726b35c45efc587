package portscan

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/detect/detecttest"
)

func TestDetector(t *testing.T) {
	detecttest.Run(t, Detector,
		detecttest.Case{Name: "syn-scan", Traffic: synScan},
		detecttest.Case{Name: "scan-from-outside", Traffic: scanFromOutside},
		detecttest.Case{Name: "authorised-scanner", Traffic: synScan},
		detecttest.Case{Name: "slow-scan", Traffic: slowScan},
		detecttest.Case{Name: "mixed-scan", Traffic: mixedScan},
		detecttest.Case{Name: "protocol-scan", Traffic: protocolScan},
		detecttest.Case{Name: "udp-scan", Traffic: udpScan},
		detecttest.Case{Name: "two-targets", Traffic: twoTargets},
		detecttest.Case{Name: "dead-services", Traffic: deadServices},
		detecttest.Case{Name: "failed-browsing", Traffic: failedBrowsing},
		detecttest.Case{Name: "server-down", Traffic: serverDown},
		detecttest.Case{Name: "one-way-browsing", Traffic: oneWayBrowsing},
	)
}

func tcp(host string, port int) string { return fmt.Sprintf("%s:%d/tcp", host, port) }

// synScan is nmap's default: a thousand ports in twelve seconds, refused by
// a reset; three are open and reset by the scanner.
func synScan(tr *detecttest.Traffic) {
	for i := range 1000 {
		state := weir.StateREJ
		change := func(*weir.Flow) {}
		if i%400 == 22 {
			state = weir.StateRSTO
			change = func(f *weir.Flow) {
				f.PacketsUp, f.PacketsDown, f.DataUp, f.DataDown, f.BytesUp, f.BytesDown = 2, 1, 0, 0, 84, 44
				f.FlagsUp, f.FlagsDown, f.Duration = weir.SYN|weir.RST, weir.SYN|weir.ACK, time.Millisecond
				f.End = f.Start.Add(f.Duration)
			}
		}
		tr.Conn(time.Duration(i)*12*time.Millisecond, "10.0.0.66", tcp("10.0.0.9", 1+i), state, change)
	}
}

func scanFromOutside(tr *detecttest.Traffic) {
	for i := range 400 {
		tr.Conn(time.Duration(i)*20*time.Millisecond, "198.51.100.7", tcp("10.0.0.9", 1+i), weir.StateS0,
			func(f *weir.Flow) { f.Direction = weir.Inbound })
	}
}

// slowScan tries a port every ten minutes.
func slowScan(tr *detecttest.Traffic) {
	for i := range 130 {
		tr.Conn(time.Duration(i)*10*time.Minute, "10.0.0.66", tcp("10.0.0.9", 1+i), weir.StateS0, nil)
	}
}

// mixedScan tries 25 ports of each of 20 hosts, a service every minute.
func mixedScan(tr *detecttest.Traffic) {
	for i := range 500 {
		tr.Conn(time.Duration(i)*time.Minute, "10.0.0.66", tcp(fmt.Sprintf("10.0.1.%d", 1+i%20), 1+i/20), weir.StateS0, nil)
	}
}

func protocolScan(tr *detecttest.Traffic) {
	for i := range 256 {
		if i == int(weir.TCP) || i == int(weir.UDP) || i == int(weir.SCTP) || i == int(weir.ICMPv4) || i == int(weir.ICMPv6) {
			continue
		}
		tr.Conn(time.Duration(i)*30*time.Millisecond, "10.0.0.66", fmt.Sprintf("10.0.0.9/%d", i), weir.StateS0, nil)
	}
}

func udpScan(tr *detecttest.Traffic) {
	for i := range 100 {
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.66", fmt.Sprintf("10.0.0.9:%d/udp", 1+i), weir.StateS0, nil)
	}
}

// twoTargets is one source that scans two hosts, one after the other: one alert.
func twoTargets(tr *detecttest.Traffic) {
	for i := range 200 {
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.66", tcp("10.0.0.9", 1+i), weir.StateREJ, nil)
	}
	for i := range 50 {
		tr.Conn(time.Duration(200+i)*time.Second, "10.0.0.66", tcp("10.0.0.10", 1+i), weir.StateREJ, nil)
	}
}

// deadServices is a workstation whose fourteen services on a server are gone,
// tried again and again.
func deadServices(tr *detecttest.Traffic) {
	for i := range 600 {
		tr.Conn(time.Duration(i)*10*time.Second, "10.0.0.20", tcp("10.0.0.9", 8000+i%14), weir.StateREJ, nil)
	}
}

// failedBrowsing is a browser without a way out: two ports of many named hosts.
func failedBrowsing(tr *detecttest.Traffic) {
	for i := range 400 {
		at := time.Duration(i) * time.Second
		dst := fmt.Sprintf("203.0.113.%d", 1+i%200)
		tr.Resolve(at, "10.0.0.20", fmt.Sprintf("www%d.example.net", i%200), dst)
		tr.Conn(at, "10.0.0.20", tcp(dst, 443), weir.StateS0, nil)
		tr.Conn(at, "10.0.0.20", fmt.Sprintf("%s:443/udp", dst), weir.StateS0, nil)
	}
}

// serverDown is a server whose forty services were used and then stop.
func serverDown(tr *detecttest.Traffic) {
	for i := range 400 {
		state := weir.StateSF
		if i >= 200 {
			state = weir.StateREJ
		}
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.20", tcp("10.0.0.9", 7000+i%40), state, nil)
	}
}

// oneWayBrowsing is ordinary use of a server's many ports at a sensor that
// hears one side: nothing ever seems to be answered.
func oneWayBrowsing(tr *detecttest.Traffic) {
	for i := range 300 {
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.20", tcp("10.0.0.9", 7000+i%100), weir.StateSF, func(f *weir.Flow) {
			f.State = weir.StateOTH
			f.PacketsDown, f.BytesDown, f.DataDown, f.FlagsDown = 0, 0, 0, 0
		})
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{MinPorts: 1, MinPortsDay: 2, MinServicesDay: 2}, "min_ports: got 1, want 2 or more"},
		{Config{MinPorts: 2, MinPortsDay: 2}, "min_services_day: got 0, want 2 or more"},
	} {
		_, err := c.config.New(func(weir.Finding) {})
		if err == nil || err.Error() != c.want {
			t.Errorf("New(%+v): %v, want %s", c.config, err, c.want)
		}
	}
}

// TestManyTargets checks that a source with more targets than are told apart
// is still reported, by its services.
func TestManyTargets(t *testing.T) {
	var findings []weir.Finding
	h, err := Detector.Default.New(detect.Sign(Detector, func(f weir.Finding) { findings = append(findings, f) }))
	if err != nil {
		t.Fatal(err)
	}
	at := detecttest.Start
	for i := range 3 * maxTargets {
		at = at.Add(time.Second)
		dst := netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i % 250)})
		f := weir.Flow{Start: at, End: at, Src: netip.MustParseAddr("10.0.0.66"), Dst: dst, DstPort: uint16(1 + i%20), Proto: weir.TCP, State: weir.StateS0, PacketsUp: 1}
		h.Flow(&f)
	}
	h.End(at)
	if len(findings) == 0 {
		t.Fatal("no finding")
	}
	last := findings[len(findings)-1]
	if n := last.Checks[0]; n.ID != "services" || n.Value != 3*maxTargets {
		t.Errorf("last finding %q, want %d services", last.Summary, 3*maxTargets)
	}
}

func BenchmarkFlow(b *testing.B) {
	h, err := Detector.Default.New(func(weir.Finding) {})
	if err != nil {
		b.Fatal(err)
	}
	f := weir.Flow{
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: weir.TCP,
		Start: detecttest.Start, State: weir.StateS0, PacketsUp: 1,
	}
	b.ReportAllocs()
	for b.Loop() {
		f.DstPort++
		h.Flow(&f)
	}
}

func TestFlowDoesNotAllocate(t *testing.T) { detecttest.FlowDoesNotAllocate(t, Detector) }
