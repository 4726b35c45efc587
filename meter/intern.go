package meter

import (
	"hash/maphash"

	"github.com/weir-nta/weir/decode/packet"
)

// internSlots is how many strings of a kind are kept, each in the one place
// that is its own: whoever invents others makes them be allocated anew.
const internSlots = 2048

// texts keep strings that come again and again: most connections have one of a
// few dozen histories.
type texts struct {
	seed  maphash.Seed
	slots [internSlots]string
}

func newTexts() *texts { return &texts{seed: maphash.MakeSeed()} }

// text returns b as a string, mostly without allocating.
func (t *texts) text(b []byte) string {
	s := &t.slots[maphash.Bytes(t.seed, b)%internSlots]
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// macTexts keep link-layer addresses as records write them.
type macTexts [internSlots]struct {
	mac  packet.MAC
	text string
}

func (t *macTexts) text(a packet.MAC) string {
	h := uint64(a[0])<<40 | uint64(a[1])<<32 | uint64(a[2])<<24 | uint64(a[3])<<16 | uint64(a[4])<<8 | uint64(a[5])
	s := &t[h*0x9E3779B97F4A7C15>>32%internSlots]
	if s.mac != a {
		s.mac, s.text = a, a.String()
	}
	return s.text
}
