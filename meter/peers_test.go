package meter_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
)

// A talk is what all records of one pair of endpoints say together: peers cut
// conversations into records at other times than Weir, and the sums are the
// same all the same.
type talk struct {
	began   string            // who sent first in the first record
	packets map[string]uint64 // by who sent them
	ids     []string          // Community IDs, sorted
}

type talks map[string]*talk

// add counts a record: what from sent to the other end, and what came back.
func (t talks) add(key, from, to, id string, up, down uint64) {
	k := t[key]
	if k == nil {
		k = &talk{began: from, packets: map[string]uint64{}}
		t[key] = k
	}
	k.packets[from] += up
	k.packets[to] += down
	if i, found := slices.BinarySearch(k.ids, id); !found {
		k.ids = slices.Insert(k.ids, i, id)
	}
}

// side names an end of a conversation.
func side(addr netip.Addr, port uint16) string { return fmt.Sprint(addr, " ", port) }

// talksOf meters a capture; seed is that of the Community ID.
func talksOf(t testing.TB, capture string, seed uint16) talks {
	c := meter.DefaultConfig()
	c.Active = maxActive
	all := talks{}
	meterFrames(t, readCapture(t, capture), c, func(b *weir.Batch) error {
		for i := range b.Flows {
			f := &b.Flows[i]
			all.add(endsOfFlow(f), side(f.Src, f.SrcPort), side(f.Dst, f.DstPort),
				weir.CommunityID(seed, f.Proto, f.Src, f.Dst, f.SrcPort, f.DstPort, f.ICMP), f.PacketsUp, f.PacketsDown)
		}
		return nil
	})
	return all
}

// peerKey is the key of a peer's record as endsOfFlow makes it.
func peerKey(proto weir.Proto, src netip.Addr, srcPort uint16, dst netip.Addr, dstPort uint16) string {
	if proto == weir.ICMPv4 || proto == weir.ICMPv6 {
		return ends(proto.String(), src.String(), "", dst.String(), "")
	}
	return ends(proto.String(), src.String(), fmt.Sprint(srcPort), dst.String(), fmt.Sprint(dstPort))
}

// A differing is a difference between a peer and Weir that has a reason.
// What it leaves empty fits all.
type differing struct {
	capture, key, field string // key is a part of it
	why                 string
}

const (
	portless = "the specification leaves the ports of protocols without ports out (its baseline has RSVP); Arkime hashes two zero ports, Suricata the SPI"
	outer    = "counts the packets of the tunnel as a flow as well; Weir counts what is within, once"
	flips    = "took the server that answers for the originator; Weir knows the port (history begins with ^)"
	notRead  = "link type or encapsulation that this version does not read"
)

// ofArkime are the differences from Arkime.
var ofArkime = []differing{
	{"", "esp ", "community_id", portless},
	{"80211http", "", "flow", notRead + ": IEEE 802.11"},
	{"nflog", "", "flow", notRead + ": NFLOG"},
	{"arkime_synthetic", "192.168.10.", "flow", notRead + ": NSH, Cisco metadata"},
	{"arkime_synthetic", "192.168.4.", "flow", notRead + ": ERSPAN without GRE"},
	{"arkime_synthetic", "2001:db8:90", "flow", "stops at the outer header; Weir goes in"},
	{"arkime_synthetic", "ah ", "flow", "stops at the outer header; Weir goes in"},
	{"arkime_synthetic", "10.222.222.", "flow", "takes GENEVE by its destination port only; Weir by either"},
	{"arkime_synthetic", "10.111.111.", "packets", "takes GENEVE by its destination port only; Weir by either"},
	{"arkime_synthetic", "10.9.8.1 ", "", "a UDP header whose length is 0: no ports to Arkime"},
	{"", " 53 ", "src.ip", flips},
	{"", " 161 ", "src.ip", flips},
	{"", " 255.255.255.255 67", "packets", "joins DHCP by its transaction, whatever the addresses"},
	{"gtp-iphone", "icmp6", "community_id", "hashes a message without answer (unreachable) with addresses in order; by the specification direction counts"},
	{"", "igmp ", "packets", "joins IGMP of all groups into one session"},
	{"", "pim ", "packets", "joins PIM of all routers into one session"},
}

// ofSuricata are those from Suricata 7.0.10.
var ofSuricata = []differing{
	{"", "esp ", "community_id", portless},
	{"", "esp ", "src.ip", "tells ESP by SPI, which is a flow for each direction"},
	{"", " 6081", "flow", outer}, {"", " 4789", "flow", outer}, {"", " 2152", "flow", outer},
	{"arkime-arkime_synthetic.pcap", "192.168.10.", "flow", notRead + ": NSH, Cisco metadata"},
	{"arkime-arkime_synthetic.pcap", "10.40.9.1 ", "", outer},
	{"arkime-arkime_synthetic.pcap", "10.9.8.1 ", "packets", "does not count a UDP header whose length is 0"},
	{"arkime-mysql-allow.pcap", "", "community_id", "wrong until 7.0.12 where both addresses are the same: see community-id-sameip of suricata-verify"},
	{"arkime-http-empty-useragent.pcap", "", "community_id", "wrong until 7.0.12 where both addresses are the same: see community-id-sameip of suricata-verify"},
	{"", " 53 ", "src.ip", flips}, {"", " 161 ", "src.ip", flips}, {"", " 80", "src.ip", flips}, {"", " 179", "src.ip", flips},
	{"", " 1883 ", "src.ip", flips},
}

