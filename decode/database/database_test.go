package database

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

var client, server = dialogtest.Client, dialogtest.Server

type turns = []dialogtest.Turn

// said writes commands as the tests want them.
func said(list []weir.Command) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s %s object=%s user=%s status=%s success=%s client=%s server=%s n=%d",
			c.Protocol, c.Command, c.Object, c.User, c.Status, c.Success, c.Client, c.Server, c.Count))
	}
	return strings.Join(out, "\n")
}

func utf16(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
		b.WriteByte(0)
	}
	return b.String()
}

// login7 makes a LOGIN7 packet with user "sa", application "sqlcmd", database "master".
func login7() string {
	fixed := make([]byte, 94)
	var texts string
	for _, f := range []struct {
		at   int
		text string
	}{{36, "ws1"}, {40, "sa"}, {44, "secret"}, {48, "sqlcmd"}, {52, "db1"}, {56, ""}, {60, "lib"}, {64, ""}, {68, "master"}} {
		at := 94 + len(texts)
		fixed[f.at], fixed[f.at+1], fixed[f.at+2] = byte(at), byte(at>>8), byte(len(f.text))
		texts += utf16(f.text)
	}
	return packetTDS(tdsLogin7, string(fixed)+texts)
}

func packetTDS(kind byte, body string) string {
	n := 8 + len(body)
	return string([]byte{kind, 1, byte(n >> 8), byte(n), 0, 0, 1, 0}) + body
}

func token(kind byte, body string) string {
	return string([]byte{kind, byte(len(body)), byte(len(body) >> 8)}) + body
}

func postgresMessage(kind byte, body string) string {
	return string([]byte{kind, 0, 0, 0, byte(4 + len(body))}) + body
}

func mysqlPacket(seq byte, body string) string {
	return string([]byte{byte(len(body)), byte(len(body) >> 8), 0, seq}) + body
}

const startup = "\x00\x00\x00\x36\x00\x03\x00\x00user\x00anna\x00database\x00shop\x00application_name\x00psql\x00\x00"

var mysqlGreeting = mysqlPacket(0, "\n8.0.36\x00"+strings.Repeat("\x01", 60))

// response is a handshake response with a proof of 20 octets and a database.
var mysqlResponse = mysqlPacket(1, "\x08\x82\x00\x00"+strings.Repeat("\x00", 28)+"root\x00\x14"+strings.Repeat("p", 20)+"shop\x00")

