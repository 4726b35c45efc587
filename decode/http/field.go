package http

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/ntlm"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of what is kept, in octets. What is longer is cut.
const (
	maxUserAgent = 512
	maxUser      = 128
	maxType      = 96
	maxFileName  = 255
	// maxBareUser is the longest name without password that is taken for one: a
	// longer one is likely to be a token.
	maxBareUser = 24
)

// A message is what the head of a message says of its framing.
type message struct {
	length              uint64
	hasLength, hasCoded bool
	invalid             bool // lengths that are none, or differ
	chunked             bool // is the last coding
	encoded             bool // the content is compressed
	expect              bool // the body waits for an answer
	minor               byte
	code                uint16 // of an answer
	upgrade             protocol
	name                string // of the file
}

// A protocol is what a connection changes to.
type protocol uint8

const (
	noProtocol protocol = iota
	webSocket           // RFC 6455
	http2               // RFC 7540, 3.2
	another             // TLS (RFC 2817) and others
)

// requestField takes a field of a request.
func (r *Reader) requestField(d *dialog.Dialog, x *exchange, m *message, key, value []byte) {
	switch len(key) {
	case 4:
		if equalFold(key, "host") && x != nil && x.Host == "" {
			x.Host = r.hostName(value)
		}
	case 6:
		if equalFold(key, "expect") {
			m.expect = true
		}
	case 7:
		if equalFold(key, "referer") && x != nil {
			x.Referrer = uri.Masked(value)
		}
	case 10:
		if equalFold(key, "user-agent") && x != nil && x.UserAgent == "" {
			x.UserAgent = r.agentName(value)
		}
	case 12:
		if equalFold(key, "content-type") && x != nil {
			x.TypeUp = mediaType(value)
		}
	case 13:
		if equalFold(key, "authorization") {
			r.credentials(d, dialog.Client, x, value)
		}
	case 19:
		if equalFold(key, "proxy-authorization") {
			r.credentials(d, dialog.Client, x, value)
		}
	}
	m.field(key, value)
}

// answerField takes a field of an answer.
func (r *Reader) answerField(d *dialog.Dialog, x *exchange, m *message, key, value []byte) {
	switch len(key) {
	case 12:
		if equalFold(key, "content-type") && x != nil {
			x.TypeDown = mediaType(value)
		}
	case 16:
		if equalFold(key, "www-authenticate") {
			r.credentials(d, dialog.Server, nil, value)
		}
	case 18:
		if equalFold(key, "proxy-authenticate") {
			r.credentials(d, dialog.Server, nil, value)
		}
	}
	m.field(key, value)
}

// field takes what fields of both say of the body.
func (m *message) field(key, value []byte) {
	switch len(key) {
	case 7:
		if equalFold(key, "upgrade") {
			m.upgrade = protocolOf(value)
		}
	case 14:
		if equalFold(key, "content-length") {
			m.contentLength(value)
		}
	case 16:
		if equalFold(key, "content-encoding") {
			m.encoded = !equalFold(bytes.TrimSpace(value), "identity")
		}
	case 17:
		if equalFold(key, "transfer-encoding") {
			m.hasCoded = true
			m.chunked = equalFold(bytes.TrimSpace(value[bytes.LastIndexByte(value, ',')+1:]), "chunked")
		}
	case 19:
		if equalFold(key, "content-disposition") {
			m.name = fileName(value)
		}
	}
}

// contentLength takes a Content-Length, which may be a list of equal numbers
// (RFC 9110, 8.6).
func (m *message) contentLength(value []byte) {
	for part := range bytes.SplitSeq(value, []byte(",")) {
		n, ok := number(bytes.TrimSpace(part))
		if !ok || m.hasLength && n != m.length {
			m.invalid = true
			return
		}
		m.length, m.hasLength = n, true
	}
}

