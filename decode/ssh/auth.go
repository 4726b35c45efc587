package ssh

import "bytes"

// Sizes of messages (RFC 4252, 5; RFC 4253, 10).
const (
	acceptSize  = 1 + 4 + len("ssh-userauth") // SERVICE_ACCEPT
	successSize = 1                           // USERAUTH_SUCCESS
	// A USERAUTH_FAILURE names methods that can go on: "password" is the
	// shortest, and no server has more than this.
	minFailureSize = 1 + 4 + len("password") + 1
	maxFailureSize = 1 + 4 + 100 + 1
	// maxNone is a request with the method "none", by which clients ask what
	// methods there are, of a user with 8 letters. A password of any length
	// makes a longer one.
	maxNone = 1 + 4 + 8 + 4 + len("ssh-connection") + 4 + len("none")
	// keySize is that of USERAUTH_PK_OK for a key of Ed25519 (RFC 8709, 4).
	keySize = 1 + 4 + len("ssh-ed25519") + 4 + 51
	// padding is the random padding that a packet may have and still be taken
	// for SERVICE_ACCEPT: some servers pad more than they need to. Of these
	// no outcome is told but a refusal that is seen again: what accepts a
	// user has no size of its own there.
	padding = 64
)

// A logon follows the sizes of encrypted packets until one says that it has
// succeeded.
type logon struct {
	phase    logonPhase
	asked    int  // octets that the client has said since the latest answer
	asks     int  // times that it has asked for a user
	answered bool // the latest word is the server's
	failure  int  // size of USERAUTH_FAILURE, 0 until one was seen
	fresh    bool // it was seen since the client has spoken
	probes   bool // the client's software begins with the method "none"
	attempts uint32
	done     bool // it has succeeded
	unsure   bool // something was missed: what did not come may have come
	packets  int
}

type logonPhase uint8

const (
	beforeService logonPhase = iota // the client has said nothing encrypted
	service                         // it asked for the service: it waits for SERVICE_ACCEPT
	user                            // it asks for a user
)

// maxPackets is how many packets of a server are looked at: no server lets
// anybody try so often.
const maxPackets = 256

// client takes a packet of the client.
func (l *logon) client(n int) {
	if l.phase == beforeService {
		l.phase = service
	}
	if l.answered && l.phase == user {
		l.asks++
	}
	if l.answered {
		l.answered, l.asked, l.fresh = false, 0, false
	}
	l.asked += n
}

// server takes a packet of the server; up and down are how packets look.
func (l *logon) server(n int, up, down *seal) {
	l.packets++
	l.answered = true
	switch l.phase {
	case beforeService: // EXT_INFO (RFC 8308)
	case service:
		l.accept(n, down)
	case user:
		l.answer(n, up, down)
	}
}

// accept takes what may be SERVICE_ACCEPT.
func (l *logon) accept(n int, down *seal) {
	want := down.size(acceptSize)
	if n < want || n > want+padding {
		return // EXT_INFO, or IGNORE
	}
	l.phase = user
}

func (l *logon) answer(n int, up, down *seal) {
	switch {
	case n == down.size(successSize):
		l.attempts++
		l.done = true
	case l.failure == 0 && l.mayGoOn(n, up, down):
	case l.fresh && n >= down.size(minFailureSize) && n <= down.size(maxFailureSize):
		l.failure = n // what came before it was a banner
	case l.failure == 0 && n >= down.size(minFailureSize) && n <= down.size(maxFailureSize):
		l.failure, l.fresh = n, true
		if l.asks > 1 || !l.probes && up.known && l.asked > up.size(maxNone) {
			l.attempts++ // more than a question what methods there are
		}
	case n == l.failure:
		l.attempts++
	}
}

// mayGoOn reports whether a packet is USERAUTH_PK_OK for a key of Ed25519, the
// only kind that makes it as short as a refusal: it repeats the key that the
// client has just named, among a user of up to 32 letters and 36 octets more.
func (l *logon) mayGoOn(n int, up, down *seal) bool {
	return n == down.size(keySize) && up.known && l.asked >= up.size(keySize+36) && l.asked <= up.size(keySize+36+32)
}

// begins notes what the client's software calls itself. That of OpenSSH and
// PuTTY asks what methods there are before it tries one; of others the size
// of the first request has to tell.
func (l *logon) begins(software []byte) {
	l.probes = bytes.HasPrefix(software, []byte("SSH-2.0-OpenSSH")) || bytes.HasPrefix(software, []byte("SSH-2.0-PuTTY"))
}

// outcome returns how the logon seems to have ended, after how many attempts:
// nothing if nobody was refused but who asked what methods there are, or if the
// answer may have been missed. Who asks again and ends without an answer was
// refused the first time, though that be hidden in one segment with a banner.
func (l *logon) outcome(up *seal) (auth string, attempts uint32) {
	attempts = l.attempts
	if attempts == 0 && l.asks > 1 && !l.answered && up.known && l.asked > up.size(maxNone) {
		attempts = 1
	}
	switch {
	case l.done:
		auth = "success"
	case attempts > 0 && !l.unsure:
		auth = "failure"
	}
	return auth, attempts
}
