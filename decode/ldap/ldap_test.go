package ldap

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

const (
	up   = dialog.Client
	down = dialog.Server
)

// e encodes one element, with lengths of four octets as Active Directory does.
func e(tag byte, parts ...string) string {
	body := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint32([]byte{tag, 0x84}, uint32(len(body)))) + body
}

func num(tag byte, n int) string { return e(tag, string([]byte{byte(n)})) }

func str(s string) string { return e(4, s) }

func message(id int, op string) string { return e(0x30, num(2, id), op) }

func simpleBind(id int, dn, password string) string {
	return message(id, e(0x60, num(2, 3), str(dn), e(0x80, password)))
}

func saslBind(id int, mechanism, credentials string) string {
	return message(id, e(0x60, num(2, 3), str(""), e(0xa3, str(mechanism), str(credentials))))
}

func searchFor(id int, base string, scope int, filter string, wanted ...string) string {
	var list string
	for _, w := range wanted {
		list += str(w)
	}
	return message(id, e(0x63, str(base), num(10, scope), num(10, 0), num(2, 0), num(2, 0), e(1, "\x00"), filter, e(0x30, list)))
}

func answer(id int, op byte, code int, text string, more ...string) string {
	return message(id, e(op, num(10, code), str(""), str(text), strings.Join(more, "")))
}

func entry(id, n int) string {
	return message(id, e(0x64, str("CN=x,DC=corp"), e(0x30, e(0x30, str("a"), e(0x31, str(strings.Repeat("secret", n)))))))
}

func equal(attribute, v string) string { return e(0xa3, str(attribute), str(v)) }

// hunt is what a client does that looks for accounts to roast.
var hunt = []dialogtest.Turn{
	{From: up, Data: simpleBind(1, "CN=j.doe,DC=corp", "hunter2")}, {From: down, Data: answer(1, 0x61, 0, "")},
	{From: up, Data: searchFor(2, "DC=corp,DC=example", 2, e(0xa0, equal("objectClass", "user"), e(0x87, "servicePrincipalName"),
		e(0xa2, e(0xa9, e(0x81, "1.2.840.113556.1.4.803"), e(0x82, "userAccountControl"), e(0x83, "2")))), "sAMAccountName", "adminCount")},
	{From: down, Data: entry(2, 10) + entry(2, 5000) + answer(2, 0x65, 0, "")},
	{From: up, Data: message(3, e(0x66, str("CN=x,DC=corp"), e(0x30, e(0x30, num(10, 2), e(0x30, str("unicodePwd"), e(0x31, str("secret")))))))},
	{From: down, Data: answer(3, 0x67, 50, "no")},
	{From: up, Data: message(4, "\x42\x00")},
}

var huntLines = []string{
	"bind simple (CN=j.doe,DC=corp): true success 0 ×1",
	"search DC=corp,DC=example sub (&(objectClass=user)(servicePrincipalName=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2))) [sAMAccountName,adminCount] (CN=j.doe,DC=corp): true success 136 ×1",
	"modify CN=x,DC=corp replace(unicodePwd) (CN=j.doe,DC=corp): false insufficientAccessRights 0 ×1",
	"unbind  (CN=j.doe,DC=corp):   0 ×1",
}

func lines(told *dialogtest.Told) (out []string) {
	for _, c := range told.Commands {
		out = append(out, fmt.Sprintf("%s %s (%s): %s %s %d ×%d", c.Command, c.Object, c.User, c.Success, c.Status, c.Size, c.Count))
	}
	return out
}

