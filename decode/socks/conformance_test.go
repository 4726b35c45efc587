package socks_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// TestArkime compares with the sessions of Arkime's own tests: whom a proxy was
// asked for, by whom, and what was said through it.
func TestArkime(t *testing.T) {
	c := metertest.Compare(t, ofArkime)
	defer c.Close()
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/arkime/tests/pcap"), "*.test"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions: %v", err)
	}
	n := 0
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
					Protocol []string
					SOCKS    *struct {
						Host, IP string
						Port     uint16
						User     string
					}
				}
			}
		}
		if json.Unmarshal(b, &told) != nil {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), ".test")
		for _, s := range told.Sessions3 {
			if s.Body.SOCKS == nil {
				continue
			}
			n++
			records := metertest.Records(t, strings.TrimSuffix(file, ".test")+".pcap")
			ends := fmt.Sprintf("%v %d %v %d", s.Body.Source.IP, s.Body.Source.Port, s.Body.Destination.IP, s.Body.Destination.Port)
			host := s.Body.SOCKS.Host
			if host == "" {
				host = s.Body.SOCKS.IP
			}
			got := command(records, ends)
			c.Field(name, "object", got.Object, fmt.Sprintf("%s:%d", host, s.Body.SOCKS.Port))
			c.Field(name, "user", got.User, s.Body.SOCKS.User)
			c.Field(name, "inside", inside(records, ends), spoken(s.Body.Protocol))
		}
	}
	if n == 0 {
		t.Error("no sessions of SOCKS")
	}
}

func command(b *weir.Batch, ends string) weir.Command {
	for _, c := range b.Commands {
		if c.Protocol == "socks" && metertest.Ends(&c.Endpoints) == ends {
			return c
		}
	}
	return weir.Command{}
}

// inside says what was spoken through the proxy: tls, http or something else.
func inside(b *weir.Batch, ends string) string {
	for i := range b.Flows {
		f := &b.Flows[i]
		e := weir.Endpoints{Src: f.Src, Dst: f.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort}
		switch {
		case metertest.Ends(&e) != ends:
		case f.TLS != nil:
			return "tls"
		case f.HTTP != nil:
			return "http"
		}
	}
	return ""
}

func spoken(protocols []string) string {
	for _, p := range []string{"tls", "http"} {
		if slices.Contains(protocols, p) {
			return p
		}
	}
	return ""
}
