package smb_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// zeekActions are what Zeek calls the actions in smb_files.log.
var zeekActions = map[string]string{"SMB::FILE_OPEN": "open", "SMB::FILE_READ": "read", "SMB::FILE_WRITE": "write", "SMB::FILE_DELETE": "delete", "SMB::FILE_RENAME": "rename"}

// TestZeek compares with smb_files.log, of which two traces are there.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("smb2-read-write", "action", "", "read * pythonfile", "Zeek tells the same read twice, without and with the number of the file"),
		metertest.Explain("smb2-read-write", "action", "", "write * pythonfile2", "the same write twice"),
		metertest.Explain("smb2-read-write", "action", "open * <share_root>", "", "opened three times by three compounds: Zeek tells the first, we each"),
		metertest.Explain("smb2-create-delete-on-close", "action", "open * test_dir", "", "opened four times, as its smb_cmd.log says too; its smb_files.log has three"),
	})
	defer c.Close()
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for name, trace := range map[string]string{"smb2-read-write": "smb2readwrite", "smb2-create-delete-on-close": "smb2.delete-on-close-perms-delete-existing"} {
		got, want := map[string]int{}, map[string]int{}
		sizes := map[string]uint64{}
		for _, a := range metertest.Records(t, root+"/Traces/smb/"+trace+".pcap").SMB {
			switch a.Action {
			case "open", "read", "write", "delete", "rename":
				if a.Status == "SUCCESS" {
					got[a.Action+" "+a.Share+" "+a.File]++
				}
			}
			if a.Action == "open" {
				sizes[a.File] = a.Size
			}
		}
		for _, row := range metertest.Zeek(t, root+"/Baseline/scripts.base.protocols.smb."+name+"/smb_files.log") {
			plain := strings.NewReplacer(`\\`, `\`)
			file := plain.Replace(row["name"])
			want[zeekActions[row["action"]]+" "+plain.Replace(row["path"])+" "+file]++
			if row["action"] == "SMB::FILE_OPEN" {
				c.Field(name, "size", fmt.Sprint(sizes[file]), row["size"])
			}
		}
		c.Tally(name, "action", got, want)
	}
}

// TestPeers: what Suricata's tests and Arkime's expect of these captures is
// among what is told.
func TestPeers(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	for _, k := range []struct {
		capture string
		wanted  []string
	}{
		{"conformance/suricata-verify/tests/smb2-04/20171220_smb_at_schedule.pcap", []string{"open atsvc SUCCESS", "rpc atsvc NetrJobAdd"}},
		{"conformance/suricata-verify/tests/smb2-delete/input.pcap", []string{"delete test SUCCESS"}},
		{"conformance/suricata-verify/tests/smb3-03-midstream/input.pcap", []string{`connect \\10.160.65.202\IPC$ SUCCESS`, "encrypted"}},
		{"conformance/suricata-verify/tests/smb3-01/input.pcap", []string{"negotiate 3.0", "encrypted"}},
		{"conformance/suricata-verify/tests/output-eve-smb-01/input.pcap", []string{`connect \\192.168.1.3\IPC$ SUCCESS`, "session_setup SUCCESS"}},
		{"conformance/suricata-verify/tests/smb-eicar-file/input.pcap", []string{"open eicar SUCCESS", "write eicar SUCCESS"}},
		{"conformance/suricata-verify/tests/smb-eicar-file-segmentation-random/input.pcap", []string{"open eicar SUCCESS", "write eicar SUCCESS"}},
		{"conformance/suricata-verify/tests/smb-eicar-file-segmentation-postheader/input.pcap", []string{"open eicar SUCCESS", "write eicar SUCCESS"}},
		{"conformance/suricata-verify/tests/smb-eicar-overlap/input.pcap", []string{"open eicar SUCCESS", "write eicar SUCCESS"}},
		{"conformance/suricata-verify/tests/smb-named-pipe-ascii/input.pcap", []string{`connect \\127.0.0.1\IPC$ SUCCESS`}},
		{"conformance/suricata-verify/tests/filestore-filecontainer-smb1-padding/smb_bug_padding.pcap", []string{"open file.txt SUCCESS", "write file.txt SUCCESS"}},
		{"conformance/suricata-verify/tests/bug-8629-async-oneside/input.pcap", []string{"open svcctl", "rpc svcctl CreateServiceWOW64W", "open PSEXESVC.exe"}},
		{"conformance/arkime/tests/pcap/smb-smb1-ascii.pcap", []string{`connect \\10.10.0.2\ADMIN$ SUCCESS`, `connect \\10.10.0.2\IPC$ SUCCESS`, "open XXXXXXXX.exe SUCCESS", "negotiate NT LM 0.12",
			"ntlm LAB Administrator THEHOSTNAMEHEREX", "os Windows 2000 2195"}},
		{"conformance/arkime/tests/pcap/wireshark-smb-on-windows10.pcap", []string{"ntlm DESKTOP-2AEFM7G Willi Wireshark DESKTOP-2AEFM7G", "ntlm DESKTOP-2AEFM7G Tim Tester DESKTOP-2AEFM7G", "rpc srvsvc NetrShareEnum"}},
		{"conformance/arkime/tests/pcap/smbtorture-ntlmssp-moloch-crash.pcap", []string{"ntlm  administrator BLU", `connect \\192.168.114.129\TEST SUCCESS`}},
		// What these of the corpus hold is said by their names.
		{"corpus/captures/pcapattack-CVE-2020-0796_SMBGhost_PrivEsc_Loopback_traffic.pcapng", []string{"compressed", "odd smb_compression_size"}},
		{"corpus/captures/elcabezzonn-attempt-spools-vuln-cve-2021-1675.pcap", []string{"rpc spoolss RpcAddPrinterDriverEx"}},
		{"corpus/captures/elcabezzonn-atexec_.pcap", []string{"rpc ITaskSchedulerService SchRpcRegisterTask", "rpc ITaskSchedulerService SchRpcRun"}},
		{"corpus/captures/elcabezzonn-dcsync.pcapng", []string{"rpc drsuapi DRSGetNCChanges"}},
		{"corpus/captures/pcapattack-LM_psexec_smb_dcerpc_epm_svcctl.pcapng", []string{"write PSEXESVC.exe SUCCESS", "rpc svcctl CreateServiceWOW64W", "service svcctl"}},
	} {
		b := metertest.Records(t, sharedtest.Path(t, k.capture))
		got := said(b)
		for _, w := range k.wanted {
			found := ""
			if got[w] {
				found = w
			}
			c.Field(filepath.Base(filepath.Dir(k.capture))+"/"+filepath.Base(k.capture), "said", found, w)
		}
	}
}

// said returns what is told in a batch, in short.
func said(b *weir.Batch) map[string]bool {
	all := map[string]bool{}
	add := func(fields ...string) { all[strings.TrimSpace(strings.Join(fields, " "))] = true }
	for _, a := range b.SMB {
		switch a.Action {
		case "negotiate":
			add(a.Action, a.Version)
		case "connect":
			add(a.Action, a.Share, a.Status)
		case "session_setup", "encrypted":
			add(a.Action, a.Status)
		default:
			add(a.Action, a.File, a.Status)
		}
	}
	for _, r := range b.RPC {
		add("rpc", r.Endpoint, r.Operation)
	}
	for _, n := range b.NTLM {
		add("ntlm", n.Domain, n.User, n.Host)
	}
	for _, a := range b.Announcements {
		add(a.Kind, a.Text)
	}
	for _, o := range b.Oddities {
		add("odd", o.Name)
	}
	return all
}
