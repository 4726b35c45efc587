package discovery_test

import (
	"context"
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/meter/metertest"
	"github.com/weir-nta/weir/source/capture"
)

// A question is what tshark is asked of one protocol, and what it must find
// among the announcements.
type question struct {
	protocol string // of the announcements that make the capture worth asking
	filter   string
	fields   []string
	// want returns what the values of one packet lead to, as key writes
	// announcements, with the field to count it under.
	want func(v []string) map[string]string
}

// key writes an announcement as the questions do.
func key(a *weir.Announcement) string {
	return strings.Join([]string{a.Protocol, a.Kind, a.MAC, a.Name, a.Text, strings.ReplaceAll(a.Addr.String(), "invalid IP", "")}, "|")
}

// said is key of what an announcement has.
func said(protocol, kind, mac, name, text, addr string) string {
	return strings.Join([]string{protocol, kind, mac, name, text, addr}, "|")
}

var questions = []question{
	{"arp", "arp.proto.type == 0x0800 && arp.hw.type == 1 && !vxlan && !gre", []string{"arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.proto_ipv4"}, func(v []string) map[string]string {
		op, mac, src, dst := v[0], v[1], v[2], v[3]
		want := map[string]string{}
		switch {
		case op != "1" && op != "2":
		case src == "0.0.0.0" && op == "1":
			want["arp probe"] = said("arp", "probe", mac, "", "", dst)
		case !host(src):
		default:
			want["arp binding"] = said("arp", "binding", mac, "", "", src)
			if op == "1" && src != dst && host(dst) {
				want["arp request"] = said("arp", "request", mac, "", "", dst)
			}
		}
		return want
	}},
	{"ndp", "icmpv6.type == 135 && icmpv6.opt.linkaddr && ipv6.hlim == 255 && !ip && !gre", []string{"icmpv6.opt.linkaddr", "ipv6.src", "icmpv6.nd.ns.target_address"}, func(v []string) map[string]string {
		if v[1] == "::" {
			return map[string]string{"ndp probe": said("ndp", "probe", v[0], "", "", v[2])}
		}
		return map[string]string{"ndp binding": said("ndp", "binding", v[0], "", "", v[1]), "ndp request": said("ndp", "request", v[0], "", "", v[2])}
	}},
	{"ndp", "icmpv6.type == 136 && icmpv6.opt.linkaddr && ipv6.hlim == 255 && !ip && !gre", []string{"icmpv6.opt.linkaddr", "icmpv6.nd.na.target_address"}, func(v []string) map[string]string {
		return map[string]string{"ndp binding": said("ndp", "binding", v[0], "", "", v[1])}
	}},
	{"lldp", "lldp", []string{"lldp.chassis.id.mac", "lldp.tlv.system.name"}, func(v []string) map[string]string {
		return map[string]string{"lldp name": said("lldp", "name", v[0], v[1], "", "")}
	}},
	{"cdp", "cdp", []string{"eth.src", "cdp.deviceid", "cdp.platform", "cdp.portid"}, func(v []string) map[string]string {
		return map[string]string{"cdp name": said("cdp", "name", v[0], v[1], "", ""), "cdp model": said("cdp", "model", v[0], "", v[2], ""), "cdp port": said("cdp", "port", v[0], "", v[3], "")}
	}},
	{"browser", "browser.command == 1 || browser.command == 15", []string{"eth.src", "browser.server", "browser.os_major", "browser.os_minor", "ip.src", "browser.server_type.ntw", "browser.server_type.xenix"}, func(v []string) map[string]string {
		want := map[string]string{"browser name": said("browser", "name", v[0], v[1], "server", v[4])}
		if v[5] == "1" && v[6] != "1" || v[5] == "True" && v[6] != "True" {
			want["browser os"] = said("browser", "os", v[0], "", "Windows "+v[2]+"."+v[3], "")
		}
		return want
	}},
	{"ssdp", "ssdp && http.server && !(http contains \"ssdp:byebye\")", []string{"eth.src", "http.server"}, func(v []string) map[string]string {
		return map[string]string{"ssdp software": said("ssdp", "software", v[0], "", strings.TrimSpace(v[1]), "")}
	}},
}

func host(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && s != "255.255.255.255"
}

// TestTshark compares what tshark says of every packet of the discovery
// protocols with what was announced in the capture.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	explained := differences
	if !*full {
		explained = nil
	}
	c := metertest.Compare(t, explained)
	defer c.Close()
	asked := make([]int, len(questions))
	for _, folder := range []string{"conformance", "corpus"} {
		for _, file := range sharedtest.Captures(t, folder) {
			if info, err := os.Stat(file); err != nil || info.Size() > maxFile {
				continue
			}
			list, ok := announcements(file)
			if !ok {
				continue
			}
			known, spoken := map[string]bool{}, map[string]bool{}
			for i := range list {
				known[key(&list[i])], spoken[list[i].Protocol] = true, true
			}
			for i, q := range questions {
				if spoken[q.protocol] && (*full || asked[i] < someCaptures) {
					asked[i]++
					compare(c, file, &q, known)
				}
			}
		}
	}
}

// full has tshark asked of all captures, which takes some minutes.
var full = flag.Bool("full", false, "compare all captures with tshark")

const (
	// maxFile leaves out captures that tshark reads for minutes.
	maxFile = 1 << 20
	// someCaptures is how many are enough to see that nothing has broken.
	someCaptures = 8
)

// announcements returns those of a capture, false if it is damaged.
func announcements(file string) (list []weir.Announcement, ok bool) {
	s, err := capture.New(capture.Config{Inputs: []string{file}, Meter: meter.DefaultConfig()})
	if err != nil {
		return nil, false
	}
	err = s.Run(context.Background(), func(b *weir.Batch) error {
		list = append(list, b.Announcements...)
		return nil
	})
	return list, err == nil
}

func compare(c *metertest.Comparison, file string, q *question, known map[string]bool) {
	args := []string{"-n", "-r", file, "-Y", q.filter, "-T", "fields", "-E", "occurrence=f"}
	for _, f := range q.fields {
		args = append(args, "-e", f)
	}
	out, _ := exec.Command("tshark", args...).Output() // what it says of damaged packets, too
	asked := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		v := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(v) != len(q.fields) || slices.Contains(v[:2], "") {
			continue
		}
		for field, want := range q.want(v) {
			if asked[want] {
				continue
			}
			asked[want] = true
			got := "nothing"
			if known[want] {
				got = want
			}
			c.Field(filepath.Base(file), field, got, want)
		}
	}
}

var differences = []metertest.Difference{
	metertest.Explain("retry.pcap", "ndp probe", "nothing", "*", "a link-layer address that must not be there (RFC 4861, 4.3) and is not that of the frame, by which probes are told"),
}
