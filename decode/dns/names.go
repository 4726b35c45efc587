package dns

import "strconv"

// Types that are read (IANA "Resource Record (RR) TYPEs").
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typePTR   = 12
	typeHINFO = 13
	typeMX    = 15
	typeTXT   = 16
	typeAFSDB = 18
	typeAAAA  = 28
	typeSRV   = 33
	typeKX    = 36
	typeDNAME = 39
	typeOPT   = 41
	typeSVCB  = 64
	typeHTTPS = 65
	typeSPF   = 99
	typeCAA   = 257

	// In the NetBIOS name service these numbers mean something else.
	typeNB     = 32
	typeNBSTAT = 33
)

// typeNames are the names of the registry by number; 255, "*" there, is ANY.
var typeNames = [...]string{
	1:   "A",
	2:   "NS",
	3:   "MD",
	4:   "MF",
	5:   "CNAME",
	6:   "SOA",
	7:   "MB",
	8:   "MG",
	9:   "MR",
	10:  "NULL",
	11:  "WKS",
	12:  "PTR",
	13:  "HINFO",
	14:  "MINFO",
	15:  "MX",
	16:  "TXT",
	17:  "RP",
	18:  "AFSDB",
	19:  "X25",
	20:  "ISDN",
	21:  "RT",
	22:  "NSAP",
	23:  "NSAP-PTR",
	24:  "SIG",
	25:  "KEY",
	26:  "PX",
	27:  "GPOS",
	28:  "AAAA",
	29:  "LOC",
	30:  "NXT",
	31:  "EID",
	32:  "NIMLOC",
	33:  "SRV",
	34:  "ATMA",
	35:  "NAPTR",
	36:  "KX",
	37:  "CERT",
	38:  "A6",
	39:  "DNAME",
	40:  "SINK",
	41:  "OPT",
	42:  "APL",
	43:  "DS",
	44:  "SSHFP",
	45:  "IPSECKEY",
	46:  "RRSIG",
	47:  "NSEC",
	48:  "DNSKEY",
	49:  "DHCID",
	50:  "NSEC3",
	51:  "NSEC3PARAM",
	52:  "TLSA",
	53:  "SMIMEA",
	55:  "HIP",
	56:  "NINFO",
	57:  "RKEY",
	58:  "TALINK",
	59:  "CDS",
	60:  "CDNSKEY",
	61:  "OPENPGPKEY",
	62:  "CSYNC",
	63:  "ZONEMD",
	64:  "SVCB",
	65:  "HTTPS",
	66:  "DSYNC",
	67:  "HHIT",
	68:  "BRID",
	99:  "SPF",
	100: "UINFO",
	101: "UID",
	102: "GID",
	103: "UNSPEC",
	104: "NID",
	105: "L32",
	106: "L64",
	107: "LP",
	108: "EUI48",
	109: "EUI64",
	128: "NXNAME",
	249: "TKEY",
	250: "TSIG",
	251: "IXFR",
	252: "AXFR",
	253: "MAILB",
	254: "MAILA",
	255: "ANY",
	256: "URI",
	257: "CAA",
	258: "AVC",
	259: "DOA",
	260: "AMTRELAY",
	261: "RESINFO",
	262: "WALLET",
	263: "CLA",
	264: "IPN",
}

func knownType(t uint16) bool {
	return int(t) < len(typeNames) && typeNames[t] != "" || t == 32768 || t == 32769
}

// TypeName returns the name of a record type as records tell it; app is the
// dialect, in which numbers mean other things (see [Dialect]).
func TypeName(t uint16, app string) string { return typeName(t, app == "nbns") }

// ClassName returns the name of a class as records tell it; app is the dialect.
func ClassName(c uint16, app string) string {
	if app == "mdns" {
		c &= 0x7fff // the upper bit asks for a unicast response (RFC 6762, 5.4)
	}
	return className(c)
}

// typeName returns the name of a type; TYPE65280 for one without (RFC 3597, 5).
func typeName(t uint16, netbios bool) string {
	switch {
	case netbios && t == typeNB:
		return "NB"
	case netbios && t == typeNBSTAT:
		return "NBSTAT"
	case int(t) < len(typeNames) && typeNames[t] != "":
		return typeNames[t]
	case t == 32768:
		return "TA"
	case t == 32769:
		return "DLV"
	}
	return "TYPE" + strconv.Itoa(int(t))
}

func knownClass(c uint16) bool { return c == 1 || c == 3 || c == 4 || c == 254 || c == 255 }

// className returns the name of a class; CLASS7 for one without.
func className(c uint16) string {
	switch c {
	case 1:
		return "IN"
	case 3:
		return "CH"
	case 4:
		return "HS"
	case 254:
		return "NONE"
	case 255:
		return "ANY"
	}
	return "CLASS" + strconv.Itoa(int(c))
}

// codeNames are the names of the registry "DNS RCODEs".
var codeNames = [...]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
	"NOTAUTH", "NOTZONE", "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE",
	20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}

// CodeName returns the name of a response code; RCODE26 for one without.
func CodeName(c uint16) string {
	if int(c) < len(codeNames) && codeNames[c] != "" {
		return codeNames[c]
	}
	return "RCODE" + strconv.Itoa(int(c))
}