func expect(t *testing.T, got, want []string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestHunt(t *testing.T) {
	for _, size := range []int{1, 13, 1460, 1 << 20} {
		expect(t, lines(dialogtest.Stream(New(), size, hunt...)), huntLines)
	}
}

func TestNothingSecret(t *testing.T) {
	for _, c := range dialogtest.Stream(New(), 1460, hunt...).Commands {
		if s := fmt.Sprint(c); strings.Contains(s, "secret") || strings.Contains(s, "hunter2") {
			t.Errorf("kept: %s", s)
		}
	}
}

func TestBinds(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  []string
	}{
		{"anonymous", []dialogtest.Turn{{From: up, Data: simpleBind(1, "", "")}, {From: down, Data: answer(1, 0x61, 0, "")}}, []string{"bind anonymous (): true success 0 ×1"}},
		{"without password", []dialogtest.Turn{{From: up, Data: simpleBind(1, "cn=a", "")}, {From: down, Data: answer(1, 0x61, 53, "")}}, []string{"bind unauthenticated (cn=a): false unwillingToPerform 0 ×1"}},
		{"wrong password", []dialogtest.Turn{{From: up, Data: simpleBind(1, "cn=a", "x")}, {From: down, Data: answer(1, 0x61, 49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1")}},
			[]string{"bind simple (cn=a): false invalidCredentials 52e 0 ×1"}},
		{"PLAIN", []dialogtest.Turn{{From: up, Data: saslBind(1, "PLAIN", "\x00a\x00secret")}, {From: down, Data: answer(1, 0x61, 0, "")}}, []string{"bind sasl PLAIN (a): true success 0 ×1"}},
		{"SCRAM", []dialogtest.Turn{{From: up, Data: saslBind(1, "SCRAM-SHA-256", "n,,n=a,r=nonce")}, {From: down, Data: answer(1, 0x61, 14, "")}}, []string{"bind sasl SCRAM-SHA-256 (a):  saslBindInProgress 0 ×1"}},
		{"DIGEST-MD5", []dialogtest.Turn{{From: up, Data: saslBind(1, "DIGEST-MD5", `username="a",realm="b"`)}}, []string{"bind sasl DIGEST-MD5 (a):   0 ×1"}},
		{"twice the same", []dialogtest.Turn{{From: up, Data: simpleBind(1, "cn=a", "x")}, {From: down, Data: answer(1, 0x61, 49, "")}, {From: up, Data: simpleBind(2, "cn=a", "y")}, {From: down, Data: answer(2, 0x61, 49, "")}},
			[]string{"bind simple (cn=a): false invalidCredentials 0 ×2"}},
		{"the server ends it", []dialogtest.Turn{{From: down, Data: answer(0, 0x78, 52, "", e(0x8a, "1.3.6.1.4.1.1466.20036"))}}, []string{"disconnection  (): false unavailable 0 ×1"}},
		{"an answer alone", []dialogtest.Turn{{From: down, Data: answer(9, 0x69, 68, "")}}, []string{"add  (): false entryAlreadyExists 0 ×1"}},
		{"other requests", []dialogtest.Turn{{From: up, Data: message(1, e(0x6c, str("cn=a,dc=b"), str("cn=c"), e(1, "\xff"), e(0x80, "dc=d"))) + message(2, e(0x6e, str("cn=a"), e(0x30, str("sn"), str("secret")))) + message(3, e(0x4a, "cn=a")) + message(4, e(0x50, "\x02"))},
			{From: down, Data: answer(1, 0x6d, 0, "") + answer(2, 0x6f, 6, "") + answer(3, 0x6b, 32, "")}},
			[]string{"abandon  ():   0 ×1", "modify_dn cn=a,dc=b to cn=c,dc=d (): true success 0 ×1", "compare cn=a (sn) (): true compareTrue 0 ×1", "delete cn=a (): false noSuchObject 0 ×1"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, lines(dialogtest.Stream(New(), 1460, c.turns...)), c.want) })
	}
}

func TestStartTLS(t *testing.T) {
	turns := []dialogtest.Turn{
		{From: up, Data: message(1, e(0x77, e(0x80, "1.3.6.1.4.1.1466.20037")))}, {From: down, Data: answer(1, 0x78, 0, "")},
		{From: up, Data: "\x16\x03\x01"}, {From: down, Data: "\x16\x03\x03"},
	}
	for _, size := range []int{1, 1 << 20} {
		told := dialogtest.Stream(New(), size, turns...)
		expect(t, lines(told), []string{"extended 1.3.6.1.4.1.1466.20037 (StartTLS) (): true success 0 ×1"})
		if !told.Anew || told.Rest != [2]string{"\x16\x03\x01", "\x16\x03\x03"} {
			t.Errorf("anew %v with %q, want TLS", told.Anew, told.Rest)
		}
	}
	turns[1].Data = answer(1, 0x78, 52, "")
	if told := dialogtest.Stream(New(), 1<<20, turns[:2]...); told.Anew {
		t.Error("refused, and yet anew")
	}
}

// sasl puts a layer around messages.
func sasl(before, data, behind string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(before)+len(data)+len(behind)))) + before + data + behind
}

