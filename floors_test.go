package weir_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weir-nta/weir"

// floors lists the packages of the program from the ground up. A package
// imports packages of lower floors only: not of its own, not of higher ones.
// To lower a package is fine; to raise one needs a reason in the commit.
var floors = []string{
	0: ".",
	1: "internal/* decode/dialog",
	2: "decode/packet decode/dns decode/tls decode/app decode/binetflow decode/flowrec decode/ntlm decode/kerberos",
	3: "packetring decode/dcerpc decode/quic decode/dtls decode/dialog/dialogtest decode/ntlm/ntlmtest",
	4: "decode/ssh decode/smb decode/ldap decode/rdp decode/snmp decode/http decode/mail decode/ftp decode/irc " +
		"decode/dhcp decode/discovery decode/ntp decode/database decode/industrial decode/mqtt decode/coap decode/socks decode/tunnel decode/mining",
	5: "meter query stitch decode/netflow decode/sflow decode/nfcapd decode/zeek decode/eve",
	6: "query/exec source enrich store detect alert output collector export",
	7: "source/* enrich/* store/* detectors/*",
	8: "parts pipeline demo config inputs detect/detecttest meter/metertest",
	9: "cmd/* tools/*",
}

func floor(dir string) int {
	for i, f := range floors {
		for p := range strings.FieldsSeq(f) {
			if ok, _ := path.Match(p, dir); ok {
				return i
			}
		}
	}
	return -1
}

// TestFloors reads the files itself, instead of asking "go list", so that the
// go command knows what the result depends on and does not serve an old one.
func TestFloors(t *testing.T) {
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		from := path.Dir(filepath.ToSlash(file))
		if floor(from) < 0 {
			t.Errorf("%s is on no floor: give it one", from)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil || imp != module && !strings.HasPrefix(imp, module+"/") {
				continue
			}
			to := path.Clean("./" + strings.TrimPrefix(strings.TrimPrefix(imp, module), "/"))
			if floor(to) >= floor(from) {
				t.Errorf("%s: %s (floor %d) imports %s (floor %d)", file, from, floor(from), to, floor(to))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