// A tally counts per field what is equal, and what differs for a reason.
type tally map[string]*struct{ equal, explained, total int }

func (y tally) compare(t *testing.T, reasons []differing, name, key, field string, got, want any) {
	t.Helper()
	if y[field] == nil {
		y[field] = new(struct{ equal, explained, total int })
	}
	y[field].total++
	if fmt.Sprint(got) == fmt.Sprint(want) {
		y[field].equal++
		return
	}
	i := slices.IndexFunc(reasons, func(d differing) bool {
		return (d.capture == "" || d.capture == name) && strings.Contains(key, d.key) && (d.field == "" || d.field == field)
	})
	if i < 0 {
		t.Errorf("%s: %s: %s = %v, want %v", name, key, field, got, want)
		return
	}
	y[field].explained++
	t.Logf("%s: %s: %s = %v, want %v: %s", name, key, field, got, want, reasons[i].why)
}

// require fails if fewer values than before were equal: every difference has a
// reason, but reasons must not swallow what once was equal.
func (y tally) require(t *testing.T, equal map[string]int) {
	t.Helper()
	for _, field := range slices.Sorted(maps.Keys(equal)) {
		got := y[field]
		if got == nil {
			t.Errorf("%s: nothing compared", field)
			continue
		}
		t.Logf("%-14s %5d of %5d equal, %d differ for a reason", field, got.equal, got.total, got.explained)
		if got.equal < equal[field] {
			t.Errorf("%s: %d equal, want %d or more", field, got.equal, equal[field])
		}
	}
}

// compareTalks compares what a peer says of a capture with what Weir does.
func (y tally) compareTalks(t *testing.T, reasons []differing, name string, theirs, ours talks) {
	t.Helper()
	for key, want := range theirs {
		got := ours[key]
		y.compare(t, reasons, name, key, "flow", got != nil, true)
		if got == nil {
			continue
		}
		y.compare(t, reasons, name, key, "src.ip", got.began, want.began)
		for end, n := range want.packets {
			y.compare(t, reasons, name, key, "packets", got.packets[end], n)
		}
		for _, id := range want.ids {
			if id == "" {
				continue
			}
			mine := id
			if !slices.Contains(got.ids, id) {
				mine = strings.Join(got.ids, " ")
			}
			y.compare(t, reasons, name, key, "community_id", mine, id)
		}
	}
}

func TestArkimeSessions(t *testing.T) {
	root := sharedtest.Path(t, "conformance/arkime/tests/pcap")
	files, err := filepath.Glob(filepath.Join(root, "*.test"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions below %s: %v", root, err)
	}
	y := tally{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var golden struct {
			Sessions []struct {
				Body struct {
					IPProtocol          uint8
					Source, Destination struct {
						IP      netip.Addr
						Port    uint16
						Packets uint64
					}
					Network struct {
						CommunityID string `json:"community_id"`
					}
				}
			} `json:"sessions3"`
		}
		if err := json.Unmarshal(b, &golden); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		theirs := talks{}
		for _, s := range golden.Sessions {
			b := s.Body
			if b.IPProtocol == 0 || !b.Source.IP.IsValid() {
				continue // ARP and other packets without IP
			}
			theirs.add(peerKey(weir.Proto(b.IPProtocol), b.Source.IP, b.Source.Port, b.Destination.IP, b.Destination.Port),
				side(b.Source.IP, b.Source.Port), side(b.Destination.IP, b.Destination.Port), b.Network.CommunityID,
				b.Source.Packets, b.Destination.Packets)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".test")
		y.compareTalks(t, ofArkime, name, theirs, talksOf(t, filepath.Join(root, name+".pcap"), 0))
	}
	y.require(t, map[string]int{"flow": 503, "src.ip": 499, "packets": 999, "community_id": 458})
}

// eveFlow is a flow record of Suricata.
type eveFlow struct {
	EventType   string     `json:"event_type"`
	SrcIP       netip.Addr `json:"src_ip"`
	DestIP      netip.Addr `json:"dest_ip"`
	SrcPort     uint16     `json:"src_port"`
	DestPort    uint16     `json:"dest_port"`
	Proto       string
	CommunityID string `json:"community_id"`
	Flow        struct {
		PktsToserver uint64 `json:"pkts_toserver"`
		PktsToclient uint64 `json:"pkts_toclient"`
	}
}

func protoOf(name string) (weir.Proto, bool) {
	switch strings.ToUpper(name) {
	case "TCP":
		return weir.TCP, true
	case "UDP":
		return weir.UDP, true
	case "ICMP":
		return weir.ICMPv4, true
	case "IPV6-ICMP":
		return weir.ICMPv6, true
	case "SCTP":
		return weir.SCTP, true
	case "ESP":
		return weir.ESP, true
	}
	return 0, false
}

func TestSuricataFlows(t *testing.T) {
	root := sharedtest.Path(t, "conformance/eve-samples")
	files, err := filepath.Glob(filepath.Join(root, "*.eve.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no records below %s: %v", root, err)
	}
	y := tally{}
	without := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eve.json")
		capture := filepath.Join(root, "../arkime/tests/pcap", strings.TrimPrefix(name, "arkime-"))
		if strings.HasPrefix(name, "ndpi-") {
			capture = filepath.Join(root, "../../corpus/captures", name)
		}
		if _, err := os.Stat(capture); err != nil {
			without++
			continue
		}
		theirs := talks{}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			var e eveFlow
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.EventType != "flow" {
				continue
			}
			proto, ok := protoOf(e.Proto)
			if !ok {
				t.Logf("%s: %s left out", name, e.Proto)
				continue
			}
			theirs.add(peerKey(proto, e.SrcIP, e.SrcPort, e.DestIP, e.DestPort), side(e.SrcIP, e.SrcPort), side(e.DestIP, e.DestPort),
				e.CommunityID, e.Flow.PktsToserver, e.Flow.PktsToclient)
		}
		y.compareTalks(t, ofSuricata, name, theirs, talksOf(t, capture, 0))
	}
	t.Logf("%d files, %d without capture", len(files), without)
	y.require(t, map[string]int{"flow": 514, "src.ip": 504, "packets": 1026, "community_id": 510})
}

