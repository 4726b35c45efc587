package meter_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/eve"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// A said is what a peer calls the protocol of a conversation.
type saying struct {
	peer, capture string
	ends          string // as endsOfFlow has them
	app           string // in Weir's words
}

// arkimeNames are Arkime's names where ours are others; "" is for what names no
// application protocol: transports, tunnels, and what a conversation became.
var arkimeNames = map[string]string{
	"tcp": "", "udp": "", "icmp": "", "sctp": "", "gre": "", "esp": "", "arp": "", "igmp": "", "pim": "", "ospf": "", "lldp": "", "bgp-md5": "",
	"vxlan": "", "geneve": "", "erspan": "", "gtp": "", "mpls": "", "vlan": "", "ppp": "", "pppoe": "", "nsh": "", "gue": "", "802.11": "",
	"krb5": "kerberos", "dcerpc": "dce_rpc", "postgresql": "postgresql", "ntlm": "", "gquic": "quic", "s7comm": "s7comm", "oracle": "oracle",
	"tls-tcp": "tls", "imaps": "tls", "dhcpv6": "dhcpv6", "isakmp": "ipsec", "ikev1": "ipsec", "ikev2": "ipsec",
}

// eveNames are Weir's names for what package eve gives other names than meter.
var eveNames = map[string]string{"ike": "ipsec", "enip": "enip"}

// arkimeSays returns what the expected sessions of Arkime's tests say.
func arkimeSays(t *testing.T) (all []saying) {
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/arkime/tests/pcap"), "*.test"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of Arkime: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var test struct {
			Sessions []struct {
				Body struct {
					Protocols  []string `json:"protocol"`
					IPProtocol int      `json:"ipProtocol"`
					Source     struct {
						IP   string
						Port int
					}
					Destination struct {
						IP   string
						Port int
					}
				}
			} `json:"sessions3"`
		}
		if json.Unmarshal(b, &test) != nil {
			continue
		}
		for _, s := range test.Sessions {
			var names []string
			for _, p := range s.Body.Protocols {
				if n, ok := arkimeNames[p]; ok {
					p = n
				}
				if p != "" && !slices.Contains(names, p) {
					names = append(names, p)
				}
			}
			proto := weir.Proto(s.Body.IPProtocol)
			if len(names) == 0 || proto != weir.TCP && proto != weir.UDP {
				continue
			}
			all = append(all, saying{"Arkime", strings.TrimSuffix(file, ".test") + ".pcap",
				ends(proto.String(), addrText(s.Body.Source.IP), fmt.Sprint(s.Body.Source.Port), addrText(s.Body.Destination.IP), fmt.Sprint(s.Body.Destination.Port)),
				strings.Join(names, ",")})
		}
	}
	return all
}

