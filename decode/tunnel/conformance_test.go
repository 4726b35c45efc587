package tunnel_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/meter/metertest"
	"github.com/weir-nta/weir/source/capture"
)

// maxFile leaves out captures that tshark reads for minutes.
const maxFile = 1 << 20

// TestTshark compares requests and software of STUN, and proposals of IKE, with
// what tshark says of every packet.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	c := metertest.Compare(t, differences)
	defer c.Close()
	for _, folder := range []string{"conformance", "corpus"} {
		for _, file := range sharedtest.Captures(t, folder) {
			if info, err := os.Stat(file); err != nil || info.Size() > maxFile {
				continue
			}
			commands := read(file)
			if has(commands, "stun") {
				compareSTUN(c, file, commands)
			}
			if has(commands, "ipsec") {
				compareIKE(c, file, commands)
			}
		}
	}
}

func read(file string) (commands []weir.Command) {
	s, err := capture.New(capture.Config{Inputs: []string{file}, Meter: meter.DefaultConfig()})
	if err != nil {
		return nil
	}
	_ = s.Run(context.Background(), func(b *weir.Batch) error { // what comes before damage is compared, too
		commands = append(commands, b.Commands...)
		return nil
	})
	return commands
}

func has(commands []weir.Command, app string) bool {
	for _, c := range commands {
		if c.Protocol == app {
			return true
		}
	}
	return false
}

func tshark(file, filter string, fields ...string) (rows [][]string) {
	args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields", "-E", "occurrence=f"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, _ := exec.Command("tshark", args...).Output()
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

func compareSTUN(c *metertest.Comparison, file string, commands []weir.Command) {
	methods := map[string]string{"0x0001": "binding", "0x0003": "allocate", "0x0004": "refresh", "0x0008": "create_permission", "0x0009": "channel_bind"}
	got, want := map[string]int{}, map[string]int{}
	software, wanted := map[string]bool{}, map[string]bool{}
	for _, k := range commands {
		if k.Protocol == "stun" {
			got[k.Command] += int(k.Count)
			software[k.Client], software[k.Server] = true, true
		}
	}
	for _, r := range tshark(file, "stun.type && !icmp && stun.cookie == 21:12:a4:42", "stun.type.class", "stun.type.method", "stun.att.software") {
		name := methods[r[1]]
		if name == "" {
			continue
		}
		if r[0] == "0x0000" || r[0] == "0x00" {
			want[name]++
		}
		if r[2] != "" {
			wanted[strings.TrimSpace(r[2])] = true
		}
	}
	for name, n := range want {
		c.Field(filepath.Base(file), "stun "+name, fmt.Sprint(got[name]), fmt.Sprint(n))
	}
	for s := range wanted {
		c.Field(filepath.Base(file), "stun software", fmt.Sprint(software[s], " ", s), "true "+s)
	}
}

// compareIKE compares which exchanges there are, by the initiator's cookie as
// both count them.
func compareIKE(c *metertest.Comparison, file string, commands []weir.Command) {
	names := map[string]string{"2": "main_mode", "4": "aggressive_mode", "34": "ike_sa_init"}
	got, want := map[string]int{}, map[string]int{}
	for _, k := range commands {
		if k.Protocol == "ipsec" {
			got[k.Command]++
		}
	}
	seen := map[string]bool{}
	for _, r := range tshark(file, "isakmp.rspi == 00:00:00:00:00:00:00:00 && isakmp.typepayload && !icmp", "isakmp.exchangetype", "isakmp.ispi", "ip.src", "ipv6.src") {
		name := names[r[0]]
		key := strings.Join(r, " ")
		if name == "" || seen[r[1]] || seen[key] {
			continue
		}
		seen[r[1]], seen[key] = true, true
		want[name]++
	}
	for name, n := range want {
		c.Field(filepath.Base(file), "ike "+name, fmt.Sprint(got[name]), fmt.Sprint(n))
	}
}

var differences = []metertest.Difference{
	metertest.Explain("IKEv2.pcap", "ike ike_sa_init", "3", "2", "both ends negotiate at once, and the first to ask asks again after the other's is done: told once without an answer and once with it"),
	metertest.Explain("ndpi-whatsapp_login_call.pcap", "stun allocate", "0", "32", "not STUN by RFC 8489, 5: lengths that are no multiples of four, in a dialect of WhatsApp"),
}
