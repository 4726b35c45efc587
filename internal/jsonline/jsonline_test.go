package jsonline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var kinds = []string{String: "string", Number: "number", True: "true", False: "false", Null: "null", Array: "array", Object: "object"}

// members writes what Each tells of, one member a word.
func members(line string) (string, error) {
	var r Reader
	var out []string
	err := r.Each([]byte(line), func(key, value []byte, kind Kind) error {
		out = append(out, fmt.Sprintf("%s=%s:%s", key, kinds[kind], value))
		return nil
	})
	return strings.Join(out, " "), err
}

func TestEach(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, ``},
		{` { } `, ``},
		{`{"a":1,"b":"x","c":true,"d":false,"e":null}`, `a=number:1 b=string:x c=true:true d=false:false e=null:null`},
		{"{\t\"a\" : -1.5e+3 , \"b\" : \"\" }\r", `a=number:-1.5e+3 b=string:`},
		{`{"id.orig_h":"192.0.2.1"}`, `id.orig_h=string:192.0.2.1`},
		{`{"id":{"orig_h":"192.0.2.1","orig_p":53},"x":0}`, `id.orig_h=string:192.0.2.1 id.orig_p=number:53 x=number:0`},
		{`{"a":{"b":{"c":1},"d":2},"e":{}}`, `a.b.c=number:1 a.d=number:2`},
		{`{"a":[1,"]",{"b":[]}],"c":[]}`, `a=array:[1,"]",{"b":[]}] c=array:[]`},
		{`{"a":"\"\\\/\b\f\n\r\tA"}`, "a=string:\"\\/\b\f\n\r\tA"},
		{`{"a":"é\u00e9😀\ud83d\ude00"}`, `a=string:éé😀😀`},
		{`{"a":"\ud83d","b":"\ud83dA","c":"\udc00\udc00"}`, "a=string:\ufffd b=string:\ufffdA c=string:\ufffd\ufffd"},
		{"{\"a\":\"x\xffy\"}", "a=string:x\ufffdy"},
		{`{"k\u0065y":{"\"":1}}`, `key."=number:1`},
		{`{"a":1,"a":2}`, `a=number:1 a=number:2`},
	} {
		if got, err := members(c.in); got != c.want || err != nil {
			t.Errorf("Each(%s) tells of\n%s, %v\nwant\n%s", c.in, got, err, c.want)
		}
	}
}

