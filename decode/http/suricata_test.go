package http_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// An event is a record of Suricata about HTTP.
type event struct {
	Type    string     `json:"event_type"`
	Src     netip.Addr `json:"src_ip"`
	SrcPort uint16     `json:"src_port"`
	Dst     netip.Addr `json:"dest_ip"`
	DstPort uint16     `json:"dest_port"`
	TX      int        `json:"tx_id"`
	HTTP    struct {
		Hostname, URL, Protocol, Version string
		Status, Length                   uint64
		UserAgent                        string `json:"http_user_agent"`
		Type                             string `json:"http_content_type"`
		Method                           string `json:"http_method"`
		Refer                            string `json:"http_refer"`
	}
}

// captureOf returns the capture that a sample of EVE was made of, "" if it is
// not here.
func captureOf(root, name string) string {
	capture := filepath.Join(root, "../arkime/tests/pcap", strings.TrimPrefix(name, "arkime-"))
	if strings.HasPrefix(name, "ndpi-") {
		capture = filepath.Join(root, "../../corpus/captures", name)
	}
	if _, err := os.Stat(capture); err != nil {
		return ""
	}
	return capture
}

// TestSuricata compares with the records of Suricata 7.0.10 about captures of
// others.
func TestSuricata(t *testing.T) {
	c := metertest.Compare(t, ofSuricata)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/eve-samples")
	files, err := filepath.Glob(filepath.Join(root, "*.eve.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eve.json")
		capture := captureOf(root, name)
		theirs := events(t, file)
		if capture == "" || len(theirs) == 0 {
			continue
		}
		all := transactions(t, capture)
		for ends, list := range theirs {
			got := all[ends]
			c.Field(name, "transactions", fmt.Sprint(len(got)), fmt.Sprint(len(list)))
			for i := range min(len(got), len(list)) {
				compareSuricata(c, name, &got[i], &list[i])
			}
		}
	}
}

// events returns the records about HTTP/1 by their ends.
func events(t *testing.T, file string) map[string][]event {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]event{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Type != "http" || e.HTTP.Version == "2" || e.HTTP.Protocol == "HTTP/2" {
			continue
		}
		k := fmt.Sprintf("%v %d %v %d", e.Src, e.SrcPort, e.Dst, e.DstPort)
		all[k] = append(all[k], e)
	}
	return all
}

func compareSuricata(c *metertest.Comparison, name string, x *weir.HTTPTransaction, e *event) {
	c.Field(name, "method", x.Method, e.HTTP.Method)
	c.Field(name, "host", x.Host, host(e.HTTP.Hostname))
	c.Field(name, "uri", x.URI, masked(e.HTTP.URL))
	c.Field(name, "ua", x.UserAgent, e.HTTP.UserAgent)
	c.Field(name, "referrer", x.Referrer, masked(e.HTTP.Refer))
	c.Field(name, "version", x.Version, strings.TrimPrefix(e.HTTP.Protocol, "HTTP/"))
	c.Field(name, "status", number(uint64(x.Status)), number(e.HTTP.Status))
	c.Field(name, "type.down", x.TypeDown, strings.ToLower(e.HTTP.Type))
	c.Field(name, "body.down", number(x.BodyDown), number(e.HTTP.Length))
}

// TestSuricataVerify counts what the checks of Suricata's own tests ask for.
func TestSuricataVerify(t *testing.T) {
	c := metertest.Compare(t, ofSuricataVerify)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/suricata-verify/tests")
	tests := 0
	err := filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "test.yaml" {
			return err
		}
		dir := filepath.Dir(file)
		captures, _ := filepath.Glob(filepath.Join(dir, "*.pcap*"))
		asked := checks(t, file)
		if len(captures) != 1 || len(asked) == 0 {
			return nil
		}
		tests++
		name := strings.TrimPrefix(dir, root+"/")
		records := metertest.Records(t, captures[0])
		for _, one := range asked {
			c.Field(name, "count", fmt.Sprint(count(records.HTTP, one.match)), fmt.Sprint(one.count))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if tests == 0 {
		t.Error("no tests")
	}
	t.Logf("%d tests", tests)
}

// A check asks for records with these values, by Suricata's names.
type check struct {
	count int
	match map[string]string
}

// checks returns those about HTTP/1 that tell of nothing but what Weir reads.
func checks(t *testing.T, file string) (list []check) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var test struct {
		Requires map[string]any
		Checks   []struct {
			Filter struct {
				Count    *int
				Match    map[string]any
				Requires map[string]any
			}
		}
	}
	if yaml.Unmarshal(b, &test) != nil {
		return nil
	}
	for _, c := range test.Checks {
		f := c.Filter
		if f.Count == nil || f.Match["event_type"] != "http" || f.Requires != nil {
			continue
		}
		one := check{*f.Count, map[string]string{}}
		for key, value := range f.Match {
			one.match[key] = fmt.Sprint(value)
		}
		if readable(one.match) {
			list = append(list, one)
		}
	}
	return list
}

