package ssh_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// sessions meters a capture and returns its sessions by their ends.
func sessions(t testing.TB, file string) map[string]*weir.SSHSession {
	t.Helper()
	b := metertest.Records(t, file)
	all := map[string]*weir.SSHSession{}
	for i := range b.SSH {
		all[metertest.Ends(&b.SSH[i].Endpoints)] = &b.SSH[i]
	}
	return all
}

func of(all map[string]*weir.SSHSession, ends string) *weir.SSHSession {
	if s := all[ends]; s != nil {
		return s
	}
	return &weir.SSHSession{}
}

func glob(t *testing.T, folder, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, folder), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s/%s: %v, %d files", folder, pattern, err, len(files))
	}
	return files
}

// TestZeek compares with ssh.log of Zeek's own tests.
func TestZeek(t *testing.T) {
	const merged = "the first refusal comes in one segment with EXT_INFO: Zeek takes the second one for the first and does not count it"
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("*mlkem_kex", "attempts", "2", "1", merged+"; a key that was not known, then the logon"),
		metertest.Explain("*dh_group18_kex", "attempts", "1", "0", merged),
		metertest.Explain("*dh_group18_kex", "auth", "failure", "", merged),
	})
	defer c.Close()
	outcomes := map[string]string{"T": "success", "F": "failure", "": ""}
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for test, trace := range map[string]string{
		"scripts.base.protocols.ssh.mlkem_kex":          "ssh/ssh_kex_mlkem.pcap",
		"scripts.base.protocols.ssh.dh_group18_kex":     "ssh/ssh_kex_dh_group18.pcap",
		"scripts.base.protocols.ssh.ssh_version_199":    "ssh/ssh_version_199.pcap",
		"scripts.base.protocols.ssh.half-duplex-client": "ssh/ssh.client-side-half-duplex.pcap",
		"core.tunnels.gre":                              "tunnels/gre-sample.pcap",
	} {
		got := sessions(t, filepath.Join(root, "Traces", trace))
		rows := metertest.Zeek(t, filepath.Join(root, "Baseline", test, "ssh.log"))
		if len(rows) == 0 {
			t.Errorf("%s: no rows", test)
		}
		for _, row := range rows {
			s := of(got, metertest.EndsOf(row))
			c.Field(test, "client", s.Client, row["client"])
			c.Field(test, "server", s.Server, row["server"])
			if row["version"] != "" { // Zeek wants both ends for it
				c.Field(test, "version", strconv.Itoa(int(s.Version)), row["version"])
			}
			c.Field(test, "auth", s.Auth, outcomes[row["auth_success"]])
			c.Field(test, "attempts", strconv.Itoa(int(s.Attempts)), row["auth_attempts"])
			c.Field(test, "cipher", s.Cipher, row["cipher_alg"])
			c.Field(test, "kex", s.KeyExchange, row["kex_alg"])
			c.Field(test, "hostkey.type", s.HostKeyType, row["host_key_alg"])
			c.Field(test, "hostkey", cut(s.HostKey, len(row["host_key_fingerprint"])), row["host_key_fingerprint"])
		}
	}
}

// cut returns the first n octets: Zeek's log has the fingerprint of a host key
// up to there.
func cut(s string, n int) string { return s[:min(len(s), n)] }

