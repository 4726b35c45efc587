package irc_test

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

// objects returns what commands were about, by the ends of their conversation.
func objects(b *weir.Batch, name string) map[string][]string {
	all := map[string][]string{}
	for _, c := range b.Commands {
		if c.Protocol == "irc" && c.Command == name && c.Object != "" {
			k := metertest.Ends(&c.Endpoints)
			all[k] = append(all[k], strings.Split(c.Object, ",")...)
		}
	}
	return all
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}

// TestArkime compares with the sessions of Arkime's own tests.
func TestArkime(t *testing.T) {
	c := metertest.Compare(t, nil)
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
					IRC *struct{ Nick, Channel []string }
				}
			}
		}
		if json.Unmarshal(b, &told) != nil {
			continue
		}
		for _, s := range told.Sessions3 {
			if s.Body.IRC == nil {
				continue
			}
			n++
			name := strings.TrimSuffix(filepath.Base(file), ".test")
			records := metertest.Records(t, strings.TrimSuffix(file, ".test")+".pcap")
			ends := fmt.Sprintf("%v %d %v %d", s.Body.Source.IP, s.Body.Source.Port, s.Body.Destination.IP, s.Body.Destination.Port)
			c.Field(name, "nick", sorted(objects(records, "NICK")[ends]), sorted(s.Body.IRC.Nick))
			c.Field(name, "channel", sorted(objects(records, "JOIN")[ends]), sorted(strings.Split(strings.Join(s.Body.IRC.Channel, ","), ",")))
		}
	}
	if n == 0 {
		t.Error("no sessions of IRC")
	}
}
