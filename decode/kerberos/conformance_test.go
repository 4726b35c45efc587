package kerberos_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// shorten writes the names of Zeek as package zeek reads them.
func shorten(s string) string {
	for _, family := range []string{"aes256", "aes128", "rc4"} {
		if strings.HasPrefix(s, family) {
			return family
		}
	}
	return s
}

// TestZeek compares with kerberos.log, line by line and field by field.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("krb.kinit *", "error", "K*_ERR_*", "*", "Zeek writes the text of the message where there is one, here MIT's; we the name of the code, which is the same from every implementation"),
		metertest.Explain("krb.kinit *", "line", "AS KDC_ERR_PREAUTH_REQUIRED", "", "Zeek leaves these out where they have MIT's text; we keep all of them: enumerating accounts shows in nothing else"),
		metertest.Explain("tcp.krb-tcp-tso * 445", "line", "", "there", "tickets shown by SMB: told by decode/smb"),
	})
	defer c.Close()
	for _, tc := range []struct{ baseline, trace string }{
		{"scripts.base.protocols.krb.kinit", "krb/kinit.pcap"},
		{"scripts.base.protocols.tcp.krb-tcp-tso", "krb/kerberos_tso.pcapng"},
	} {
		root := sharedtest.Path(t, "conformance/zeek/testing/btest")
		ours := map[string][]*weir.KerberosMessage{}
		b := metertest.Records(t, root+"/Traces/"+tc.trace)
		for i := range b.Kerberos {
			k := &b.Kerberos[i]
			ours[metertest.Ends(&k.Endpoints)] = append(ours[metertest.Ends(&k.Endpoints)], k)
		}
		for _, row := range metertest.Zeek(t, root+"/Baseline/"+tc.baseline+"/kerberos.log") {
			ends := metertest.EndsOf(row)
			name := strings.TrimPrefix(tc.baseline, "scripts.base.protocols.") + " " + ends
			var m weir.KerberosMessage
			if list := ours[ends]; len(list) > 0 {
				m, ours[ends] = *list[0], list[1:]
			} else {
				c.Field(name, "line", "", "there")
				continue
			}
			c.Field(name, "line", "there", "there")
			c.Field(name, "msg", m.Type, row["request_type"])
			c.Field(name, "client", m.Client, row["client"])
			c.Field(name, "spn", m.Service, row["service"])
			c.Field(name, "success", m.Success, map[string]string{"T": "true", "F": "false"}[row["success"]])
			c.Field(name, "error", m.Error, row["error_msg"])
			c.Field(name, "etype", m.Cipher, shorten(row["cipher"]))
			c.Field(name, "forwardable", fmt.Sprint(m.Forwardable), map[string]string{"T": "true", "F": "false"}[row["forwardable"]])
			c.Field(name, "renewable", fmt.Sprint(m.Renewable), map[string]string{"T": "true", "F": "false"}[row["renewable"]])
			till := ""
			if !m.Until.IsZero() {
				till = fmt.Sprintf("%d.000000", m.Until.Unix())
			}
			c.Field(name, "until", till, row["till"])
		}
		for ends, list := range ours {
			for _, m := range list {
				c.Field(strings.TrimPrefix(tc.baseline, "scripts.base.protocols.")+" "+ends, "line", m.Type+" "+m.Error, "")
			}
		}
	}
}
