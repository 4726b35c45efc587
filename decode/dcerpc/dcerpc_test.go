package dcerpc

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/decode/ntlm/ntlmtest"
)

// An encoder writes messages in one of the two orders of octets.
type encoder struct{ binary.AppendByteOrder }

var (
	little = encoder{binary.LittleEndian}
	big    = encoder{binary.BigEndian}
)

func (e encoder) u16(n int) string    { return string(e.AppendUint16(nil, uint16(n))) }
func (e encoder) u32(n uint32) string { return string(e.AppendUint32(nil, n)) }

// uuid writes a UUID in its order.
func (e encoder) uuid(s string) string {
	u := parseUUID(s)
	return e.u32(binary.BigEndian.Uint32(u[:])) + e.u16(int(binary.BigEndian.Uint16(u[4:]))) + e.u16(int(binary.BigEndian.Uint16(u[6:]))) + string(u[8:])
}

// message makes one, with a token in its trailer if there is one.
func (e encoder) message(kind byte, flags byte, id uint32, body, token string) string {
	if token != "" {
		body += "\x0a\x02\x00\x00" + e.u32(0) + token
	}
	order := byte(0)
	if e == little {
		order = 0x10
	}
	return string([]byte{5, 0, kind, flags, order, 0, 0, 0}) + e.u16(16+len(body)) + e.u16(len(token)) + e.u32(id) + body
}

const (
	ndr      = "8a885d04-1ceb-11c9-9fe8-08002b104860"
	ndr64    = "71710533-beba-4937-8319-b5dbef9ccc36"
	svcctlID = "367abb81-9844-35f1-ad32-98f038001003"
)

func (e encoder) bind(id uint32, token string, interfaces ...string) string {
	body := e.u16(5840) + e.u16(5840) + e.u32(0) + string(rune(len(interfaces))) + "\x00\x00\x00"
	for i, one := range interfaces {
		body += e.u16(i) + "\x02\x00" + e.uuid(one) + e.u32(2) + e.uuid(ndr) + e.u32(2) + e.uuid(ndr64) + e.u32(1)
	}
	return e.message(ptBind, 3, id, body, token)
}

func (e encoder) accept(id uint32, address, token string) string {
	body := e.u16(5840) + e.u16(5840) + e.u32(0x1234) + e.u16(len(address)+1) + address + "\x00"
	body += strings.Repeat("\x00", -len(body)&3) + "\x01\x00\x00\x00" + e.u16(0) + e.u16(0) + e.uuid(ndr) + e.u32(2)
	return e.message(ptBindAck, 3, id, body, token)
}

func (e encoder) call(id uint32, context, op int, stub string) string {
	return e.message(ptRequest, 3, id, e.u32(uint32(len(stub)))+e.u16(context)+e.u16(op)+stub, "")
}

func (e encoder) answer(id uint32, stub string) string {
	return e.message(ptResponse, 3, id, e.u32(uint32(len(stub)))+e.u16(0)+"\x00\x00"+stub, "")
}

func (e encoder) fault(id, status uint32) string {
	return e.message(ptFault, 3, id, e.u32(32)+e.u16(0)+"\x00\x00"+e.u32(status)+e.u32(0), "")
}

const (
	client = dialog.Client
	server = dialog.Server
)

func up(s string) dialogtest.Turn   { return dialogtest.Turn{From: client, Data: s} }
func down(s string) dialogtest.Turn { return dialogtest.Turn{From: server, Data: s} }

// told writes what was read, one record a line.
func told(b *weir.Batch) string {
	var s strings.Builder
	for _, r := range b.RPC {
		answered := "unanswered"
		if r.RTT > 0 {
			answered = "answered"
		}
		fmt.Fprintf(&s, "%s %s %s %s %s %s\n", r.Endpoint, r.Operation, r.Pipe, r.User, r.Status, answered)
	}
	for _, n := range b.NTLM {
		fmt.Fprintf(&s, "ntlm %s %s %s %s %s %s\n", n.User, n.Domain, n.Host, n.ServerName, n.Success, n.Status)
	}
	for _, a := range b.Announcements {
		if a.Protocol == "dce_rpc" {
			fmt.Fprintf(&s, "%v %s %s %d\n", a.Src, a.Kind, a.Text, a.Port)
		}
	}
	return s.String()
}

