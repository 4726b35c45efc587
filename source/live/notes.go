package live

import (
	"fmt"

	"github.com/weir-nta/weir/decode/packet"
)

// notes says in sentences what the user should know of a point, and what can
// be done about it.
func notes(name string, s *Seen, d *packet.Counters, snapLen int) (out []string) {
	say := func(n int64, format string, args ...any) {
		if n > 0 {
			out = append(out, name+": "+fmt.Sprintf(format, args...))
		}
	}
	say(s.Dropped, "the kernel dropped %s of %s packets (%s): they came faster than they were metered; a larger buffer (--buffer-size), more workers (--workers), "+
		"or a filter that leaves out what need not be seen (--filter)", thousands(s.Dropped), thousands(s.Dropped+s.Packets), percent(float64(s.Dropped)/float64(s.Dropped+s.Packets)))
	if share, ok := s.OneWayShare(); ok && share > tellOneWay {
		say(1, "of %s of TCP conversations one direction only is seen: have the switch mirror both (rx and tx), name both outlets of a tap as one (eth1+eth2), "+
			"or watch the other path as well where routing is asymmetric", percent(share))
	}
	if share, ok := s.TwiceShare(); ok && share > tellTwice {
		say(1, "%s of packets come twice: the mirror copies them where they come in and where they go out; have it mirror rx alone, or one VLAN or side of the router. "+
			"Bytes and packets are counted twice until then", percent(share))
	}
	say(s.Cut, "cut packets: %s of %s (snaplen %d)", thousands(s.Cut), thousands(s.Packets), snapLen)
	say(int64(d.Short), "packets that end within their headers: %s", thousands(int64(d.Short)))
	say(int64(d.BadHeaders), "packets with malformed headers: %s", thousands(int64(d.BadHeaders)))
	say(int64(d.TooDeep), "packets in more than four tunnels: %s", thousands(int64(d.TooDeep)))
	say(int64(d.OrphanFragments), "fragments of which the first was not seen: %s, counted without ports", thousands(int64(d.OrphanFragments)))
	return out
}

// percent writes a share, a small one with a digit more.
func percent(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}