// TestLayers: what is signed is read, what is sealed is passed over, and
// messages may reach over the end of a layer.
func TestLayers(t *testing.T) {
	ask := searchFor(2, "", 0, e(0x87, "objectClass"))
	found := entry(2, 10) + entry(2, 4000) + answer(2, 0x65, 0, "")
	const (
		cfx  = "\x05\x04\x04\xff\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
		rot  = "\x05\x04\x04\xff\x00\x04\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01sums"
		seal = "\x05\x04\x06\xff\x00\x04\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01sums"
		rc4  = "\x60\x81\xff\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x02\x01\x11\x00\xff\xff\xff\xffsequencechecksumconfound"
		ntlm = "\x01\x00\x00\x00checksumsequ"
	)
	want := `search <root> base (objectClass=*) (): true success 17 ×1`
	for _, c := range []struct{ name, up, down, want string }{
		{"AES", sasl(cfx, ask, "sums"), sasl(rot, found, ""), want},
		{"RC4", sasl(rc4, ask, ""), sasl(rc4, found, ""), want},
		{"NTLM", sasl(ntlm, ask, ""), sasl(ntlm, found, ""), want},
		{"DIGEST-MD5", sasl("", ask, "sixteen octets…"), sasl("", found, "sixteen octets…"), want},
		{"over two layers", sasl(cfx, ask, "sums"), sasl(rot, found[:100], "") + sasl(rot, found[100:5000], "") + sasl(rot, found[5000:], ""), want},
		{"sealed", sasl(seal, ask, ""), sasl(seal, found, ""), ""},
		{"sealed by NTLM", sasl(ntlm, strings.Repeat("x", 90), ""), sasl(ntlm, strings.Repeat("y", 90), ""), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1, 100, 1460, 1 << 20} {
				told := dialogtest.Stream(New(), size, dialogtest.Turn{From: up, Data: saslBind(1, "GSS-SPNEGO", "")}, dialogtest.Turn{From: down, Data: answer(1, 0x61, 0, "")},
					dialogtest.Turn{From: up, Data: c.up}, dialogtest.Turn{From: down, Data: c.down}, dialogtest.Turn{From: up, Data: message(3, "\x42\x00")})
				got := lines(told)
				list := []string{"bind sasl GSS-SPNEGO (): true success 0 ×1"}
				if c.want != "" {
					list = append(list, c.want)
				}
				expect(t, got, append(list, "unbind  ():   0 ×1"))
			}
		})
	}
}

func TestFilters(t *testing.T) {
	for _, c := range []struct{ filter, want string }{
		{equal("sAMAccountName", "j.doe"), "(sAMAccountName=?)"},
		{equal("objectCategory", "CN=Person,CN=Schema,DC=corp"), "(objectCategory=CN=Person)"},
		{e(0xa5, str("whenChanged"), str("2026")), "(whenChanged>=?)"},
		{e(0xa4, str("cn"), e(0x30, e(0x80, "a"), e(0x81, "b"), e(0x82, "c"))), "(cn=?*?*?)"},
		{e(0xa4, str("cn"), e(0x30, e(0x81, "b"))), "(cn=*?*)"},
		{e(0xa4, str("cn"), e(0x30, e(0x82, "b"))), "(cn=*?)"},
		{e(0xa9, e(0x81, "1.2.840.113556.1.4.1941"), e(0x82, "memberOf"), e(0x83, "CN=Domain Admins"), e(0x84, "\xff")), "(memberOf:dn:1.2.840.113556.1.4.1941:=?)"},
		{e(0xa1), "(|)"},
		{strings.Repeat("\xa0\x80", 40), ""},
	} {
		object, size := search([]byte(e(4) + num(10, 2) + num(10, 0) + num(2, 0) + num(2, 0) + e(1, "\x00") + c.filter + e(0x30)))
		if got := strings.TrimSpace(strings.TrimPrefix(object, "<root> sub")); got != c.want || c.want != "" && size != uint64(len(c.filter)) {
			t.Errorf("%x: %q of %d octets, want %q of %d", c.filter, got, size, c.want, len(c.filter))
		}
	}
	deep, wide := equal("a", "b"), ""
	for range 100 {
		deep, wide = e(0xa2, deep), wide+equal("servicePrincipalName", "b")
	}
	for _, f := range []string{deep, e(0xa1, wide)} {
		object, _ := search([]byte(e(4) + num(10, 2) + num(10, 0) + num(2, 0) + num(2, 0) + e(1, "\x00") + f + e(0x30)))
		if len(object) > maxFilter+20 || !strings.Contains(object, "…") {
			t.Errorf("%d octets of object: %s", len(object), object)
		}
	}
}

