package smb

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/decode/ntlm/ntlmtest"
)

func u16(n int) string    { return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) }
func u32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
func u64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
func zeros(n int) string  { return strings.Repeat("\x00", n) }

// framed puts a message behind the header of its transport.
func framed(parts ...string) string {
	s := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// An exchange numbers the messages of a conversation by SMB 2.
type exchange struct {
	turns   []dialogtest.Turn
	id      uint64
	session uint64
	tree    uint32
}

// part is one command.
func (x *exchange) part(command int, flags, status uint32, body string) string {
	return "\xfeSMB" + u16(64) + u16(1) + u32(status) + u16(command) + u16(1) + u32(flags) + u32(0) + u64(x.id) + u32(0) + u32(x.tree) + u64(x.session) + zeros(16) + body
}

func (x *exchange) up(s string) {
	x.turns = append(x.turns, dialogtest.Turn{From: dialog.Client, Data: s})
}
func (x *exchange) down(s string) {
	x.turns = append(x.turns, dialogtest.Turn{From: dialog.Server, Data: s})
}

// do asks and answers.
func (x *exchange) do(command int, ask string, status uint32, answer string) {
	x.id++
	x.up(framed(x.part(command, 0, 0, ask)))
	x.down(framed(x.part(command, flagResponse, status, answer)))
}

const refusal = "\x09\x00\x00\x00\x00\x00\x00\x00\x00"

func (x *exchange) negotiate(dialect int) {
	x.do(cmdNegotiate, u16(36)+u16(1)+zeros(32)+u16(dialect), 0, u16(65)+u16(3)+u16(dialect)+zeros(58)+u16(0))
}

func setupAsk(token string) string {
	return u16(25) + zeros(10) + u16(64+24) + u16(len(token)) + zeros(8) + token
}

func setupAnswer(token string) string { return u16(9) + u16(0) + u16(64+8) + u16(len(token)) + token }

func (x *exchange) logOn(user string, status uint32) {
	x.id++
	x.session = 0
	x.up(framed(x.part(cmdSessionSetup, 0, 0, setupAsk(ntlmtest.Init(ntlmtest.Negotiate())))))
	x.session = 0x1000
	x.down(framed(x.part(cmdSessionSetup, flagResponse, statusMoreProcessing, setupAnswer(ntlmtest.Response(1, ntlmtest.Challenge("FS01", "CORP", "corp.example"))))))
	x.do(cmdSessionSetup, setupAsk(ntlmtest.Response(-1, ntlmtest.Authenticate(user, "CORP", "WS"))), status, setupAnswer(ntlmtest.Response(0, "")))
}

func (x *exchange) connect(share string, kind byte, status uint32) {
	name := ntlmtest.UTF16(share)
	x.tree = 0
	x.id++
	x.up(framed(x.part(cmdTreeConnect, 0, 0, u16(9)+u16(0)+u16(72)+u16(len(name))+name)))
	x.tree = uint32(kind)
	x.down(framed(x.part(cmdTreeConnect, flagResponse, status, u16(16)+string([]byte{kind, 0})+zeros(12))))
}

func openAsk(name string, options uint32) string {
	name = ntlmtest.UTF16(name)
	return u16(57) + zeros(38) + u32(options) + u16(120) + u16(len(name)) + zeros(8) + name + "context beyond"
}

func openAnswer(file byte, action, attributes uint32, size uint64) string {
	return u16(89) + u16(0) + u32(action) + zeros(32) + u64(0) + u64(size) + u32(attributes) + u32(0) + fileNumber(file) + u32(0) + u32(0)
}

func fileNumber(n byte) string { return string([]byte{n}) + zeros(7) + string([]byte{n}) + zeros(7) }

func (x *exchange) open(name string, file byte, options, action, attributes uint32, size uint64) {
	x.do(cmdCreate, openAsk(name, options), 0, openAnswer(file, action, attributes, size))
}

func (x *exchange) write(file byte, data string) {
	x.do(cmdWrite, u16(49)+u16(112)+u32(uint32(len(data)))+u64(0)+fileNumber(file)+zeros(16)+data, 0, u16(17)+u16(0)+u32(uint32(len(data)))+u64(0))
}

func (x *exchange) read(file byte, data string) {
	x.do(cmdRead, u16(49)+"\x50\x00"+u32(uint32(len(data)))+u64(0)+fileNumber(file)+zeros(16), 0, u16(17)+"\x50\x00"+u32(uint32(len(data)))+u64(0)+data)
}

func (x *exchange) set(file byte, class byte, info string, status uint32) {
	x.do(cmdSetInfo, u16(33)+"\x01"+string([]byte{class})+u32(uint32(len(info)))+u16(96)+u16(0)+u32(0)+fileNumber(file)+info, status, u16(2))
}

func renameTo(name string) string {
	name = ntlmtest.UTF16(name)
	return zeros(16) + u32(uint32(len(name))) + name
}

func (x *exchange) close(file byte, size uint64) {
	x.do(cmdClose, u16(24)+u16(1)+u32(0)+fileNumber(file), 0, u16(60)+u16(1)+zeros(44)+u64(size)+u32(0))
}

// Calls over a pipe: a bind to svcctl, and one to create a service.
const (
	rpcBind = "\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00\xd0\x16\xd0\x16\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00" +
		"\x81\xbb\x7a\x36\x44\x98\xf1\x35\xad\x32\x98\xf0\x38\x00\x10\x03\x02\x00\x00\x00\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00"
	rpcAccept = "\x05\x00\x0c\x03\x10\x00\x00\x00\x44\x00\x00\x00\x01\x00\x00\x00\xd0\x16\xd0\x16\x01\x00\x00\x00\x0d\x00\\PIPE\\svcctl\x00\x00" +
		"\x01\x00\x00\x00\x00\x00\x00\x00\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00"
)

func rpcCall(op, stub int) string {
	return "\x05\x00\x00\x03\x10\x00\x00\x00" + u16(24+stub) + u16(0) + u32(2) + u32(uint32(stub)) + u16(0) + u16(op) + strings.Repeat("s", stub)
}

func rpcAnswer(stub int) string {
	return "\x05\x00\x02\x03\x10\x00\x00\x00" + u16(24+stub) + u16(0) + u32(2) + u32(uint32(stub)) + u16(0) + u16(0) + strings.Repeat("s", stub)
}

// session is what moves a program to another machine and runs it, and some more.
func sessionOf2() []dialogtest.Turn {
	x := &exchange{}
	x.negotiate(0x0311)
	x.logOn("j.doe", 0)
	x.connect(`\\10.20.0.15\ADMIN$`, 1, 0)
	x.open(`system32\psexesvc.exe`, 1, 0, 2, 0x20, 0)
	x.write(1, strings.Repeat("M", 100_000))
	x.write(1, "Z")
	x.close(1, 100_001)
	x.open("", 2, 0, 1, 0x10, 0)
	x.close(2, 0)
	x.open("old.txt", 3, 0, 1, 0x20, 5)
	x.read(3, strings.Repeat("x", 70_000))
	x.set(3, classRename, renameTo("new.txt"), 0)
	x.set(3, classDisposition, "\x01", 0xc0000022)
	x.set(3, classDispositionEx, u32(1), 0)
	x.set(3, classDisposition, "\x00", 0)
	x.close(3, 5)
	x.open("temp", 4, deleteOnClose, 2, 0x20, 0)
	x.close(4, 0)
	x.do(cmdCreate, openAsk("secret", 0), 0xc0000022, refusal)
	x.connect(`\\10.20.0.15\IPC$`, 2, 0)
	x.open("svcctl", 5, 0, 1, 0x80, 0)
	x.write(5, rpcBind)
	x.read(5, rpcAccept)
	ask, answer := rpcCall(12, 400), rpcAnswer(40)
	x.do(cmdIoctl, u16(57)+u16(0)+u32(fsctlTransceive)+fileNumber(5)+u32(120)+u32(uint32(len(ask)))+zeros(24)+ask, 0,
		u16(49)+u16(0)+u32(fsctlTransceive)+fileNumber(5)+zeros(8)+u32(112)+u32(uint32(len(answer)))+zeros(8)+answer)
	x.close(5, 0)
	x.connect(`\\10.20.0.15\C$`, 1, 0xc0000022)
	return x.turns
}

const sessionTold = `3.1.1 negotiate SUCCESS
3.1.1 session_setup SUCCESS CORP\j.doe
3.1.1 connect \\10.20.0.15\ADMIN$ disk SUCCESS CORP\j.doe
3.1.1 open \\10.20.0.15\ADMIN$ disk system32\psexesvc.exe created SUCCESS CORP\j.doe
3.1.1 write \\10.20.0.15\ADMIN$ disk system32\psexesvc.exe 100001 SUCCESS CORP\j.doe
3.1.1 close \\10.20.0.15\ADMIN$ disk system32\psexesvc.exe 100001 SUCCESS CORP\j.doe
3.1.1 open \\10.20.0.15\ADMIN$ disk <share_root> opened SUCCESS CORP\j.doe
3.1.1 open \\10.20.0.15\ADMIN$ disk old.txt opened 5 SUCCESS CORP\j.doe
3.1.1 rename \\10.20.0.15\ADMIN$ disk new.txt (old.txt) SUCCESS CORP\j.doe
3.1.1 delete \\10.20.0.15\ADMIN$ disk new.txt ACCESS_DENIED CORP\j.doe
3.1.1 delete \\10.20.0.15\ADMIN$ disk new.txt SUCCESS CORP\j.doe
3.1.1 read \\10.20.0.15\ADMIN$ disk new.txt 70000 SUCCESS CORP\j.doe
3.1.1 close \\10.20.0.15\ADMIN$ disk new.txt 5 SUCCESS CORP\j.doe
3.1.1 open \\10.20.0.15\ADMIN$ disk temp created SUCCESS CORP\j.doe
3.1.1 delete \\10.20.0.15\ADMIN$ disk temp SUCCESS CORP\j.doe
3.1.1 close \\10.20.0.15\ADMIN$ disk temp SUCCESS CORP\j.doe
3.1.1 open \\10.20.0.15\ADMIN$ disk secret ACCESS_DENIED CORP\j.doe
3.1.1 connect \\10.20.0.15\IPC$ pipe SUCCESS CORP\j.doe
3.1.1 open \\10.20.0.15\IPC$ pipe svcctl SUCCESS CORP\j.doe
3.1.1 connect \\10.20.0.15\C$ ACCESS_DENIED CORP\j.doe
rpc svcctl CreateServiceW \PIPE\svcctl CORP\j.doe answered
ntlm j.doe CORP WS FS01 true SUCCESS
`

// told writes what was read, one record a line, without what is empty.
func told(b *weir.Batch) string {
	var s strings.Builder
	line := func(fields ...any) {
		s.WriteString(strings.Join(strings.Fields(fmt.Sprintln(fields...)), " ") + "\n")
	}
	for _, a := range b.SMB {
		size, renamed := "", ""
		if a.Size > 0 {
			size = fmt.Sprint(a.Size)
		}
		if a.Renamed != "" {
			renamed = "(" + a.Renamed + ")"
		}
		line(a.Version, a.Action, a.Share, a.ShareType, a.Service, a.File, renamed, a.Disposition, size, a.Status, a.User)
	}
	for _, r := range b.RPC {
		answered := ""
		if r.RTT > 0 {
			answered = "answered"
		}
		line("rpc", r.Endpoint, r.Operation, r.Pipe, r.User, r.Status, answered)
	}
	for _, n := range b.NTLM {
		line("ntlm", n.User, n.Domain, n.Host, n.ServerName, n.Success, n.Status)
	}
	for _, k := range b.Kerberos {
		line("kerberos", k.Type, k.Service, k.Cipher, k.Success, k.Error)
	}
	for _, o := range b.Oddities {
		line("odd", o.Name)
	}
	return s.String()
}

// compound opens, writes and closes by one message, with one answer.
func compound() []dialogtest.Turn {
	x := &exchange{session: 0x1000, tree: 1}
	chain := func(flags, status uint32, commands []int, bodies []string) string {
		var s string
		for i, body := range bodies {
			x.id++
			f := flags
			if i > 0 {
				f |= flagRelated
			}
			part := x.part(commands[i], f, status, body)
			if i < len(bodies)-1 {
				part += zeros(-len(part) & 7)
				part = part[:20] + u32(uint32(len(part))) + part[24:]
			}
			s += part
		}
		return framed(s)
	}
	all := string(related[:])
	commands := []int{cmdCreate, cmdWrite, cmdSetInfo, cmdClose}
	x.up(chain(0, 0, commands, []string{
		openAsk("chained", 0), u16(49) + u16(112) + u32(5) + u64(0) + all + zeros(16) + "12345",
		u16(33) + "\x01\x0d" + u32(1) + u16(96) + u16(0) + u32(0) + all + "\x01", u16(24) + u16(1) + u32(0) + all,
	}))
	x.id -= 4
	x.down(chain(flagResponse, 0, commands, []string{
		openAnswer(7, 2, 0x20, 0), u16(17) + u16(0) + u32(5) + u64(0), u16(2), u16(60) + u16(1) + zeros(44) + u64(5) + u32(0),
	}))
	return x.turns
}

// der makes an element.
func der(tag byte, contents ...string) string {
	s := strings.Join(contents, "")
	return string([]byte{tag, byte(len(s))}) + s
}

// kerberosToken shows a ticket for cifs/fs01 (RFC 4120, 5.5.1; RFC 4121, 4.1).
var kerberosToken = der(0x60, der(6, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), "\x01\x00", der(0x6e, der(0x30, der(0xa0, der(2, "\x05")), der(0xa1, der(2, "\x0e")),
	der(0xa3, der(0x61, der(0x30, der(0xa0, der(2, "\x05")), der(0xa1, der(0x1b, "CORP")),
		der(0xa2, der(0x30, der(0xa0, der(2, "\x02")), der(0xa1, der(0x30, der(0x1b, "cifs"), der(0x1b, "fs01"))))),
		der(0xa3, der(0x30, der(0xa0, der(2, "\x12")), der(0xa2, der(4, "sealed"))))))))))

func TestStream2(t *testing.T) {
	later := &exchange{session: 5, tree: 9}
	later.do(cmdWrite, u16(49)+u16(112)+u32(uint32(len(rpcBind)))+u64(0)+fileNumber(9)+zeros(16)+rpcBind, 0, u16(17)+u16(0)+u32(uint32(len(rpcBind)))+u64(0))
	later.read(9, rpcAccept)
	later.write(9, rpcCall(19, 20))
	later.read(9, rpcAnswer(20))

	waiting := &exchange{session: 5, tree: 9}
	waiting.id = 7
	waiting.up(framed(waiting.part(cmdCreate, 0, 0, openAsk("slow", 0))))
	waiting.down(framed(waiting.part(cmdCreate, flagResponse|flagAsync, statusPending, refusal)))
	waiting.down(framed(waiting.part(cmdCreate, flagResponse|flagAsync, 0, openAnswer(1, 1, 0, 9))))
	waiting.id = 8
	waiting.up(framed(waiting.part(cmdCreate, 0, 0, openAsk("never", 0))))

	hidden := &exchange{}
	hidden.negotiate(0x0302)
	hidden.logOn("j.doe", 0)
	for range 3 {
		hidden.up(framed("\xfdSMB" + zeros(32) + u32(100) + zeros(4) + u64(0x1000) + "nobody can read this"))
	}

	squeezed := &exchange{}
	squeezed.up(framed("\xfcSMB" + u32(0x2000) + u16(1) + u16(0) + u32(2) + "data"))
	squeezed.up(framed("\xfcSMB" + u32(0xffffffff) + u16(1) + u16(0) + u32(2) + "data"))
	squeezed.up(framed("\xfcSMB" + u32(0x2000) + u16(1) + u16(0) + u32(5) + "data"))

	failed := &exchange{}
	failed.negotiate(0x0210)
	failed.logOn("j.doe", 0xc000006d)

	ticket := &exchange{}
	ticket.session = 0x1000
	ticket.do(cmdSessionSetup, setupAsk(kerberosToken), 0, setupAnswer(ntlmtest.Response(0, "")))
	ticket.do(cmdSessionSetup, setupAsk(kerberosToken), 0xc000006d, refusal)

	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
		want  string
	}{
		{"session", sessionOf2(), sessionTold},
		{"Kerberos", ticket.turns, "2 session_setup SUCCESS\n2 session_setup LOGON_FAILURE\nkerberos AP cifs/fs01 aes256 true\nkerberos AP cifs/fs01 aes256 false LOGON_FAILURE\n"},
		{"compound", compound(), "2 open chained created SUCCESS\n2 delete chained SUCCESS\n2 write chained 5 SUCCESS\n2 close chained 5 SUCCESS\n"},
		{"a pipe from the middle", later.turns, "rpc svcctl StartServiceW \\PIPE\\svcctl answered\n"},
		{"pending", waiting.turns, "2 open slow opened 9 SUCCESS\n2 open never\n"},
		{"encrypted", hidden.turns, "3.0.2 negotiate SUCCESS\n3.0.2 session_setup SUCCESS CORP\\j.doe\n3.0.2 encrypted CORP\\j.doe\nntlm j.doe CORP WS FS01 true SUCCESS\n"},
		{"compressed", squeezed.turns, "3.1.1 compressed\nodd smb_compression_size\nodd smb_compression_size\n"},
		{"wrong password", failed.turns, "2.1 negotiate SUCCESS\n2.1 session_setup LOGON_FAILURE CORP\\j.doe\nntlm j.doe CORP WS FS01 false LOGON_FAILURE\n"},
		{"behind a keep-alive", append([]dialogtest.Turn{{From: dialog.Client, Data: "\x00"}}, compound()...),
			"2 open chained created SUCCESS\n2 delete chained SUCCESS\n2 write chained 5 SUCCESS\n2 close chained 5 SUCCESS\n"},
		{"garbage between", append([]dialogtest.Turn{{From: dialog.Client, Data: "\x00SMBgarbage"}}, compound()...),
			"2 open chained created SUCCESS\n2 delete chained SUCCESS\n2 write chained 5 SUCCESS\n2 close chained 5 SUCCESS\n"},
	} {
		for _, size := range []int{1, 13, 1460, 1 << 20} {
			got := dialogtest.Stream(New(), size, c.turns...)
			if s := told(&got.Batch); s != c.want {
				t.Errorf("%s in pieces of %d: got\n%swant\n%s", c.name, size, s, c.want)
			}
		}
	}
}

