package ssh

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// A wire carries what one end writes to the other, and notes it. Each write
// is a segment, as it is with TCP_NODELAY.
type wire struct {
	net.Conn
	from  dialog.End
	notes *notes
}

type notes struct {
	sync.Mutex
	turns []dialogtest.Turn
}

func (w *wire) Write(b []byte) (int, error) {
	w.notes.Lock()
	w.notes.turns = append(w.notes.turns, dialogtest.Turn{From: w.from, Data: string(b)})
	w.notes.Unlock()
	return w.Conn.Write(b)
}

// A logonCase is a connection between client and server of x/crypto/ssh.
type logonCase struct {
	cipher, mac string
	auth        []xssh.AuthMethod
	none        bool // the server lets anybody in
	tries       int  // that the server allows
}

// converse lets them speak and returns what they said up to the first session.
func (c *logonCase) converse(t testing.TB) []dialogtest.Turn {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	server := &xssh.ServerConfig{
		NoClientAuth: c.none, MaxAuthTries: c.tries, ServerVersion: "SSH-2.0-test server",
		PasswordCallback: func(_ xssh.ConnMetadata, password []byte) (*xssh.Permissions, error) {
			if string(password) == "right" {
				return nil, nil
			}
			return nil, errors.New("wrong")
		},
		PublicKeyCallback: func(xssh.ConnMetadata, xssh.PublicKey) (*xssh.Permissions, error) { return nil, errors.New("unknown") },
		KeyboardInteractiveCallback: func(_ xssh.ConnMetadata, ask xssh.KeyboardInteractiveChallenge) (*xssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 || answers[0] != "right" {
				return nil, errors.New("wrong")
			}
			return nil, nil
		},
	}
	server.AddHostKey(signer)
	client := &xssh.ClientConfig{User: "root", Auth: c.auth, HostKeyCallback: xssh.FixedHostKey(signer.PublicKey()), ClientVersion: "SSH-2.0-test client"}
	client.Ciphers, server.Ciphers = []string{c.cipher}, []string{c.cipher}
	if c.mac != "" {
		client.MACs, server.MACs = []string{c.mac}, []string{c.mac}
	}
	a, b := tcpPair(t)
	n := &notes{}
	up, down := &wire{a, dialog.Client, n}, &wire{b, dialog.Server, n}
	var wait sync.WaitGroup
	wait.Go(func() {
		conn, channels, requests, err := xssh.NewServerConn(down, server)
		if err == nil {
			go xssh.DiscardRequests(requests)
			for ch := range channels {
				_ = ch.Reject(xssh.Prohibited, "no")
			}
			_ = conn.Close()
		}
		_ = down.Close()
	})
	conn, channels, requests, err := xssh.NewClientConn(up, "test", client)
	if err == nil {
		go xssh.DiscardRequests(requests)
		go func() {
			for range channels {
			}
		}()
		_, _, _ = conn.OpenChannel("session", nil)
		_ = conn.Close()
	}
	_ = up.Close()
	wait.Wait()
	return n.turns
}

