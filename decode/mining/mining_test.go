package mining

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

var client, server = dialogtest.Client, dialogtest.Server

type turns = []dialogtest.Turn

var cases = []struct {
	name string
	turns
	want string
}{
	{"version 1", turns{
		client(`{"id":1,"method":"mining.subscribe","params":["cpuminer/2.5.1"]}` + "\n"), server(`{"id":1,"result":[[],"08",4],"error":null}` + "\n"),
		client(`{"id":2,"method":"mining.authorize","params":["1Wallet.worker","secret"]}` + "\n"), server(`{"id":2,"result":false,"error":[24,"unauthorized",null]}` + "\n"),
		server(`{"id":null,"method":"mining.notify","params":["` + strings.Repeat("0", 6000) + `"]}` + "\n"),
		client(`{"id":3,"method":"mining.submit","params":["1Wallet.worker","j","0","1","2"]}` + "\n" + `{"id":4,"method":"mining.submit","params":["1Wallet.worker","j","0","1","3"]}` + "\n"),
		server(`{"id":3,"result":true,"error":null}` + "\n" + `{"id":4,"result":true,"error":null}` + "\n"),
	}, "mining.subscribe user= client=cpuminer/2.5.1 ok n=1\nmining.authorize user=1Wallet.worker client= error n=1\nmining.submit user=1Wallet.worker client= ok n=2"},
	{"Monero", turns{
		client(`{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"4Adr","pass":"secret","agent":"XMRig/6.21"}}` + "\n"),
		server(`{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"x","status":"OK"}}` + "\n"),
		client(`{"id":2,"method":"keepalived","params":{"id":"x"}}` + "\nno JSON\n"),
	}, "login user=4Adr client=XMRig/6.21 ok n=1\nkeepalived user= client=  n=1"},
}

func TestRead(t *testing.T) {
	for _, c := range cases {
		for _, size := range []int{1, 11, 1 << 20} {
			var out []string
			for _, c := range dialogtest.Stream(New(), size, c.turns...).Commands {
				out = append(out, fmt.Sprintf("%s user=%s client=%s %s n=%d", c.Command, c.User, c.Client, c.Status, c.Count))
			}
			if got := strings.Join(out, "\n"); got != c.want || strings.Contains(got, "secret") {
				t.Errorf("%s, in pieces of %d: got\n%s\nwant\n%s", c.name, size, got, c.want)
			}
		}
	}
}

func FuzzRead(f *testing.F) { dialogtest.Fuzz(f, New, cases[0].turns, cases[1].turns) }

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		dialogtest.Stream(New(), 1460, cases[0].turns[:4]...)
	}
}
