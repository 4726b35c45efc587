// Package http reads the head of the first request of an HTTP/1 connection and
// of its answer (RFC 9112). It looks at nothing behind the heads.
package http

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/wire"
)

// Client reads the head of the first request, from the first byte the client sent.
func Client(dst *weir.HTTP, b []byte) wire.Status { return wire.No }

// Server reads the status of the first final answer, from the first byte the
// server sent.
func Server(dst *weir.HTTP, b []byte) wire.Status { return wire.No }
