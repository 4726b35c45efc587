package http_test

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/meter/metertest"
)

// transactions meters a capture and returns its transactions by their ends, in
// the order of the requests.
func transactions(t testing.TB, file string) map[string][]weir.HTTPTransaction {
	t.Helper()
	all := map[string][]weir.HTTPTransaction{}
	for _, x := range metertest.Records(t, file).HTTP {
		k := metertest.Ends(&x.Endpoints)
		all[k] = append(all[k], x)
	}
	for _, list := range all {
		slices.SortStableFunc(list, func(a, b weir.HTTPTransaction) int { return a.Time.Compare(b.Time) })
	}
	return all
}

// one returns the transactions of a capture that holds one conversation.
func one(t testing.TB, all map[string][]weir.HTTPTransaction) []weir.HTTPTransaction {
	t.Helper()
	if len(all) != 1 {
		t.Errorf("%d conversations, want 1", len(all))
	}
	for _, list := range all {
		return list
	}
	return nil
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func host(s string) string   { return uri.Host([]byte(s)) }
func masked(s string) string { return uri.Masked([]byte(s)) }

// unescaped undoes what Zeek's logs do to octets that are not printable.
func unescaped(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if v, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				out = append(out, byte(v))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// zeekTraces are the tests of Zeek that log HTTP, with their traces.
var zeekTraces = map[string]string{
	"core.tcp-padding":                                             "tcp-http-with-padding.pcap",
	"core.tcp.reassembly-known-ports":                              "http/get.pcap",
	"core.tunnels.analyzer-confirmation":                           "tunnels/vxlan-encapsulated-http.pcap",
	"core.vlan-mpls":                                               "mixed-vlan-mpls.pcap",
	"scripts.base.frameworks.analyzer.request-analyzer":            "wikipedia.pcap",
	"scripts.base.frameworks.logging.ascii-escape-odd-url":         "www-odd-url.pcap",
	"scripts.base.protocols.http.100-continue":                     "http/100-continue.pcap",
	"scripts.base.protocols.http.261.chunk-2pow64-overflow":        "http/261/variant-01-chunk_2pow64_overflow.pcap",
	"scripts.base.protocols.http.261.cl-0-expect-100":              "http/261/variant-07-expect_100_cl0.pcap",
	"scripts.base.protocols.http.261.cl-uint64max":                 "http/261/variant-02-cl_uint64max.pcap",
	"scripts.base.protocols.http.261.te-cl-desync":                 "http/261/variant-04-te_cl_desync.pcap",
	"scripts.base.protocols.http.content-length-overflow":          "http/content-length-overflow.pcap",
	"scripts.base.protocols.http.curl-http-09":                     "http/curl_http_09.pcap",
	"scripts.base.protocols.http.deeply-nested-mime":               "http/deeply-nested-mime.pcap",
	"scripts.base.protocols.http.http-09":                          "http/http_09.pcap",
	"scripts.base.protocols.http.http-09-content-length-confusion": "http/http-09-content-length-confusion.pcap",
	"scripts.base.protocols.http.http-bad-request-with-version":    "http/http-bad-request-with-version.pcap",
	"scripts.base.protocols.http.http-connect-with-header":         "http/connect-with-header.pcap",
	"scripts.base.protocols.http.http-desynched":                   "http/http-desync-request-response-5.pcap",
	"scripts.base.protocols.http.http-methods":                     "http/methods.pcap",
	"scripts.base.protocols.http.missing-http-entity":              "http/interleaved-http-entity.pcap",
	"scripts.base.protocols.http.no-version":                       "http/no-version.pcap",
	"scripts.base.protocols.http.percent-end-of-line":              "http/percent-end-of-line.pcap",
	"scripts.base.protocols.http.query-method":                     "http/query-method.pcap",
	"scripts.base.protocols.http.query-method-non-standard-port":   "http/query-method-non-standard-port.pcap",
	"scripts.base.protocols.snap.snap-tcp":                         "snap-tcp.pcap",
	"scripts.base.protocols.ssh.http-port-22":                      "http/http-single-conn-22.pcap",
}

// TestZeek compares with http.log of Zeek's own tests, request by request.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, ofZeek)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for test, trace := range zeekTraces {
		name := test[strings.LastIndexByte(test, '.')+1:]
		all := transactions(t, filepath.Join(root, "Traces", trace))
		rows := metertest.Zeek(t, filepath.Join(root, "Baseline", test, "http.log"))
		if len(rows) == 0 {
			t.Errorf("%s: no rows", test)
		}
		byEnds := map[string][]map[string]string{}
		for _, row := range rows {
			byEnds[metertest.EndsOf(row)] = append(byEnds[metertest.EndsOf(row)], row)
		}
		for ends, rows := range byEnds {
			slices.SortFunc(rows, func(a, b map[string]string) int {
				x, _ := strconv.Atoi(a["trans_depth"])
				y, _ := strconv.Atoi(b["trans_depth"])
				return cmp.Compare(x, y)
			})
			got := all[ends]
			if rows[0]["id.orig_h"] == "" { // the log has no column of it
				got = one(t, all)
			}
			c.Field(name, "transactions", fmt.Sprint(len(got)), fmt.Sprint(len(rows)))
			for i := range min(len(got), len(rows)) {
				compareZeek(c, name, &got[i], rows[i])
			}
		}
	}
}

func compareZeek(c *metertest.Comparison, name string, x *weir.HTTPTransaction, row map[string]string) {
	fields := map[string]string{
		"method": x.Method, "host": x.Host, "uri": x.URI, "referrer": x.Referrer, "version": x.Version, "user_agent": x.UserAgent,
		"status_code": number(uint64(x.Status)), "request_body_len": number(x.BodyUp), "response_body_len": number(x.BodyDown), "username": x.User,
	}
	for field, got := range fields {
		want, logged := row[field]
		if !logged && !hasColumn(row, field) {
			continue
		}
		switch field {
		case "host":
			want = host(want)
		case "uri", "referrer": // Zeek undoes the escapes of URIs
			want = masked(unescaped(want))
			if plain, err := url.PathUnescape(got); err == nil && field == "uri" {
				got = masked(plain)
			}
		case "request_body_len", "response_body_len":
			want = strings.TrimPrefix(want, "0")
		}
		c.Field(name, field, got, want)
	}
}

// hasColumn reports whether a log with the full set of columns has this one:
// what is not set is left out of a row.
func hasColumn(row map[string]string, field string) bool {
	full := row["id.orig_h"] != ""
	return full || field == "method" || field == "host" || field == "uri"
}
