package ssh

// Sizes of messages (RFC 4252, 5; RFC 4253, 10).
const (
	acceptSize  = 1 + 4 + len("ssh-userauth") // SERVICE_ACCEPT
	successSize = 1                           // USERAUTH_SUCCESS
	// A USERAUTH_FAILURE names methods that can go on: "password" is the
	// shortest, and no server has more than this.
	minFailureSize = 1 + 4 + len("password") + 1
	maxFailureSize = 1 + 4 + 100 + 1
	// maxNone is the longest request with the method "none", by which clients
	// ask what methods there are, of a user with 32 letters.
	maxNone = 1 + 4 + 32 + 4 + len("ssh-connection") + 4 + len("none")
	// padding is the random padding that a packet may have and still be taken
	// for SERVICE_ACCEPT: some servers pad more than they need to.
	padding = 64
)

// A logon follows the sizes of encrypted packets until one says that it has
// succeeded.
type logon struct {
	phase    logonPhase
	success  int // size of USERAUTH_SUCCESS
	asked    int // size of the latest packet of the client
	failure  int // size of USERAUTH_FAILURE, 0 until one was seen
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
	l.asked = n
}

// server takes a packet of the server; up and down are how packets look.
func (l *logon) server(n int, up, down *seal) {
	l.packets++
	switch l.phase {
	case beforeService: // EXT_INFO (RFC 8308)
	case service:
		l.accept(n, down)
	case user:
		l.answer(n, up, down)
	}
}

// accept takes what may be SERVICE_ACCEPT. If that is padded more than it
// needs to be, the size of the others is as much less as their content.
func (l *logon) accept(n int, down *seal) {
	want := down.size(acceptSize)
	if n < want || n > want+padding {
		return // EXT_INFO, or IGNORE
	}
	l.phase = user
	l.success = n - (want - down.size(successSize))
}

func (l *logon) answer(n int, up, down *seal) {
	switch {
	case n == l.success || n == down.size(successSize):
		l.attempts++
		l.done = true
	case l.failure == 0 && n >= down.size(minFailureSize) && n <= down.size(maxFailureSize):
		l.failure = n
		if up.known && l.asked > up.size(maxNone) {
			l.attempts++ // more than a question what methods there are
		}
	case n == l.failure:
		l.attempts++
	}
}

// outcome returns how the logon seems to have ended: nothing if nobody tried,
// or if the answer may have been missed.
func (l *logon) outcome() string {
	switch {
	case l.done:
		return "success"
	case l.attempts > 0 && !l.unsure:
		return "failure"
	}
	return ""
}