// verified are the differences from the tests of Suricata itself.
var verified = []differing{
	{"decode-teredo-01", " 3544", "flow", outer},
	{"decode-teredo-01", " 80", "src.ip", flips},
}

var seedPattern = regexp.MustCompile(`community-id-seed: *(\d+)`)

// seedOf returns the seed of the Community ID in the configuration of a test.
func seedOf(folder string) (seed uint16) {
	b, _ := os.ReadFile(filepath.Join(folder, "suricata.yaml"))
	if m := seedPattern.FindSubmatch(b); m != nil {
		fmt.Sscan(string(m[1]), &seed)
	}
	return seed
}

// TestSuricataVerify compares with the checks of Suricata's own tests that
// expect one flow record with all of its endpoints.
func TestSuricataVerify(t *testing.T) {
	root := sharedtest.Path(t, "conformance/suricata-verify/tests")
	y := tally{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "test.yaml" {
			return err
		}
		folder := filepath.Dir(file)
		name, _ := filepath.Rel(root, folder)
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var test struct {
			Pcap   string
			Checks []struct {
				Filter struct {
					Count int
					Match map[string]any
				}
			}
		}
		if yaml.Unmarshal(b, &test) != nil {
			return nil // a test of other things
		}
		capture := filepath.Join(folder, test.Pcap)
		if test.Pcap == "" {
			list, _ := filepath.Glob(filepath.Join(folder, "*.pcap"))
			if len(list) != 1 {
				return nil
			}
			capture = list[0]
		}
		if _, err := os.Stat(capture); err != nil {
			return nil
		}
		ours := talks(nil)
		for _, check := range test.Checks {
			theirs := expected(check.Filter.Count, check.Filter.Match)
			if theirs == nil {
				continue
			}
			if ours == nil {
				ours = talksOf(t, capture, seedOf(folder))
			}
			y.compareTalks(t, verified, name, theirs, ours)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	y.require(t, map[string]int{"flow": 39, "src.ip": 37, "packets": 70, "community_id": 2})
}

// expected returns the flow that a check expects, nil if it is about something else.
func expected(count int, match map[string]any) talks {
	if count != 1 || match["event_type"] != "flow" {
		return nil
	}
	get := func(key string) string { return fmt.Sprint(match[key]) }
	proto, ok := protoOf(get("proto"))
	src, err := netip.ParseAddr(get("src_ip"))
	dst, err2 := netip.ParseAddr(get("dest_ip"))
	if !ok || err != nil || err2 != nil {
		return nil
	}
	var srcPort, dstPort uint16
	fmt.Sscan(get("src_port"), &srcPort)
	fmt.Sscan(get("dest_port"), &dstPort)
	if (proto == weir.TCP || proto == weir.UDP) && (srcPort == 0 || dstPort == 0) {
		return nil
	}
	id, _ := match["community_id"].(string)
	all := talks{}
	key, from, to := peerKey(proto, src, srcPort, dst, dstPort), side(src, srcPort), side(dst, dstPort)
	all.add(key, from, to, id, 0, 0)
	for field, end := range map[string]string{"flow.pkts_toserver": from, "flow.pkts_toclient": to} {
		delete(all[key].packets, end)
		if n, err := strconv.ParseUint(get(field), 10, 64); err == nil {
			all[key].packets[end] = n
		}
	}
	return all
}
