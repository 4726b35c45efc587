package ftp_test

import "github.com/weir-nta/weir/meter/metertest"

const gaps = "segments are missing in the trace, with commands and replies in them: Zeek gives a reply to the command before, Weir to none"

// ofZeek are the differences from Zeek's logs.
var ofZeek = []metertest.Difference{
	metertest.Explain("cwd-navigation", "reply_code", "227", "226", gaps),
	metertest.Explain("cwd-navigation", "reply_code", "", "226", gaps),
	metertest.Explain("cwd-navigation", "command", "", "RETR", gaps+", or its name from the reply"),
	metertest.Explain("cwd-navigation", "command", "", "PASV", gaps),
	metertest.Explain("ftp", "reply_code", "550", "221", "Zeek takes the 221 at the end for a second reply of RETR"),
	metertest.Explain("ftp-invalid-reply-code", "reply_code", "", "230", "the reply is 99: Zeek repeats the one before"),
	metertest.Explain("ftp-max-pending-commands", "user", "<unknown>", "anonymous", "sent before the server had let the user in, as all of its commands: who is logged on is said in the reply"),
	metertest.Explain("ftp-password-pass-command-hidden", "command", "", "USER", "told by PASS, with the user"),
}
