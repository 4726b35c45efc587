package packet

import (
	"testing"

	"github.com/weir-nta/weir"
)

// TestPeers checks that the types of a pair answer each other.
func TestPeers(t *testing.T) {
	for name, peers := range map[string]*[256]uint16{"icmp": &icmpPeer, "icmp6": &icmp6Peer} {
		pairs := 0
		for typ, peer := range peers {
			if peer == 0 {
				continue
			}
			pairs++
			if back := peers[peer-1]; int(back) != typ+1 {
				t.Errorf("%s: %d is answered by %d, which is answered by %d", name, typ, peer-1, int(back)-1)
			}
		}
		if pairs < 10 {
			t.Errorf("%s: %d types have an answer, want 10 or more", name, pairs)
		}
	}
}

// TestKey wants both directions of a conversation to have one key, and to be
// told apart by the end, and messages that nobody answers to have two.
func TestKey(t *testing.T) {
	a, b := Addr{Lo: 0xffff<<32 | 1}, Addr{Lo: 0xffff<<32 | 2}
	seed := Seed{1, 2, 3, 4}
	for _, c := range []struct {
		forth, back Key
		same        bool
	}{
		{Key{A: a, B: b, APort: 40000, BPort: 443, Proto: weir.TCP}, Key{A: b, B: a, APort: 443, BPort: 40000, Proto: weir.TCP}, true},
		{Key{A: a, B: a, APort: 2, BPort: 1, Proto: weir.UDP}, Key{A: a, B: a, APort: 1, BPort: 2, Proto: weir.UDP}, true},
		{Key{A: a, B: b, APort: 3, BPort: 1, Proto: weir.ICMPv4, OneWay: true}, Key{A: b, B: a, APort: 3, BPort: 1, Proto: weir.ICMPv4, OneWay: true}, false},
	} {
		forth, back := c.forth, c.back
		end, other := forth.Order(), back.Order()
		if (forth == back) != c.same || (forth.Hash(&seed) == back.Hash(&seed)) != c.same || (end != other) != c.same {
			t.Errorf("%v and %v: keys %v, %v from ends %d, %d, want the same: %v", c.forth, c.back, forth, back, end, other, c.same)
		}
	}
	own, peer, oneWay := ICMPPorts(weir.ICMPv4, 8, 0)
	if own != 8 || peer != 0 || oneWay {
		t.Errorf("ICMPPorts(echo request) = %d, %d, %v, want 8, 0, false", own, peer, oneWay)
	}
	own, peer, oneWay = ICMPPorts(weir.ICMPv6, 1, 4)
	if own != 1 || peer != 4 || !oneWay {
		t.Errorf("ICMPPorts(port unreachable) = %d, %d, %v, want 1, 4, true", own, peer, oneWay)
	}
}
