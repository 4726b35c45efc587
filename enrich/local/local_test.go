package local

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/enrich"
)

var _ enrich.Enricher = (*Enricher)(nil)

func flow(src, dst string) weir.Flow {
	return weir.Flow{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)}
}

func TestDirection(t *testing.T) {
	e, err := Default.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		src, dst string
		want     weir.Direction
	}{
		{"10.1.2.3", "8.8.8.8", weir.Outbound},
		{"8.8.8.8", "10.1.2.3", weir.Inbound},
		{"172.16.0.1", "172.31.255.255", weir.Internal},
		{"172.32.0.1", "172.16.0.1", weir.Inbound},
		{"100.64.0.1", "192.168.1.1", weir.Internal},
		{"100.128.0.1", "1.1.1.1", weir.External},
		{"fd00::1", "2001:db8::1", weir.Outbound},
		{"::ffff:10.0.0.1", "::ffff:9.9.9.9", weir.Outbound},
		{"fe80::1%eth0", "ff02::fb", weir.Internal},
		{"0.0.0.0", "255.255.255.255", weir.Internal},
		{"10.0.0.1", "239.255.255.250", weir.Internal},
		{"127.0.0.1", "127.0.0.53", weir.Internal},
	} {
		b := weir.Batch{Flows: []weir.Flow{flow(tt.src, tt.dst)}}
		b.DNS = []weir.DNSTransaction{{Src: b.Flows[0].Src, Dst: b.Flows[0].Dst}}
		e.Enrich(&b)
		if got := b.Flows[0].Direction; got != tt.want {
			t.Errorf("flow %s -> %s: %v, want %v", tt.src, tt.dst, got, tt.want)
		}
		if got := b.DNS[0].Direction; got != tt.want {
			t.Errorf("query %s -> %s: %v, want %v", tt.src, tt.dst, got, tt.want)
		}
	}
	b := weir.Batch{Flows: []weir.Flow{{}}}
	e.Enrich(&b)
	if got := b.Flows[0].Direction; got != weir.NoDirection {
		t.Errorf("without addresses: %v, want none", got)
	}
}

func TestGroups(t *testing.T) {
	c := Config{Networks: prefixes("10.0.0.0/8"), Groups: map[string][]netip.Prefix{
		"servers": prefixes("10.20.0.0/16"), "backup": prefixes("10.20.9.0/24"), "partner": prefixes("198.51.100.0/24"), "internet": prefixes("0.0.0.0/0"),
	}}
	e, err := c.New()
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"10.20.1.1": "servers", "10.20.9.1": "backup", "198.51.100.7": "partner", "9.9.9.9": "internet", "2001:db8::1": "",
	} {
		b := weir.Batch{Flows: []weir.Flow{flow(addr, "10.20.9.200")}, DNS: []weir.DNSTransaction{{Src: netip.MustParseAddr(addr)}}}
		e.Enrich(&b)
		if f := b.Flows[0]; f.SrcGroup != want || f.DstGroup != "backup" {
			t.Errorf("%s: groups %q, %q, want %q, backup", addr, f.SrcGroup, f.DstGroup, want)
		}
		if got := b.DNS[0].SrcGroup; got != want {
			t.Errorf("query of %s: group %q, want %q", addr, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{}, "networks: got none"},
		{Config{Networks: []netip.Prefix{{}}}, "networks: invalid Prefix is no network"},
		{Config{Networks: prefixes("::ffff:0:0/90")}, "networks: ::ffff:0.0.0.0/90 spans all of IPv4 and more"},
		{Config{Networks: prefixes("10.0.0.0/8"), Groups: map[string][]netip.Prefix{"a": prefixes("10.1.0.0/16"), "b": prefixes("10.1.2.3/16")}},
			"groups: 10.1.0.0/16 is in both a and b"},
	} {
		if _, err := tt.config.New(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%v): %v, want %q", tt.config, err, tt.want)
		}
	}
}

func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
	var got struct{ Enrich struct{ Local Config } }
	if err := yaml.Unmarshal(block[1], &got); err != nil {
		t.Fatal(err)
	}
	got.Enrich.Local.Groups = nil // written out as empty
	if !reflect.DeepEqual(got.Enrich.Local, Default) {
		t.Errorf("README shows %v, default is %v", got.Enrich.Local, Default)
	}
}

func TestPropose(t *testing.T) {
	var campus, scanned, victim []weir.Flow
	for i := range 200 {
		client := fmt.Sprintf("147.32.%d.%d", 80+i%6, i)
		campus = append(campus, flow(client, fmt.Sprintf("93.%d.1.1", i)), flow(fmt.Sprintf("201.7.%d.9", i), client))
		scanned = append(scanned, flow("198.18.5.5", fmt.Sprintf("93.%d.1.1", i)))
		victim = append(victim, flow(fmt.Sprintf("93.%d.1.1", i), "198.18.5.5"))
	}
	for _, tt := range []struct {
		name  string
		flows []weir.Flow
		want  []netip.Prefix
	}{
		{"nothing", nil, nil},
		{"the defaults fit", append(slices.Clone(campus), flow("10.0.0.1", "93.1.1.1")), nil},
		{"a campus", campus, prefixes("147.32.0.0/16")},
		{"neighbours say nothing", []weir.Flow{flow("fe80::1", "ff02::1"), flow("169.254.1.1", "169.254.255.255")}, nil},
		{"one host that calls out", scanned, prefixes("198.18.5.0/24")},
		{"one host that is called", victim, prefixes("198.18.5.0/24")},
		{"one flow: who began", []weir.Flow{flow("2001:db8:1:2::3", "2001:db8:9::1")}, prefixes("2001:db8:1:2::/64")},
	} {
		got, err := Default.Propose(tt.flows)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: Propose = %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func BenchmarkEnrich(b *testing.B) {
	c := Default
	c.Groups = map[string][]netip.Prefix{"servers": prefixes("10.20.0.0/16"), "internet": prefixes("0.0.0.0/0", "::/0")}
	e, err := c.New()
	if err != nil {
		b.Fatal(err)
	}
	batch := weir.Batch{Flows: []weir.Flow{flow("10.1.2.3", "93.184.216.34"), flow("fd00::1", "2606:4700::1")}}
	if n := testing.AllocsPerRun(100, func() { e.Enrich(&batch) }); n != 0 {
		b.Errorf("Enrich allocates %v times, want 0", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Enrich(&batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/record")
}