// tcpPair returns two ends of a connection over loopback: with those of
// net.Pipe both ends would wait for each other to read.
func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err = net.DialTimeout("tcp", l.Addr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// ciphers are one of each kind of seal.
var ciphers = []struct{ cipher, mac string }{
	{"chacha20-poly1305@openssh.com", ""},
	{"aes128-gcm@openssh.com", ""},
	{"aes256-ctr", "hmac-sha2-256-etm@openssh.com"},
	{"aes256-ctr", "hmac-sha2-512-etm@openssh.com"},
	{"aes128-ctr", "hmac-sha1"},
	{"aes192-ctr", "hmac-sha2-256"},
	{"aes128-ctr", "hmac-sha1-96"},
}

// TestLogon: the outcome with every kind of cipher.
func TestLogon(t *testing.T) {
	wrong := xssh.Password("wrong")
	passwords := func(list ...string) []xssh.AuthMethod {
		i := -1
		return []xssh.AuthMethod{xssh.RetryableAuthMethod(xssh.PasswordCallback(func() (string, error) { i++; return list[i], nil }), len(list))}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	interactive := func(answer string) xssh.AuthMethod {
		return xssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
			return []string{answer}[:len(questions)], nil
		})
	}
	for _, seal := range ciphers {
		for _, c := range []struct {
			name     string
			logon    logonCase
			auth     string
			attempts uint32
		}{
			{"password", logonCase{auth: passwords("right")}, "success", 1},
			{"the third password", logonCase{auth: passwords("wrong", "bad", "right")}, "success", 3},
			{"a wrong password", logonCase{auth: []xssh.AuthMethod{wrong}}, "failure", 1},
			{"four wrong passwords", logonCase{auth: passwords("1", "22", "333", "4444444444444444")}, "failure", 4},
			{"nobody is asked", logonCase{none: true}, "success", 1},
			{"nothing to offer", logonCase{}, "", 0},
			{"a key that is not known", logonCase{auth: []xssh.AuthMethod{xssh.PublicKeys(signer)}}, "failure", 1},
			{"a key, then a password", logonCase{auth: append([]xssh.AuthMethod{xssh.PublicKeys(signer)}, passwords("right")...)}, "success", 2},
			{"a question answered", logonCase{auth: []xssh.AuthMethod{interactive("right")}}, "success", 1},
			{"a question answered wrong", logonCase{auth: []xssh.AuthMethod{interactive("wrong")}}, "failure", 1},
		} {
			c.logon.cipher, c.logon.mac = seal.cipher, seal.mac
			told := dialogtest.Stream(New(), 1<<16, c.logon.converse(t)...)
			if len(told.SSH) != 1 {
				t.Errorf("%s, %s: %d records, want 1", seal, c.name, len(told.SSH))
				continue
			}
			s := told.SSH[0]
			if s.Auth != c.auth || s.Attempts != c.attempts {
				t.Errorf("%s, %s: %q after %d attempts, want %q after %d", seal, c.name, s.Auth, s.Attempts, c.auth, c.attempts)
			}
			if s.Version != 2 || s.Client != "SSH-2.0-test client" || s.Server != "SSH-2.0-test server" || s.Cipher != seal.cipher ||
				s.HostKeyType != "ssh-ed25519" || !strings.HasPrefix(s.HostKey, "SHA256:") || len(s.HostKey) != 50 || s.KeyExchange == "" || len(s.HASSH) != 32 {
				t.Errorf("%s, %s: %+v", seal, c.name, s)
			}
		}
	}
}

// TestOpenSSH: the sizes that OpenSSH makes, with outcomes that are known.
func TestOpenSSH(t *testing.T) {
	b, err := os.ReadFile("testdata/openssh.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(f) != 6 {
			continue
		}
		n++
		s := sealOf(f[3], f[4], "none")
		var l logon
		l.begins([]byte("SSH-2.0-OpenSSH_9.2p1"))
		for size := range strings.FieldsSeq(f[5]) {
			if down, ok := strings.CutPrefix(size, "-"); ok {
				n, _ := strconv.Atoi(down)
				l.server(n, &s, &s)
			} else {
				n, _ := strconv.Atoi(size)
				l.client(n)
			}
		}
		if auth, attempts := l.outcome(&s); auth != f[1] || strconv.Itoa(int(attempts)) != f[2] {
			t.Errorf("%s, %s %s: %q after %d attempts, want %q after %s", f[0], f[3], f[4], auth, attempts, f[1], f[2])
		}
	}
	if n != 96 {
		t.Errorf("%d logons, want 96", n)
	}
}

// TestPieces: where packets can be told apart it does not matter how they come.
func TestPieces(t *testing.T) {
	for _, seal := range ciphers[1:4] {
		c := logonCase{cipher: seal.cipher, mac: seal.mac, auth: []xssh.AuthMethod{xssh.Password("right")}}
		turns := c.converse(t)
		whole := dialogtest.Stream(New(), 1<<16, turns...)
		for _, size := range []int{1, 3, 100, 1460} {
			got := dialogtest.Stream(New(), size, turns...)
			if len(got.SSH) != 1 || len(whole.SSH) != 1 {
				t.Fatalf("%d and %d records, want 1", len(got.SSH), len(whole.SSH))
			}
			got.SSH[0].Time = whole.SSH[0].Time
			if got.SSH[0] != whole.SSH[0] || got.SSH[0].Auth != "success" {
				t.Errorf("%s in pieces of %d: %+v, want %+v", seal, size, got.SSH[0], whole.SSH[0])
			}
		}
	}
}

func packet(typ byte, body string) string {
	pad := 8 - (6+len(body))%8 + 4
	n := 2 + len(body) + pad
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), byte(pad), typ}) + body + strings.Repeat("\x00", pad)
}

func proposal(l ...string) string {
	b := bytes.NewBuffer(make([]byte, 16))
	for i := range 10 {
		name := "none"
		if i < len(l) {
			name = l[i]
		} else if i > 7 {
			name = ""
		}
		b.Write([]byte{0, 0, 0, byte(len(name))})
		b.WriteString(name)
	}
	b.Write(make([]byte, 5))
	return b.String()
}

