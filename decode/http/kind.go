package http

import "bytes"

// kindLength is how many octets of a body are looked at for its kind.
const kindLength = 8

// kindOf names what a body is whose first octets are b, "" unless it is a
// program, an archive or a document that carries such. The names are those of
// the media types in common use, as libmagic has them.
func kindOf(b []byte) string {
	for _, k := range kinds {
		if bytes.HasPrefix(b, k.magic) {
			return k.name
		}
	}
	if len(b) >= kindLength && b[0] == 'M' && b[1] == 'Z' && bytes.ContainsFunc(b[2:kindLength], func(c rune) bool { return c < ' ' }) {
		return "application/x-dosexec"
	}
	if len(b) >= kindLength && bytes.HasPrefix(b, []byte("\xca\xfe\xba\xbe")) {
		if b[7] >= 45 { // the least version of a class file; a universal binary has few parts
			return "application/java-vm"
		}
		return "application/x-mach-binary"
	}
	return ""
}

var kinds = []struct {
	magic []byte
	name  string
}{
	{[]byte("PK\x03\x04"), "application/zip"},
	{[]byte("%PDF-"), "application/pdf"},
	{[]byte("\x7fELF"), "application/x-executable"},
	{[]byte("\xcf\xfa\xed\xfe"), "application/x-mach-binary"},
	{[]byte("\xce\xfa\xed\xfe"), "application/x-mach-binary"},
	{[]byte("\xfe\xed\xfa\xce"), "application/x-mach-binary"},
	{[]byte("\xfe\xed\xfa\xcf"), "application/x-mach-binary"},
	{[]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "application/x-ole-storage"},
	{[]byte("\x1f\x8b\x08"), "application/gzip"},
	{[]byte("Rar!\x1a\x07"), "application/x-rar"},
	{[]byte("7z\xbc\xaf\x27\x1c"), "application/x-7z-compressed"},
	{[]byte("MSCF\x00\x00\x00\x00"), "application/vnd.ms-cab-compressed"},
	{[]byte("L\x00\x00\x00\x01\x14\x02\x00"), "application/x-ms-shortcut"},
	{[]byte("#!/"), "text/x-shellscript"},
}
