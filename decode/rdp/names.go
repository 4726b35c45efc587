package rdp

import (
	"fmt"
	"strconv"
)

// protocols are those that can be chosen (2.2.1.2.1).
var protocols = map[uint32]string{1: "tls", 2: "hybrid", 4: "rdstls", 8: "hybrid_ex", 16: "aad"}

// failures are why a server refuses (2.2.1.2.2).
var failures = map[uint32]string{
	1: "SSL_REQUIRED_BY_SERVER", 2: "SSL_NOT_ALLOWED_BY_SERVER", 3: "SSL_CERT_NOT_ON_SERVER", 4: "INCONSISTENT_FLAGS",
	5: "HYBRID_REQUIRED_BY_SERVER", 6: "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER", 7: "ENTRA_AUTH_REQUIRED_BY_SERVER",
}

// results are those of a conference request (T.124, 8.7, ConferenceCreateResponse).
var results = map[uint32]string{
	0: "Success", 1: "User rejected", 2: "Resources not available", 3: "Rejected for symmetry breaking", 4: "Locked conference",
}

// builds are the versions of clients until 8.1, which all say that they are 5.
var builds = map[uint32]string{
	419: "4.0", 2195: "5.0", 2221: "5.0", 2600: "5.1", 3790: "5.2", 6000: "6.0", 6001: "6.1", 6002: "6.2", 7600: "7.0", 7601: "7.1",
	9200: "8.0", 9600: "8.1", 25189: "8.0 (Mac)", 25282: "8.0 (Mac)",
}

// build returns the version of a client by what it says of its protocol, and,
// where that says too little, by its build (2.2.1.3.2).
func build(version, build uint32) string {
	const v4, v5, v10, last = 0x00080001, 0x00080004, 0x00080005, 0x00080020
	switch {
	case version >= v10 && version <= last:
		return "RDP 10." + strconv.FormatUint(uint64(version-v10), 10)
	case builds[build] != "":
		return "RDP " + builds[build]
	case version == v4:
		return "RDP 4.0"
	}
	return "build " + strconv.FormatUint(uint64(build), 10)
}

// keyboard returns the name of a layout: that of its language where it is the
// first one for it, else with its number behind. Numbers that are not in the
// table stay numbers, as Windows writes them.
func keyboard(layout uint32) string {
	if s, ok := languages[uint16(layout)]; ok {
		if layout>>16 == 0 {
			return s
		}
		return fmt.Sprintf("%s (%08x)", s, layout)
	}
	return fmt.Sprintf("%08x", layout)
}