func up(s ...string) dialogtest.Turn {
	return dialogtest.Turn{From: dialog.Client, Data: strings.Join(s, "")}
}

func down(s ...string) dialogtest.Turn {
	return dialogtest.Turn{From: dialog.Server, Data: strings.Join(s, "")}
}

func TestExchange(t *testing.T) {
	key := "\x00\x00\x00\x11\x00\x00\x00\x07ssh-rsa\x00\x00\x00\x02ab"
	group := "\x00\x00\x00\x05\x00\x80\x00\x00\x00\x00\x00\x00\x01\x02"
	client := proposal("a-kex,b-kex,kex-strict-c-v00@openssh.com", "ssh-ed25519,ssh-rsa", "aes128-ctr,aes256-ctr", "x", "hmac-md5,hmac-sha1", "y", "zlib,none", "none")
	server := proposal("c-kex,b-kex", "ssh-rsa", "aes256-ctr", "x", "hmac-sha1", "y", "none", "none")
	turns := []dialogtest.Turn{
		down("Welcome\r\nto this server\r\nSSH-2.0-B \x01\r\n"), up("SSH-2.0-A\n"),
		up(packet(kexInit, client)), down(packet(2, "ignore me"), packet(kexInit, server)),
		up(packet(30, "e")), down(packet(kexReply, group)), down(packet(kexGEXReply, key), packet(newKeys, "")),
	}
	for _, size := range []int{1, 7, 1 << 16} {
		told := dialogtest.Stream(New(), size, turns...)
		want := weir.SSHSession{
			Version: 2, Client: "SSH-2.0-A", Server: `SSH-2.0-B \x01`, KeyExchange: "b-kex", HostKeyType: "ssh-rsa", Cipher: "aes256-ctr",
			HostKey: "SHA256:GQOEB9TqdFYoOuI892f6VDIMm8BcpOoeuK38sTF4LtE",
			// md5 of the lists with semicolons between
			HASSH: "fd2a664c3705dec3e8b82a64ef19d880", HASSHServer: "1a9794e25d1f7dcc7f46d853fa7d270b",
		}
		if len(told.SSH) != 1 {
			t.Fatalf("%d records, want 1", len(told.SSH))
		}
		got := told.SSH[0]
		if !got.Time.Equal(dialogtest.Base.Time.Add(time.Millisecond)) {
			t.Errorf("time %v", got.Time)
		}
		got.Endpoints = weir.Endpoints{}
		if got != want {
			t.Errorf("in pieces of %d: %+v, want %+v", size, got, want)
		}
	}
}