// service creates a service after a logon.
func service(e encoder) []dialogtest.Turn {
	stub := strings.Repeat("x", 300)
	return []dialogtest.Turn{
		up(e.bind(1, ntlmtest.Negotiate(), svcctlID, "deadbeef-0000-0000-0000-000000000001")),
		down(e.accept(1, "49688", ntlmtest.Challenge("FS01", "CORP", "corp.example"))),
		up(e.message(ptAuth3, 3, 1, e.u32(0), ntlmtest.Authenticate("j.doe", "CORP", "WS"))),
		up(e.call(2, 0, 15, stub)), down(e.answer(2, stub)),
		up(e.message(ptRequest, 1, 3, e.u32(600)+e.u16(0)+e.u16(12)+stub, "")), up(e.message(ptRequest, 2, 3, e.u32(300)+e.u16(0)+e.u16(12)+stub, "")),
		down(e.message(ptResponse, 1, 3, e.u32(600)+e.u16(0)+"\x00\x00"+stub, "") + e.message(ptResponse, 2, 3, e.u32(300)+e.u16(0)+"\x00\x00"+stub, "")),
		up(e.call(4, 1, 7, "")), down(e.fault(4, 5)),
		up(e.call(5, 0, 999, "") + e.call(6, 9, 1, "")), down(e.fault(5, 0x1c010002)),
	}
}

const serviceTold = `svcctl OpenSCManagerW 49688 CORP\j.doe  answered
svcctl CreateServiceW 49688 CORP\j.doe  answered
deadbeef-0000-0000-0000-000000000001 7 49688 CORP\j.doe access_denied answered
svcctl 999 49688 CORP\j.doe nca_op_rng_error answered
 1 49688 CORP\j.doe  unanswered
ntlm j.doe CORP WS FS01 true 
`

// towersOf answers ept_map with one tower.
func towersOf(e encoder, id string, port int) string {
	level := func(left, right string) string { return e.u16(len(left)) + left + e.u16(len(right)) + right }
	tower := e.u16(5) + level("\x0d"+e.uuid(id)+e.u16(2), e.u16(0)) + level("\x0d"+e.uuid(ndr)+e.u16(2), e.u16(0)) +
		level("\x0b", e.u16(0)) + level("\x07", big.u16(port)) + level("\x09", "\x0a\x14\x00\x0f")
	return strings.Repeat("\x00", 20) + e.u32(1) + e.u32(4) + e.u32(0) + e.u32(1) + e.u32(3) + e.u32(uint32(len(tower))) + e.u32(uint32(len(tower))) + tower + "\x00" + e.u32(0)
}

func mapping() []dialogtest.Turn {
	e := little
	return []dialogtest.Turn{
		up(e.bind(1, "", "e1af8308-5d1f-11c9-91a4-08002b14a0fa")), down(e.accept(1, "135", "")),
		up(e.call(2, 0, 3, "question")), down(e.answer(2, towersOf(e, svcctlID, 49688))),
	}
}

