package query_test

import (
	"os"
	"strings"
	"testing"

	"github.com/weir-nta/weir/query"
)

// TestExplain runs the script in testdata: questions with what Explain says.
func TestExplain(t *testing.T) {
	const file = "testdata/explained.txt"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		head, text, want := cutBlock(block)
		q, err := query.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		got := strings.Join(q.Explain(), "\n") + "\n"
		if got != want && !*update {
			t.Errorf("Explain(%q):\n%s\nwant\n%s", text, got, want)
		}
		out = append(out, head+got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExplainAll wants words for whatever can be asked.
func TestExplainAll(t *testing.T) {
	b, err := os.ReadFile("testdata/accepted.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(b), "\n\n") {
		_, text, _ := cutBlock(block)
		q, err := query.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		stages := strings.Count(q.String(), "|")
		lines := q.Explain()
		if len(lines) == 0 || len(lines) < stages && !strings.Contains(q.String(), "/") {
			t.Errorf("Explain(%q) has %d lines:\n%s", text, len(lines), strings.Join(lines, "\n"))
		}
		for _, l := range lines {
			if strings.TrimSpace(l) == "" || strings.Contains(l, "%!") {
				t.Errorf("Explain(%q) has a line %q", text, l)
			}
		}
	}
}
