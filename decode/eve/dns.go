package eve

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/jsonline"
)

// A queryKey tells DNS transactions apart.
type queryKey struct {
	uid string
	id  uint16
	// name and typ are of the question: one identifier may serve for A and AAAA.
	name, typ string
}

// A question is a DNS transaction that waits for its answer. Version 1 writes a
// line for each record of an answer: it waits for all of them.
type question struct {
	weir.DNSTransaction
	answered bool
}

// dns takes an event of one message. Query and answer become one transaction.
// In version 1 and 2 the question stands in dns itself, from version 3 on in
// the array queries.
func (d *Decoder) dns(b *weir.Batch) bool {
	t, answer := d.dnsMessage()
	key := queryKey{d.event.str(fFlowID), t.ID, t.Query, t.Type}
	asked := d.queries.get(key, d.now)
	switch {
	case !answer && asked == nil:
		d.queries.put(key, question{DNSTransaction: t}, d.now)
	case !answer: // the same question once more
		b.DNS = append(b.DNS, asked.DNSTransaction)
		*asked = question{DNSTransaction: t}
	case asked != nil:
		d.answer(b, key, asked, &t)
	case d.oneByOne():
		d.queries.put(key, question{t, true}, d.now)
	default:
		b.DNS = append(b.DNS, t)
	}
	return true
}

// oneByOne says whether the event is one of several that tell of one answer.
func (d *Decoder) oneByOne() bool { return d.event.has(fDNSData) && !d.event.has(fDNSAnswers) }

// answer puts an answer into the transaction of its query.
func (d *Decoder) answer(b *weir.Batch, key queryKey, asked *question, t *weir.DNSTransaction) {
	if !asked.answered {
		asked.RTT = max(t.Time.Sub(asked.Time), 0)
	}
	asked.answered = true
	asked.Code = t.Code
	asked.Answers, asked.TTLs = append(asked.Answers, t.Answers...), append(asked.TTLs, t.TTLs...)
	asked.Authoritative, asked.Truncated = t.Authoritative, t.Truncated
	asked.RecursionDesired, asked.RecursionAvailable = t.RecursionDesired, t.RecursionAvailable
	if d.oneByOne() && len(asked.Answers) < maxAnswers {
		return
	}
	q, _ := d.queries.take(key)
	b.DNS = append(b.DNS, q.DNSTransaction)
}

// maxAnswers is how many records of an answer are kept: a message of 64 KB
// could hold 5,000.
const maxAnswers = 256

// dnsMessage returns the transaction of one message, and whether that is an answer.
func (d *Decoder) dnsMessage() (t weir.DNSTransaction, answer bool) {
	e := &d.event
	answer = e.is(fDNSType, "answer") || e.is(fDNSType, "response")
	p := d.endpoints()
	t = weir.DNSTransaction{
		Time: p.Time, Sensor: p.Sensor, Src: p.Src, Dst: p.Dst, SrcPort: p.SrcPort, DstPort: p.DstPort, Proto: p.Proto,
		App: dialect(p.SrcPort, p.DstPort), ID: uint16(e.uint(fDNSID, 16)), Query: dnsName(e.value[fDNSName]), Type: e.str(fDNSRRType), Class: "IN",
	}
	d.dnsQuestion(&t)
	if !answer {
		return t, false
	}
	t.Code = e.str(fDNSCode)
	flags := e.hex(fDNSFlags, 16) // RFC 1035, 4.1.1
	t.Authoritative = flags&0x400 != 0 || e.is(fDNSAA, "true")
	t.Truncated = flags&0x200 != 0 || e.is(fDNSTC, "true")
	t.RecursionDesired = flags&0x100 != 0 || e.is(fDNSRD, "true")
	t.RecursionAvailable = flags&0x80 != 0 || e.is(fDNSRA, "true")
	if t.Code == "" && flags&0xf == 0 {
		t.Code = "NOERROR" // Suricata leaves it out of some answers, and 0 is the code
	}
	if e.has(fDNSData) {
		t.Answers, t.TTLs = []string{bounded(e.value[fDNSData])}, []uint32{uint32(e.uint(fDNSTTL, 32))}
	}
	d.dnsAnswers(&t)
	return t, true
}

func dialect(ports ...uint16) string {
	switch {
	case slices.Contains(ports, 5353):
		return "mdns"
	case slices.Contains(ports, 5355):
		return "llmnr"
	}
	return "dns"
}

// dnsQuestion takes the first of the queries of version 3.
func (d *Decoder) dnsQuestion(t *weir.DNSTransaction) {
	first := true
	_ = d.array.Elements(d.event.value[fDNSQueries], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		if kind != jsonline.Object || !first {
			return nil
		}
		first = false
		return d.array.Each(value, func(key, value []byte, _ jsonline.Kind) error {
			switch string(key) {
			case "rrname":
				t.Query = dnsName(value)
			case "rrtype":
				t.Type = bounded(value)
			}
			return nil
		})
	})
}

// dnsAnswers takes the records of an answer. Those without data, such as of
// types that Suricata does not take apart, count as well: their data are empty.
func (d *Decoder) dnsAnswers(t *weir.DNSTransaction) {
	_ = d.array.Elements(d.event.value[fDNSAnswers], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		if kind != jsonline.Object || len(t.Answers) >= maxAnswers {
			return nil
		}
		data, ttl, err := d.dnsRecord(value)
		t.Answers, t.TTLs = append(t.Answers, data), append(t.TTLs, ttl)
		return err
	})
}

// dnsRecord returns the data of a record: its rdata, or for the types that are
// told in parts, such as soa.mname and soa.rname, these one after the other.
func (d *Decoder) dnsRecord(object []byte) (data string, ttl uint32, err error) {
	var parts []string
	err = d.array.Each(object, func(key, value []byte, kind jsonline.Kind) error {
		switch text := string(key); {
		case text == "ttl":
			n, _ := strconv.ParseUint(string(value), 10, 32) // of no number, 0
			ttl = uint32(n)
		case text == "rdata" && kind == jsonline.String:
			parts = append(parts, bounded(value))
		case strings.HasPrefix(text, "soa."), strings.HasPrefix(text, "srv."), strings.HasPrefix(text, "sshfp."):
			parts = append(parts, bounded(value))
		}
		return nil
	})
	return strings.Join(parts, " "), ttl, err
}

// dnsName returns a name as decode/dns writes it: lower case, without the
// final dot, octets that are not printable ASCII as \DDD (RFC 4343).
func dnsName(b []byte) string {
	b = b[:min(len(b), maxText)]
	out := make([]byte, 0, len(b))
	for _, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			out = append(out, c|0x20)
		case c <= ' ' || c >= 0x7f:
			out = append(out, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			out = append(out, c)
		}
	}
	return strings.TrimSuffix(string(out), ".")
}
