package packet

// String writes a in lower case with colons, as "02:00:5e:10:00:01"; it is
// empty for the zero MAC.
func (a MAC) String() string {
	if a == (MAC{}) {
		return ""
	}
	const digits = "0123456789abcdef"
	var b [17]byte
	for i, c := range a {
		if i > 0 {
			b[3*i-1] = ':'
		}
		b[3*i], b[3*i+1] = digits[c>>4], digits[c&15]
	}
	return string(b[:])
}