// TestHASSH compares with the snapshots of FoxIO's implementation in Rust.
func TestHASSH(t *testing.T) {
	const servers = "takes the first of the server's list; it is the client's that counts (RFC 4253, 7.1), as Zeek has it for gre-sample"
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("gre-sample.pcap", "cipher", "blowfish-cbc", "aes128-cbc", servers),
		metertest.Explain("ssh2-m*", "cipher", "aes128-ctr", "aes128-cbc", servers),
	})
	defer c.Close()
	n := 0
	for _, snapshot := range glob(t, "conformance/ja4", "rust/ja4/src/snapshots/*.snap") {
		b, err := os.ReadFile(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := bytes.Cut(b[3:], []byte("\n---\n"))
		var rows []struct {
			Src, Dst string
			SrcPort  int `yaml:"src_port"`
			DstPort  int `yaml:"dst_port"`
			SSH      *struct {
				HASSH, Client, Server, Cipher string
				HASSHServer                   string `yaml:"hassh_server"`
				ClientText                    string `yaml:"ssh_protocol_client"`
				ServerText                    string `yaml:"ssh_protocol_server"`
				CipherText                    string `yaml:"encryption_algorithm"`
			} `yaml:"ssh_extras"`
		}
		if err := yaml.Unmarshal(body, &rows); err != nil {
			t.Fatalf("%s: %v", snapshot, err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(snapshot), "ja4__insta@"), ".snap")
		var got map[string]*weir.SSHSession
		for _, row := range rows {
			if row.SSH == nil {
				continue
			}
			if got == nil {
				got = sessions(t, filepath.Join(sharedtest.Path(t, "conformance/ja4/pcap"), name))
			}
			n++
			s := of(got, fmt.Sprintf("%s %d %s %d", row.Src, row.SrcPort, row.Dst, row.DstPort))
			c.Field(name, "hassh", s.HASSH, row.SSH.HASSH)
			c.Field(name, "hassh.server", s.HASSHServer, row.SSH.HASSHServer)
			c.Field(name, "client", s.Client, row.SSH.ClientText)
			c.Field(name, "server", s.Server, row.SSH.ServerText)
			c.Field(name, "cipher", s.Cipher, row.SSH.CipherText)
		}
	}
	if n < 5 {
		t.Errorf("%d sessions, want 5", n)
	}
}

// TestArkime compares with what Arkime says of its own captures.
func TestArkime(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("arkime_synthetic*", "version", "ssh-2.0-testserver", "ssh-2.0-hasshtest", "the clock of this merged capture goes back by two years between both lines: two conversations to the meter"),
	})
	defer c.Close()
	n := 0
	for _, file := range glob(t, "conformance/arkime", "tests/pcap/*.test") {
		var golden struct {
			Sessions []struct {
				Body struct {
					Source, Destination struct {
						IP   string
						Port int
					}
					SSH struct{ HASSH, HASSHServer, Key, Version []string }
				}
			} `json:"sessions3"`
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(b, &golden) != nil {
			continue // not of this form
		}
		var got map[string]*weir.SSHSession
		for _, g := range golden.Sessions {
			want := g.Body.SSH
			if len(want.Version) == 0 {
				continue
			}
			if got == nil {
				got = sessions(t, strings.TrimSuffix(file, ".test")+".pcap")
			}
			n++
			s := of(got, fmt.Sprintf("%s %d %s %d", g.Body.Source.IP, g.Body.Source.Port, g.Body.Destination.IP, g.Body.Destination.Port))
			name := fmt.Sprintf("%s %d", filepath.Base(file), g.Body.Source.Port)
			for _, v := range want.Version {
				mine := strings.ToLower(s.Client)
				if mine != v {
					mine = strings.ToLower(s.Server)
				}
				c.Field(name, "version", mine, v)
			}
			for i := range want.HASSH {
				c.Field(name, "hassh", s.HASSH, want.HASSH[i])
			}
			for i := range want.HASSHServer {
				c.Field(name, "hassh.server", s.HASSHServer, want.HASSHServer[i])
			}
			for _, key := range want.Key {
				blob, err := base64.StdEncoding.DecodeString(key)
				sum := sha256.Sum256(blob)
				if err != nil {
					t.Error(err)
				}
				c.Field(name, "hostkey", s.HostKey, "SHA256:"+base64.RawStdEncoding.EncodeToString(sum[:]))
			}
		}
	}
	if n < 7 {
		t.Errorf("%d sessions, want 7", n)
	}
}