// message1 makes a message of SMB 1. Texts in it are of UTF-16 from even places on.
func message1(command byte, response bool, status uint32, tid, uid, mid int, words, bytes string) string {
	flags := "\x18"
	if response {
		flags = "\x98"
	}
	return framed("\xffSMB" + string([]byte{command}) + u32(status) + flags + u16(0xc801) + zeros(12) + u16(tid) + u16(1234) + u16(uid) + u16(mid) +
		string([]byte{byte(len(words) / 2)}) + words + u16(len(bytes)) + bytes)
}

// andX begins the words of a command behind which there is no other.
const andX = "\xff\x00\x00\x00"

func text1(s string) string { return ntlmtest.UTF16(s) + "\x00\x00" }

func sessionOf1() []dialogtest.Turn {
	x := &exchange{}
	mid := 0
	do := func(command byte, tid, uid int, ask, askBytes string, status uint32, rtid, ruid int, answer, answerBytes string) {
		mid++
		x.up(message1(command, false, 0, tid, uid, mid, ask, askBytes))
		x.down(message1(command, true, status, rtid, ruid, mid, answer, answerBytes))
	}
	// A session of NetBIOS comes first.
	x.up("\x81\x00\x00\x44" + "\x20" + strings.Repeat("CA", 16) + "\x00" + "\x20FHFDDADADCDD" + strings.Repeat("CA", 9) + "AA\x00") // WS0023
	x.down("\x82\x00\x00\x00")
	do(comNegotiate, 0, 0, "", "\x02LANMAN1.0\x00\x02NT LM 0.12\x00", 0, 0, 0, u16(1)+"\x0f"+zeros(31), "")
	token := ntlmtest.Negotiate()
	setup := func(token string) string { return andX + zeros(10) + u16(len(token)) + zeros(8) }
	pad := func(token string) string { return zeros((len(token) + 1) & 1) } // words end at an odd place
	do(comSessionSetupAndX, 0, 0, setup(token), token+pad(token)+text1("Windows 2002")+text1("LanMan"), statusMoreProcessing, 0, 7,
		andX+u16(0)+u16(len(ntlmtest.Challenge("FS01", "CORP", "corp.example"))), ntlmtest.Challenge("FS01", "CORP", "corp.example")+"\x00"+text1("Windows 5.2"))
	token = ntlmtest.Authenticate("j.doe", "CORP", "WS")
	do(comSessionSetupAndX, 0, 7, setup(token), token+pad(token)+text1("Windows 2002"), 0, 0, 7, andX+u16(0)+u16(0), "\x00"+text1("Windows 5.2"))
	do(comTreeConnectAndX, 0, 7, andX+u16(0)+u16(1), "\x00"+text1(`\\FS01\C$`)+"?????\x00", 0, 3, 7, andX+u16(1), "A:\x00"+text1("NTFS"))
	create := func(options uint32) string { return andX + zeros(35) + u32(options) + zeros(5) }
	created := func(fid int, action uint32, size uint64) string {
		return andX + "\x00" + u16(fid) + u32(action) + zeros(32) + u32(0x20) + u64(0) + u64(size) + zeros(5)
	}
	do(comNTCreateAndX, 3, 7, create(0), "\x00"+text1(`\temp\run.exe`), 0, 3, 7, created(0x4001, 2, 0), "")
	write := func(fid, mode, at, n int) string {
		return andX + u16(fid) + u32(0) + u32(0) + u16(mode) + u16(0) + u16(0) + u16(n) + u16(at) + u32(0)
	}
	do(comWriteAndX, 3, 7, write(0x4001, 0, 64, 20000), "\x00"+strings.Repeat("d", 20000), 0, 3, 7, andX+u16(20000)+zeros(6), "")
	do(comClose, 3, 7, u16(0x4001)+u32(0), "", 0, 3, 7, "", "")
	do(comRename, 3, 7, u16(0x16), "\x04"+text1(`\temp\run.exe`)+"\x04\x00"+text1(`\temp\was.exe`), 0, 3, 7, "", "")
	do(comDelete, 3, 7, u16(6), "\x04"+text1(`\temp\was.exe`), 0xc0000022, 3, 7, "", "")
	do(comTreeConnectAndX, 0, 7, andX+u16(0)+u16(1), "\x00"+text1(`\\FS01\IPC$`)+"?????\x00", 0, 4, 7, andX+u16(1), "IPC\x00"+text1(""))
	do(comNTCreateAndX, 4, 7, create(0), "\x00"+text1(`\svcctl`), 0, 4, 7, created(0x4002, 1, 4096), "")
	do(comWriteAndX, 4, 7, write(0x4002, 12, 64, len(rpcBind)+2), "\x00"+u16(len(rpcBind))+rpcBind, 0, 4, 7, andX+u16(len(rpcBind))+zeros(6), "")
	do(comReadAndX, 4, 7, andX+u16(0x4002)+zeros(14), "", 0, 4, 7, andX+zeros(6)+u16(len(rpcAccept))+u16(60)+zeros(10), "\x00"+rpcAccept)
	ask, answer := rpcCall(12, 100), rpcAnswer(100)
	words := u16(0) + u16(len(ask)) + zeros(14) + u16(0) + u16(84) + u16(len(ask)) + u16(84) + "\x02\x00" + u16(transactNmPipe) + u16(0x4002)
	mid++
	x.up(message1(comTransaction, false, 0, 4, 7, mid, words, "\x00"+text1(`\PIPE\`)+zeros(2)+ask))
	half := len(answer) / 2
	part := func(data string, moved int) string {
		return message1(comTransaction, true, 0, 4, 7, mid, u16(0)+u16(len(answer))+zeros(8)+u16(len(data))+u16(56)+u16(moved)+u16(0), "\x00"+data)
	}
	x.down(part(answer[:half], 0) + part(answer[half:], half))
	do(comTransaction2, 4, 7, u16(12)+zeros(16)+u16(12)+u16(68)+u16(0)+u16(0)+"\x01\x00"+u16(trans2Session), "\x00\x00\x00"+zeros(12), 0xc0000002, 4, 7, "", "")
	return x.turns
}

func TestStream1(t *testing.T) {
	want := `NT LM 0.12 negotiate SUCCESS
NT LM 0.12 session_setup SUCCESS CORP\j.doe
NT LM 0.12 connect \\FS01\C$ disk A: SUCCESS CORP\j.doe
NT LM 0.12 open \\FS01\C$ disk temp\run.exe created SUCCESS CORP\j.doe
NT LM 0.12 write \\FS01\C$ disk temp\run.exe 20000 SUCCESS CORP\j.doe
NT LM 0.12 rename \\FS01\C$ disk temp\was.exe (temp\run.exe) SUCCESS CORP\j.doe
NT LM 0.12 delete \\FS01\C$ disk temp\was.exe ACCESS_DENIED CORP\j.doe
NT LM 0.12 connect \\FS01\IPC$ pipe IPC SUCCESS CORP\j.doe
NT LM 0.12 open \\FS01\IPC$ pipe svcctl SUCCESS CORP\j.doe
NT LM 0.12 trans2_session_setup \\FS01\IPC$ pipe NOT_IMPLEMENTED CORP\j.doe
rpc svcctl CreateServiceW \PIPE\svcctl CORP\j.doe answered
ntlm j.doe CORP WS FS01 true SUCCESS
`
	for _, size := range []int{1, 13, 1460, 1 << 20} {
		got := dialogtest.Stream(New(), size, sessionOf1()...)
		if s := told(&got.Batch); s != want {
			t.Errorf("in pieces of %d: got\n%swant\n%s", size, s, want)
		}
		var said []string
		for _, a := range got.Announcements {
			said = append(said, fmt.Sprint(a.Src, " ", a.Kind, " ", a.Name, " ", a.Text))
		}
		for _, w := range []string{"10.10.1.23 name WS0023 ", "10.20.0.15 security  signing required", "10.20.0.15 dialect  NT LM 0.12", "10.10.1.23 os  Windows 2002", "10.20.0.15 os  Windows 5.2"} {
			if !slices.Contains(said, w) {
				t.Errorf("in pieces of %d: announced %q, want %q among it", size, said, w)
			}
		}
	}
}

// TestPlain1: a logon to an old server, with responses outside of NTLMSSP, of
// which nothing is kept.
func TestPlain1(t *testing.T) {
	words := andX + zeros(10) + u16(24) + u16(24) + zeros(8)
	bytes := strings.Repeat("h", 48) + "\x00" + text1("j.doe") + text1("CORP") + text1("Windows 4.0") + text1("LanMan")
	for status, want := range map[uint32]string{
		0:          "1 session_setup SUCCESS CORP\\j.doe\nntlm j.doe CORP true SUCCESS\n",
		0xc000006d: "1 session_setup LOGON_FAILURE CORP\\j.doe\nntlm j.doe CORP false LOGON_FAILURE\n",
	} {
		got := dialogtest.Stream(New(), 50,
			dialogtest.Turn{From: dialog.Client, Data: message1(comSessionSetupAndX, false, 0, 0, 0, 1, words, bytes)},
			dialogtest.Turn{From: dialog.Server, Data: message1(comSessionSetupAndX, true, status, 0, 9, 1, andX+u16(0), "\x00"+text1("Windows 4.0"))})
		if s := told(&got.Batch); s != want {
			t.Errorf("status %#x: got\n%swant\n%s", status, s, want)
		}
	}
}

// TestRecognised: each of these beginnings gives the name.
func TestRecognised(t *testing.T) {
	kept := append([]dialogtest.Turn{{From: dialog.Client, Data: "\x00"}, {From: dialog.Server, Data: "\x00"}}, compound()...)
	for _, turns := range [][]dialogtest.Turn{kept, sessionOf1(), sessionOf2(), compound(), sessionOf1()[2:], sessionOf1()[1:2]} {
		var client, server []byte
		for _, turn := range turns {
			if turn.From == dialog.Client {
				client = append(client, turn.Data...)
			} else {
				server = append(server, turn.Data...)
			}
		}
		if name := app.Recognise(weir.TCP, client, nil); name != "smb" && client != nil {
			t.Errorf("Recognise(%.20q) = %q, want smb", client, name)
		}
		if len(server) > 8 {
			if name := app.Recognise(weir.TCP, nil, server); name != "smb" {
				t.Errorf("Recognise of the server's %.20q = %q, want smb", server, name)
			}
		}
	}
}

// TestBounds: whatever waits or stays open, little is kept, and all is told.
func TestBounds(t *testing.T) {
	x := &exchange{session: 1, tree: 1}
	for i := range 1000 {
		x.id++
		x.up(framed(x.part(cmdCreate, 0, 0, openAsk(fmt.Sprint("waits", i), 0))))
	}
	for i := range 300 {
		x.session, x.tree = uint64(i), uint32(i)
		x.connect(`\\a\b`, 1, 0)
		x.id++
		x.up(framed(x.part(cmdCreate, 0, 0, openAsk(fmt.Sprint("open", i), 0))))
		x.down(framed(x.part(cmdCreate, flagResponse, 0, openAnswer(byte(i), 1, 0, 0)[:64+16]+u64(uint64(i))+u64(1))))
		x.do(cmdWrite, u16(49)+u16(112)+u32(1)+u64(0)+u64(uint64(i))+u64(1)+zeros(16)+"x", 0, u16(17)+u16(0)+u32(1)+u64(0))
	}
	r := New()
	got := dialogtest.Stream(r, 1<<20, x.turns...)
	count := map[string]int{}
	for _, a := range got.SMB {
		count[a.Action]++
	}
	if count["open"] != 1300 || count["connect"] != 300 || count["write"] == 0 {
		t.Errorf("told %v, want 1300 opened and 300 connected", count)
	}
	if len(r.trees) > maxTrees || cap(r.requests) > 2*maxRequests || cap(r.files) > 2*maxFiles {
		t.Errorf("keeps %d trees, %d requests, %d files", len(r.trees), cap(r.requests), cap(r.files))
	}
}

// TestLost: behind a gap the reader goes on with the next message that it sees.
func TestLost(t *testing.T) {
	r := New()
	b := &weir.Batch{}
	d := &dialog.Dialog{}
	d.Reset(dialogtest.Base, b, nil)
	turns := compound()
	if !r.Lost(d, dialog.Client, 5000) {
		t.Fatal("gave up")
	}
	for _, turn := range turns {
		data := turn.Data
		if turn.From == dialog.Client {
			data = "the rest of a file, with SMB in it\x00\x00\x00" + data
		}
		if n := r.Read(d, turn.From, []byte(data)); n != len(data) {
			t.Errorf("took %d of %d", n, len(data))
		}
	}
	r.Close(d)
	if got, want := told(b), "2 open chained created SUCCESS\n2 delete chained SUCCESS\n2 write chained 5 SUCCESS\n2 close chained 5 SUCCESS\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDialectName(t *testing.T) {
	for in, want := range map[uint16]string{0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"} {
		if got := dialectName(in); got != want {
			t.Errorf("dialectName(%#x) = %s, want %s", in, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, func() dialog.Reader { return New() }, compound(), sessionOf1()[:8], sessionOf1()[8:], sessionOf2()[:8])
}

func BenchmarkRead(b *testing.B) {
	turns := sessionOf2()
	data := make([][]byte, len(turns))
	n := 0
	for i, t := range turns {
		data[i] = []byte(t.Data)
		n += len(t.Data)
	}
	d := &dialog.Dialog{}
	batch := &weir.Batch{}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		r := New()
		d.Reset(dialogtest.Base, batch, nil)
		for i, t := range turns {
			for at := 0; at < len(data[i]); {
				at += r.Read(d, t.From, data[i][at:])
			}
		}
		r.Close(d)
		batch.SMB, batch.RPC, batch.NTLM, batch.Announcements = batch.SMB[:0], batch.RPC[:0], batch.NTLM[:0], batch.Announcements[:0]
	}
}