// TestOneSide: what one end says is told without the other.
func TestOneSide(t *testing.T) {
	all := []dialogtest.Turn{
		up("SSH-2.0-A\r\n"), down("SSH-2.0-B\r\n"), up(packet(kexInit, proposal("k"))), down(packet(kexInit, proposal("k"))),
		up(packet(newKeys, "")), down(packet(newKeys, "")), up(strings.Repeat("u", 100)), down(strings.Repeat("d", 100)),
	}
	for _, side := range []dialog.End{dialog.Client, dialog.Server} {
		var turns []dialogtest.Turn
		for _, turn := range all {
			if turn.From == side {
				turns = append(turns, turn)
			}
		}
		told := dialogtest.Stream(New(), 1000, turns...)
		if len(told.SSH) != 1 {
			t.Fatalf("end %d: %d records, want 1", side, len(told.SSH))
		}
		s := told.SSH[0]
		if (s.Client != "") != (side == dialog.Client) || (s.HASSH != "") != (side == dialog.Client) || (s.HASSHServer != "") != (side == dialog.Server) || s.Auth != "" {
			t.Errorf("end %d: %+v", side, s)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		client, server string
		want           uint8
	}{
		{"SSH-2.0-a", "SSH-2.0-b", 2}, {"SSH-2.0-a", "SSH-1.99-b", 2}, {"SSH-1.99-a", "SSH-2.0-b", 2}, {"SSH-1.99-a", "SSH-1.99-b", 2},
		{"SSH-1.5-a", "SSH-1.99-b", 1}, {"SSH-1.5-a", "SSH-1.5-b", 1},
	} {
		for _, first := range []dialog.End{dialog.Client, dialog.Server} {
			turns := []dialogtest.Turn{up(c.client + "\r\n"), down(c.server + "\r\n")}
			if first == dialog.Server {
				turns[0], turns[1] = turns[1], turns[0]
			}
			told := dialogtest.Stream(New(), 1000, turns...)
			if len(told.SSH) != 1 || told.SSH[0].Version != c.want {
				t.Errorf("%s and %s: %+v, want version %d", c.client, c.server, told.SSH, c.want)
			}
		}
	}
}

// TestLost: after a gap nobody is said to have failed.
func TestLost(t *testing.T) {
	c := logonCase{cipher: "aes128-ctr", mac: "hmac-sha1", auth: []xssh.AuthMethod{xssh.Password("wrong")}}
	turns := c.converse(t)
	r := New()
	var b weir.Batch
	var d dialog.Dialog
	for i, turn := range turns {
		d.Reset(dialogtest.Base, &b, nil)
		if i == len(turns)-1 && !r.Lost(&d, dialog.Server, 10) {
			t.Error("gives up after a gap in encrypted packets")
		}
		r.Read(&d, turn.From, []byte(turn.Data))
	}
	d.Reset(dialogtest.Base, &b, nil)
	r.Close(&d)
	if len(b.SSH) != 1 || b.SSH[0].Auth != "" || b.SSH[0].HASSH == "" {
		t.Errorf("%+v", b.SSH)
	}
	r = New()
	if r.Lost(&d, dialog.Server, 10) {
		t.Error("goes on after a gap in the greeting")
	}
}

// TestBounds: lines, packets and proposals without end.
func TestBounds(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("a", maxLine+2), strings.Repeat("line\r\n", maxLines+2), "SSH-2.0-a\r\n" + strings.Repeat(packet(2, "x"), maxPlain+2),
		"SSH-2.0-a\r\n\xff\xff\xff\xff\x04\x14", "SSH-2.0-a\r\n\x00\x00\x00\x01\x04\x14", "SSH-2.0-a\r\n\x00\x00\x00\x08\xff\x14aaaaaaaaaaaaaa",
	} {
		r := New()
		var b weir.Batch
		var d dialog.Dialog
		d.Reset(dialogtest.Base, &b, nil)
		if used := r.Read(&d, dialog.Client, []byte(in)); used != dialog.Stop {
			t.Errorf("%.20q…: took %d of %d, want it to stop", in, used, len(in))
		}
	}
	long := "SSH-2.0-a\r\n" + packet(kexInit, proposal("a"))[:0] + "\x00\x00\x40\x00\x04\x14" + strings.Repeat("a", 100)
	r := New()
	var b weir.Batch
	var d dialog.Dialog
	d.Reset(dialogtest.Base, &b, nil)
	if used, want := r.Read(&d, dialog.Client, []byte(long)), 11+4+0x4000; used != want {
		t.Errorf("a long proposal: took %d, want %d: passed over", used, want)
	}
}

func FuzzRead(f *testing.F) {
	dialogtest.Fuzz(f, func() dialog.Reader { return New() },
		[]dialogtest.Turn{
			down("SSH-2.0-B\r\n"), up("SSH-2.0-A\n"), up(packet(kexInit, proposal("k", "ssh-rsa", "aes128-ctr", "aes128-ctr", "hmac-sha1", "hmac-sha1"))),
			down(packet(kexInit, proposal("k", "ssh-rsa", "aes128-ctr", "aes128-ctr", "hmac-sha1", "hmac-sha1"))), up(packet(30, "e")),
			down(packet(kexReply, "\x00\x00\x00\x11\x00\x00\x00\x07ssh-rsa\x00\x00\x00\x02ab"), packet(newKeys, "")), up(packet(newKeys, "")),
			up(strings.Repeat("r", 52)), down(strings.Repeat("a", 52)), up(strings.Repeat("r", 84)), down(strings.Repeat("s", 36)),
		},
		[]dialogtest.Turn{down("SSH-1.99-B\r\n"), up("SSH-1.5-A\n")},
	)
}

// BenchmarkRead reads a connection up to a logon with a password.
func BenchmarkRead(b *testing.B) {
	c := logonCase{cipher: "chacha20-poly1305@openssh.com", auth: []xssh.AuthMethod{xssh.Password("right")}}
	turns := c.converse(b)
	said := make([][]byte, len(turns))
	n := 0
	for i, t := range turns {
		said[i] = []byte(t.Data)
		n += len(t.Data)
	}
	var d dialog.Dialog
	var batch weir.Batch
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		batch.SSH = batch.SSH[:0]
		d.Reset(dialogtest.Base, &batch, nil)
		r := New()
		for i, t := range turns {
			if r.Read(&d, t.From, said[i]) == dialog.Stop {
				break
			}
		}
		if len(batch.SSH) != 1 || batch.SSH[0].Auth != "success" {
			b.Fatal(batch.SSH)
		}
	}
}
