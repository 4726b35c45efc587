package hostsweep

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect/detecttest"
)

func TestDetector(t *testing.T) {
	detecttest.Run(t, Detector,
		detecttest.Case{Name: "smb-sweep", Traffic: smbSweep},
		detecttest.Case{Name: "authorised-scanner", Traffic: smbSweep},
		detecttest.Case{Name: "ping-sweep", Traffic: pingSweep},
		detecttest.Case{Name: "slow-sweep", Traffic: slowSweep},
		detecttest.Case{Name: "everybody-answers", Traffic: everybodyAnswers},
		detecttest.Case{Name: "sweep-from-outside", Traffic: sweepFromOutside},
		detecttest.Case{Name: "three-ports", Traffic: threePorts},
		detecttest.Case{Name: "failed-browsing", Traffic: failedBrowsing},
		detecttest.Case{Name: "known-hosts-off", Traffic: knownHostsOff},
		detecttest.Case{Name: "backup-server", Traffic: backupServer},
		detecttest.Case{Name: "one-way-server", Traffic: oneWayServer},
		detecttest.Case{Name: "multicast", Traffic: multicast},
	)
}

func host(i int) string { return fmt.Sprintf("10.0.%d.%d", 1+i/254, 1+i%254) }

// smbSweep tries port 445 of a whole network in a minute; one in twenty answers.
func smbSweep(tr *detecttest.Traffic) {
	for i := range 254 {
		state := weir.StateS0
		if i%20 == 7 {
			state = weir.StateSF
		}
		tr.Conn(time.Duration(i)*250*time.Millisecond, "10.0.0.66", host(i)+":445/tcp", state, nil)
	}
}

func pingSweep(tr *detecttest.Traffic) {
	for i := range 254 {
		tr.Conn(time.Duration(i)*10*time.Millisecond, "10.0.0.66", host(i)+"/icmp", weir.StateS0, nil)
	}
}

// slowSweep tries a host every ten minutes.
func slowSweep(tr *detecttest.Traffic) {
	for i := range 130 {
		tr.Conn(time.Duration(i)*10*time.Minute, "10.0.0.66", host(i)+":3389/tcp", weir.StateS0, nil)
	}
}

// everybodyAnswers opens port 22 of 200 hosts and hangs up.
func everybodyAnswers(tr *detecttest.Traffic) {
	for i := range 200 {
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.66", host(i)+":22/tcp", weir.StateSF, func(f *weir.Flow) {
			f.PacketsUp, f.PacketsDown, f.DataUp, f.DataDown = 4, 3, 0, 0
			f.BytesUp, f.BytesDown = 208, 164
		})
	}
}

func sweepFromOutside(tr *detecttest.Traffic) {
	for i := range 508 {
		tr.Conn(time.Duration(i)*100*time.Millisecond, "198.51.100.7", host(i)+":23/tcp", weir.StateS0,
			func(f *weir.Flow) { f.Direction = weir.Inbound })
	}
}

// threePorts is one source that sweeps three ports: one alert.
func threePorts(tr *detecttest.Traffic) {
	for i := range 100 {
		for j, port := range []int{22, 80, 443} {
			tr.Conn(time.Duration(3*i+j)*100*time.Millisecond, "10.0.0.66", fmt.Sprintf("%s:%d/tcp", host(i), port), weir.StateREJ, nil)
		}
	}
}

// failedBrowsing is a browser without a way out: many hosts, all by name.
func failedBrowsing(tr *detecttest.Traffic) {
	for i := range 200 {
		at := time.Duration(i) * time.Second
		dst := fmt.Sprintf("203.0.113.%d", 1+i)
		tr.Resolve(at, "10.0.0.20", fmt.Sprintf("www%d.example.net", i), dst)
		tr.Conn(at, "10.0.0.20", dst+":443/tcp", weir.StateS0, nil)
	}
}

// knownHostsOff is a server that calls its 60 agents at day, and again at
// night when they are off.
func knownHostsOff(tr *detecttest.Traffic) {
	for i := range 60 {
		tr.Conn(time.Duration(i)*time.Minute, "10.0.0.20", host(i)+":10050/tcp", weir.StateSF, nil)
	}
	for i := range 60 {
		tr.Conn(10*time.Hour+time.Duration(i)*time.Second, "10.0.0.20", host(i)+":10050/tcp", weir.StateS0, nil)
	}
}

// backupServer works with 200 hosts in a night, with many packets each.
func backupServer(tr *detecttest.Traffic) {
	for i := range 200 {
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.20", host(i)+":9102/tcp", weir.StateSF, nil)
	}
}

// oneWayServer calls many hosts at a sensor that hears one side only.
func oneWayServer(tr *detecttest.Traffic) {
	for i := range 200 {
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.20", host(i)+":9102/tcp", weir.StateSF, func(f *weir.Flow) {
			f.State = weir.StateOTH
			f.PacketsDown, f.BytesDown, f.DataDown, f.FlagsDown = 0, 0, 0, 0
		})
	}
}

func multicast(tr *detecttest.Traffic) {
	for i := range 200 {
		tr.Conn(time.Duration(i)*time.Second, "10.0.0.20", fmt.Sprintf("239.1.1.%d:5004/udp", 1+i), weir.StateS0, nil)
	}
}

func TestConfig(t *testing.T) {
	c := Detector.Default.(Config)
	c.MinOpenedDay = 1
	_, err := c.New(func(weir.Finding) {})
	if want := "min_opened_day: got 1, want 2 or more"; err == nil || err.Error() != want {
		t.Errorf("New: %v, want %s", err, want)
	}
}

// TestManyPorts checks that a source with more ports than are followed is
// counted as lost and not held.
func TestManyPorts(t *testing.T) {
	h, err := Detector.Default.New(func(weir.Finding) {})
	if err != nil {
		t.Fatal(err)
	}
	f := flow()
	for range maxPorts + 100 {
		f.DstPort++
		h.Flow(&f)
	}
	if got := h.Lost(); got != 100 {
		t.Errorf("Lost() = %d, want 100", got)
	}
}

func flow() weir.Flow {
	return weir.Flow{
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: weir.TCP,
		Start: detecttest.Start, State: weir.StateS0, PacketsUp: 1,
	}
}

func BenchmarkFlow(b *testing.B) {
	h, err := Detector.Default.New(func(weir.Finding) {})
	if err != nil {
		b.Fatal(err)
	}
	f := flow()
	f.DstPort = 445
	i := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		i++
		f.Dst = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		h.Flow(&f)
	}
}

func TestFlowDoesNotAllocate(t *testing.T) { detecttest.FlowDoesNotAllocate(t, Detector) }