// TestSuricata compares with what Suricata 7.0.10 says of Arkime's captures,
// and with a check of its own tests.
func TestSuricata(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("arkime_synthetic*", "software", "", "SSH-2.0-hasshtest", "the clock of this merged capture goes back by two years between both lines: two conversations to the meter"),
	})
	defer c.Close()
	root := sharedtest.Path(t, "conformance/eve-samples")
	n := 0
	for _, file := range glob(t, "conformance/eve-samples", "arkime-*.eve.json") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(file), ".eve.json"), "arkime-")
		var got map[string]*weir.SSHSession
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			type software struct {
				Proto    string `json:"proto_version"`
				Software string `json:"software_version"`
			}
			var e struct {
				EventType string `json:"event_type"`
				SrcIP     string `json:"src_ip"`
				DestIP    string `json:"dest_ip"`
				SrcPort   int    `json:"src_port"`
				DestPort  int    `json:"dest_port"`
				SSH       struct{ Client, Server software }
			}
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.EventType != "ssh" {
				continue
			}
			capture := filepath.Join(root, "../arkime/tests/pcap", name)
			if _, err := os.Stat(capture); err != nil {
				continue
			}
			if got == nil {
				got = sessions(t, capture)
			}
			n++
			s := of(got, fmt.Sprintf("%s %d %s %d", e.SrcIP, e.SrcPort, e.DestIP, e.DestPort))
			for mine, v := range map[string]software{s.Client: e.SSH.Client, s.Server: e.SSH.Server} {
				if v.Software == "" {
					continue
				}
				mine, _, _ = strings.Cut(mine, " ") // Suricata leaves comments out
				c.Field(name, "software", mine, "SSH-"+v.Proto+"-"+v.Software)
			}
		}
	}
	if n < 6 {
		t.Errorf("%d sessions, want 6", n)
	}
	for _, s := range sessions(t, sharedtest.Path(t, "conformance/suricata-verify/tests/ssh-hassh-reassembled/input.pcap")) {
		const both = "3cc67862bceac0f334c62ad1b76895b4"
		c.Field("ssh-hassh-reassembled", "hassh", s.HASSH, both)
		c.Field("ssh-hassh-reassembled", "hassh.server", s.HASSHServer, both)
	}
	for _, s := range sessions(t, sharedtest.Path(t, "conformance/suricata-verify/tests/ssh-banner-only/input.pcap")) {
		c.Field("ssh-banner-only", "client", s.Client, "SSH-2.0-OpenSSH_for_Windows_7.7")
		c.Field("ssh-banner-only", "server", s.Server, "SSH-2.0-OpenSSH_7.4")
	}
}

// TestTshark compares with what tshark says of every capture with SSH in it.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark on 30 captures")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	c := metertest.Compare(t, nil)
	defer c.Close()
	for _, folder := range []string{"conformance", "corpus"} {
		for _, file := range sharedtest.Captures(t, folder) {
			if !speaksSSH(t, file) {
				continue
			}
			got := sessions(t, file)
			args := []string{"-n", "-r", file, "-Y", "ssh.kex.hassh || ssh.kex.hasshserver", "-T", "fields"}
			for _, f := range []string{"ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "ssh.kex.hassh", "ssh.kex.hasshserver"} {
				args = append(args, "-e", f)
			}
			out, _ := exec.Command("tshark", args...).Output()
			for line := range strings.Lines(string(out)) {
				f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				if len(f) < 6 || strings.Contains(f[0], ",") {
					continue // in a tunnel
				}
				name := filepath.Base(file)
				up := of(got, strings.Join(f[:4], " "))
				down := of(got, strings.Join([]string{f[2], f[3], f[0], f[1]}, " "))
				if f[4] != "" {
					c.Field(name, "hassh", up.HASSH, f[4])
				}
				if f[5] != "" {
					c.Field(name, "hassh.server", down.HASSHServer, f[5])
				}
			}
		}
	}
}

func speaksSSH(t *testing.T, file string) bool {
	for _, c := range sharedtest.Conversations(t, file) {
		if c.TCP && (bytes.HasPrefix(c.Up, []byte("SSH-")) || bytes.HasPrefix(c.Down, []byte("SSH-"))) {
			return true
		}
	}
	return false
}

// TestBruteForce: what is known of the attacks in the corpus. Sessions without
// an outcome have ended before anybody was asked for, most of them after the
// greeting.
func TestBruteForce(t *testing.T) {
	for _, c := range []struct {
		capture          string
		failed, attempts int
	}{
		{"slips-malicious-ssh-bruteforce.pcap", 40, 40},
		{"sshbf-network_sec_monitoring.pcap", 28, 30},
	} {
		outcomes := map[string]int{}
		attempts := 0
		for _, s := range sessions(t, filepath.Join(sharedtest.Path(t, "corpus/captures"), c.capture)) {
			outcomes[s.Auth]++
			attempts += int(s.Attempts)
		}
		t.Logf("%s: %v, %d attempts", c.capture, outcomes, attempts)
		if outcomes["failure"] != c.failed || attempts != c.attempts || outcomes["success"] != 0 {
			t.Errorf("%s: %v, %d attempts, want %d failures, %d attempts", c.capture, outcomes, attempts, c.failed, c.attempts)
		}
	}
}
