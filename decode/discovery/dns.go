package discovery

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dns"
)

// DNS reads a message of multicast DNS, LLMNR or the NetBIOS name service, the
// dialects of package dns, that one end has sent.
func (l *Local) DNS(d *dialog.Dialog, from dialog.End, dialect string, m *dns.Message) {
	s := newSpeaker(d, from, dialect)
	switch {
	case dialect == "nbns":
		netbios(&s, m)
	case dialect == "mdns" && m.Response:
		mdns(&s, m)
	case dialect == "llmnr" && m.Response && m.Code == 0:
		llmnr(&s, m)
	}
}

// maxLabels is how many labels of a name are looked at.
const maxLabels = 16

// labels returns the labels of the name at off, nil if it cannot be read.
func labels(m *dns.Message, room *[maxLabels][]byte, off int) [][]byte {
	list, err := m.Labels(room[:0], off)
	if err != nil {
		return nil
	}
	return list
}

// mdns reads the records of an announcement or answer: hosts by their addresses,
// services by SRV, their descriptions by TXT (RFC 6762, RFC 6763). A record whose
// time to live is 0 is taken back (RFC 6762, 10.1).
func mdns(s *speaker, m *dns.Message) {
	var located services
	m.Records(maxRecords, func(r dns.Record) bool {
		if r.TTL == 0 {
			return true
		}
		var room [maxLabels][]byte
		name := labels(m, &room, r.Name)
		switch r.Type {
		case dns.TypeA, dns.TypeAAAA:
			if addr, ok := netip.AddrFromSlice(r.Data); ok && spoken(addr) {
				s.host(name, addr)
			}
		case dns.TypeSRV:
			s.offers(m, name, r)
		case dns.TypePTR:
			s.instance(m, name, r, &located)
		case dns.TypeTXT:
			s.described(name, r.Data)
		}
		return s.left > 0
	})
}

// host tells the name of a host in ".local".
func (s *speaker) host(name [][]byte, addr netip.Addr) {
	if len(name) == 2 && bytes.EqualFold(name[1], []byte("local")) {
		s.tell(weir.Announcement{Kind: "name", Name: printable(name[0]), Addr: addr})
	}
}

// service splits the name of a service: instance, and "_ipp._tcp". The instance
// is missing in the name of the type itself.
func service(name [][]byte) (instance, kind string) {
	i := 0
	for i < len(name) && (len(name[i]) == 0 || name[i][0] != '_') {
		i++
	}
	if i > 1 || i+2 >= len(name) || !proto(name[i+1]) {
		return "", ""
	}
	kind = strings.ToLower(printable(name[i])) + "." + strings.ToLower(printable(name[i+1]))
	if i == 1 {
		instance = printable(name[0])
	}
	return instance, kind
}

func proto(label []byte) bool {
	return bytes.EqualFold(label, []byte("_tcp")) || bytes.EqualFold(label, []byte("_udp"))
}

// offers tells a service by its SRV record.
func (s *speaker) offers(m *dns.Message, name [][]byte, r dns.Record) {
	instance, kind := service(name)
	if kind == "" || len(r.Data) < 7 {
		return
	}
	s.tell(weir.Announcement{Kind: "service", Name: instance, Text: kind, Port: binary.BigEndian.Uint16(r.Data[4:])})
}

// instance tells a service by the PTR record that leads to it. What has an SRV
// record in the same message is told by that, with its port.
func (s *speaker) instance(m *dns.Message, name [][]byte, r dns.Record, located *services) {
	_, kind := service(name)
	if kind == "" || kind == "_dns-sd._udp" || strings.HasPrefix(kind, "_services.") {
		return
	}
	var room [maxLabels][]byte
	instance, of := service(labels(m, &room, r.At))
	if of != kind || instance == "" {
		return
	}
	if !located.has(m, instance, kind) {
		s.tell(weir.Announcement{Kind: "service", Name: instance, Text: kind})
	}
}

// services are those of a message that have an SRV record. They are read once,
// for there may be many that lead to them.
type services struct {
	read bool
	list [][2]string // instance, kind
}

func (l *services) has(m *dns.Message, instance, kind string) bool {
	if !l.read {
		l.read = true
		m.Records(maxRecords, func(r dns.Record) bool {
			if r.Type == dns.TypeSRV && r.TTL > 0 {
				var room [maxLabels][]byte
				i, k := service(labels(m, &room, r.Name))
				l.list = append(l.list, [2]string{i, k})
			}
			return true
		})
	}
	return slices.Contains(l.list, [2]string{instance, kind})
}

// Keys of TXT records that say what a device is: Apple's _device-info and
// _airplay, Bonjour Printing 1.2.1, _googlecast, _hap (HomeKit), and others.
var txtKeys = []struct{ key, kind string }{
	{"model", "model"}, {"md", "model"}, {"ty", "model"}, {"usb_mdl", "model"}, {"am", "model"}, {"modelname", "model"},
	{"usb_mfg", "vendor"}, {"manufacturer", "vendor"}, {"mf", "vendor"}, {"vendor", "vendor"},
	{"osxvers", "os"}, {"os", "os"},
	{"fv", "software"}, {"srcvers", "software"}, {"fw", "software"}, {"note", "comment"},
}

// described tells what the strings of a TXT record say of the device (RFC 6763, 6).
func (s *speaker) described(name [][]byte, b []byte) {
	instance, kind := service(name)
	if kind == "" {
		return
	}
	for range maxRecords {
		if len(b) == 0 || 1+int(b[0]) > len(b) {
			return
		}
		pair := b[1 : 1+int(b[0])]
		b = b[1+int(b[0]):]
		key, value, ok := bytes.Cut(pair, []byte("="))
		if !ok || len(value) == 0 {
			continue
		}
		for _, k := range txtKeys {
			if !bytes.EqualFold(key, []byte(k.key)) {
				continue
			}
			text := printable(value)
			if k.key == "osxvers" {
				text = "macOS, Darwin " + text
			}
			if k.kind == "software" {
				text = strings.TrimPrefix(kind, "_") + " " + text
			}
			s.tell(weir.Announcement{Kind: k.kind, Name: instance, Text: text})
			break
		}
	}
}

// llmnr reads the addresses of an answer (RFC 4795, 2.1): the sender claims to
// have the name that was asked for.
func llmnr(s *speaker, m *dns.Message) {
	m.Records(maxRecords, func(r dns.Record) bool {
		var room [maxLabels][]byte
		name := labels(m, &room, r.Name)
		addr, ok := netip.AddrFromSlice(r.Data)
		if (r.Type == dns.TypeA || r.Type == dns.TypeAAAA) && ok && spoken(addr) && len(name) == 1 {
			s.tell(weir.Announcement{Kind: "name", Name: printable(name[0]), Addr: addr})
		}
		return s.left > 0
	})
}
