package dcerpc

// Number returns the number of an operation by its name, and that of one
// without; -1 if the interface has none of that name.
func Number(endpoint, operation string) int {
	n := 0
	for _, c := range operation {
		if c < '0' || c > '9' {
			n = -1
			break
		}
		n = n*10 + int(c-'0')
	}
	if n >= 0 {
		return n
	}
	for _, i := range interfaces() {
		if i.name != endpoint {
			continue
		}
		for n, name := range i.operations {
			if name == operation {
				return n
			}
		}
	}
	return -1
}
