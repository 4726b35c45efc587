package tls

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/wire"
)

// Client reads the head of what the client of a connection sent, in order from
// its first byte, into dst: the ClientHello.
func Client(dst *weir.TLS, b []byte) wire.Status { return wire.No }

// Server reads the head of what the server of a connection sent, in order from
// its first byte, into dst: the ServerHello and, up to TLS 1.2, the certificate.
func Server(dst *weir.TLS, b []byte) wire.Status { return wire.No }
