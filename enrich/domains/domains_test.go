package domains

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/enrich"
)

var _ enrich.Enricher = (*Enricher)(nil)

func TestRegistered(t *testing.T) {
	for name, want := range map[string]string{
		"www.example.com":                     "example.com",
		"example.com.":                        "example.com",
		"a.b.example.co.uk":                   "example.co.uk",
		"d111.cloudfront.net":                 "d111.cloudfront.net",
		"a.d111.cloudfront.net":               "d111.cloudfront.net",
		"evil.workers.dev":                    "evil.workers.dev",
		"_ldap._tcp.dc._msdcs.ad.example.com": "example.com",
		"x.wallet.bit":                        "wallet.bit",
		"com":                                 "",
		"co.uk":                               "",
		"wpad":                                "",
		"":                                    "",
		".":                                   "",
		"..":                                  "",
		"a..com":                              "",
		".example.com":                        "",
		"1.0.0.10.in-addr.arpa":               "",
		"8.b.d.0.1.0.0.2.ip6.arpa":            "",
		"printer.local":                       "",
		"dc01.corp":                           "",
		"router.home.arpa":                    "",
		"192.0.2.1":                           "",
	} {
		if got := Registered(name); got != want {
			t.Errorf("Registered(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestEnrich(t *testing.T) {
	e, err := Default.New()
	if err != nil {
		t.Fatal(err)
	}
	b := weir.Batch{
		Flows: []weir.Flow{{DstHost: "www.example.com"}, {}},
		DNS:   []weir.DNSTransaction{{App: "dns", Query: "t.example.org"}, {App: "llmnr", Query: "t.example.org"}, {App: "dns"}},
	}
	for range 2 { // from the cache as well
		e.Enrich(&b)
		got := fmt.Sprint(b.Flows[0].DstDomain, b.Flows[1].DstDomain, b.DNS[0].Domain, b.DNS[1].Domain, b.DNS[2].Domain)
		if want := "example.comexample.org"; got != want {
			t.Errorf("domains %q, want %q", got, want)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	e, err := Config{Cache: 10}.New()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		e.Enrich(&weir.Batch{DNS: []weir.DNSTransaction{{App: "dns", Query: fmt.Sprintf("%d.example.org", i)}}})
	}
	if got := e.Forgotten(); got < 90 {
		t.Errorf("Forgotten = %d of 100 names with room for 10", got)
	}
}

func TestConfig(t *testing.T) {
	if _, err := (Config{}).New(); err == nil || !strings.Contains(err.Error(), "cache: got 0, want 2 or more") {
		t.Errorf("New: %v, want an error about cache", err)
	}
}

func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
	var got struct{ Enrich struct{ Domains Config } }
	if err := yaml.Unmarshal(block[1], &got); err != nil {
		t.Fatal(err)
	}
	if got.Enrich.Domains != Default {
		t.Errorf("README shows %v, default is %v", got.Enrich.Domains, Default)
	}
}

// FuzzRegistered: a domain is the end of its name, has a dot, and is its own domain.
func FuzzRegistered(f *testing.F) {
	f.Add("www.example.co.uk")
	f.Add("..")
	f.Add(`\000.\255\.example.com`)
	f.Fuzz(func(t *testing.T, name string) {
		got := Registered(name)
		if got == "" {
			return
		}
		zoned := strings.ContainsRune(got, ':') // cut out of a name, the rest may read as an IPv6 address
		if again := Registered(got); again != got && !zoned {
			t.Errorf("Registered(%q) = %q, and of that %q", name, got, again)
		}
		if !strings.HasSuffix(strings.TrimSuffix(name, "."), got) || !strings.Contains(got, ".") {
			t.Errorf("Registered(%q) = %q", name, got)
		}
	})
}

func BenchmarkEnrich(b *testing.B) {
	e, _ := Default.New()
	names := make([]string, 20_000)
	for i := range names {
		names[i] = fmt.Sprintf("host-%d.cdn.example-%d.co.uk", i, i%500)
	}
	batch := weir.Batch{DNS: []weir.DNSTransaction{{App: "dns", Query: names[0]}}}
	if n := testing.AllocsPerRun(100, func() { e.Enrich(&batch) }); n != 0 {
		b.Errorf("a name known allocates %v times, want 0", n)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		batch.DNS[0].Query = names[i%len(names)]
		e.Enrich(&batch)
	}
}

func BenchmarkRegistered(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Registered("aaa.bbb.ccc.ddd.example.co.uk")
	}
}
