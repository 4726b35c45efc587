package discovery

import (
	"bytes"
	"net/url"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// NewWSD returns a reader of WS-Discovery (OASIS, Web Services Dynamic
// Discovery 1.1, and its forerunner of 2005 that Windows, printers and cameras speak).
func NewWSD() dialog.Reader { return messages(wsd) }

// wsd reads one message. It looks for the few elements of interest by their
// names, whatever the prefix: the documents are flat, and of one that is made to
// mislead no more would be known by parsing it.
func wsd(d *dialog.Dialog, from dialog.End, b []byte) {
	action := element(b, "Action")
	if i := bytes.LastIndexByte(action, '/'); i >= 0 {
		action = action[i+1:]
	}
	s := newSpeaker(d, from, "wsd")
	types := bytes.Fields(element(b, "Types"))
	types = types[:min(len(types), maxRecords)]
	switch string(action) {
	case "Probe":
		for _, t := range types {
			s.text("search", t)
		}
	case "Hello", "ProbeMatches", "ResolveMatches":
		var port uint16
		if first := bytes.Fields(element(b, "XAddrs")); len(first) > 0 {
			port = portOf(first[0])
		}
		for _, t := range types {
			s.tell(weir.Announcement{Kind: "service", Text: printable(t), Port: port})
		}
		for _, scope := range bytes.Fields(element(b, "Scopes")) {
			s.onvif(scope)
		}
	}
}

// onvif reads a scope of cameras: onvif://www.onvif.org/hardware/M1065 (ONVIF
// Core Specification, 7.3.3.2).
func (s *speaker) onvif(scope []byte) {
	rest, ok := bytes.CutPrefix(scope, []byte("onvif://www.onvif.org/"))
	if !ok {
		return
	}
	key, value, _ := bytes.Cut(rest, []byte("/"))
	text, err := url.PathUnescape(string(value[:min(len(value), 3*maxText)]))
	if err != nil || text == "" {
		return
	}
	switch string(key) {
	case "hardware":
		s.text("model", []byte(text))
	case "name":
		s.tell(weir.Announcement{Kind: "name", Name: printable([]byte(text)), Text: "camera"})
	case "manufacturer":
		s.text("vendor", []byte(text))
	}
}

// element returns what stands in the first element of that name, with any prefix.
func element(b []byte, name string) []byte {
	for range maxRecords {
		i := bytes.Index(b, []byte(name))
		if i < 1 {
			return nil
		}
		before, rest := b[i-1], b[i+len(name):]
		if b = rest; before != ':' && before != '<' || len(rest) == 0 {
			continue
		}
		if rest[0] != '>' && rest[0] != ' ' {
			continue
		}
		_, rest, ok := bytes.Cut(rest, []byte(">"))
		if !ok {
			return nil
		}
		value, _, ok := bytes.Cut(rest, []byte("<"))
		if !ok {
			return nil
		}
		return bytes.TrimSpace(value)
	}
	return nil
}
