package mail_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// commands meters a capture and returns the commands of a protocol by their
// ends, in their order.
func commands(t testing.TB, file, protocol string) map[string][]weir.Command {
	t.Helper()
	all := map[string][]weir.Command{}
	for _, c := range metertest.Records(t, file).Commands {
		if c.Protocol == protocol {
			k := metertest.Ends(&c.Endpoints)
			all[k] = append(all[k], c)
		}
	}
	for _, list := range all {
		slices.SortStableFunc(list, func(a, b weir.Command) int { return a.Time.Compare(b.Time) })
	}
	return all
}

// objects returns what commands were about, sorted.
func objects(list []weir.Command, names ...string) string {
	var out []string
	for _, c := range list {
		if slices.Contains(names, c.Command) && c.Object != "" {
			out = append(out, c.Object)
		}
	}
	return sorted(out)
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// bare takes the angle brackets off an address.
func bare(s string) string { return strings.Trim(strings.TrimSpace(s), "<>") }

var zeekTraces = map[string]string{
	"attachment-msg":            "smtp-attachment-msg.pcap",
	"basic":                     "smtp.pcap",
	"bdat":                      "smtp/rfc3030-bdat-example1.pcap",
	"bdat-0-last":               "smtp/rfc3030-bdat-0-last.pcap",
	"bdat-chunk-size-overflow2": "smtp/smtp-bdat-cmd-chunk-size-overflow2.pcap",
	"bdat-cmd-invalid":          "smtp/smtp-bdat-cmd-invalid.pcapng",
	"bdat-gap":                  "smtp/smtp-bdat-gap.pcap",
	"bdat-multipart-chunked":    "smtp/rfc3030-bdat-multipart-chunked.pcap",
	"bdat-negative-chunk-size":  "smtp/smtp-bdat-cmd-negative-chunk-size.pcap",
	"bdat-pipeline-8bitmime":    "smtp/smtp-bdat-pipeline-8bitmime.pcap",
	"one-side":                  "smtp-one-side-only.pcap",
}

// TestZeek compares with smtp.log of Zeek's own tests: what its rows of one
// conversation say together.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for test, trace := range zeekTraces {
		all := commands(t, filepath.Join(root, "Traces", trace), "smtp")
		rows := metertest.Zeek(t, filepath.Join(root, "Baseline/scripts.base.protocols.smtp."+test, "smtp.log"))
		if len(rows) == 0 {
			t.Errorf("%s: no rows", test)
		}
		byEnds := map[string][]map[string]string{}
		for _, row := range rows {
			byEnds[metertest.EndsOf(row)] = append(byEnds[metertest.EndsOf(row)], row)
		}
		for ends, rows := range byEnds {
			var helo, from, to []string
			for _, row := range rows {
				helo = add(helo, row["helo"])
				from = add(from, bare(row["mailfrom"]))
				for one := range strings.SplitSeq(row["rcptto"], ",") {
					to = add(to, bare(one))
				}
			}
			got := all[ends]
			c.Field(test, "helo", objects(got, "EHLO", "HELO"), sorted(helo))
			c.Field(test, "mailfrom", objects(got, "MAIL"), sorted(from))
			c.Field(test, "rcptto", objects(got, "RCPT"), sorted(to))
			c.Field(test, "last_reply", lastReply(got, rows[len(rows)-1]["last_reply"]), code(rows[len(rows)-1]["last_reply"]))
		}
	}
}

func add(list []string, s string) []string {
	if s == "" {
		return list
	}
	return append(list, s)
}

func code(reply string) string { return reply[:min(len(reply), 3)] }

// lastReply returns the code if some command has it: Zeek's is the last before
// it writes the row.
func lastReply(list []weir.Command, want string) string {
	for _, c := range slices.Backward(list) {
		if c.Status == code(want) {
			return c.Status
		}
	}
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].Status
}

