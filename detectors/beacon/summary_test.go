package beacon

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestQuestionSummary checks that no size is told where none was: Zeek and
// Suricata log questions without their sizes.
func TestQuestionSummary(t *testing.T) {
	k := key{host: netip.MustParseAddr("10.0.0.1"), name: "zone.example"}
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	w := window{first: at, last: at.Add(time.Hour), starts: 60}
	if got := questionSummary(k, &w, ""); strings.Contains(got, "0 B") || !strings.HasSuffix(got, ")") {
		t.Errorf("summary of questions of no size: %q, want none told", got)
	}
	w.up, w.down = 100, 200
	if got := questionSummary(k, &w, ""); !strings.HasSuffix(got, "100 B up, 200 B down") {
		t.Errorf("summary of questions: %q, want their size at the end", got)
	}
}
