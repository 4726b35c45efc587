// Package app names the application protocol of a conversation: by what is
// said in it or, as a guess, by its port.
package app

import "github.com/weir-nta/weir"

// Recognise names the application protocol by the first bytes that client and
// server sent, or returns "" if it cannot tell (yet).
func Recognise(proto weir.Proto, client, server []byte) string { return "" }

// ByPort names what usually runs on a port, "" if nothing does.
func ByPort(proto weir.Proto, port uint16) string { return "" }