// TestWrong checks that what encoding/json refuses is refused here too.
func TestWrong(t *testing.T) {
	for _, in := range []string{
		``, ` `, `x`, `[]`, `1`, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":1 "b":2}`,
		`{a:1}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":+1}`, `{"a":tru}`, `{"a":nul`, `{"a":nope}`, `{"a":Infinity}`,
		`{"a":[}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":{"b":1]}`, `{"a":{"b":1}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}",
		`{} x`, `{}{}`, `{"a":[1}`, `{"a":["x]}`, `{"a":{{}}}`, `{"a":[{"b"}]}`,
		`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000),
	} {
		if _, err := members(in); err == nil {
			t.Errorf("Each(%.40s) found nothing wrong", in)
		}
	}
}

func TestElements(t *testing.T) {
	var r Reader
	var out []string
	err := r.Each([]byte(`{"x":[ {"a":{"b":"\u0041"}}, "\u0042" , 3, null,[4]], "y":"z"}`), func(key, value []byte, kind Kind) error {
		if kind != Array {
			out = append(out, fmt.Sprintf("%s=%s", key, value))
			return nil
		}
		name := key
		return r.Elements(value, func(value []byte, kind Kind) error {
			if kind != Object {
				out = append(out, fmt.Sprintf("%s %s:%s", name, kinds[kind], value))
				return nil
			}
			return r.Each(value, func(key, value []byte, kind Kind) error {
				out = append(out, fmt.Sprintf("%s %s=%s", name, key, value))
				return nil
			})
		})
	})
	want := []string{"x a.b=A", "x string:B", "x number:3", "x null:null", "x array:[4]", "y=z"}
	if !slices.Equal(out, want) || err != nil {
		t.Errorf("told of %q, %v, want %q", out, err, want)
	}
	for _, in := range []string{``, `{}`, `[`, `[1`, `[1,`, `[1,]`, `[1] 2`, `[x]`} {
		if err := r.Elements([]byte(in), func([]byte, Kind) error { return nil }); err == nil {
			t.Errorf("Elements(%s) found nothing wrong", in)
		}
	}
	if err := r.Elements([]byte(` [ ] `), func([]byte, Kind) error { return errors.New("called") }); err != nil {
		t.Errorf("Elements of an empty array = %v", err)
	}
}

// TestValuesStay checks that values are still there when all have been told.
func TestValuesStay(t *testing.T) {
	var r Reader
	for range 3 { // with memory used before, too
		var values [][]byte
		err := r.Each([]byte(`{"a":"\u0041","o":{"b":"\u0042","x":["\u0058"]},"c":"\u0043","d":"D"}`), func(_, value []byte, kind Kind) error {
			if kind == Array {
				return r.Elements(value, func([]byte, Kind) error { return nil })
			}
			values = append(values, value)
			return nil
		})
		if got := string(bytes.Join(values, nil)); got != "ABCD" || err != nil {
			t.Errorf("the values are %s, %v, want ABCD", got, err)
		}
	}
}

func TestStops(t *testing.T) {
	var r Reader
	enough := errors.New("enough")
	calls := 0
	err := r.Each([]byte(`{"o":{"a":1,"b":2},"c":3}`), func(key, _ []byte, _ Kind) error {
		calls++
		return enough
	})
	if err != enough || calls != 1 {
		t.Errorf("Each = %v after %d calls, want %v after one", err, calls, enough)
	}
	err = r.Elements([]byte(`[1,2]`), func([]byte, Kind) error { return enough })
	if err != enough {
		t.Errorf("Elements = %v, want %v", err, enough)
	}
}

const conn = `{"ts":1591367999.305988,"uid":"CMdzit1AMNsmfAIiQc","id.orig_h":"192.168.4.76","id.orig_p":36844,"id":{"resp_h":"192.168.4.1","resp_p":53},"proto":"udp","service":"dns","duration":0.06685185432434082,"orig_bytes":62,"resp_bytes":141,"conn_state":"SF","missed_bytes":0,"history":"Dd","tunnel_parents":["a\u0041"],"host":"caf\u00e9"}`

func TestAllocations(t *testing.T) {
	var r Reader
	line, n := []byte(conn), 0
	read := func() {
		err := r.Each(line, func(_, value []byte, kind Kind) error {
			if kind == Array {
				return r.Elements(value, func(value []byte, _ Kind) error { n += len(value); return nil })
			}
			n += len(value)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if a := testing.AllocsPerRun(100, read); a != 0 {
		t.Errorf("%v allocations for a line, want none", a)
	}
}

// flat writes what encoding/json makes of a line in the way of [members],
// sorted: the slow, obvious twin.
func flat(prefix string, v map[string]any, out *[]string) {
	for k, v := range v {
		if o, ok := v.(map[string]any); ok {
			flat(prefix+k+".", o, out)
			continue
		}
		if a, ok := v.([]any); ok {
			v = len(a)
		}
		*out = append(*out, fmt.Sprintf("%s%s=%v", prefix, k, v))
	}
}

func FuzzEach(f *testing.F) {
	f.Add([]byte(conn))
	f.Add([]byte(`{"a":[1,{"b":[true,null]},"\ud83d\ude00"],"c":{"d":{}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var r Reader
		var got []string
		seen := map[string]bool{}
		twice := false
		err := r.Each(line, func(key, value []byte, kind Kind) error {
			if kind == String && !utf8.Valid(value) || !utf8.Valid(key) {
				t.Errorf("%q: key %q or value %q is no UTF-8", line, key, value)
			}
			if !bytes.HasPrefix(value, []byte("[")) && kind == Array {
				t.Errorf("%q: array %q", line, value)
			}
			twice = twice || seen[string(key)]
			seen[string(key)] = true
			name, text := string(key), any(string(value))
			switch kind {
			case Null:
				text = nil
			case Number:
				text = json.Number(value)
			case Array:
				n := 0
				if err := r.Elements(value, func([]byte, Kind) error { n++; return nil }); err != nil {
					t.Errorf("%q: array %q: %v", line, value, err)
				}
				text = n
			}
			got = append(got, fmt.Sprintf("%s=%v", name, text))
			return nil
		})
		var v map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		want := d.Decode(&v)
		if want == nil && d.InputOffset() < int64(len(bytes.TrimRight(line, " \t\r\n"))) {
			want = errors.New("more behind it")
		}
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t\r\n"), []byte("null")) || err == errDepth {
			return // encoding/json takes null for an empty map, and goes deeper
		}
		if (err == nil) != (want == nil) {
			t.Fatalf("%q: error %v, encoding/json says %v", line, err, want)
		}
		if err != nil || twice {
			return
		}
		var all []string
		flat("", v, &all)
		slices.Sort(got)
		slices.Sort(all)
		// A key of a nested object may be that of one outside, written with a
		// dot, or a key may come twice where encoding/json keeps one object.
		if len(got) == len(all) && !slices.Equal(got, all) {
			t.Errorf("%q:\n got %q\nwant %q", line, got, all)
		}
	})
}

func BenchmarkEach(b *testing.B) {
	var r Reader
	line, n := []byte(conn), 0
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if err := r.Each(line, func(_, value []byte, _ Kind) error { n += len(value); return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
