package dcerpc

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
)

//go:embed interfaces.txt
var interfacesText string

// A uuid is a UUID in the order of its text.
type uuid [16]byte

// An inter is an interface that is known by name.
type inter struct {
	name       string
	operations []string // by number, "" for one without a name
}

const epmapper = "epmapper"

// interfaces are those of interfaces.txt.
var interfaces = sync.OnceValue(func() map[uuid]*inter {
	all := map[uuid]*inter{}
	var current *inter
	for line := range strings.Lines(interfacesText) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0][0] == '#':
		case line[0] == '\t':
			current.add(fields)
		default:
			current = &inter{name: fields[0]}
			for _, id := range fields[1:] {
				all[parseUUID(id)] = current
			}
		}
	}
	return all
})

// add takes names of operations, = and a number before one that is not the next.
func (i *inter) add(fields []string) {
	for _, f := range fields {
		if n, ok := strings.CutPrefix(f, "="); ok {
			next, err := strconv.Atoi(n)
			if err != nil || next < len(i.operations) {
				panic("dcerpc: interfaces.txt: " + i.name + " " + f) // TestInterfaces reads all of it
			}
			i.operations = append(i.operations, make([]string, next-len(i.operations))...)
			continue
		}
		i.operations = append(i.operations, strings.TrimPrefix(f, "-"))
	}
}

// operation returns the name of an operation, else its number.
func (i *inter) operation(n uint16) string {
	if i != nil && int(n) < len(i.operations) && i.operations[n] != "" {
		return i.operations[n]
	}
	return strconv.Itoa(int(n))
}

// usualOf returns the interface that is called over a pipe, nil for a pipe that
// several are called over or an unknown one. A client opens these by the name of
// the interface that it wants, whatever process serves them.
func usualOf(pipe string) *inter {
	switch pipe = strings.ToLower(pipe); pipe {
	case "atsvc", "browser", "dnsserver", "efsrpc", "eventlog", "lsarpc", "netdfs", "netlogon", "samr", "spoolss", "srvsvc", "svcctl", "winreg", "wkssvc":
		for _, i := range interfaces() {
			if i.name == pipe {
				return i
			}
		}
	}
	return nil
}

func parseUUID(s string) (u uuid) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != len(u) {
		panic("dcerpc: interfaces.txt: " + s)
	}
	return uuid(b)
}

// readUUID reads a UUID from 16 octets, of which the first three fields are in
// the order of the sender (C706, A.1).
func readUUID(b []byte, order binary.ByteOrder) (u uuid) {
	binary.BigEndian.PutUint32(u[:], order.Uint32(b))
	binary.BigEndian.PutUint16(u[4:], order.Uint16(b[4:]))
	binary.BigEndian.PutUint16(u[6:], order.Uint16(b[6:]))
	copy(u[8:], b[8:16])
	return u
}

func (u uuid) String() string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// faults are the reasons for refusing a call that are met (C706 appendix E,
// MS-RPCE 3.1.1.5.5; small ones are errors of Windows).
var faults = map[uint32]string{
	0x00000001: "call_failed",
	0x00000005: "access_denied",
	0x00000057: "invalid_parameter",
	0x000006bf: "call_failed_dne",
	0x000006c6: "procnum_out_of_range",
	0x000006d9: "not_registered",
	0x000006f7: "bad_stub_data",
	0x00000721: "sec_pkg_error",
	0x1c000001: "nca_s_fault_int_div_by_zero",
	0x1c000002: "nca_s_fault_addr_error",
	0x1c000006: "nca_s_fault_invalid_tag",
	0x1c000007: "nca_s_fault_invalid_bound",
	0x1c000008: "nca_rpc_version_mismatch",
	0x1c000009: "nca_unspec_reject",
	0x1c00000a: "nca_s_bad_actid",
	0x1c00000b: "nca_who_are_you_failed",
	0x1c00000d: "nca_s_fault_cancel",
	0x1c000011: "nca_s_fault_remote_comm_failure",
	0x1c000012: "nca_s_fault_unspec",
	0x1c00001a: "nca_s_fault_context_mismatch",
	0x1c00001b: "nca_s_fault_remote_no_memory",
	0x1c00001c: "nca_invalid_pres_context_id",
	0x1c00001d: "nca_unsupported_authn_level",
	0x1c00001f: "nca_invalid_checksum",
	0x1c000020: "nca_invalid_crc",
	0x1c000021: "nca_s_fault_user_defined",
	0x1c000023: "nca_s_fault_codeset_conv_error",
	0x1c000024: "nca_s_fault_object_not_found",
	0x1c010001: "nca_comm_failure",
	0x1c010002: "nca_op_rng_error",
	0x1c010003: "nca_unk_if",
	0x1c010006: "nca_wrong_boot_time",
	0x1c010009: "nca_you_crashed",
	0x1c01000b: "nca_proto_error",
	0x1c010013: "nca_out_args_too_big",
	0x1c010014: "nca_server_too_busy",
	0x1c010017: "nca_unsupported_type",
	0x80070005: "access_denied",
	0x80070721: "sec_pkg_error",
	0x80080005: "server_exec_failure",
}

func faultName(code uint32) string {
	if s := faults[code]; s != "" {
		return s
	}
	return "0x" + strconv.FormatUint(uint64(code)|1<<32, 16)[1:]
}

// rejections are the reasons for refusing a bind (C706, 12.6.3.1).
var rejections = [...]string{
	"reason_not_specified", "temporary_congestion", "local_limit_exceeded", "called_paddr_unknown",
	"protocol_version_not_supported", "default_context_not_supported", "user_data_not_readable", "no_psap_available",
	"authentication_type_not_recognized", "invalid_checksum",
}

func rejection(code uint16) string {
	if int(code) < len(rejections) {
		return rejections[code]
	}
	return strconv.Itoa(int(code))
}
