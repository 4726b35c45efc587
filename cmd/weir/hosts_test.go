package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
	"github.com/weir-nta/weir/store/duckdb"
	"github.com/weir-nta/weir/store/memory"
)

// A truth is what a device of a capture is known to be; empty for what is not
// known, or has no word here.
type truth struct {
	capture   string // below the corpus
	host      string // link-layer or IP address
	device    string
	class, os string
	role      string
	vendor    string // some part of it
	local     string // networks, where they are public
}

// truths are the devices of the development captures of which is known what
// they are: the products named in the labels of the IoT Sentinel data set, and
// what the labels and the origins of other captures say.
var truths = []truth{
	{capture: "iotsentinel-Setup-A-1-STA.pcap", host: "20:f8:5e:ca:91:52", device: "Fitbit Aria, a scale", class: "smart home", os: "embedded"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-2.pcap", host: "b0:c5:54:1c:71:85", device: "D-Link DayCam", class: "camera", os: "Linux", vendor: "D-Link"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-3.pcap", host: "1c:5f:2b:aa:fd:4e", device: "D-Link Home Hub", class: "smart home", os: "Linux", vendor: "D-Link"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-4.pcap", host: "90:8d:78:dd:0d:60", device: "D-Link Siren", class: "smart home", os: "Linux", vendor: "D-Link"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-5.pcap", host: "6c:72:20:c5:17:5a", device: "D-Link Water Sensor", class: "smart home", os: "Linux", vendor: "D-Link"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-6.pcap", host: "74:da:38:80:79:fc", device: "Edimax camera", class: "camera", os: "Linux", vendor: "Edimax"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-7.pcap", host: "74:da:38:23:22:7b", device: "Edimax plug", class: "smart home", os: "Linux", vendor: "Edimax"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-8.pcap", host: "3c:49:37:03:17:f0", device: "Ednet camera", class: "camera", os: "Linux", vendor: "ASSMANN"},
	{capture: "iotsentinel-Setup-C-1-STA.pcap-9.pcap", host: "00:1a:22:05:c4:2e", device: "HomeMatic plug, its access point", class: "smart home", vendor: "eQ-3"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-9.pcap", host: "00:17:88:24:76:ff", device: "Philips Hue bridge", class: "smart home", vendor: "Philips"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-9.pcap", host: "38:0b:40:ef:85:41", device: "phone that sets them up (SM-N7505)", class: "phone", os: "Android", vendor: "Samsung"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-10.pcap", host: "00:1a:22:03:cb:be", device: "MAX! gateway", class: "smart home", vendor: "eQ-3"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-11.pcap", host: "50:c7:bf:00:fc:a3", device: "TP-Link plug HS100", class: "smart home", os: "Linux", vendor: "TP-LINK"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-12.pcap", host: "94:10:3e:41:c2:05", device: "WeMo Insight switch", class: "smart home", os: "Linux", vendor: "Belkin"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-13.pcap", host: "94:10:3e:cd:37:65", device: "WeMo Link", class: "smart home", os: "Linux", vendor: "Belkin"},
	{capture: "iotsentinel-Setup-C-1-STA.pcap-15.pcap", host: "94:10:3e:34:0c:b5", device: "WeMo switch", class: "smart home", os: "Linux", vendor: "Belkin"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-14.pcap", host: "5c:cf:7f:06:d9:02", device: "iKettle 2", class: "smart home", os: "embedded", vendor: "Espressif"},
	{capture: "iotsentinel-Setup-A-1-STA.pcap-13.pcap", host: "00:b5:6d:06:08:ba", device: "gateway of the laboratory", role: "gateway"},
	{capture: "slips-test7-malicious.pcap", host: "192.168.2.16", device: "Raspberry Pi", os: "Linux", vendor: "Raspberry Pi"},
	{capture: "slips-test7-malicious.pcap", host: "192.168.2.1", device: "who shares its connection with it", role: "gateway"},
	{capture: "smtpexfil-chal2.pcap", host: "192.168.30.108", device: "Ann's laptop", class: "workstation", os: "Windows", role: "workstation", vendor: "Dell"},
	{capture: "warmcookie-data", host: "10.8.15.133", device: "Windows client", class: "workstation", os: "Windows", role: "workstation", vendor: "Intel"},
	{capture: "warmcookie-data", host: "10.8.15.4", device: "domain controller", class: "server", os: "Windows", role: "domain controller"},
	{capture: "elcabezzonn-normal_share_traversal.pcap", host: "192.168.1.195", device: "domain controller", class: "server", os: "Windows", role: "domain controller"},
	{capture: "elcabezzonn-normal_share_traversal.pcap", host: "192.168.1.46", device: "workstation", class: "workstation", os: "Windows", role: "workstation"},
	{capture: "elcabezzonn-chip_host_signin.pcap", host: "192.168.1.195", device: "domain controller", class: "server", os: "Windows", role: "domain controller"},
	{capture: "elcabezzonn-chip_host_signin.pcap", host: "192.168.1.46", device: "workstation", class: "workstation", os: "Windows", role: "workstation"},
	{capture: "elcabezzonn-dcsync.pcapng", host: "192.168.1.195", device: "domain controller", class: "server", os: "Windows", role: "domain controller"},
	{capture: "m57_day11_18-m57_day11_18", host: "192.168.1.1", device: "server of the office: DNS, DHCP, mail", class: "server", role: "mail server|dns server|dhcp server"},
	{capture: "m57_day11_18-m57_day11_18", host: "192.168.1.102", device: "office PC", class: "workstation", os: "Windows", role: "workstation"},
	{capture: "m57_day11_18-m57_day11_18", host: "192.168.1.103", device: "office PC", class: "workstation", os: "Windows", role: "workstation"},
	{capture: "m57_day11_18-m57_day11_18", host: "192.168.1.104", device: "office PC", class: "workstation", os: "Windows", role: "workstation"},
	{capture: "m57_day11_18-m57_day11_18", host: "192.168.1.105", device: "office PC", class: "workstation", os: "Windows", role: "workstation"},
	{capture: "strato-secdata-003-zeek-scenario-malicious", host: "10.8.0.61", device: "phone behind a VPN", class: "phone", os: "Android"},
	{capture: "strato-secdata-data", host: "147.32.83.234", device: "Windows PC", class: "workstation", os: "Windows", role: "workstation", local: "147.32.0.0/16"},
	// The label calls it a Windows PC; it talks to Apple's push service and is a
	// Macintosh by its user agents. What it runs is not judged.
	{capture: "strato-secdata-data-2", host: "147.32.83.165", device: "PC", class: "workstation", role: "workstation", local: "147.32.0.0/16"},
	{capture: "rita-proxy", host: "10.136.0.16", device: "proxy", role: "proxy"},
	{capture: "dnsexfiltrator-MXSIZE-105-FLSIZE-28657.pcap", host: "192.168.1.200", device: "resolver", role: "dns server"},
	{capture: "icspcap-4SICS-GeekLounge-151020", host: "10.10.10.10", device: "controller polled by S7", class: "controller", role: "controller"},
	{capture: "stratocyberlab-class10-capture1.pcap", host: "192.168.1.196", device: "Raspberry Pi infected by Mirai", os: "Linux", vendor: "Raspberry Pi"},
	{capture: "ndpi-sonos.pcapng", host: "", device: "Sonos player", class: "media player"},
}

// A tally counts what was told of devices.
type tally struct{ right, wrong, unknown int }

func (j *tally) judge(want, got string) string {
	switch {
	case want == "":
		return ""
	case got == "":
		j.unknown++
		return "unknown"
	case slices.Contains(strings.Split(want, "|"), got):
		j.right++
		return "right"
	}
	j.wrong++
	return "WRONG"
}

// TestHostsTruth says what is told of devices that are known, and that nothing
// of it is wrong. Run it with -v for the table.
func TestHostsTruth(t *testing.T) {
	if testing.Short() {
		t.Skip("reads some twenty captures")
	}
	corpus := sharedtest.Path(t, "corpus/captures")
	var class, system, role, vendor tally
	scanned := map[string][]toldHost{}
	for _, x := range truths {
		key := x.capture + x.local
		if _, ok := scanned[key]; !ok {
			scanned[key] = scanHosts(t, filepath.Join(corpus, x.capture), x.local)
		}
		h, ok := find(scanned[key], x.host)
		if !ok {
			t.Errorf("%s: nothing is told of %s (%s)", x.capture, x.host, x.device)
			continue
		}
		got := h.Vendor
		if strings.Contains(got, x.vendor) {
			got = x.vendor
		}
		vendor.judge(x.vendor, got)
		t.Logf("%-36s class %-12s %.2f %-8s system %-10s %-8s role %-18s %.2f %-8s %s", x.device, or(h.Class), h.ClassCertainty, class.judge(x.class, h.Class),
			or(h.OS), system.judge(x.os, h.OS), or(h.Role), h.RoleCertainty, role.judge(x.role, h.Role), h.Vendor)
	}
	t.Logf("class %+v, system %+v, role %+v, vendor %+v", class, system, role, vendor)
	if n := class.wrong + system.wrong + role.wrong + vendor.wrong; n > 0 {
		t.Errorf("%d claims are wrong: unknown is an answer", n)
	}
	if class.right < leastRight || system.right < leastRight || role.right < leastRight/2 {
		t.Errorf("class %d, system %d, role %d right: fewer than there were", class.right, system.right, role.right)
	}
}

// leastRight is a little less than what was right on 2026-11-22.
const leastRight = 20

// toldHost is what is told of a device.
type toldHost struct {
	ID              string
	IP              string
	Addrs           []string
	Class, OS, Role string
	Vendor          string
	ClassCertainty  float64 `json:"class.certainty"`
	RoleCertainty   float64 `json:"role.certainty"`
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// scanHosts reads a capture into a store and returns what `weir hosts` says.
func scanHosts(t *testing.T, path, local string) (list []toldHost) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"scan", "-q", "--detectors", "none", "--store", filepath.Join(dir, "st"), "-o", "ndjson", path}
	if local != "" {
		args = append(args, "--local", local)
	}
	var out, said strings.Builder
	if code := run(args, streams{out: &out, err: &said}); code != exitOK && code != exitDamaged {
		t.Fatalf("%s: %s", path, said.String())
	}
	out.Reset()
	if code := run([]string{"hosts", "--store", filepath.Join(dir, "st"), "-o", "ndjson"}, streams{out: &out, err: &said}); code != exitOK {
		t.Fatalf("%s: %s", path, said.String())
	}
	for line := range strings.Lines(out.String()) {
		var x toldHost
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		list = append(list, x)
	}
	_ = os.RemoveAll(dir)
	return list
}

// find returns the device at an address, or the busiest where none is named.
func find(list []toldHost, host string) (toldHost, bool) {
	if host == "" && len(list) > 0 {
		return list[0], true
	}
	for _, x := range list {
		if x.ID == "mac:"+host {
			return x, true
		}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		for _, x := range list {
			if x.IP == host || slices.Contains(x.Addrs, host) {
				return x, true
			}
		}
	}
	return toldHost{}, false
}

// TestHostTable: questions about hosts have the same answers in both stores,
// and what is stored is read back whole.
func TestHostTable(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	want := weir.Host{
		Time: at, Sensor: "s", ID: "mac:02:00:5e:10:00:01", Addr: netip.MustParseAddr("10.10.1.23"), Addrs: []string{"10.10.1.23", "fe80::1"},
		MAC: "02:00:5e:10:00:01", Vendor: "HP", Name: "np-1", Names: []string{"dhcp:np-1"}, Class: "printer", ClassCertainty: 0.9, OS: "Linux",
		Role: "printer", RoleCertainty: 0.9, Evidence: []string{"announces _ipp._tcp"}, Offers: []string{"631/tcp ipp (2 clients)"}, Uses: []string{"53/udp dns (1 server)"},
		First: at.Add(-time.Hour), Last: at, Flows: 7,
	}
	b := &weir.Batch{Hosts: []weir.Host{want, {Time: at, ID: "ip:10.10.1.9", Addr: netip.MustParseAddr("10.10.1.9"), First: at, Last: at, Flows: 2}}}
	inMemory, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	onDisk, err := duckdb.Open(duckdb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range []store.Store{inMemory, onDisk} {
		if err := st.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for h, err := range storedHosts(t.Context(), st, time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			if h.ID == want.ID && !reflect.DeepEqual(*h, want) {
				t.Errorf("%T: read back\n%+v, want\n%+v", st, *h, want)
			}
		}
		for question, want := range map[string]string{
			`from host class = printer and class.certainty > 0.8 | fields id`: "[mac:02:00:5e:10:00:01]",
			`from host | stats n = sum(flows)`:                                "[9]",
			`from host flows < 5 | fields ip`:                                 "[10.10.1.9]",
			`from host ip in 10.10.1.16/28 | stats n = count() by vendor`:     "[HP 1]",
		} {
			q, err := query.Parse(question)
			if err != nil {
				t.Errorf("%s: %v", question, err)
				continue
			}
			for row, err := range st.Query(t.Context(), query.Ask{Query: q, To: at.Add(time.Hour)}) {
				if got := fmt.Sprint(row); err != nil || got != want {
					t.Errorf("%T: %s = %s, %v, want %s", st, question, got, err, want)
				}
			}
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}
