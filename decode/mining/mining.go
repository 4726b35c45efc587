// Package mining reads how miners of cryptocurrencies log on to their pools by
// Stratum: lines of JSON, as version 1 of the protocol (Slush Pool), the dialect
// of Monero (xmr-stratum) and EthereumStratum have them.
package mining

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds, in octets: of a line that is read, and of what is kept of one. Jobs
// are longer than that and are passed over.
const (
	maxLine = 4 << 10
	maxText = 128
)

// maxWaiting is how many requests wait for their answer; what is more is told
// without.
const maxWaiting = 16

type reader struct {
	commands dialog.Commands
	waiting  map[string]weir.Command
	long     [2]bool // each end is in a line that is too long to be read
}

// New returns a reader of one connection.
func New() dialog.Reader { return &reader{waiting: map[string]weir.Command{}} }

// A message is a request or an answer of JSON-RPC, as miners write it.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func (r *reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	i := bytes.IndexByte(b, '\n')
	long := r.long[from]
	if i < 0 {
		if len(b) <= maxLine && !long {
			return 0
		}
		r.long[from] = true // a job, say
		return len(b)
	}
	r.long[from] = false
	var m message
	if !long && i <= maxLine && json.Unmarshal(b[:i], &m) == nil {
		if from == dialog.Client {
			r.request(d, &m)
		} else {
			r.answer(d, &m)
		}
	}
	return i + 1
}

func (r *reader) request(d *dialog.Dialog, m *message) {
	if m.Method == "" || len(m.Method) > maxText {
		return
	}
	c := weir.Command{Protocol: "stratum", Command: uri.Printable([]byte(m.Method), maxText)}
	user, agent := who(m.Method, m.Params)
	c.User, c.Client = uri.Printable([]byte(user), maxText), uri.Printable([]byte(agent), maxText)
	if len(r.waiting) >= maxWaiting || len(m.ID) == 0 || len(m.ID) > 32 {
		r.commands.Add(d, c)
		return
	}
	r.waiting[string(m.ID)] = c
}

// who returns the wallet or account, and the miner's program. The password of
// a worker is never looked at.
func who(method string, params json.RawMessage) (user, agent string) {
	var login struct {
		Login string `json:"login"`
		Agent string `json:"agent"`
	}
	if method == "login" && json.Unmarshal(params, &login) == nil {
		return login.Login, login.Agent
	}
	var list []json.RawMessage
	if json.Unmarshal(params, &list) != nil || len(list) == 0 {
		return "", ""
	}
	var first string
	if json.Unmarshal(list[0], &first) != nil {
		return "", ""
	}
	switch method {
	case "mining.subscribe":
		return "", first
	case "mining.authorize", "eth_submitLogin", "mining.submit":
		return first, ""
	}
	return "", ""
}

func (r *reader) answer(d *dialog.Dialog, m *message) {
	c, ok := r.waiting[string(m.ID)]
	if !ok || m.Method != "" {
		return
	}
	delete(r.waiting, string(m.ID))
	c.Status, c.Success = "ok", "true"
	if len(m.Error) > 0 && string(m.Error) != "null" || string(m.Result) == "false" {
		c.Status, c.Success = "error", "false"
	}
	r.commands.Add(d, c)
}

// Lost goes on with the next line.
func (r *reader) Lost(*dialog.Dialog, dialog.End, int) bool { return true }

func (r *reader) Close(d *dialog.Dialog) {
	for _, id := range slices.Sorted(maps.Keys(r.waiting)) {
		r.commands.Add(d, r.waiting[id])
	}
	r.waiting = nil
	r.commands.Flush(d)
}