var cases = []struct {
	name string
	open func() dialog.Reader
	turns
	want string
	anew bool
}{
	{"postgresql, no TLS, ok", NewPostgreSQL, turns{
		client("\x00\x00\x00\x08\x04\xd2\x16\x2f"), server("N"), client(startup),
		server(postgresMessage('R', "\x00\x00\x00\x05abcd")), client("p\x00\x00\x00\x0bsecret\x00"),
		server(postgresMessage('R', "\x00\x00\x00\x00") + postgresMessage('S', "server_version\x0014.2\x00") + postgresMessage('Z', "I")),
		client("Q\x00\x00\x00\x0dselect 1\x00"),
	}, "postgresql login object=shop user=anna status=ok success=true client=psql server=PostgreSQL 14.2 n=1", false},
	{"postgresql, refused", NewPostgreSQL, turns{
		client(startup), server(postgresMessage('E', "SFATAL\x00C28P01\x00Mno\x00\x00")),
	}, "postgresql login object=shop user=anna status=28P01 success=false client=psql server= n=1", false},
	{"postgresql, TLS", NewPostgreSQL, turns{client("\x00\x00\x00\x08\x04\xd2\x16\x2f"), server("S"), client("\x16\x03\x01")}, "", true},
	{"postgresql, cut", NewPostgreSQL, turns{client(startup)}, "postgresql login object=shop user=anna status= success= client=psql server= n=1", false},
	{"mysql, ok after another proof", NewMySQL, turns{
		server(mysqlGreeting), client(mysqlResponse), server(mysqlPacket(2, "\xfecaching_sha2_password\x00")), client(mysqlPacket(3, "proof")),
		server(mysqlPacket(4, "\x00\x00\x00\x02\x00\x00\x00")), client(mysqlPacket(0, "\x03select secret")),
	}, "mysql login object=shop user=root status=ok success=true client= server=MySQL 8.0.36 n=1", false},
	{"mysql, refused", NewMySQL, turns{server(mysqlGreeting), client(mysqlResponse), server(mysqlPacket(2, "\xff\x15\x04#28000Access denied"))},
		"mysql login object=shop user=root status=1045 success=false client= server=MySQL 8.0.36 n=1", false},
	{"mysql, TLS", NewMySQL, turns{server(mysqlGreeting), client(mysqlPacket(1, "\x08\x8a\x00\x00"+strings.Repeat("\x00", 28))), client("\x16\x03\x01")}, "", true},
	{"tds, ok", NewTDS, turns{
		client(packetTDS(tdsPrelogin, "\x00\x00\x06\x00\x06\xff\x0b\x00\x00\x00\x00\x00")), server(packetTDS(tdsResponse, "\x00\x00\x06\x00\x06\xff\x0b\x00\x00\x00\x00\x00")),
		client(login7()), server(packetTDS(tdsResponse, token(tokenEnvChange, "\x01")+token(tokenLoginAck, "\x01\x74\x00\x00\x04\x04"+utf16("MSQL")+"\x0e\x00\x00\x00"))),
	}, "tds login object=master user=sa status=ok success=true client=sqlcmd server=MSQL n=1", false},
	{"tds, refused", NewTDS, turns{client(login7()), server(packetTDS(tdsResponse, token(tokenError, "\x18\x48\x00\x00\x01\x0e")))},
		"tds login object=master user=sa status=18456 success=false client=sqlcmd server= n=1", false},
	{"tds, TLS within", NewTDS, turns{client(packetTDS(tdsPrelogin, "\x16\x03\x01\x00\x05hello"))},
		"tds login object= user= status=encrypted success= client= server= n=1", false},
	{"redis", NewRedis, turns{
		client("*3\r\n$4\r\nAUTH\r\n$4\r\nanna\r\n$6\r\nsecret\r\n"), server("-WRONGPASS invalid anna:secret\r\n"),
		client("*4\r\n$6\r\nconfig\r\n$3\r\nset\r\n$3\r\ndir\r\n$16\r\n/var/spool/cron/\r\n"), server("+OK\r\n"),
		client("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n"), server("+OK\r\n+OK\r\n"),
		client("KEYS *\r\n"), server("*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n$4\r\na\r\nb\r\n"), client("save\r\n"), server("+OK\r\n"),
	}, `redis AUTH object= user=anna status=WRONGPASS success=false client= server= n=1
redis CONFIG object=set dir user= status=ok success=true client= server= n=1
redis SET object= user= status=ok success=true client= server= n=2
redis KEYS object= user= status=ok success=true client= server= n=1
redis SAVE object= user= status=ok success=true client= server= n=1`, false},
	{"redis, a value too long to be kept", NewRedis, turns{
		client("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$40000\r\n" + strings.Repeat("v", 40000) + "\r\nPING\r\n"), server("+OK\r\n+PONG\r\n"),
	}, "redis SET object= user= status=ok success=true client= server= n=1\nredis PING object= user= status=ok success=true client= server= n=1", false},
	{"redis, subscribed", NewRedis, turns{
		client("SUBSCRIBE a\r\n"), server("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"), client("PING\r\n"),
	}, "redis SUBSCRIBE object= user= status= success= client= server= n=1\nredis PING object= user= status= success= client= server= n=1", false},
}

func TestRead(t *testing.T) {
	for _, c := range cases {
		for _, size := range []int{1, 7, 1 << 20} {
			got := dialogtest.Stream(c.open(), size, c.turns...)
			if said(got.Commands) != c.want || got.Anew != c.anew {
				t.Errorf("%s, in pieces of %d: got\n%s, anew %v; want\n%s, anew %v", c.name, size, said(got.Commands), got.Anew, c.want, c.anew)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	var seeds [][]dialogtest.Turn
	for _, c := range cases {
		seeds = append(seeds, c.turns)
	}
	dialogtest.Fuzz(f, func() dialog.Reader {
		return dialogtest.All(NewPostgreSQL(), NewMySQL(), NewTDS(), NewRedis())
	}, seeds...)
}

func BenchmarkRead(b *testing.B) {
	for _, c := range cases[:1] {
		b.ReportAllocs()
		for b.Loop() {
			dialogtest.Stream(c.open(), 1460, c.turns...)
		}
	}
}
