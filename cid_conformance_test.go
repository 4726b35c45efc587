package weir_test

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// TestCommunityIDBaseline computes all IDs that the specification lists: the
// conversations of its captures and the tables of its README, with both seeds,
// in base64 and in hexadecimal digits.
func TestCommunityIDBaseline(t *testing.T) {
	root := sharedtest.Path(t, "conformance/community-id/baseline")
	n := 0
	for _, file := range []struct {
		name string
		seed uint16
		hex  bool
	}{{"baseline_deflt.json", 0, false}, {"baseline_seed1.json", 1, false}, {"baseline_nob64.json", 0, true}} {
		b, err := os.ReadFile(filepath.Join(root, file.name))
		if err != nil {
			t.Fatal(err)
		}
		var list []struct {
			Proto        uint8
			Saddr, Daddr netip.Addr
			Sport, Dport *uint16
			CommunityID  string
		}
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			var sport, dport uint16
			if e.Sport != nil && e.Dport != nil {
				sport, dport = *e.Sport, *e.Dport
			}
			check(t, file.seed, file.hex, weir.Proto(e.Proto), e.Saddr, e.Daddr, sport, dport, e.CommunityID)
			n++
		}
	}
	tables, err := os.Open(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	var seed uint16
	inHex := false
	for lines := bufio.NewScanner(tables); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "### ") {
			seed, inHex = 0, strings.Contains(line, "No base64")
			if strings.Contains(line, "seed=1") {
				seed = 1
			}
		}
		cells := strings.Split(line, "|")
		if len(cells) < 9 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		proto, err := strconv.ParseUint(cells[2], 10, 8)
		if err != nil {
			continue // the heading
		}
		sport, _ := strconv.ParseUint(cells[5], 10, 16) // "-" where there are none
		dport, _ := strconv.ParseUint(cells[6], 10, 16)
		check(t, seed, inHex, weir.Proto(proto), netip.MustParseAddr(cells[3]), netip.MustParseAddr(cells[4]), uint16(sport), uint16(dport), cells[7])
		n++
	}
	if t.Logf("%d IDs", n); n < 3*23+3*16 {
		t.Errorf("%d IDs compared, want %d", n, 3*23+3*16)
	}
}

func check(t *testing.T, seed uint16, inHex bool, proto weir.Proto, src, dst netip.Addr, srcPort, dstPort uint16, want string) {
	t.Helper()
	if inHex {
		sum, err := hex.DecodeString(strings.TrimPrefix(want, "1:"))
		if err != nil {
			t.Fatal(err)
		}
		want = "1:" + base64.StdEncoding.EncodeToString(sum)
	}
	var icmp *weir.ICMP
	if proto == weir.ICMPv4 || proto == weir.ICMPv6 {
		icmp = &weir.ICMP{Type: uint8(srcPort), Code: uint8(dstPort)}
	}
	if got := weir.CommunityID(seed, proto, src, dst, srcPort, dstPort, icmp); got != want {
		t.Errorf("CommunityID(%d, %v, %v:%d, %v:%d) = %s, want %s", seed, proto, src, srcPort, dst, dstPort, got, want)
	}
}
