package tls

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// suricataVersions are what Suricata calls the versions.
var suricataVersions = map[string]string{"1.3": "TLS 1.3", "1.2": "TLS 1.2", "1.1": "TLS 1.1", "1.0": "TLSv1", "ssl3": "SSLv3"}

// ofSuricata returns the fields of a handshake as Suricata names and writes them.
func ofSuricata(s *weir.TLS) map[string]string {
	all := map[string]string{
		"tls.sni": s.SNI, "tls.version": suricataVersions[s.Version], "tls.ja3.hash": s.JA3, "tls.ja3s.hash": s.JA3S, "tls.ja4": s.JA4,
		"tls.subject": commonName(s.Subject), "tls.issuerdn": commonName(s.Issuer),
	}
	if s.SHA256 != "" {
		all["tls.notbefore"], all["tls.notafter"] = s.NotBefore.Format("2006-01-02T15:04:05"), s.NotAfter.Format("2006-01-02T15:04:05")
	}
	return all
}

// wanted returns a value of Suricata as ofSuricata has it.
func wanted(field, value string) (string, string) {
	switch field {
	case "tls.subject", "tls.issuerdn":
		_, cn, _ := strings.Cut(value, "CN=")
		cn, _, _ = strings.Cut(cn, ", ")
		return field, strings.ToLower(cn)
	case "tls.ja3.string", "tls.ja3s.string":
		sum := md5.Sum([]byte(value))
		return strings.TrimSuffix(field, "string") + "hash", hex.EncodeToString(sum[:])
	}
	return field, value
}

// mostAlike returns the handshake with the most fields as wanted.
func mostAlike(got []shake, want map[string]string) (best weir.TLS, at int) {
	most := -1
	for i := range got {
		mine, n := ofSuricata(&got[i].tls), 0
		for field, value := range want {
			if mine[field] == value {
				n++
			}
		}
		if n > most {
			best, at, most = got[i].tls, i, n
		}
	}
	return best, at
}

// TestSuricata compares with what Suricata 7.0.10 says of the captures of
// Arkime and nDPI.
func TestSuricata(t *testing.T) {
	root := sharedtest.Path(t, "conformance/eve-samples")
	y := tally{}
	missing := 0
	for _, file := range glob(t, "conformance/eve-samples", "*.eve.json") {
		name := strings.TrimSuffix(filepath.Base(file), ".eve.json")
		capture := filepath.Join(root, "../arkime/tests/pcap", strings.TrimPrefix(name, "arkime-"))
		if strings.HasPrefix(name, "ndpi-") {
			capture = filepath.Join(root, "../../corpus/captures", name)
		}
		if _, err := os.Stat(capture); err != nil {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []shake
		read := false
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			var e struct {
				EventType string     `json:"event_type"`
				SrcIP     netip.Addr `json:"src_ip"`
				DestIP    netip.Addr `json:"dest_ip"`
				SrcPort   uint16     `json:"src_port"`
				DestPort  uint16     `json:"dest_port"`
				TLS       struct {
					SNI, Version, Subject, IssuerDN, NotBefore, NotAfter string
					JA3, JA3S                                            struct{ Hash string }
				}
			}
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.EventType != "tls" {
				continue
			}
			if !read {
				got, read = shakes(t, capture), true
			}
			want := map[string]string{}
			for field, value := range map[string]string{
				"tls.sni": e.TLS.SNI, "tls.version": e.TLS.Version, "tls.ja3.hash": e.TLS.JA3.Hash, "tls.ja3s.hash": e.TLS.JA3S.Hash,
				"tls.subject": e.TLS.Subject, "tls.issuerdn": e.TLS.IssuerDN, "tls.notbefore": e.TLS.NotBefore, "tls.notafter": e.TLS.NotAfter,
			} {
				if field, value = wanted(field, value); value != "" {
					want[field] = value
				}
			}
			from, to := netip.AddrPortFrom(e.SrcIP, e.SrcPort), netip.AddrPortFrom(e.DestIP, e.DestPort)
			where := fmt.Sprintf("%s %v > %v", name, from, to)
			same := slices.DeleteFunc(slices.Clone(got), func(s shake) bool { return !(s.from == from && s.to == to || s.from == to && s.to == from) })
			if len(same) == 0 {
				t.Logf("%s: not found, want %v", where, want)
				missing++
				continue
			}
			best, _ := mostAlike(same, want)
			mine := ofSuricata(&best)
			for field, value := range want {
				y.compare(t, where, field, mine[field], value)
			}
		}
	}
	t.Logf("%d not found", missing)
	if missing > 0 {
		t.Errorf("%d handshakes not found", missing)
	}
	for field, n := range map[string]int{
		"tls.sni": 84, "tls.version": 98, "tls.ja3.hash": 96, "tls.ja3s.hash": 98,
		"tls.subject": 43, "tls.issuerdn": 43, "tls.notbefore": 43, "tls.notafter": 43,
	} {
		y.require(t, field, n, n)
	}
}

// TestSuricataVerify compares with the checks of Suricata's own tests that
// expect a TLS record with something that Weir reads.
func TestSuricataVerify(t *testing.T) {
	root := sharedtest.Path(t, "conformance/suricata-verify/tests")
	y := tally{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "test.yaml" {
			return err
		}
		folder := filepath.Dir(file)
		if strings.Contains(folder, "tcp-fastopen-10") {
			return nil // about a server that ignores what comes with the SYN, which depends on the configuration
		}
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
		if list, _ := filepath.Glob(filepath.Join(folder, "*.pcap")); test.Pcap == "" && len(list) == 1 {
			capture = list[0]
		}
		if info, err := os.Stat(capture); err != nil || info.IsDir() {
			return nil
		}
		var got []shake
		for _, check := range test.Checks {
			if check.Filter.Count == 0 || check.Filter.Match["event_type"] != "tls" {
				continue
			}
			want := map[string]string{}
			for field, value := range check.Filter.Match {
				field, text := wanted(field, suricataText(value))
				if _, ok := ofSuricata(&weir.TLS{SHA256: "any"})[field]; ok {
					want[field] = text
				}
			}
			if len(want) == 0 {
				continue
			}
			if got == nil {
				got = shakes(t, capture)
			}
			best, at := mostAlike(got, want)
			if len(got) > 0 {
				got = slices.Delete(got, at, at+1)
			}
			mine := ofSuricata(&best)
			for field, value := range want {
				y.compare(t, strings.TrimPrefix(folder, root), field, mine[field], value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	y.require(t, "tls.sni", 3, 3)
	y.require(t, "tls.version", 4, 4)
	y.require(t, "tls.ja3.hash", 1, 1)
	// bug-5713-02-ja4 is a hello without signature algorithms: Suricata hashes
	// an underscore behind the extensions, the specification says that there is
	// none then (technical_details/JA4.md, "Extension hash").
	y.require(t, "tls.ja4", 0, 1)
	for _, field := range []string{"tls.subject", "tls.issuerdn", "tls.notbefore", "tls.notafter"} {
		y.require(t, field, 2, 2)
	}
}

// suricataText returns a value of a check: YAML takes some for times.
func suricataText(v any) string {
	if at, ok := v.(time.Time); ok {
		return at.Format("2006-01-02T15:04:05")
	}
	return fmt.Sprint(v)
}
