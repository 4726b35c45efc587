package query_test

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store/storetest"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestParse runs the scripts in testdata: questions with what Parse says of
// them, which is the canonical text, warnings, or the errors as a terminal
// shows them.
//
//	> src:10.0.0.1
//	src.ip = 10.0.0.1
func TestParse(t *testing.T) {
	for _, file := range []string{"testdata/accepted.txt", "testdata/refused.txt", "testdata/warned.txt"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for block := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n\n") {
			head, text, want := cutBlock(block)
			out.WriteString(head)
			if text == "" {
				out.WriteString("\n")
				continue
			}
			got := said(text)
			if out.WriteString(got); !last(b, block) {
				out.WriteString("\n")
			}
			if got != want && !*update {
				t.Errorf("%s: Parse(%q):\n%s\nwant\n%s", file, text, got, want)
			}
			accepted := !strings.HasPrefix(got, "error: ")
			if accepted != (file == "testdata/accepted.txt" || file == "testdata/warned.txt") {
				t.Errorf("%s: Parse(%q):\n%s", file, text, got)
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func last(file []byte, block string) bool {
	return strings.HasSuffix(strings.TrimSuffix(string(file), "\n"), block)
}

// cutBlock cuts the question, in lines that begin with ">", from what is said
// of it. Comments have no question.
func cutBlock(block string) (head, text, want string) {
	var said, asked []string
	for line := range strings.SplitSeq(block, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			head += line + "\n"
		case strings.HasPrefix(line, "> "):
			head += line + "\n"
			asked = append(asked, line[2:])
		default:
			said = append(said, line)
		}
	}
	want = strings.TrimRight(strings.Join(said, "\n"), "\n") + "\n"
	return head, strings.Join(asked, "\n"), want
}

func said(text string) string {
	q, err := query.Parse(text)
	if err != nil {
		var e *query.Error
		if !errors.As(err, &e) {
			return fmt.Sprintf("%T, want *query.Error", err)
		}
		return e.Render()
	}
	out := q.String() + "\n"
	for _, w := range q.Warnings {
		out += w.Render("warning", text)
	}
	return out
}

// sameTree compares two queries without their positions.
var sameTree = cmp.Options{
	cmpopts.IgnoreTypes(query.Span{}),
	cmpopts.IgnoreUnexported(query.Query{}),
	cmpopts.IgnoreFields(query.Query{}, "Table", "Warnings"),
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
	cmp.Comparer(func(a, b *regexp.Regexp) bool { return a.String() == b.String() }),
}

// checkRoundTrip checks that the canonical text of q is the same question and
// its own canonical text.
func checkRoundTrip(t testing.TB, text string, q *query.Query) {
	t.Helper()
	again, err := query.Parse(q.String())
	if err != nil {
		t.Errorf("Parse(%q) = %q, which is refused: %v", text, q.String(), err)
		return
	}
	if again.String() != q.String() {
		t.Errorf("Parse(%q) = %q, which becomes %q", text, q.String(), again.String())
	}
	checkFormat(t, text, q)
	if again.Table != q.Table {
		t.Errorf("Parse(%q): got table %s from the canonical text, want %s", text, again.Table.Name, q.Table.Name)
	}
	if d := cmp.Diff(q, again, sameTree); d != "" {
		t.Errorf("Parse(%q) and Parse(%q) differ:\n%s", text, q.String(), d)
	}
}

// checkFormat checks that the layout changes nothing but the layout, and is
// its own; and the same of the upgraded text.
func checkFormat(t testing.TB, text string, q *query.Query) {
	t.Helper()
	for name, format := range map[string]func(string) (string, error){"Format": query.Format, "Upgrade": query.Upgrade} {
		out, err := format(text)
		if err != nil {
			t.Errorf("%s(%q): %v", name, text, err)
			return
		}
		again, err := query.Parse(out)
		if err != nil {
			t.Errorf("%s(%q) = %q, which is refused: %v", name, text, out, err)
		} else if again.String() != q.String() {
			t.Errorf("%s(%q) = %q, which becomes %q, want %q", name, text, out, again.String(), q.String())
		}
		if twice, err := format(out); err != nil || twice != out {
			t.Errorf("%s(%q) = %q, but of that %q, %v", name, text, out, twice, err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct{ text, format, upgrade string }{
		{"app=tls|stats n=count()  by   src.ip|sort -n",
			"app = tls\n| stats n = count() by src.ip\n| sort -n",
			"app = tls\n| stats n = count() by src.ip\n| sort -n"},
		{"from conn since 24h  # the last day\n src:10.0.0.1 -port:443 && !(app in(tls,ssh)) | summarize n=sum(bytes)-count() by id.resp_h # why\n| order by -n|render area x=n\n# end",
			"from conn since 24h # the last day\n  src:10.0.0.1 -port:443 && !(app in (tls, ssh))\n| summarize n = sum(bytes) - count() by id.resp_h # why\n| order by -n\n| render area x=n\n# end",
			"from conn since 24h\n  src.ip = 10.0.0.1 and not port = 443 and not app in (tls, ssh)\n| stats n = sum(bytes) - count() by dst.ip\n| sort -n\n| render area x=n"},
		{"since 1h ( app=tls or port:53 ) 10.0.0.1|head 3", "since 1h\n  (app = tls or port:53) 10.0.0.1\n| head 3", "since 1h\n  (app = tls or port = 53) and ip = 10.0.0.1\n| head 3"},
		{"src.ip in ( from dns| select src.ip )", "src.ip in (from dns | select src.ip)", "src.ip in (from dns | select src.ip)"},
	} {
		if got, err := query.Format(tt.text); err != nil || got != tt.format {
			t.Errorf("Format(%q) = %q, %v; want %q", tt.text, got, err, tt.format)
		}
		if got, err := query.Upgrade(tt.text); err != nil || got != tt.upgrade {
			t.Errorf("Upgrade(%q) = %q, %v; want %q", tt.text, got, err, tt.upgrade)
		}
	}
	if _, err := query.Format("app ="); err == nil {
		t.Error("Format of what is no question: got no error")
	}
}

// TestLanguagePage parses the examples of docs/hunt/language.md, and wants an
// example of each stage, aggregate, function and condition.
func TestLanguagePage(t *testing.T) {
	page, err := os.ReadFile("../docs/hunt/language.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, m := range regexp.MustCompile("(?s)```wq\n(.*?)```").FindAllSubmatch(page, -1) {
		q, err := query.Parse(string(m[1]))
		if err != nil {
			t.Errorf("%s: %v", m[1], err)
			continue
		}
		if _, err := query.Format(string(m[1])); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		all.WriteString(q.String() + "\n")
	}
	for word := range strings.FieldsSeq(`where stats timechart extend select dedup head sort top rare then lookup render
		count( count_if( dcount( sum( min( max( avg( median( p95( pct( stdev( values( any( first( last( period(
		entropy( len( lower( apex( subnet( hour( weekday( bucket( abs( coalesce( if( first_seen( prevalence( usual(
		new( known( intel( has in not and or like ~ contains starts_with ends_with between local( private( @intel @list: @sensors: from since until`) {
		if !strings.Contains(all.String(), word) {
			t.Errorf("no example of %s", word)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, file := range []string{"testdata/accepted.txt", "testdata/warned.txt"} {
		b, err := os.ReadFile(file)
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
			checkRoundTrip(t, text, q)
		}
	}
}

// TestRoundTripGenerated does the same with generated questions.
func TestRoundTripGenerated(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := storetest.RandomQuestion(r)
		q, err := query.Parse(text)
		if err != nil {
			r.Fatalf("Parse(%q): %v", text, err)
		}
		if checkRoundTrip(t, text, q); t.Failed() {
			r.FailNow()
		}
	})
}

// TestBounds checks that large and deep texts are refused with a message.
func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":            `"` + strings.Repeat("a", 1<<20) + `"`,
		"parentheses":      strings.Repeat("(", 10_000) + "app = tls" + strings.Repeat(")", 10_000),
		"open parentheses": strings.Repeat("(", 10_000),
		"not":              strings.Repeat("not ", 10_000) + "app = tls",
		"minus":            "bytes > " + strings.Repeat("-", 10_000) + "1",
		"sum":              "bytes > " + strings.Repeat("1 + ", 10_000) + "1",
		"calls":            "bytes > " + strings.Repeat("abs(", 10_000) + "1" + strings.Repeat(")", 10_000),
		"sub-queries":      strings.Repeat("src.ip in (from conn ", 200) + "app = tls" + strings.Repeat(" | select src.ip)", 200),
		"terms":            strings.Repeat("app = tls or ", 5_000) + "app = tls",
		"errors":           strings.Repeat("nosuch = 1 or ", 500) + "app = tls",
		"stages":           strings.Repeat("| nosuch ", 5_000),
		"bad characters":   strings.Repeat("§", 50_000),
		"names":            strings.Repeat("a ", 130_000),
		"dots":             strings.Repeat("a.", 130_000),
		"numbers":          strings.Repeat("1 ", 30_000),
		"digits":           "bytes > " + strings.Repeat("1", 250_000),
		"operators":        strings.Repeat("- ", 130_000),
		"quick":            strings.Repeat("a:b ", 60_000),
		"tilde":            strings.Repeat("~ ", 130_000),
		"colons":           strings.Repeat("a:", 130_000),
		"columns":          "select x" + strings.Repeat(", x", 60_000),
		"aggregates":       "stats count()" + strings.Repeat(", count()", 20_000),
		"not UTF-8":        "app = \"\xff\"",
		"NUL":              "app = \"\x00\"",
		"regexp":           "app ~ /" + strings.Repeat("(a{1,1000}", 5) + strings.Repeat("){1,1000}", 5) + "/",
	} {
		begin := time.Now()
		_, err := query.Parse(text)
		var e *query.Error
		if !errors.As(err, &e) || len(e.Diagnostics) == 0 || len(e.Diagnostics) > 20 {
			t.Errorf("%s: got %.200v, want an error of 1 to 20 diagnostics", name, err)
			continue
		}
		if len(e.Render()) > 20*1000 {
			t.Errorf("%s: the error takes %d bytes to say", name, len(e.Render()))
		}
		if d := time.Since(begin); d > 5*time.Second { // far less than what is not linear takes, on a busy machine too
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// TestLargeSet checks that thousands of addresses can be asked for.
func TestLargeSet(t *testing.T) {
	var b strings.Builder
	b.WriteString("src.ip in (10.0.0.0")
	const n = 10_000
	for i := range n {
		fmt.Fprintf(&b, ", 10.1.%d.%d", i>>8, i&255)
	}
	b.WriteString(")")
	q, err := query.Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if in := q.Filter.(*query.In); len(in.Values) != n+1 {
		t.Errorf("got %d values, want %d", len(in.Values), n+1)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/accepted.txt", "testdata/refused.txt", "testdata/warned.txt"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for block := range strings.SplitSeq(string(b), "\n\n") {
			_, text, _ := cutBlock(block)
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err == nil {
			for _, w := range q.Warnings {
				checkPlace(t, text, w)
			}
			checkRoundTrip(t, text, q)
			return
		}
		e, ok := err.(*query.Error)
		if !ok || len(e.Diagnostics) == 0 {
			t.Fatalf("Parse(%q): got error %#v, want a *query.Error", text, err)
		}
		for _, d := range e.Diagnostics {
			checkPlace(t, text, d)
		}
	})
}

func checkPlace(t *testing.T, text string, d query.Diagnostic) {
	t.Helper()
	if d.Pos < 0 || d.Len < 0 || d.Pos+d.Len > len(text) || d.Message == "" {
		t.Errorf("Parse(%q): diagnostic %+v does not lie in the text of %d bytes", text, d, len(text))
	}
	if lines := strings.Count(d.Render("error", text), "\n"); lines < 3 || lines > 4 {
		t.Errorf("Parse(%q): diagnostic %+v is rendered in %d lines", text, d, lines)
	}
}
