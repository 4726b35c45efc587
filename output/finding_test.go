package output

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

func finding() *weir.Finding {
	start := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	return &weir.Finding{
		Time: start, First: start, Last: start.Add(22 * time.Hour), Detector: "beacon", Behaviour: "beacon",
		Severity: weir.High, Certainty: weir.Strong, Score: 0.97, Src: netip.MustParseAddr("10.10.1.23"),
		Dst: netip.MustParseAddr("203.0.113.77"), DstPort: 443, DstName: "evil\x1b[2J|name",
		Summary:    "10.10.1.23 calls it every minute, 1,371 times",
		Checks:     []weir.Check{{Label: "regular", Pass: true, Value: 0.041, Unit: "ratio", Op: "<", Threshold: 0.2, Text: "spread 4 %"}},
		Terms:      []weir.Term{{Name: "timing", Value: 2, Text: "capped"}},
		Against:    []string{"nobody else was asked"},
		Techniques: []string{"T1071.001"}, Query: "from conn | stats p = period(ts)", Count: 3,
	}
}

func TestExplain(t *testing.T) {
	var b strings.Builder
	if err := Explain(&b, finding(), 60, false); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"HIGH  beacon  10.10.1.23 → evil\\x1b[2J|name:443   strong  score 0.97\n",
		"yes regular: spread 4 % (0.041 < 0.2)", "+2.00 timing: capped", "against  nobody else was asked",
		"blind to nothing: all that counts could be seen", "22h0m0s, told 3", "query    from conn",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	for i, line := range strings.Split(got, "\n") {
		if n := len([]rune(line)); i > 0 && n > 60 {
			t.Errorf("line of %d columns: %q", n, line)
		}
	}
}

func TestExplainMarkdown(t *testing.T) {
	var b strings.Builder
	if err := ExplainMarkdown(&b, finding()); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{`evil\\x1b\[2J\|name:443`, "| regular | yes | spread 4 % (0.041 &lt; 0.2) |", "What could not be checked: nothing.", "    from conn | stats p = period(ts)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Error("an escape character got through")
	}
}
