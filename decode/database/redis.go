package database

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// maxPending is how many commands wait for their reply. Beyond it they are told
// without how they ended, and so are all after them.
const maxPending = 64

// maxLine is how long a line of RESP or of an inline command may be.
const maxLine = 4 << 10

// maxArgs is how many arguments a command may have that is read.
const maxArgs = 1 << 10

// maxRead is how many of them are looked at, with the name of the command.
const maxRead = 3

// maxElements is how many elements of a reply may be still to come.
const maxElements = 1 << 24

// A redis reads the commands of one connection: their names and, of those that
// change the server itself, what they change. Keys and values are contents.
type redis struct {
	commands dialog.Commands
	pending  []weir.Command
	blind    bool // replies are no longer matched: too many wait, or they are pushed
	deep     int  // elements of an aggregate reply still to come
	failed   bool // what is being replied is an error
	text     string
}

// NewRedis returns a reader of one connection to Redis.
func NewRedis() dialog.Reader { return &redis{} }

func (r *redis) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if from == dialog.Client {
		return r.client(d, b)
	}
	if r.blind {
		return dialog.Stop
	}
	return r.server(d, b)
}

// client reads one command: an array of bulk strings, or a line.
func (r *redis) client(d *dialog.Dialog, b []byte) int {
	line, used, ok := cutLine(b)
	switch {
	case !ok && len(b) > maxLine:
		return dialog.Stop
	case !ok:
		return 0
	case len(line) == 0:
		return used
	case line[0] != '*':
		args := bytes.Fields(line)
		r.command(d, args[:min(len(args), maxRead)]) // as many as of an array
		return used
	}
	n, ok := number(line[1:])
	if !ok || n > maxArgs {
		return dialog.Stop
	}
	var args [][]byte
	for range n {
		line, more, ok := cutLine(b[used:])
		if !ok {
			return 0
		}
		size, ok := number(line[min(1, len(line)):])
		if !ok || len(line) == 0 || line[0] != '$' {
			return dialog.Stop
		}
		used += more
		if len(args) < maxRead { // the others are not looked at: CONFIG SET requirepass …
			if len(b) < used+size+2 && size <= maxLine {
				return 0
			}
			args = append(args, b[min(used, len(b)):min(used+size, len(b))])
		}
		if used += size + 2; used > len(b) {
			if len(args) == n || len(b) > maxLine {
				break // the last one, or a value too long to wait for: it is passed over
			}
			return 0
		}
	}
	r.command(d, args)
	return used
}

// changes are the commands of which the first argument names what of the
// server is changed or run.
var changes = map[string]bool{
	"CONFIG": true, "MODULE": true, "SCRIPT": true, "FUNCTION": true, "CLIENT": true, "ACL": true, "DEBUG": true,
	"SLAVEOF": true, "REPLICAOF": true, "MIGRATE": true, "CLUSTER": true, "SELECT": true,
}

// redisName returns the name of a command in upper case, "unknown" for what is
// none: it may be a password, or what others speak.
func redisName(b []byte) string {
	if len(b) > 32 {
		return "unknown"
	}
	if name := strings.ToUpper(string(b)); redisCommands[name] {
		return name
	}
	return "unknown"
}

// redisCommands are those of Redis 7, with those between servers and the usual
// ones of modules.
var redisCommands = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`
		ACL APPEND ASKING AUTH BGREWRITEAOF BGSAVE BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH
		BZMPOP BZPOPMAX BZPOPMIN CLIENT CLUSTER COMMAND CONFIG COPY DBSIZE DEBUG DECR DECRBY DEL DISCARD DUMP ECHO EVAL EVALSHA
		EVALSHA_RO EVAL_RO EXEC EXISTS EXPIRE EXPIREAT EXPIRETIME FAILOVER FCALL FCALL_RO FLUSHALL FLUSHDB FUNCTION GEOADD GEODIST
		GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL
		GETEX GETRANGE GETSET HDEL HELLO HEXISTS HEXPIRE HEXPIREAT HEXPIRETIME HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT
		HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL
		HVALS INCR INCRBY INCRBYFLOAT INFO KEYS LASTSAVE LATENCY LCS LINDEX LINSERT LLEN LMOVE LMPOP LOLWUT LPOP LPOS LPUSH LPUSHX
		LRANGE LREM LSET LTRIM MEMORY MGET MIGRATE MODULE MONITOR MOVE MSET MSETNX MULTI OBJECT PERSIST PEXPIRE PEXPIREAT
		PEXPIRETIME PFADD PFCOUNT PFDEBUG PFMERGE PFSELFTEST PING PSETEX PSUBSCRIBE PSYNC PTTL PUBLISH PUBSUB PUNSUBSCRIBE QUIT
		RANDOMKEY READONLY READWRITE RENAME RENAMENX REPLCONF REPLICAOF RESET RESTORE RESTORE-ASKING ROLE RPOP RPOPLPUSH RPUSH
		RPUSHX SADD SAVE SCAN SCARD SCRIPT SDIFF SDIFFSTORE SELECT SENTINEL SET SETBIT SETEX SETNX SETRANGE SHUTDOWN SINTER
		SINTERCARD SINTERSTORE SISMEMBER SLAVEOF SLOWLOG SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SPUBLISH SRANDMEMBER SREM
		SSCAN SSUBSCRIBE STRLEN SUBSCRIBE SUBSTR SUNION SUNIONSTORE SUNSUBSCRIBE SWAPDB SYNC TIME TOUCH TTL TYPE UNLINK
		UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XINFO XLEN XPENDING XRANGE XREAD XREADGROUP
		XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP ZMSCORE
		ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK
		ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION ZUNIONSTORE
		FT.SEARCH FT.CREATE FT.AGGREGATE FT.INFO JSON.GET JSON.SET JSON.DEL JSON.MGET TS.ADD TS.GET TS.RANGE BF.ADD BF.EXISTS`) {
		m[name] = true
	}
	return m
}()

