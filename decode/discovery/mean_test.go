package discovery

import (
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dns"
)

// crowded is an announcement of many instances, of each of which the SRV record
// has to be looked for among many others.
func crowded() string {
	const ptr, srv = 12, 33
	list := []string{record(name("_ipp", "_tcp", "local"), ptr, "\x01b\xc0\x0c")}
	for range 32 {
		list = append(list, record("\xc0\x0c", ptr, "\x01b\xc0\x0c"))
	}
	for i := range 31 {
		list = append(list, record("\x01"+string([]byte{'b' + byte(30-i)})+"\xc0\x0c", srv, "\x00\x00\x00\x00\x02\x77\xc0\x0c"))
	}
	return response(list...)
}

// TestCrowded: such a message is read record by record, not each with each.
func TestCrowded(t *testing.T) {
	var m dns.Message
	if err := dns.Decode(&m, []byte(crowded())); err != nil {
		t.Fatal(err)
	}
	var d dialog.Dialog
	b := &weir.Batch{}
	d.Reset(speech, b, nil)
	(&Local{}).DNS(&d, dialog.Client, "mdns", &m)
	if n := len(b.Announcements); n != 31 {
		t.Errorf("%d services, want the 31 with an SRV record", n)
	}
	if n := testing.AllocsPerRun(10, func() {
		d.Reset(speech, b, func(*weir.Announcement) {})
		(&Local{}).DNS(&d, dialog.Client, "mdns", &m)
	}); n > 400 { // some for each record, not for each pair of them
		t.Errorf("%v allocations", n)
	}
}