// languages are those of layouts by their identifiers (MS-LCID 2.2).
var languages = map[uint16]string{
	0x0401: "Arabic - Saudi Arabia", 0x0402: "Bulgarian", 0x0403: "Catalan", 0x0404: "Chinese - Taiwan", 0x0405: "Czech", 0x0406: "Danish",
	0x0407: "German - Germany", 0x0408: "Greek", 0x0409: "English - United States", 0x040a: "Spanish - Spain (Traditional Sort)",
	0x040b: "Finnish", 0x040c: "French - France", 0x040d: "Hebrew", 0x040e: "Hungarian", 0x040f: "Icelandic", 0x0410: "Italian - Italy",
	0x0411: "Japanese", 0x0412: "Korean", 0x0413: "Dutch - Netherlands", 0x0414: "Norwegian (Bokmal)", 0x0415: "Polish",
	0x0416: "Portuguese - Brazil", 0x0417: "Rhaeto-Romanic", 0x0418: "Romanian", 0x0419: "Russian", 0x041a: "Croatian", 0x041b: "Slovak",
	0x041c: "Albanian - Albania", 0x041d: "Swedish", 0x041e: "Thai", 0x041f: "Turkish", 0x0420: "Urdu", 0x0421: "Indonesian",
	0x0422: "Ukrainian", 0x0423: "Belarusian", 0x0424: "Slovenian", 0x0425: "Estonian", 0x0426: "Latvian", 0x0427: "Lithuanian",
	0x0428: "Tajik", 0x0429: "Farsi", 0x042a: "Vietnamese", 0x042b: "Armenian - Armenia", 0x042c: "Azeri (Latin)", 0x042d: "Basque",
	0x042f: "Macedonian", 0x0436: "Afrikaans - South Africa", 0x0437: "Georgian", 0x0438: "Faroese", 0x0439: "Hindi", 0x043a: "Maltese",
	0x043c: "Irish", 0x043e: "Malay - Malaysia", 0x043f: "Kazakh", 0x0440: "Kyrgyz (Cyrillic)", 0x0441: "Swahili", 0x0442: "Turkmen",
	0x0443: "Uzbek (Latin)", 0x0444: "Tatar", 0x0445: "Bengali (India)", 0x0446: "Punjabi", 0x0447: "Gujarati", 0x0448: "Oriya",
	0x0449: "Tamil", 0x044a: "Telugu", 0x044b: "Kannada", 0x044c: "Malayalam", 0x044e: "Marathi", 0x0450: "Mongolian (Cyrillic)",
	0x0452: "Welsh", 0x0453: "Khmer", 0x0454: "Lao", 0x0456: "Galician", 0x045b: "Sinhalese - Sri Lanka", 0x045e: "Amharic - Ethiopia",
	0x0461: "Nepali", 0x0463: "Pashto", 0x0464: "Filipino", 0x0465: "Divehi", 0x046e: "Luxembourgish", 0x0480: "Uighur - China",
	0x0492: "Kurdish - Iraq", 0x0801: "Arabic - Iraq", 0x0804: "Chinese - People's Republic of China", 0x0807: "German - Switzerland",
	0x0809: "English - United Kingdom", 0x080a: "Spanish - Mexico", 0x080c: "French - Belgium", 0x0810: "Italian - Switzerland",
	0x0813: "Dutch - Belgium", 0x0814: "Norwegian (Nynorsk)", 0x0816: "Portuguese - Portugal", 0x0818: "Romanian - Moldova",
	0x0819: "Russian - Moldova", 0x081a: "Serbian (Latin)", 0x081d: "Swedish - Finland", 0x083c: "Irish", 0x0843: "Uzbek (Cyrillic)",
	0x0845: "Bengali (Bangladesh)", 0x0c01: "Arabic - Egypt", 0x0c04: "Chinese - Hong Kong SAR", 0x0c07: "German - Austria",
	0x0c09: "English - Australia", 0x0c0a: "Spanish - Spain (Modern Sort)", 0x0c0c: "French - Canada", 0x0c1a: "Serbian (Cyrillic)",
	0x1001: "Arabic - Libya", 0x1004: "Chinese - Singapore", 0x1007: "German - Luxembourg", 0x1009: "English - Canada",
	0x100a: "Spanish - Guatemala", 0x100c: "French - Switzerland", 0x1401: "Arabic - Algeria", 0x1404: "Chinese - Macao SAR",
	0x1407: "German - Liechtenstein", 0x1409: "English - New Zealand", 0x140a: "Spanish - Costa Rica", 0x140c: "French - Luxembourg",
	0x141a: "Bosnian (Bosnia/Herzegovina)", 0x1801: "Arabic - Morocco", 0x1809: "English - Ireland", 0x180a: "Spanish - Panama",
	0x1c01: "Arabic - Tunisia", 0x1c09: "English - South Africa", 0x1c0a: "Spanish - Dominican Republic", 0x200a: "Spanish - Venezuela",
	0x201a: "Bosnian (Cyrillic) - Bosnia and Herzegovina", 0x240a: "Spanish - Colombia", 0x280a: "Spanish - Peru", 0x2c01: "Arabic - Jordan",
	0x2c0a: "Spanish - Argentina", 0x3001: "Arabic - Lebanon", 0x300a: "Spanish - Ecuador", 0x3401: "Arabic - Kuwait",
	0x340a: "Spanish - Chile", 0x3801: "Arabic - U.A.E.", 0x380a: "Spanish - Uruguay", 0x3c01: "Arabic - Bahrain", 0x3c0a: "Spanish - Paraguay",
	0x4001: "Arabic - Qatar", 0x4009: "English - India", 0x400a: "Spanish - Bolivia", 0x440a: "Spanish - El Salvador",
	0x480a: "Spanish - Honduras", 0x4c0a: "Spanish - Nicaragua", 0x500a: "Spanish - Puerto Rico", 0x540a: "Spanish - United States",
}