func (r *redis) command(d *dialog.Dialog, args [][]byte) {
	if len(args) == 0 {
		return
	}
	c := weir.Command{Protocol: "redis", Command: redisName(args[0]), Count: 1}
	c.Endpoints = d.Endpoints
	switch {
	case c.Command == "AUTH" && len(args) > 2:
		c.User = uri.Printable(args[1], maxName)
	case changes[c.Command] && len(args) > 1:
		c.Object = uri.Printable(bytes.Join(args[1:], []byte(" ")), maxName)
	}
	if strings.HasSuffix(c.Command, "SUBSCRIBE") || c.Command == "MONITOR" || c.Command == "CLIENT" && silences(args) {
		r.blind = true // what comes now are no replies
	}
	if len(r.pending) >= maxPending {
		r.blind = true
	}
	if r.blind {
		r.flush(d)
		r.commands.Add(d, c)
		return
	}
	r.pending = append(r.pending, c)
}

// silences reports whether a CLIENT command leaves replies out: REPLY OFF or SKIP.
func silences(args [][]byte) bool {
	return len(args) > 2 && bytes.EqualFold(args[1], []byte("reply")) && !bytes.EqualFold(args[2], []byte("on"))
}

// server reads one element of a reply: a line, or the length of what follows.
func (r *redis) server(d *dialog.Dialog, b []byte) int {
	line, used, ok := cutLine(b)
	switch {
	case !ok && len(b) > maxLine:
		return dialog.Stop
	case !ok:
		return 0
	case len(line) == 0:
		return dialog.Stop
	}
	if r.deep == 0 {
		r.deep = 1
	}
	r.deep--
	n, _ := number(line[1:])
	switch line[0] {
	case '$', '=', '!':
		if !bytes.HasPrefix(line[1:], []byte("-")) { // of length -1 there is nothing
			used += n + 2
		}
	case '*', '~':
		r.deep += n
	case '%':
		r.deep += 2 * n
	case '|': // attributes, and then what they are of
		r.deep += 2*n + 1
	case '>': // pushed, in no order that is known
		r.blind = true
		return dialog.Stop
	}
	if r.deep > maxElements {
		r.blind = true
		return dialog.Stop
	}
	if line[0] == '-' || line[0] == '!' {
		r.failed, r.text = true, errorName(line[1:])
	}
	if r.deep == 0 {
		r.replied(d)
	}
	return used
}

// errorName returns the first word of an error: the rest may quote values.
func errorName(b []byte) string {
	word, _, _ := bytes.Cut(b, []byte(" "))
	return uri.Printable(word, 32)
}

func (r *redis) replied(d *dialog.Dialog) {
	if len(r.pending) > 0 {
		c := r.pending[0]
		r.pending = r.pending[1:]
		c.Status, c.Success = "ok", "true"
		if r.failed {
			c.Status, c.Success = r.text, "false"
		}
		r.commands.Add(d, c)
	}
	r.failed = false
}

func (r *redis) flush(d *dialog.Dialog) {
	for _, c := range r.pending {
		r.commands.Add(d, c)
	}
	r.pending = nil
}

// Lost ends the reading: where the next command begins is not known.
func (r *redis) Lost(*dialog.Dialog, dialog.End, int) bool {
	r.blind = true
	return false
}

func (r *redis) Close(d *dialog.Dialog) {
	r.flush(d)
	r.commands.Flush(d)
}

// cutLine cuts b behind its first line, and returns how long that is with its end.
func cutLine(b []byte) (line []byte, used int, ok bool) {
	i := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	if i < 0 {
		return nil, 0, false
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), i + 1, true
}

// number reads a length, 0 for the -1 that stands for nothing.
func number(b []byte) (int, bool) {
	n, err := strconv.Atoi(string(b[:min(len(b), 10)]))
	if err != nil || n > 512<<20 || n < -1 || len(b) > 10 {
		return 0, false
	}
	return max(n, 0), true
}
