package discovery

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// A messages reads conversations of datagrams of which each stands for itself.
type messages func(d *dialog.Dialog, from dialog.End, b []byte)

func (r messages) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	r(d, from, b)
	return len(b)
}

func (messages) Lost(*dialog.Dialog, dialog.End, int) bool { return true }

func (messages) Close(*dialog.Dialog) {}

// NewSSDP returns a reader of SSDP (UPnP Device Architecture 2.0, 1).
func NewSSDP() dialog.Reader { return messages(ssdp) }

// The headers that are read (UPnP Device Architecture 2.0, 1.2.2, 1.3.2, 1.3.3).
type ssdpHeaders struct {
	nt, nts, st, server, agent, location []byte
}

func ssdp(d *dialog.Dialog, from dialog.End, b []byte) {
	first, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return
	}
	h := ssdpHeadersOf(rest)
	s := newSpeaker(d, from, "ssdp")
	switch {
	case bytes.HasPrefix(first, []byte("M-SEARCH ")):
		s.text("search", h.st)
		s.text("software", h.agent)
	case bytes.HasPrefix(first, []byte("NOTIFY ")):
		if !bytes.EqualFold(h.nts, []byte("ssdp:byebye")) {
			s.upnp(h.nt, &h)
		}
	case bytes.HasPrefix(first, []byte("HTTP/1.")):
		s.upnp(h.st, &h)
	}
}

func ssdpHeadersOf(b []byte) (h ssdpHeaders) {
	for range maxRecords {
		line, rest, more := bytes.Cut(b, []byte("\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if b = rest; !ok {
			if !more {
				break
			}
			continue
		}
		value = bytes.TrimSpace(value)
		switch strings.ToUpper(string(bytes.TrimSpace(name[:min(len(name), 16)]))) {
		case "NT":
			h.nt = value
		case "NTS":
			h.nts = value
		case "ST":
			h.st = value
		case "SERVER":
			h.server = value
		case "USER-AGENT":
			h.agent = value
		case "LOCATION":
			h.location = value
		}
		if !more {
			break
		}
	}
	return h
}

// upnp tells a device or service, and the software of the device.
func (s *speaker) upnp(kind []byte, h *ssdpHeaders) {
	if bytes.HasPrefix(kind, []byte("urn:")) {
		s.tell(weir.Announcement{Kind: "service", Text: printable(kind), Port: portOf(h.location)})
	}
	s.text("software", h.server)
	if system, _, _ := bytes.Cut(h.server, []byte(" ")); bytes.IndexByte(system, '/') > 0 && !bytes.HasPrefix(bytes.ToUpper(system), []byte("UPNP")) {
		s.text("os", bytes.TrimRight(system, ","))
	}
}

// portOf returns the port in a URL of http, 0 if there is none.
func portOf(url []byte) uint16 {
	rest, ok := bytes.CutPrefix(url, []byte("http://"))
	if !ok {
		return 0
	}
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		rest = rest[:i]
	}
	i := bytes.LastIndexByte(rest, ':')
	if i < 0 || bytes.HasSuffix(rest, []byte("]")) {
		return 80
	}
	port, err := strconv.ParseUint(string(rest[i+1:]), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}