var names = map[string]func(x *weir.HTTPTransaction) string{
	"http.http_method":       func(x *weir.HTTPTransaction) string { return x.Method },
	"http.hostname":          func(x *weir.HTTPTransaction) string { return x.Host },
	"http.url":               func(x *weir.HTTPTransaction) string { return x.URI },
	"http.status":            func(x *weir.HTTPTransaction) string { return strconv.Itoa(int(x.Status)) },
	"http.protocol":          func(x *weir.HTTPTransaction) string { return "HTTP/" + x.Version },
	"http.http_user_agent":   func(x *weir.HTTPTransaction) string { return x.UserAgent },
	"http.http_refer":        func(x *weir.HTTPTransaction) string { return x.Referrer },
	"http.http_content_type": func(x *weir.HTTPTransaction) string { return x.TypeDown },
	"http.length":            func(x *weir.HTTPTransaction) string { return strconv.FormatUint(x.BodyDown, 10) },
	"src_ip":                 func(x *weir.HTTPTransaction) string { return x.Src.String() },
	"dest_ip":                func(x *weir.HTTPTransaction) string { return x.Dst.String() },
	"src_port":               func(x *weir.HTTPTransaction) string { return strconv.Itoa(int(x.SrcPort)) },
	"dest_port":              func(x *weir.HTTPTransaction) string { return strconv.Itoa(int(x.DstPort)) },
	"proto":                  func(x *weir.HTTPTransaction) string { return strings.ToUpper(x.Proto.String()) },
}

func readable(match map[string]string) bool {
	for key := range match {
		if key != "event_type" && names[key] == nil {
			return false
		}
	}
	return !strings.Contains(match["http.protocol"], "2")
}

func count(list []weir.HTTPTransaction, match map[string]string) (n int) {
	for i := range list {
		all := true
		for key, want := range match {
			switch {
			case key == "event_type":
				continue
			case key == "http.url" || key == "http.http_refer":
				want = masked(want)
			case key == "http.hostname":
				want = host(want)
			}
			all = all && names[key](&list[i]) == want
		}
		if all {
			n++
		}
	}
	return n
}

// A session is one of Arkime, with what it says of HTTP: the values of all
// requests together, sorted.
type session struct {
	Body struct {
		Source, Destination struct {
			IP   netip.Addr
			Port uint16
		}
		HTTP *struct {
			Method, Host, URI, UserAgent, User []string
			StatusCode                         []int
			ClientVersion                      []string
		}
	}
}

// TestArkime compares with the sessions of Arkime's own tests.
func TestArkime(t *testing.T) {
	c := metertest.Compare(t, ofArkime)
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
		var told struct{ Sessions3 []session }
		if err := json.Unmarshal(b, &told); err != nil || !bytes.Contains(b, []byte(`"http" :`)) && !bytes.Contains(b, []byte(`"http":`)) {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), ".test")
		all := transactions(t, strings.TrimSuffix(file, ".test")+".pcap")
		for _, s := range told.Sessions3 {
			h := s.Body.HTTP
			if h == nil || len(h.Method) == 0 {
				continue
			}
			got := all[fmt.Sprintf("%v %d %v %d", s.Body.Source.IP, s.Body.Source.Port, s.Body.Destination.IP, s.Body.Destination.Port)]
			set := func(of func(x *weir.HTTPTransaction) string) string { return joined(got, of) }
			c.Field(name, "method", set(func(x *weir.HTTPTransaction) string { return x.Method }), sorted(h.Method))
			c.Field(name, "host", set(func(x *weir.HTTPTransaction) string { return x.Host }), sorted(h.Host))
			c.Field(name, "ua", set(func(x *weir.HTTPTransaction) string { return x.UserAgent }), sorted(h.UserAgent))
			c.Field(name, "user", set(func(x *weir.HTTPTransaction) string { return x.User }), sorted(h.User))
			c.Field(name, "version", set(func(x *weir.HTTPTransaction) string { return x.Version }), sorted(h.ClientVersion))
			var status []string
			for _, n := range h.StatusCode {
				status = append(status, strconv.Itoa(n))
			}
			c.Field(name, "status", set(func(x *weir.HTTPTransaction) string { return number(uint64(x.Status)) }), sorted(status))
		}
	}
}

// joined returns the values that occur, sorted.
func joined(list []weir.HTTPTransaction, of func(x *weir.HTTPTransaction) string) string {
	var values []string
	for i := range list {
		if v := of(&list[i]); v != "" {
			values = append(values, v)
		}
	}
	return sorted(values)
}

func sorted(values []string) string {
	slices.Sort(values)
	return strings.Join(slices.Compact(values), " | ")
}