// TestSuricata compares with the records of Suricata about captures of others:
// each is one mail.
func TestSuricata(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/eve-samples")
	files, err := filepath.Glob(filepath.Join(root, "*.eve.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte(`"event_type":"smtp"`)) {
			continue
		}
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(file), ".eve.json"), "arkime-")
		capture := filepath.Join(root, "../arkime/tests/pcap", name)
		if _, err := os.Stat(capture); err != nil {
			continue
		}
		all := commands(t, capture, "smtp")
		for ends, mails := range mailsOf(b) {
			got := all[ends]
			var helo, from, to []string
			for _, m := range mails {
				helo, from = add(helo, m.Helo), add(from, bare(m.From))
				for _, one := range m.To {
					to = add(to, bare(one))
				}
			}
			c.Field(name, "helo", objects(got, "EHLO", "HELO"), sorted(helo))
			c.Field(name, "mail_from", objects(got, "MAIL"), sorted(from))
			c.Field(name, "rcpt_to", objects(got, "RCPT"), sorted(to))
		}
	}
}

type mailEvent struct {
	Helo string
	From string   `json:"mail_from"`
	To   []string `json:"rcpt_to"`
}

func mailsOf(b []byte) map[string][]mailEvent {
	all := map[string][]mailEvent{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var e struct {
			Type    string     `json:"event_type"`
			Src     netip.Addr `json:"src_ip"`
			SrcPort uint16     `json:"src_port"`
			Dst     netip.Addr `json:"dest_ip"`
			DstPort uint16     `json:"dest_port"`
			SMTP    mailEvent
		}
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Type == "smtp" {
			k := fmt.Sprintf("%v %d %v %d", e.Src, e.SrcPort, e.Dst, e.DstPort)
			all[k] = append(all[k], e.SMTP)
		}
	}
	return all
}

// TestArkime compares with the sessions of Arkime's own tests.
func TestArkime(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/arkime/tests/pcap"), "*.test"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var told struct {
			Sessions3 []struct {
				Body struct {
					Source, Destination struct {
						IP   netip.Addr
						Port uint16
					}
					Email *struct {
						Hello []string `json:"smtpHello"`
						Src   []string
						Dst   []string
					}
				}
			}
		}
		if json.Unmarshal(b, &told) != nil {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), ".test")
		var all map[string][]weir.Command
		for _, s := range told.Sessions3 {
			e := s.Body.Email
			if e == nil || len(e.Hello) == 0 {
				continue
			}
			if all == nil {
				all = commands(t, strings.TrimSuffix(file, ".test")+".pcap", "smtp")
			}
			got := all[fmt.Sprintf("%v %d %v %d", s.Body.Source.IP, s.Body.Source.Port, s.Body.Destination.IP, s.Body.Destination.Port)]
			c.Field(name, "smtpHello", strings.ToLower(objects(got, "EHLO", "HELO")), strings.ToLower(sorted(e.Hello)))
			c.Field(name, "src", strings.ToLower(objects(got, "MAIL")), sorted(lower(e.Src)))
			c.Field(name, "dst", strings.ToLower(objects(got, "RCPT")), sorted(lower(e.Dst)))
		}
	}
}

func lower(list []string) (out []string) {
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	return out
}

// TestTshark compares the commands of POP3 and IMAP, of which others' logs tell
// nothing, with what tshark reads.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	c := metertest.Compare(t, nil)
	defer c.Close()
	for _, one := range []struct{ file, protocol, field string }{
		{"conformance/zeek/testing/btest/Traces/tls/imap-starttls.pcap", "imap", "imap.request.command"},
		{"conformance/zeek/testing/btest/Traces/tls/pop3-starttls.pcap", "pop3", "pop.request.command"},
		{"conformance/arkime/tests/pcap/imap.pcap", "imap", "imap.request.command"},
	} {
		file := sharedtest.Path(t, one.file)
		out, _ := exec.Command("tshark", "-n", "-r", file, "-Y", one.field, "-T", "fields", "-e", one.field).Output()
		theirs := map[string]bool{}
		for word := range strings.FieldsSeq(strings.ReplaceAll(string(out), ",", " ")) {
			theirs[strings.ToUpper(word)] = true
		}
		var want, got []string
		for word := range theirs {
			want = append(want, word)
		}
		for _, list := range commands(t, file, one.protocol) {
			for _, c := range list {
				got = append(got, strings.ToUpper(c.Command))
			}
		}
		c.Field(filepath.Base(file), "commands", sorted(got), sorted(want))
	}
}
