package detecttest

import (
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

func TestParseRecord(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"table":"conn","ts":"2026-11-21T09:00:00Z","src.ip":"10.0.0.1","dst.port":443}`, ""},
		{`{"table":"dns","ts":"2026-11-21T09:00:00Z","query":"a.example","answer":["10.0.0.1"]}`, ""},
		{`{"table":"cnn"}`, `no table "cnn"`},
		{`{"table":"conn","dst.prt":443}`, `no field "dst.prt" in conn`},
		{`{}`, "table: unexpected end of JSON input"},
	} {
		_, err := parseRecord([]byte(c.line))
		if err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("parseRecord(%s): %v, want %q", c.line, err, c.want)
		}
	}
}

func TestPasses(t *testing.T) {
	for _, op := range []string{"<", "<=", ">", ">=", "="} {
		for value, want := range map[float64]bool{
			1: op[0] == '<', 2: len(op) == 2 || op == "=", 3: op[0] == '>',
		} {
			if got := passes(&weir.Check{Op: op, Value: value, Threshold: 2}); got != want {
				t.Errorf("%g %s 2 = %v, want %v", value, op, got, want)
			}
		}
	}
}

// TestConn checks that made flows have what real ones of their state have.
func TestConn(t *testing.T) {
	var tr Traffic
	tr.Conn(time.Second, "10.0.0.1", "10.0.0.2:80/tcp", weir.StateSF, nil)
	tr.Conn(time.Second, "10.0.0.1", "10.0.0.2/icmp", weir.StateS0, nil)
	tr.Conn(time.Second, "10.0.0.1", "10.0.0.2:80/tcp", weir.StateREJ, func(f *weir.Flow) { f.VLAN = 7 })
	sf, ping, rej := tr.Records[0].(*weir.Flow), tr.Records[1].(*weir.Flow), tr.Records[2].(*weir.Flow)
	if sf.DstPort != 80 || sf.DataDown == 0 || !sf.End.Equal(sf.Start.Add(sf.Duration)) {
		t.Errorf("SF: %+v", sf)
	}
	if ping.ICMP == nil || ping.ICMP.Type != 8 || ping.FlagsUp != 0 || ping.Answered() {
		t.Errorf("ping: %+v", ping)
	}
	if rej.VLAN != 7 || rej.FlagsDown&weir.RST == 0 || rej.DataDown != 0 {
		t.Errorf("REJ: %+v", rej)
	}
}