func TestStream(t *testing.T) {
	e := little
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  string
	}{
		{"service", service(little), serviceTold},
		{"big-endian", service(big), serviceTold},
		{"endpoint mapper", mapping(), "epmapper ept_map 135   answered\n10.20.0.15 service svcctl 49688\n"},
		{"behind HTTP's port", append([]dialogtest.Turn{down("ncacn_http/1.0")}, mapping()...), "epmapper ept_map 135   answered\n10.20.0.15 service svcctl 49688\n"},
		{"refused", []dialogtest.Turn{up(e.bind(1, "", svcctlID)), down(e.message(ptBindNak, 3, 1, e.u16(8), ""))}, "svcctl bind 4000  authentication_type_not_recognized unanswered\n"},
		{"wrong password", []dialogtest.Turn{
			up(e.bind(1, ntlmtest.Negotiate(), svcctlID)), down(e.accept(1, "", ntlmtest.Challenge("FS01", "CORP", "corp.example"))),
			up(e.message(ptAuth3, 3, 1, e.u32(0), ntlmtest.Authenticate("j.doe", "CORP", "WS")) + e.call(2, 0, 12, "")), down(e.fault(2, 5)),
		}, "svcctl CreateServiceW 4000 CORP\\j.doe access_denied answered\nntlm j.doe CORP WS FS01 false access_denied\n"},
		{"from the middle", []dialogtest.Turn{up(e.call(7, 0, 3, "")), down(e.answer(7, ""))}, " 3 4000   answered\n"},
		{"damaged", []dialogtest.Turn{up(e.bind(1, "", svcctlID) + "garbage\x05\x00\x05" + e.call(2, 0, 2, "")), down(e.answer(2, ""))}, "svcctl DeleteService 4000   answered\n"},
	} {
		for _, size := range []int{1, 7, 100, 1 << 20} {
			got := dialogtest.Stream(New(), size, c.turns...)
			if s := told(&got.Batch); s != c.want {
				t.Errorf("%s in pieces of %d: got\n%swant\n%s", c.name, size, s, c.want)
			}
		}
	}
}

// der makes an element.
func der(tag byte, contents ...string) string {
	s := strings.Join(contents, "")
	return string([]byte{tag, byte(len(s))}) + s
}

// apReq is what a client shows to a service (RFC 4120, 5.5.1).
var apReq = der(0x6e, der(0x30, der(0xa0, der(2, "\x05")), der(0xa1, der(2, "\x0e")), der(0xa3, der(0x61, der(0x30,
	der(0xa0, der(2, "\x05")), der(0xa1, der(0x1b, "CORP")), der(0xa2, der(0x30, der(0xa0, der(2, "\x02")), der(0xa1, der(0x30, der(0x1b, "host"), der(0x1b, "dc01"))))),
	der(0xa3, der(0x30, der(0xa0, der(2, "\x12")), der(0xa2, der(4, "sealed")))))))))

// TestKerberos: a ticket shown in a bind is told with the answer to it.
func TestKerberos(t *testing.T) {
	e := little
	gss := der(0x60, der(6, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), "\x01\x00", apReq)
	bind := func(kind byte, token string) string { // with a token of another kind than NTLM
		s := []byte(e.bind(1, token, svcctlID))
		s[len(s)-len(token)-8] = kind
		return string(s)
	}
	accept := []byte(e.accept(1, "135", "\x6f\x02\x30\x00"))
	accept[len(accept)-4-8] = authKerberos
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  string
	}{
		{"bare", []dialogtest.Turn{up(bind(authKerberos, apReq)), down(string(accept))}, "AP host/dc01 aes256 true "},
		{"by GSS-API", []dialogtest.Turn{up(bind(authSPNEGO, gss)), down(e.message(ptBindNak, 3, 1, e.u16(8), ""))}, "AP host/dc01 aes256 false authentication_type_not_recognized"},
		{"no answer", []dialogtest.Turn{up(bind(authSPNEGO, gss))}, "AP host/dc01 aes256  "},
	} {
		got := dialogtest.Stream(New(), 1<<20, c.turns...)
		if len(got.Kerberos) != 1 {
			t.Errorf("%s: %d messages of Kerberos, want 1", c.name, len(got.Kerberos))
			continue
		}
		k := got.Kerberos[0]
		if s := fmt.Sprint(k.Type, " ", k.Service, " ", k.Cipher, " ", k.Success, " ", k.Error); s != c.want {
			t.Errorf("%s: got %q, want %q", c.name, s, c.want)
		}
	}
}

