package mqtt

import (
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestLongTopics: subscriptions that wait hold no more than their share.
func TestLongTopics(t *testing.T) {
	topic := "\x01\x00" + strings.Repeat("a", 256) + "\x00"
	body := "\x00\x01" + strings.Repeat(topic, 31)
	packet := "\x82" + string([]byte{byte(len(body)&0x7f | 0x80), byte(len(body) >> 7)}) + body
	r := &reader{}
	var d dialog.Dialog
	for range maxPending {
		d.Reset(dialogtest.Base, nil, nil)
		if n := r.Read(&d, dialog.Client, []byte(packet)); n != len(packet) {
			t.Fatalf("took %d of %d", n, len(packet))
		}
	}
	held := 0
	for _, p := range r.pending {
		for _, s := range p.topics {
			held += len(s)
		}
	}
	if held == 0 || held > maxPending*(maxKept+maxText) {
		t.Errorf("%d octets held", held)
	}
}
