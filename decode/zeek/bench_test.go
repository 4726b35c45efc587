package zeek

import (
	"bytes"
	"testing"

	"github.com/weir-nta/weir"
)

// BenchmarkLine decodes lines as they are in logs of 2023 and later.
func BenchmarkLine(b *testing.B) {
	for _, c := range []struct{ name, log string }{
		{"conn TSV", connHeader + spaced(`1763712841.123456 CHhAvVGS1DHFjwGM9 10.10.1.23 51512 203.0.113.77 443 tcp ssl 30.250001 1180 39120 SF T F 0 ShADadFf 12 1820 34 40960 -`)},
		{"conn JSON", `{"ts":1763712841.123456,"uid":"CHhAvVGS1DHFjwGM9","id.orig_h":"10.10.1.23","id.orig_p":51512,"id.resp_h":"203.0.113.77","id.resp_p":443,"proto":"tcp","service":"ssl","duration":30.250000953674316,"orig_bytes":1180,"resp_bytes":39120,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":12,"orig_ip_bytes":1820,"resp_pkts":34,"resp_ip_bytes":40960}`},
		{"dns TSV", "#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqclass\tqclass_name\tqtype\tqtype_name\trcode\trcode_name\tAA\tTC\tRD\tRA\tZ\tanswers\tTTLs\trejected\n" + spaced("1763712841.123456 CHhAvVGS1DHFjwGM9 10.10.1.23 51512 10.0.0.53 53 udp 4660 0.012 www.example.com 1 C_INTERNET 1 A 0 NOERROR F F T T 0 192.0.2.1,192.0.2.2 300.000000,300.000000 F")},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := NewDecoder(Config{})
			into := &weir.Batch{}
			rows := bytes.Split([]byte(c.log), []byte("\n"))
			for _, r := range rows {
				if err := d.Line(into, r); err != nil {
					b.Fatal(err)
				}
			}
			last := rows[len(rows)-1]
			b.ReportAllocs()
			b.SetBytes(int64(len(last) + 1))
			for b.Loop() {
				into.Flows, into.DNS = into.Flows[:0], into.DNS[:0]
				if err := d.Line(into, last); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
