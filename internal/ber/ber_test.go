package ber

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
)

func TestHead(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Header
		err  error
	}{
		{"\x30\x05", Header{Sequence, 2, 5}, nil},
		{"\x30\x84\x00\x00\x01\x02", Header{Sequence, 6, 258}, nil}, // as Active Directory writes them
		{"\x30\x82\x01\x02", Header{Sequence, 4, 258}, nil},
		{"\x7f\x65\x82\x01\x94", Header{0x7f65, 5, 404}, nil}, // Connect-Initial
		{"\x30", Header{}, ErrShort},
		{"", Header{}, ErrShort},
		{"\x30\x84\x00\x00\x01", Header{}, ErrShort},
		{"\x7f\x65", Header{}, ErrShort},
		{"\x30\x80", Header{}, ErrForm}, // indefinite
		{"\x30\x85\x00\x00\x00\x00\x01", Header{}, ErrForm},
		{"\x30\x84\xff\xff\xff\xff", Header{}, ErrForm},
		{"\x7f\x81\x01\x00", Header{}, ErrForm},
	} {
		got, err := Head([]byte(c.in))
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("Head(%x) = %+v, %v, want %+v, %v", c.in, got, err, c.want, c.err)
		}
	}
}

func TestList(t *testing.T) {
	l := List("\x02\x01\x05\xa0\x03\x04\x01a\xa2\x00\x30\x09ab")
	if n, ok := l.TakeInt(Integer); n != 5 || !ok {
		t.Errorf("TakeInt = %d, %v, want 5", n, ok)
	}
	if _, ok := l.Find(Context(1)); ok {
		t.Error("Find found [1], want it missing")
	}
	if body, ok := l.Find(Context(2)); !ok || len(body) != 0 {
		t.Errorf("Find([2]) = %q, %v, want it, empty", body, ok)
	}
	e, ok := l.Next()
	if !ok || !e.Cut || string(e.Body) != "ab" {
		t.Errorf("Next = %+v, %v, want the beginning of it", e, ok)
	}
	if _, ok := l.Next(); ok {
		t.Error("Next at the end = true")
	}
}

func TestFindSkips(t *testing.T) {
	l := List("\xa0\x01x\xa1\x01y\xa2\x01z")
	if body, ok := l.Find(Context(1)); string(body) != "y" || !ok {
		t.Errorf("Find([1]) = %q, %v, want y", body, ok)
	}
}

func TestInt(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 127, 128, -128, -129, 1 << 40, -1 << 63} {
		der, err := asn1.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		l := List(der)
		if got, ok := l.TakeInt(Integer); got != n || !ok {
			t.Errorf("TakeInt(%x) = %d, %v, want %d", der, got, ok, n)
		}
	}
	for _, in := range []string{"", "123456789"} {
		if n, ok := Int([]byte(in)); ok {
			t.Errorf("Int(%q) = %d, want none", in, n)
		}
	}
}

func TestOID(t *testing.T) {
	for _, want := range []string{"1.3.6.1.2.1.1.1.0", "2.999.3", "0.39", "1.2.840.113556.1.4.803"} {
		var oid asn1.ObjectIdentifier
		n := 0
		for _, part := range strings.Split(want, ".") {
			n = 0
			for _, c := range part {
				n = n*10 + int(c-'0')
			}
			oid = append(oid, n)
		}
		der, err := asn1.Marshal(oid)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendOID(nil, List(der).In(OID))); got != want {
			t.Errorf("AppendOID = %s, want %s", got, want)
		}
	}
	if got := AppendOID(nil, bytes.Repeat([]byte{0x81}, 100)); string(got) != "…" {
		t.Errorf("of an endless arc: %q", got)
	}
	if got := AppendOID(nil, bytes.Repeat([]byte{1}, 100)); len(got) > 2*maxArcs+4 {
		t.Errorf("of 100 arcs: %d octets", len(got))
	}
}

func TestAllocations(t *testing.T) {
	b := []byte("\x02\x01\x05\xa0\x03\x04\x01a\xa2\x05\x06\x03\x2b\x06\x01")
	var room [64]byte
	n := testing.AllocsPerRun(100, func() {
		l := List(b)
		l.TakeInt(Integer)
		oid, _ := l.Find(Context(2))
		AppendOID(room[:0], oid.In(OID))
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzWalk: every walk ends and gives no more than there was.
func FuzzWalk(f *testing.F) {
	f.Add([]byte("\x30\x0a\x02\x01\x05\xa0\x03\x04\x01a\xa2\x00"))
	f.Add([]byte("\x7f\x65\x82\x01\x94\x04\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var walk func(l List, deep int) int
		walk = func(l List, deep int) (n int) {
			for {
				before := len(l)
				e, ok := l.Next()
				if !ok {
					return n
				}
				if before-len(l) < 2 {
					t.Fatalf("no progress in %x", b)
				}
				n += len(e.Body)
				Int(e.Body)
				AppendOID(nil, e.Body)
				if deep < 8 {
					walk(e.Body, deep+1)
				}
			}
		}
		if n := walk(b, 0); n > len(b) {
			t.Fatalf("%d octets of %d", n, len(b))
		}
		l := List(b)
		l.Find(Context(3))
	})
}