// TestBounds: calls that are never answered and contexts without end are told
// and forgotten.
func TestBounds(t *testing.T) {
	r := New()
	var turns []dialogtest.Turn
	for i := range 300 {
		turns = append(turns, up(little.bind(1, "", svcctlID, ndr, ndr64)+little.call(uint32(i), i%3, i, "")))
	}
	got := dialogtest.Stream(r, 1<<20, turns...)
	if len(got.RPC) != 300 {
		t.Errorf("%d calls told, want 300", len(got.RPC))
	}
	if cap(r.calls) > 2*maxCalls || len(r.contexts) > maxContexts {
		t.Errorf("keeps %d calls and %d contexts", cap(r.calls), len(r.contexts))
	}
}

func TestLost(t *testing.T) {
	r := New()
	b := &weir.Batch{}
	d := &dialog.Dialog{}
	d.Reset(dialogtest.Base, b, nil)
	show := func(from dialog.End, s string) {
		if n := r.Read(d, from, []byte(s)); n != len(s) {
			t.Errorf("took %d of %d", n, len(s))
		}
	}
	show(client, little.bind(1, "", svcctlID))
	if !r.Lost(d, client, 1000) {
		t.Fatal("gave up")
	}
	show(client, "the rest of a call"+little.call(9, 0, 2, "x"))
	show(server, little.answer(9, ""))
	if got, want := told(b), "svcctl DeleteService 4000   unanswered\n"; got != want { // no time has passed
		t.Errorf("got %q, want %q", got, want)
	}
}

// datagram makes a message of the connectionless protocol (C706, 12.5.2).
func (e encoder) datagram(kind byte, interfaceID string, op int, seq uint32, body string) string {
	order := "\x00\x00\x00"
	if e == little {
		order = "\x10\x00\x00"
	}
	return "\x04" + string([]byte{kind, 0x20, 0}) + order + "\x00" + e.uuid(ndr) + e.uuid(interfaceID) + e.uuid(ndr64) + e.u32(0) + e.u32(1) + e.u32(seq) +
		e.u16(op) + e.u16(0xffff) + e.u16(0xffff) + e.u16(len(body)) + e.u16(0) + "\x00\x00" + body
}

