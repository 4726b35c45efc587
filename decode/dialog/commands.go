package dialog

import (
	"time"

	"github.com/weir-nta/weir"
)

// Commands collects the commands of one conversation: equal ones are one
// record with a count. Its zero value is ready for use. It holds up to 64 at a
// time for up to a minute of the traffic's clock and then hands them on, so that
// a controller polled for days is told minute by minute. Of their texts it holds
// 8 KB and one command.
type Commands struct {
	list []weir.Command // of those not handed on yet, in their order
	text int            // octets of what they say
}

const (
	maxCommands = 64
	maxText     = 8 << 10
	commandWait = time.Minute
)

// Add takes one command. Its endpoints and, if 0, its count are set here.
func (c *Commands) Add(d *Dialog, one weir.Command) {
	one.Endpoints = d.Endpoints
	one.Count = max(one.Count, 1)
	if len(c.list) > 0 && d.Time.Sub(c.list[0].Time) >= commandWait {
		c.Flush(d)
	}
	for i := range c.list {
		if old := &c.list[i]; alike(old, &one) {
			old.Count += one.Count
			return
		}
	}
	if len(c.list) >= maxCommands || c.text > maxText {
		c.Flush(d)
	}
	c.list = append(c.list, one)
	c.text += len(one.Command) + len(one.Object) + len(one.User) + len(one.Status) + len(one.Client) + len(one.Server)
}

// Flush hands on what there is.
func (c *Commands) Flush(d *Dialog) {
	d.Batch.Commands = append(d.Batch.Commands, c.list...)
	clear(c.list) // what they said is the batch's now
	c.list, c.text = c.list[:0], 0
}

// alike reports whether two commands of a conversation differ in time and count only.
func alike(a, b *weir.Command) bool {
	return a.Protocol == b.Protocol && a.Command == b.Command && a.Object == b.Object && a.User == b.User &&
		a.Status == b.Status && a.Success == b.Success && a.Client == b.Client && a.Server == b.Server && a.Size == b.Size
}