// TestGap: behind a gap the next message is found, however it comes.
func TestGap(t *testing.T) {
	rest := "the end of something 0\x30\x84 " + hunt[2].Data
	for _, size := range []int{1, 5, 100, len(rest)} {
		r, b := New(), &weir.Batch{}
		var d dialog.Dialog
		d.Reset(dialogtest.Base, b, nil)
		r.Read(&d, up, []byte(hunt[0].Data))
		if !r.Lost(&d, up, 1000) {
			t.Fatal("gave up at a gap")
		}
		shown, taken := 0, 0
		for shown < len(rest) {
			shown = min(shown+size, len(rest))
			n := r.Read(&d, up, []byte(rest[taken:shown]))
			if n < 0 {
				t.Fatalf("in pieces of %d: gave up at %q", size, rest[taken:shown])
			}
			taken += n
		}
		r.Close(&d)
		if len(b.Commands) != 2 || b.Commands[1].Command != "search" {
			t.Errorf("in pieces of %d: %v, want a bind and a search", size, b.Commands)
		}
	}
}

// TestMany: of requests that nobody answers none is lost.
func TestMany(t *testing.T) {
	var all string
	for i := range 100 {
		all += message(i, e(0x4a, fmt.Sprint("cn=", i)))
	}
	told := dialogtest.Stream(New(), 1460, dialogtest.Turn{From: up, Data: all})
	if len(told.Commands) != 100 || told.Commands[99].Object != "cn=99" {
		t.Errorf("%d commands, want 100", len(told.Commands))
	}
}

func TestDatagrams(t *testing.T) {
	old := dialogtest.Base
	defer func() { dialogtest.Base = old }()
	dialogtest.Base.Proto = weir.UDP
	ask := searchFor(2, "", 0, e(0x87, "objectClass"), "NetLogon")
	expect(t, lines(dialogtest.Datagrams(New(), dialogtest.Turn{From: up, Data: ask}, dialogtest.Turn{From: up, Data: ask}, dialogtest.Turn{From: down, Data: entry(2, 10) + answer(2, 0x65, 0, "")})),
		[]string{`search <root> base (objectClass=*) [NetLogon] (): true success 17 ×1`})
}

// TestController: the answer of a domain controller to who looks for one.
func TestController(t *testing.T) {
	old := dialogtest.Base
	defer func() { dialogtest.Base = old }()
	dialogtest.Base.Proto = weir.UDP
	answerOf := func(names string) []weir.Announcement {
		value := "\x17\x00\x00\x00\xfd\x11\x00\x00" + strings.Repeat("g", 16) + names
		return dialogtest.Datagrams(New(), dialogtest.Turn{From: down, Data: message(1, e(0x64, str(""), e(0x30, e(0x30, str("NetLogon"), e(0x31, str(value))))))}).Announcements
	}
	var got []string
	for _, a := range answerOf("\x04corp\x07example\x00\xc0\x18\x03dc1\xc0\x18\x04CORP\x00\x03DC1\x00\x00") {
		got = append(got, fmt.Sprintf("%v %s %s %s", a.Src, a.Kind, a.Name, a.Text))
	}
	src := dialogtest.Base.Dst.String()
	expect(t, got, []string{src + " name DC1 dc1.corp.example", src + " domain DC1 corp.example", src + " role DC1 domain controller"})
	for _, names := range []string{"", "\xc0\x18", "\x04cor", "\x3f", "\x80", "\xc0"} {
		if got := answerOf(names); len(got) > 0 {
			t.Errorf("%q: %v", names, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, func() dialog.Reader { return New() }, hunt, []dialogtest.Turn{
		{From: up, Data: saslBind(1, "GSS-SPNEGO", "\x60\x03abc")}, {From: down, Data: answer(1, 0x61, 0, "")},
		{From: up, Data: sasl("\x05\x04\x04\xff\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", hunt[2].Data, "sums")},
	})
}

func BenchmarkRead(b *testing.B) {
	r, batch := New(), &weir.Batch{}
	var d dialog.Dialog
	data := make([][]byte, len(hunt))
	for i := range hunt {
		data[i] = []byte(hunt[i].Data)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i, t := range hunt {
			d.Reset(dialogtest.Base, batch, nil)
			r.Read(&d, t.From, data[i])
		}
		batch.Commands = batch.Commands[:0]
	}
}