func TestDatagrams(t *testing.T) {
	const device = "dea00001-6c97-11d1-8271-00a02442df7d"
	for _, e := range []encoder{little, big} {
		ask := e.datagram(dgRequest, device, 2, 7, "body")
		if name := app.Recognise(weir.UDP, []byte(ask), nil); name != "dce_rpc" {
			t.Errorf("Recognise = %q, want dce_rpc", name)
		}
		r := New()
		b := &weir.Batch{}
		base := dialogtest.Base
		base.Proto, base.DstPort = weir.UDP, 34964
		d := &dialog.Dialog{}
		for _, turn := range []dialogtest.Turn{
			up(ask), up(ask), down(e.datagram(dgResponse, device, 2, 7, "")), up(e.datagram(dgRequest, device, 4, 8, "")),
			down(e.datagram(dgReject, device, 4, 8, e.u32(0x1c010003))), up(e.datagram(dgRequest, device, 0, 9, "")), down("\x04\x02"),
		} {
			base.Time = base.Time.Add(1e6)
			d.Reset(base, b, nil)
			r.Read(d, turn.From, []byte(turn.Data))
		}
		r.Close(d)
		want := "pnio_device Read 34964   answered\npnio_device Control 34964  nca_unk_if answered\npnio_device Connect 34964   unanswered\n"
		if got := told(b); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

// TestPipe: the same is told however writes and reads cut the messages.
func TestPipe(t *testing.T) {
	want := serviceTold
	for _, size := range []int{1, 9, 64, 1024, 1 << 20} {
		p := NewPipe("svcctl", `CORP\other`)
		b := &weir.Batch{}
		d := &dialog.Dialog{}
		base := dialogtest.Base
		for _, turn := range service(little) {
			for data := []byte(turn.Data); len(data) > 0; {
				n := min(size, len(data))
				base.Time = base.Time.Add(1e6)
				d.Reset(base, b, nil)
				p.Data(d, turn.From, data[:n], 0)
				data = data[n:]
			}
		}
		p.Close(d)
		if got := told(b); got != want {
			t.Errorf("in pieces of %d: got\n%swant\n%s", size, got, want)
		}
		if !p.Spoken() {
			t.Error("nothing spoken")
		}
	}
}

// TestPipeMissing: behind octets that were not seen the next message is found.
func TestPipeMissing(t *testing.T) {
	p := NewPipe("svcctl", `CORP\j.doe`)
	b := &weir.Batch{}
	d := &dialog.Dialog{}
	d.Reset(dialogtest.Base, b, nil)
	long := little.call(1, 0, 12, strings.Repeat("x", 2000))
	p.Data(d, client, []byte(long[:100]), 1000) // passed over anyway
	p.Data(d, client, []byte(long[1100:]), 0)
	p.Data(d, client, []byte(little.bind(2, "", svcctlID))[:30], 60) // wanted
	p.Data(d, client, []byte(little.call(3, 0, 2, "")), 0)
	p.Data(d, client, []byte("no message at all, but long enough"), 0)
	p.Data(d, client, []byte(little.call(4, 0, 0, "")), 0)
	p.Close(d)
	want := "svcctl CreateServiceW \\pipe\\svcctl CORP\\j.doe  unanswered\nsvcctl DeleteService \\pipe\\svcctl CORP\\j.doe  unanswered\n" +
		"svcctl CloseServiceHandle \\pipe\\svcctl CORP\\j.doe  unanswered\n"
	if got := told(b); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestInterfaces: the table is whole, and some operations of which a wrong
// number would send a hunt astray are where the specifications have them.
func TestInterfaces(t *testing.T) {
	if n := len(interfaces()); n < 90 {
		t.Errorf("%d interfaces", n)
	}
	seen := map[string]bool{}
	for id, i := range interfaces() {
		if i.name == "" || strings.ContainsAny(i.name, "-=") {
			t.Errorf("%v: name %q", id, i.name)
		}
		seen[i.name] = true
		if len(i.operations) > 140 {
			t.Errorf("%s has %d operations", i.name, len(i.operations))
		}
	}
	for _, c := range []struct {
		id   string
		n    uint16
		want string
	}{
		{svcctlID, 12, "CreateServiceW"}, {svcctlID, 19, "StartServiceW"}, {svcctlID, 45, "CreateServiceWOW64W"}, {svcctlID, 60, "CreateWowService"},
		{"e3514235-4b06-11d1-ab04-00c04fc2dcd2", 3, "DRSGetNCChanges"}, {"e3514235-4b06-11d1-ab04-00c04fc2dcd2", 12, "DRSCrackNames"},
		{"e3514235-4b06-11d1-ab04-00c04fc2dcd2", 28, "DRSAddCloneDC"},
		{"12345778-1234-abcd-ef00-0123456789ac", 64, "SamrConnect5"}, {"12345778-1234-abcd-ef00-0123456789ac", 13, "SamrEnumerateUsersInDomain"},
		{"12345778-1234-abcd-ef00-0123456789ac", 73, "SamrUnicodeChangePasswordUser4"},
		{"12345778-1234-abcd-ef00-0123456789ab", 77, "LsarLookupNames4"}, {"12345778-1234-abcd-ef00-0123456789ab", 43, "LsarRetrievePrivateData"},
		{"12345678-1234-abcd-ef00-01234567cffb", 26, "NetrServerAuthenticate3"}, {"12345678-1234-abcd-ef00-01234567cffb", 30, "NetrServerPasswordSet2"},
		{"12345678-1234-abcd-ef00-01234567cffb", 49, "NetrChainSetClientAttributes"},
		{"338cd001-2244-31f1-aaaa-900038001003", 22, "BaseRegSetValue"}, {"338cd001-2244-31f1-aaaa-900038001003", 35, "BaseRegDeleteKeyEx"},
		{"4b324fc8-1670-01d3-1278-5a47bf6ee188", 15, "NetrShareEnum"}, {"4b324fc8-1670-01d3-1278-5a47bf6ee188", 57, "NetrShareDelEx"},
		{"6bffd098-a112-3610-9833-46c3f87e345a", 2, "NetrWkstaUserEnum"}, {"6bffd098-a112-3610-9833-46c3f87e345a", 30, "NetrEnumerateComputerNames"},
		{"12345678-1234-abcd-ef00-0123456789ab", 65, "RpcRemoteFindFirstPrinterChangeNotificationEx"}, {"12345678-1234-abcd-ef00-0123456789ab", 89, "RpcAddPrinterDriverEx"},
		{"12345678-1234-abcd-ef00-0123456789ab", 69, "RpcOpenPrinterEx"}, {"12345678-1234-abcd-ef00-0123456789ab", 116, "RpcLogJobInfoForBranchOffice"},
		{"76f03f96-cdfd-44fc-a22c-64950a001209", 39, "RpcAsyncAddPrinterDriver"}, {"76f03f96-cdfd-44fc-a22c-64950a001209", 74, "RpcAsyncLogJobInfoForBranchOffice"},
		{"c681d488-d850-11d0-8c52-00c04fd90f7e", 0, "EfsRpcOpenFileRaw"}, {"df1941c5-fe89-4e79-bf10-463657acf44d", 15, "EfsRpcAddUsersToFileEx"},
		{"4fc742e0-4a10-11cf-8273-00aa004ae673", 13, "NetrDfsRemoveStdRoot"}, {"a8e0653c-2744-4389-a61d-7373df8b2292", 8, "IsPathSupported"},
		{"86d35949-83c9-4044-b424-db363231fd0c", 1, "SchRpcRegisterTask"}, {"9556dc99-828c-11cf-a37e-00aa003240c7", 24, "ExecMethod"},
		{"f6beaff7-1e19-4fbb-9f8f-b89e2018337c", 6, "EvtRpcClearLog"}, {"50abc2a4-574d-40b3-9d66-ee4fd5fba076", 5, "DnssrvOperation2"},
		{"000001a0-0000-0000-c000-000000000046", 4, "RemoteCreateInstance"}, {"e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3, "ept_map"},
		{"f5cc5a18-4264-101a-8c59-08002b2f8426", 20, "NspiResolveNamesW"}, {"99fcfec4-5260-101b-bbcb-00aa0021347a", 5, "ServerAlive2"},
	} {
		if got := interfaces()[parseUUID(c.id)].operation(c.n); got != c.want {
			t.Errorf("operation %d of %s = %s, want %s", c.n, c.id, got, c.want)
		}
	}
	for _, pipe := range []string{"SVCCTL", "lsarpc", "efsrpc"} {
		if i := usualOf(pipe); i == nil || !strings.EqualFold(i.name, pipe) {
			t.Errorf("usualOf(%s) = %v", pipe, i)
		}
	}
	if usualOf("lsass") != nil {
		t.Error("lsass serves several")
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, func() dialog.Reader { return New() }, service(little), service(big), mapping())
}

func FuzzPipe(f *testing.F) {
	for _, turn := range service(little) {
		f.Add([]byte(turn.Data), uint16(50), uint16(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, size, missing uint16) {
		p := NewPipe("svcctl", "")
		d := &dialog.Dialog{}
		d.Reset(dialogtest.Base, &weir.Batch{}, nil)
		for i := 0; len(b) > 0; i++ {
			n := min(int(size)+1, len(b))
			p.Data(d, dialog.End(i&1), b[:n], int(missing)*(i&2))
			b = b[n:]
		}
		p.Close(d)
		if n := len(p.ends[0].buf) + len(p.ends[1].buf); n > 2*maxNegotiation {
			t.Errorf("keeps %d octets", n)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	d := &dialog.Dialog{}
	batch := &weir.Batch{}
	turns := service(little)
	n := 0
	for _, t := range turns {
		n += len(t.Data)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		r := New()
		d.Reset(dialogtest.Base, batch, nil)
		for _, t := range turns {
			r.Read(d, t.From, []byte(t.Data))
		}
		r.Close(d)
		batch.RPC, batch.NTLM, batch.Announcements = batch.RPC[:0], batch.NTLM[:0], batch.Announcements[:0]
	}
}
