package sasl

import "testing"

// TestBeginNoMechanism: a response that comes where the mechanism should be is
// not kept.
func TestBeginNoMechanism(t *testing.T) {
	for _, s := range []string{"AGEAYWJj", "hunter2", "c2VjcmV0"} { // the first is \0a\0abc in base64
		var e Exchange
		if e.Begin([]byte(s)); e.Mechanism != "unknown" {
			t.Errorf("%s: %q, want unknown", s, e.Mechanism)
		}
	}
	for _, s := range []string{"plain", "LOGIN", "scram-sha-256-plus", "GSS-SPNEGO"} {
		var e Exchange
		if e.Begin([]byte(s)); e.Mechanism == "unknown" {
			t.Errorf("%s is not known", s)
		}
	}
}