// number reads a decimal number below 2^63: no body is as long, and sums of
// such lengths do not overflow.
func number(b []byte) (n uint64, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c-'0' > 9 || n > (1<<63-10)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// chunkSize reads the first line of a chunk (RFC 9112, 7.1).
func chunkSize(line []byte) (n uint64, ok bool) {
	line, _, _ = bytes.Cut(line, []byte(";"))
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return 0, false
	}
	for _, c := range line {
		var v byte
		switch {
		case c-'0' < 10:
			v = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		if n >= 1<<58 {
			return 0, false
		}
		n = n<<4 | uint64(v)
	}
	return n, true
}

func protocolOf(value []byte) protocol {
	switch {
	case equalFold(value, "websocket"):
		return webSocket
	case equalFold(value, "h2c"):
		return http2
	}
	return another
}

// credentials takes what authenticates: of a password nothing is kept.
func (r *Reader) credentials(d *dialog.Dialog, from dialog.End, x *exchange, value []byte) {
	scheme, rest, spaced := bytes.Cut(value, []byte(" "))
	rest = bytes.TrimSpace(rest)
	if !spaced || len(rest) == 0 {
		return
	}
	switch {
	case equalFold(scheme, "ntlm"), equalFold(scheme, "negotiate"):
		if from == dialog.Client && x == nil {
			return // whose answer will not be known
		}
		if r.logon == nil {
			r.logon = &ntlm.Logon{}
		}
		r.logon.Header(d, rest)
	case x == nil || x.User != "":
	case equalFold(scheme, "basic"):
		x.User = basicUser(rest)
	case equalFold(scheme, "digest"):
		x.User = uri.Printable(parameter(rest, "username"), maxUser)
	}
}

// basicUser returns the name in basic credentials (RFC 7617, 2). Without a
// password a long one is likely to be a token, and masked.
func basicUser(value []byte) string {
	const longest = 1024
	var room [longest]byte
	value = bytes.TrimRight(value, "=")
	n, _ := base64.RawStdEncoding.Decode(room[:], value[:min(len(value), base64.RawStdEncoding.EncodedLen(longest))])
	user, password, ok := bytes.Cut(room[:n], []byte(":"))
	if !ok {
		return ""
	}
	if len(user) > maxBareUser && (len(password) == 0 || string(password) == "x-oauth-basic") {
		return "*"
	}
	return uri.Printable(user, maxUser)
}

// parameter returns the value of a parameter in lists like those of
// Authorization: Digest and Content-Disposition. Its name is in lower case.
func parameter(b []byte, name string) []byte {
	for len(b) > 0 { // each turn takes a parameter and what separates it from the next
		b = bytes.TrimLeft(b, " \t\r\n,;")
		i := bytes.IndexAny(b, "=,;")
		if i < 0 {
			return nil
		}
		key := bytes.TrimSpace(b[:i])
		if b[i] != '=' {
			b = b[i+1:]
			continue
		}
		var value []byte
		value, b = cutValue(bytes.TrimLeft(b[i+1:], " \t"))
		if equalFold(key, name) {
			return value
		}
	}
	return nil
}

// cutValue cuts b behind a token or a quoted string.
func cutValue(b []byte) (value, rest []byte) {
	if len(b) == 0 || b[0] != '"' {
		i := bytes.IndexAny(b, ",;")
		if i < 0 {
			i = len(b)
		}
		return bytes.TrimSpace(b[:i]), b[i:]
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[1:i], b[i+1:]
		}
	}
	return b[1:], nil
}

// fileName returns the name in a Content-Disposition (RFC 6266), without the
// folders before it.
func fileName(value []byte) string {
	name := parameter(value, "filename")
	if extended := parameter(value, "filename*"); extended != nil { // charset'language'text
		if i := bytes.LastIndexByte(extended, '\''); i >= 0 {
			name = extended[i+1:]
		}
	}
	if i := bytes.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	return uri.Printable(name, maxFileName)
}

// mediaType returns a media type in lower case, without parameters.
func mediaType(value []byte) string {
	if i := bytes.IndexByte(value, ';'); i >= 0 {
		value = value[:i]
	}
	value = bytes.TrimSpace(value)
	if name, ok := usualTypes[string(value)]; ok {
		return name
	}
	return strings.ToLower(uri.Printable(value, maxType))
}

// usualTypes need not be allocated.
var usualTypes = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"text/html", "text/plain", "text/css", "text/javascript", "text/xml", "application/javascript", "application/x-javascript",
		"application/json", "application/xml", "application/soap+xml", "application/octet-stream", "application/x-www-form-urlencoded",
		"application/ocsp-response", "application/ocsp-request", "multipart/form-data", "image/gif", "image/jpeg", "image/png",
		"image/webp", "image/svg+xml", "image/x-icon", "font/woff2", "video/mp4", "video/mp2t",
	} {
		m[name] = name
	}
	return m
}()

// hostName returns the host in a field, mostly the one of the request before.
func (r *Reader) hostName(value []byte) string {
	if string(value) != r.host {
		r.host = uri.Host(value)
	}
	return r.host
}

// agentName returns the client's name, mostly the one of the request before.
func (r *Reader) agentName(value []byte) string {
	if string(value) != r.agent {
		r.agent = uri.Printable(value, maxUserAgent)
	}
	return r.agent
}