// suricataSays returns what the stored runs of Suricata say.
func suricataSays(t *testing.T) (all []saying) {
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/eve-samples"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no EVE files: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eve.json")
		capture := filepath.Join(sharedtest.Path(t, "corpus/captures"), name)
		if rest, ok := strings.CutPrefix(name, "arkime-"); ok {
			capture = filepath.Join(sharedtest.Path(t, "conformance/arkime/tests/pcap"), rest)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := eve.NewDecoder(eve.Config{})
		var batch weir.Batch
		for line := range strings.Lines(string(b)) {
			if err := d.Line(&batch, []byte(line)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		d.Flush(&batch)
		for i := range batch.Flows {
			f := &batch.Flows[i]
			app := f.App
			if n, ok := eveNames[app]; ok {
				app = n
			}
			if app != "" && f.Packets() > 0 && (f.Proto == weir.TCP || f.Proto == weir.UDP) {
				all = append(all, saying{"Suricata", capture, endsOfFlow(f), app})
			}
		}
	}
	return all
}

// zeekServices are Zeek's names where ours are others.
var zeekServices = map[string]string{
	"ssl": "tls", "krb": "kerberos", "krb_tcp": "kerberos", "ldap_tcp": "ldap", "ldap_udp": "ldap", "dnp3_tcp": "dnp3", "dnp3_udp": "dnp3",
	"gssapi": "", "ntlm": "", "spicy_ldap": "ldap", "xmpp": "xmpp", "ayiya": "", "teredo": "", "vxlan": "", "geneve": "", "gtpv1": "", "gre": "",
	"dns": "dns", "http": "http", "spicy_quic": "quic",
}

// zeekSays returns what the conn.log of Zeek's tests says, where it is clear
// which trace that is of.
func zeekSays(t *testing.T) (all []saying, traces []trace) {
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	traces = meterTraces(t, root)
	logs, err := filepath.Glob(filepath.Join(root, "Baseline/*/conn.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	for _, name := range logs {
		rows := readZeek(t, name)
		tr := traceOf(traces, rows)
		if tr == nil || len(rows) == 0 {
			continue
		}
		for _, r := range rows {
			var names []string
			for p := range strings.SplitSeq(r["service"], ",") {
				if n, ok := zeekServices[p]; ok {
					p = n
				}
				if p != "" && p != "-" {
					names = append(names, p)
				}
			}
			if len(names) > 0 {
				all = append(all, saying{"Zeek", tr.name, endsOfRow(r), strings.Join(names, ",")})
			}
		}
	}
	return all, traces
}

// addrText writes an address as Weir does.
func addrText(s string) string { return strings.TrimPrefix(s, "::ffff:") }

// A confusion counts what Weir calls what a peer calls something.
type confusion map[string]map[string]int

func (c confusion) add(peer, ours string) {
	if c[peer] == nil {
		c[peer] = map[string]int{}
	}
	c[peer][ours]++
}

// unnamed and guessed stand for what Weir does not name, or names by its port.
const (
	unnamed = "(none)"
	guessed = "(by port)"
)

// floorRecognised is the share of conversations that a peer names and Weir
// names alike, and ceilingMistaken that of those that it names otherwise.
const (
	floorRecognised = 0.88
	ceilingMistaken = 0.02
)

// TestRecognition compares what Weir names by what is said, not by the port,
// with what Zeek, Suricata and Arkime name the same conversations.
func TestRecognition(t *testing.T) {
	flows := map[string]map[string]*weir.Flow{} // by capture and ends
	all, traces := zeekSays(t)
	for i := range traces {
		of := map[string]*weir.Flow{}
		for k, list := range traces[i].flows {
			of[k] = list[0]
		}
		flows[traces[i].name] = of
	}
	all = append(append(all, suricataSays(t)...), arkimeSays(t)...)
	peers := map[string]confusion{}
	alike, total, mistaken, missing, absent := 0, 0, 0, 0, 0
	for _, s := range all {
		of, ok := flows[s.capture]
		if !ok {
			of = namedFlows(t, s.capture)
			flows[s.capture] = of
		}
		if of == nil { // a peer's output whose capture is not there
			absent++
			continue
		}
		f := of[s.ends]
		if f == nil { // cut into other conversations: what conformance of flows is about
			missing++
			continue
		}
		if peers[s.peer] == nil {
			peers[s.peer] = confusion{}
		}
		total++
		ours := f.App
		switch {
		case f.App == "":
			ours = unnamed
		case f.AppGuessed:
			ours = guessed
		case slices.Contains(strings.Split(s.app, ","), f.App):
			alike++
			peers[s.peer].add(f.App, f.App)
			continue
		default:
			mistaken++
			t.Logf("%s of %s, %s: %s, Weir: %s", s.peer, filepath.Base(s.capture), s.ends, s.app, f.App)
		}
		first, _, _ := strings.Cut(s.app, ",")
		peers[s.peer].add(first, ours)
	}
	for _, peer := range slices.Sorted(maps.Keys(peers)) {
		for _, app := range slices.Sorted(maps.Keys(peers[peer])) {
			row := peers[peer][app]
			n := 0
			var others []string
			for _, ours := range slices.Sorted(maps.Keys(row)) {
				if n += row[ours]; ours != app {
					others = append(others, fmt.Sprintf("%s %d", ours, row[ours]))
				}
			}
			t.Logf("| %s | %s | %d | %d | %s |", peer, app, n, row[app], strings.Join(others, ", "))
		}
	}
	t.Logf("%d of %d conversations named alike, %d otherwise; %d told as other conversations, %d of captures that are not there", alike, total, mistaken, missing, absent)
	if float64(alike) < floorRecognised*float64(total) || float64(mistaken) > ceilingMistaken*float64(total) || total < 500 {
		t.Errorf("%d of %d named alike, %d otherwise: want %.0f %% and at most %.0f %%", alike, total, mistaken, 100*floorRecognised, 100*ceilingMistaken)
	}
}

// namedFlows meters a capture: of each conversation the record that names it.
// It returns nil if the capture is not there.
func namedFlows(t *testing.T, capture string) map[string]*weir.Flow {
	if _, err := os.Stat(capture); err != nil {
		return nil
	}
	of := map[string]*weir.Flow{}
	b := metertest.Records(t, capture)
	for i := range b.Flows {
		f := &b.Flows[i]
		if old := of[endsOfFlow(f)]; old == nil || old.App == "" || old.AppGuessed {
			of[endsOfFlow(f)] = f
		}
	}
	return of
}
