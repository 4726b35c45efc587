package hosts

// A kind says where a reason is from. Reasons of one kind are not independent
// of each other (a phone of one vendor says so in twenty ways by mDNS), so of
// each kind only the strongest counts; those of different kinds add up.
type kind uint8

const (
	byVendor  kind = iota // who holds its link-layer address
	byClient              // vendor class of DHCP (RFC 2132, option 60)
	byOptions             // what DHCP options it asks for, in their order (option 55)
	byName                // how it is called
	byService             // services that it announces
	byModel               // what it says of its make, model, system and software
	byRole                // what it says it is there for
	byAgent               // software of it as a client
	byBanner              // software of it as a server
	bySYN                 // how it begins TCP
	bySYNACK              // how it answers TCP
	byLookup              // whom it talks to
	byPlace               // where it stands in the network
	byCall                // what others asked it to do
	byOffer               // what it offers to others; made when it is weighed
	byUse                 // what it uses of others; made when it is weighed
	kinds
)

// says are the sentences of the reasons: what stands before the text and behind.
var says = [kinds][2]string{
	byVendor:  {"its link-layer address is of ", ""},
	byClient:  {"tells DHCP that it is ", ""},
	byOptions: {"asks DHCP for options ", ""},
	byName:    {"is called ", ""},
	byService: {"announces ", ""},
	byModel:   {"says of itself: ", ""},
	byRole:    {"announces itself as ", ""},
	byAgent:   {"its client software is ", ""},
	byBanner:  {"its server software is ", ""},
	bySYN:     {"opens TCP with ", ""},
	bySYNACK:  {"answers TCP with ", ""},
	byLookup:  {"talks to ", ""},
	byPlace:   {"", " (frames)"},
	byCall:    {"others use its ", ""},
	byOffer:   {"offers ", ""},
	byUse:     {"uses ", ""},
}

// behind is what frames show of a router.
const behind = "other networks are behind it"

// A claim is what a device may be: a class, an operating system, a role.
type claim uint8

const (
	noClaim claim = iota

	workstation
	server
	phone
	tabletop // a telephone on the desk
	printer
	camera
	media
	smartHome
	router
	storage
	controller
	console
	lastClass = console

	windows claim = iota
	macOS
	iOS
	linux
	android
	bsd
	embedded
	routerOS
	lastOS = routerOS

	domainController claim = iota
	gateway
	dhcpServer
	mailServer
	database
	proxy
	fileServer
	dnsServer
	printServer
	webServer
	timeServer
	monitoring
	lastRole = monitoring
)

// claims are the words for them in records.
var claims = [...]string{
	workstation: "workstation", server: "server", phone: "phone", tabletop: "voip phone", printer: "printer", camera: "camera",
	media: "media player", smartHome: "smart home", router: "router", storage: "storage", controller: "controller", console: "game console",

	windows: "Windows", macOS: "macOS", iOS: "iOS", linux: "Linux", android: "Android", bsd: "BSD", embedded: "embedded", routerOS: "network device",

	domainController: "domain controller", gateway: "gateway", dhcpServer: "dhcp server", mailServer: "mail server", database: "database",
	proxy: "proxy", fileServer: "file server", dnsServer: "dns server", printServer: "print server", webServer: "web server",
	timeServer: "time server", monitoring: "monitoring",
}

// A weight is how much a reason speaks for a claim: the natural logarithm of
// how many times as often it is seen where the claim is true.
type weight struct {
	what claim
	ln   float64
}

// How strong a reason is, in the words of docs/operate/hosts.md.
const (
	certain  = 5.0 // cannot be otherwise, but for a lie
	strong   = 4.0 // told on purpose, by a standard or the vendor's documentation
	good     = 3.0 // usual for it, rare elsewhere
	fair     = 2.0
	weak     = 1.0
	slight   = 0.5
	doubtful = -1.0
)

// A rule says what a text means. Texts are compared in lower case.
type rule struct {
	kind kind
	how  func(text, want string) bool
	want string
	is   []weight
}

func is(list ...any) (out []weight) {
	for i := 0; i < len(list); i += 2 {
		out = append(out, weight{list[i].(claim), list[i+1].(float64)})
	}
	return out
}

// rules is the list of all of them; of one kind the first that fits counts,
// the special ones before the general. docs/operate/hosts.md says where they
// are from.
var rules = []rule{
	{}, // number 0 is none

	// Holders of link-layer addresses: by what the company makes.
	{byVendor, contains, "axis communications", is(camera, good, linux, weak)},
	{byVendor, contains, "hikvision", is(camera, good)},
	{byVendor, contains, "dahua", is(camera, good)},
	{byVendor, contains, "hanwha vision", is(camera, good)},
	{byVendor, contains, "vivotek", is(camera, good)},
	{byVendor, contains, "reolink", is(camera, good)},
	{byVendor, contains, "amcrest", is(camera, good)},
	{byVendor, contains, "foscam", is(camera, good)},
	{byVendor, contains, "mobotix", is(camera, good)},
	{byVendor, contains, "netatmo", is(smartHome, fair, camera, slight)},
	{byVendor, contains, "ring llc", is(camera, fair, smartHome, weak)},
	{byVendor, contains, "arlo", is(camera, good)},
	{byVendor, contains, "wyze", is(camera, fair, smartHome, fair)},
	{byVendor, contains, "brother industries", is(printer, good)},
	{byVendor, contains, "seiko epson", is(printer, good)},
	{byVendor, contains, "lexmark", is(printer, good)},
	{byVendor, contains, "kyocera", is(printer, fair)},
	{byVendor, contains, "ricoh", is(printer, good)},
	{byVendor, contains, "xerox", is(printer, good)},
	{byVendor, contains, "konica minolta", is(printer, good)},
	{byVendor, contains, "oki electric", is(printer, fair)},
	{byVendor, contains, "zebra technologies", is(printer, fair)},
	{byVendor, contains, "canon inc", is(printer, fair)},
	{byVendor, contains, "philips lighting", is(smartHome, strong)},
	{byVendor, contains, "signify", is(smartHome, strong)},
	{byVendor, contains, "lifi labs", is(smartHome, strong)},
	{byVendor, contains, "eq-3", is(smartHome, strong)},
	{byVendor, contains, "tuya", is(smartHome, strong)},
	{byVendor, contains, "shelly", is(smartHome, strong)},
	{byVendor, contains, "allterco", is(smartHome, strong)},
	{byVendor, contains, "ecobee", is(smartHome, strong)},
	{byVendor, contains, "nest labs", is(smartHome, good, camera, weak)},
	{byVendor, contains, "smartthings", is(smartHome, strong)},
	{byVendor, contains, "physical graph", is(smartHome, strong)},
	{byVendor, contains, "fitbit", is(smartHome, fair)},
	{byVendor, contains, "withings", is(smartHome, good)},
	{byVendor, contains, "wink", is(smartHome, fair)},
	{byVendor, contains, "insteon", is(smartHome, strong)},
	{byVendor, contains, "smartlabs", is(smartHome, strong)},
	{byVendor, contains, "espressif", is(smartHome, fair, embedded, fair)},
	{byVendor, contains, "silicon laboratories", is(smartHome, weak, embedded, weak)},
	{byVendor, contains, "irobot", is(smartHome, strong)},
	{byVendor, contains, "sonos", is(media, strong)},
	{byVendor, contains, "roku", is(media, strong)},
	{byVendor, contains, "bose corp", is(media, good)},
	{byVendor, contains, "vizio", is(media, good)},
	{byVendor, contains, "amazon technologies", is(media, weak, smartHome, weak)},
	{byVendor, contains, "nintendo", is(console, strong)},
	{byVendor, contains, "sony interactive", is(console, strong)},
	{byVendor, contains, "synology", is(storage, strong, linux, fair)},
	{byVendor, contains, "qnap", is(storage, strong, linux, fair)},
	{byVendor, contains, "buffalo", is(storage, slight, router, slight)},
	{byVendor, contains, "yealink", is(tabletop, strong)},
	{byVendor, contains, "polycom", is(tabletop, good)},
	{byVendor, contains, "snom", is(tabletop, strong)},
	{byVendor, contains, "grandstream", is(tabletop, good)},
	{byVendor, contains, "cisco meraki", is(router, good)},
	{byVendor, contains, "cisco-linksys", is(router, good)},
	{byVendor, contains, "cisco systems", is(router, fair, routerOS, weak, tabletop, slight)},
	{byVendor, contains, "juniper networks", is(router, good, routerOS, fair)},
	{byVendor, contains, "arista", is(router, good, routerOS, fair)},
	{byVendor, contains, "aruba", is(router, good, routerOS, fair)},
	{byVendor, contains, "ubiquiti", is(router, fair, camera, slight)},
	{byVendor, contains, "routerboard", is(router, good, routerOS, fair)},
	{byVendor, contains, "mikrotik", is(router, good, routerOS, fair)},
	{byVendor, contains, "fortinet", is(router, good, routerOS, fair)},
	{byVendor, contains, "palo alto networks", is(router, good, routerOS, fair)},
	{byVendor, contains, "sonicwall", is(router, good, routerOS, fair)},
	{byVendor, contains, "watchguard", is(router, good, routerOS, fair)},
	{byVendor, contains, "ruckus", is(router, good, routerOS, fair)},
	{byVendor, contains, "avm ", is(router, good)},
	{byVendor, contains, "netgear", is(router, fair)},
	{byVendor, contains, "arris", is(router, fair)},
	{byVendor, contains, "sagemcom", is(router, fair)},
	{byVendor, contains, "zyxel", is(router, fair)},
	{byVendor, contains, "draytek", is(router, good)},
	{byVendor, contains, "rockwell automation", is(controller, good)},
	{byVendor, contains, "schneider electric", is(controller, fair)},
	{byVendor, contains, "siemens", is(controller, fair)},
	{byVendor, contains, "beckhoff", is(controller, good)},
	{byVendor, contains, "wago", is(controller, good)},
	{byVendor, contains, "phoenix contact", is(controller, fair)},
	{byVendor, contains, "omron", is(controller, fair)},
	{byVendor, contains, "mitsubishi electric", is(controller, fair)},
	{byVendor, contains, "moxa", is(controller, weak)},
	{byVendor, contains, "westermo", is(router, fair)},
	{byVendor, contains, "hirschmann", is(router, fair)},
	{byVendor, contains, "apple", is(macOS, fair, iOS, fair, workstation, slight, phone, slight)},
	{byVendor, contains, "raspberry pi", is(linux, fair)},
	{byVendor, contains, "samsung electronics", is(phone, weak, media, slight)},
	{byVendor, contains, "xiaomi", is(phone, weak, smartHome, slight)},
	{byVendor, contains, "oneplus", is(phone, good, android, fair)},
	{byVendor, contains, "huawei device", is(phone, fair)},
	{byVendor, contains, "motorola mobility", is(phone, good, android, fair)},
	{byVendor, contains, "htc corporation", is(phone, fair, android, weak)},
	{byVendor, contains, "hewlett packard", is(workstation, slight, printer, slight, server, slight)},
	{byVendor, contains, "hp inc", is(workstation, slight, printer, slight)},
	{byVendor, contains, "dell ", is(workstation, weak, server, slight)},
	{byVendor, contains, "intel corporate", is(workstation, weak)},
	{byVendor, contains, "liteon", is(workstation, slight)},
	{byVendor, contains, "azurewave", is(workstation, slight)},
	{byVendor, contains, "super micro", is(server, fair)},
	{byVendor, contains, "tp-link", is(router, weak, smartHome, slight)},
	{byVendor, contains, "d-link", is(router, weak, camera, slight, smartHome, slight)},
	{byVendor, contains, "belkin", is(smartHome, weak, router, slight)},
	{byVendor, contains, "edimax", is(router, slight, camera, slight, smartHome, slight)},

	// Vendor classes of DHCP: what the clients' documentation or source says.
	{byClient, prefix, "msft ", is(windows, strong, workstation, weak)},
	{byClient, prefix, "android-dhcp", is(android, strong, phone, fair)},
	{byClient, prefix, "dhcpcd", is(linux, fair, android, slight)},
	{byClient, prefix, "udhcp", is(linux, fair, workstation, doubtful)},
	{byClient, prefix, "hewlett-packard jetdirect", is(printer, strong)},
	{byClient, prefix, "hp printer", is(printer, strong)},
	{byClient, prefix, "mfg=", is(printer, good)},
	{byClient, prefix, "lexmark", is(printer, strong)},
	{byClient, prefix, "axis,", is(camera, strong)},
	{byClient, prefix, "aruba", is(router, strong)},
	{byClient, prefix, "cisco ap", is(router, strong)},
	{byClient, contains, "ip phone", is(tabletop, strong)},
	{byClient, prefix, "yealink", is(tabletop, strong)},
	{byClient, prefix, "polycom", is(tabletop, strong)},
	{byClient, prefix, "cisco systems, inc. ip", is(tabletop, strong)},
	{byClient, prefix, "docsis", is(router, good)},
	{byClient, prefix, "ubnt", is(router, good)},
	{byClient, prefix, "ciscopnp", is(router, good)},

	// Option lists of DHCP.
	{byOptions, exact, "1,3,6,15,31,33,43,44,46,47,119,121,249,252", is(windows, strong, workstation, fair)},
	{byOptions, prefix, "1,3,6,15,31,33,43,44,46,47,121,249", is(windows, strong, workstation, fair)},
	{byOptions, prefix, "1,15,3,6,44,46,47,31,33", is(windows, strong, workstation, fair)},
	{byOptions, prefix, "1,121,3,6,15,108,114,119,252,95,44,46", is(macOS, strong, workstation, good)},
	{byOptions, prefix, "1,121,3,6,15,114,119,252,95,44,46", is(macOS, strong, workstation, good)},
	{byOptions, prefix, "1,121,3,6,15,119,252,95,44,46", is(macOS, strong, workstation, good)},
	{byOptions, prefix, "1,3,6,15,119,95,252,44,46", is(macOS, strong, workstation, good)},
	{byOptions, prefix, "1,121,3,6,15,108,114,119,252", is(iOS, good, macOS, slight, phone, fair)},
	{byOptions, prefix, "1,121,3,6,15,114,119,252", is(iOS, good, macOS, slight, phone, fair)},
	{byOptions, prefix, "1,121,3,6,15,119,252", is(iOS, good, macOS, slight, phone, fair)},
	{byOptions, exact, "1,3,6,15,119,252", is(iOS, good, macOS, slight, phone, fair)},
	{byOptions, prefix, "1,3,6,15,26,28,51,58,59", is(android, good, phone, weak)},
	{byOptions, prefix, "1,33,3,6,15,26,28,51,58,59", is(android, good, phone, weak)},
	{byOptions, prefix, "1,33,3,6,15,28,51,58,59", is(android, good, phone, weak)},
	{byOptions, prefix, "1,121,33,3,6,15,26,28,51,58,59", is(android, good, phone, weak)},
	{byOptions, prefix, "1,121,33,3,6,15,28,51,58,59", is(android, good, phone, weak)},
	{byOptions, prefix, "1,121,33,3,6,28,51,58,59", is(android, good, phone, weak)},
	{byOptions, prefix, "1,28,2,3,15,6,119,12,44,47,26,121,42", is(linux, good)},
	{byOptions, prefix, "1,28,2,3,15,6,12", is(linux, good)},
	{byOptions, prefix, "1,2,6,12,15,26,28,121,3,33,40,41,42", is(linux, good)},
	{byOptions, prefix, "1,3,6,12,15,28,42", is(linux, fair, workstation, doubtful)},
	{byOptions, prefix, "1,3,28,6", is(embedded, fair, smartHome, weak, workstation, doubtful)},
	{byOptions, prefix, "1,3,6,15,44,46,47,31,33,43", is(windows, fair)},

	// Names that systems and makers give by default.
	{byName, prefix, "desktop-", is(windows, fair, workstation, good)},
	{byName, prefix, "laptop-", is(windows, fair, workstation, good)},
	{byName, shaped, "win-###########", is(windows, fair, server, fair)},
	{byName, contains, "iphone", is(iOS, good, phone, strong)},
	{byName, contains, "ipad", is(iOS, good, phone, strong)},
	{byName, prefix, "android-", is(android, good, phone, fair)},
	{byName, prefix, "galaxy-", is(android, good, phone, good)},
	{byName, prefix, "pixel-", is(android, good, phone, good)},
	{byName, contains, "macbook", is(macOS, good, workstation, strong)},
	{byName, contains, "imac", is(macOS, fair, workstation, good)},
	{byName, prefix, "raspberrypi", is(linux, good)},
	{byName, prefix, "ubuntu", is(linux, fair)},
	{byName, prefix, "chromecast", is(media, strong)},
	{byName, prefix, "google-home", is(media, strong)},
	{byName, prefix, "apple-tv", is(media, strong)},
	{byName, prefix, "roku", is(media, good)},
	{byName, prefix, "sonos", is(media, strong)},
	{byName, shaped, "npi######", is(printer, good)},
	{byName, shaped, "brn############", is(printer, strong)},
	{byName, shaped, "brw############", is(printer, strong)},
	{byName, prefix, "epson", is(printer, good)},
	{byName, prefix, "canon", is(printer, fair)},
	{byName, shaped, "hp######", is(printer, fair)},
	{byName, prefix, "philips-hue", is(smartHome, strong)},
	{byName, shaped, "esp_######", is(smartHome, good, embedded, good)},
	{byName, prefix, "esp-", is(smartHome, fair, embedded, fair)},
	{byName, prefix, "shelly", is(smartHome, strong)},
	{byName, prefix, "tasmota", is(smartHome, strong)},
	{byName, prefix, "wlan-plug", is(smartHome, good)},
	{byName, prefix, "ipcam", is(camera, good)},
	{byName, prefix, "axis-", is(camera, good)},
	{byName, prefix, "diskstation", is(storage, good)},
	{byName, prefix, "fritz.box", is(router, good)},

	// Series of products, as their makers name them and their devices themselves.
	{byName, prefix, "dcs-", is(camera, good)},     // D-Link: cameras
	{byName, prefix, "dch-", is(smartHome, good)},  // connected home
	{byName, prefix, "dsp-", is(smartHome, good)},  // smart plugs
	{byName, prefix, "dir-", is(router, good)},     // routers
	{byName, prefix, "dap-", is(router, good)},     // access points
	{byName, prefix, "dns-3", is(storage, good)},   // storage
	{byName, prefix, "hs100", is(smartHome, good)}, // TP-Link Kasa: plugs, switches, bulbs
	{byName, prefix, "hs110", is(smartHome, good)},
	{byName, prefix, "hs200", is(smartHome, good)},
	{byName, prefix, "kp1", is(smartHome, fair)},
	{byName, prefix, "lb1", is(smartHome, fair)},
	{byName, prefix, "tapo", is(smartHome, fair, camera, fair)},
	{byName, prefix, "wemo", is(smartHome, good)},
	{byName, prefix, "rt-ac", is(router, good)}, // ASUS
	{byName, prefix, "rt-ax", is(router, good)},

	// Services announced by DNS-SD (IANA's registry of service names), SSDP
	// (UPnP device types) and WS-Discovery.
	{byService, contains, "_printer._tcp", is(printer, strong)},
	{byService, contains, "_pdl-datastream._tcp", is(printer, strong)},
	{byService, contains, "_ipp._tcp", is(printer, good)},
	{byService, contains, "_ipps._tcp", is(printer, good)},
	{byService, contains, "_scanner._tcp", is(printer, fair)},
	{byService, contains, "_uscan._tcp", is(printer, fair)},
	{byService, contains, "_googlecast._tcp", is(media, strong)},
	{byService, contains, "_androidtvremote", is(media, strong, android, fair)},
	{byService, contains, "_spotify-connect._tcp", is(media, fair)},
	{byService, contains, "_sonos._tcp", is(media, strong)},
	{byService, contains, "_raop._tcp", is(media, weak)},
	{byService, contains, "_airplay._tcp", is(media, weak)},
	{byService, contains, "_hap._tcp", is(smartHome, strong)},
	{byService, contains, "_hue._tcp", is(smartHome, strong)},
	{byService, contains, "_matter._tcp", is(smartHome, strong)},
	{byService, contains, "_matterc._udp", is(smartHome, strong)},
	{byService, contains, "_esphomelib._tcp", is(smartHome, strong, embedded, fair)},
	{byService, contains, "_shelly._tcp", is(smartHome, strong)},
	{byService, contains, "_dcp._tcp", is(smartHome, fair)},
	{byService, contains, "_dhnap._tcp", is(smartHome, fair)},
	{byService, contains, "_axis-video._tcp", is(camera, strong)},
	{byService, contains, "_rtsp._tcp", is(camera, fair)},
	{byService, contains, "networkvideotransmitter", is(camera, strong)},
	{byService, contains, "_psia._tcp", is(camera, good)},
	{byService, contains, "_cgi._tcp", is(camera, weak)},
	{byService, contains, "_companion-link._tcp", is(macOS, weak, iOS, weak)},
	{byService, contains, "_apple-mobdev2._tcp", is(iOS, good, phone, good)},
	{byService, contains, "_device-info._tcp", nil},
	{byService, contains, "_afpovertcp._tcp", is(macOS, weak, storage, slight)},
	{byService, contains, "_adisk._tcp", is(storage, good)},
	{byService, contains, "_readynas._tcp", is(storage, strong)},
	{byService, contains, "_workstation._tcp", is(linux, fair)},
	{byService, contains, "internetgatewaydevice", is(router, strong)},
	{byService, contains, "wlanaccesspointdevice", is(router, good)},
	{byService, contains, "wfadevice", is(router, weak)},
	{byService, contains, "mediarenderer", is(media, good)},
	{byService, contains, "zoneplayer", is(media, strong)},
	{byService, contains, "dial-multiscreen", is(media, good)},
	{byService, contains, "roku:ecp", is(media, strong)},
	{byService, contains, "mediaserver", is(media, slight, storage, weak)},
	{byService, contains, "belkin:device", is(smartHome, strong)},
	{byService, contains, "belkin:service", is(smartHome, strong)},
	{byService, contains, "device:printer", is(printer, strong)},
	{byService, contains, "printdevicetype", is(printer, strong)},
	{byService, contains, "digitalsecuritycamera", is(camera, strong)},
	{byService, contains, "binarylight", is(smartHome, good)},
	{byService, contains, "dimmablelight", is(smartHome, good)},

	// What devices say of their make, model, system and software.
	{byModel, contains, "laserjet", is(printer, strong)},
	{byModel, contains, "officejet", is(printer, strong)},
	{byModel, contains, "deskjet", is(printer, strong)},
	{byModel, contains, "jetdirect", is(printer, strong)},
	{byModel, contains, "printer", is(printer, good)},
	{byModel, contains, "ipcam", is(camera, good)},
	{byModel, contains, "network camera", is(camera, strong)},
	{byModel, contains, "ip camera", is(camera, strong)},
	{byModel, contains, "camera", is(camera, good)},
	{byModel, contains, "dcs-", is(camera, good)},
	{byModel, contains, "ipbridge", is(smartHome, strong)},
	{byModel, contains, "hue bridge", is(smartHome, strong)},
	{byModel, contains, "hue personal wireless", is(smartHome, strong)},
	{byModel, contains, "smart plug", is(smartHome, strong)},
	{byModel, contains, "wemo", is(smartHome, strong)},
	{byModel, contains, "insight", is(smartHome, weak)},
	{byModel, contains, "smartthings", is(smartHome, good)},
	{byModel, contains, "sonos", is(media, strong)},
	{byModel, contains, "chromecast", is(media, strong)},
	{byModel, contains, "appletv", is(media, strong)},
	{byModel, contains, "roku", is(media, strong)},
	{byModel, contains, "bravia", is(media, strong)},
	{byModel, contains, "dlnadoc", is(media, weak)},
	{byModel, contains, "cisco ios", is(router, strong, routerOS, strong)},
	{byModel, contains, "junos", is(router, strong, routerOS, strong)},
	{byModel, contains, "routeros", is(router, strong, routerOS, strong)},
	{byModel, contains, "mikrotik", is(router, strong, routerOS, strong)},
	{byModel, contains, "edgeos", is(router, good, routerOS, good)},
	{byModel, contains, "openwrt", is(router, good, linux, good)},
	{byModel, contains, "gateway", is(router, fair)},
	{byModel, contains, "router", is(router, good)},
	{byModel, contains, "access point", is(router, good)},
	{byModel, contains, "cisco ip phone", is(tabletop, strong)},
	{byModel, contains, "simatic", is(controller, strong)},
	{byModel, contains, "synology", is(storage, good)},
	{byModel, contains, "macbook", is(macOS, good, workstation, strong)},
	{byModel, contains, "imac", is(macOS, good, workstation, strong)},
	{byModel, contains, "macmini", is(macOS, good, workstation, good)},
	{byModel, contains, "iphone", is(iOS, good, phone, strong)},
	{byModel, contains, "ipad", is(iOS, good, phone, strong)},
	{byModel, contains, "darwin", is(macOS, fair, iOS, weak)},
	{byModel, contains, "windows", is(windows, strong)},
	{byModel, contains, "microsoft", is(windows, fair)},
	{byModel, contains, "freebsd", is(bsd, strong)},
	{byModel, contains, "android", is(android, good)},
	{byModel, contains, "ubuntu", is(linux, strong)},
	{byModel, contains, "debian", is(linux, strong)},
	{byModel, contains, "linux", is(linux, good)},
	{byModel, contains, "freertos", is(embedded, strong)},
	{byModel, contains, "lwip", is(embedded, strong)},

	// Roles as devices announce them (decode/discovery).
	{byRole, exact, "domain controller", is(domainController, good, windows, fair, server, fair)},
	{byRole, exact, "backup domain controller", is(domainController, good, windows, fair, server, fair)},
	{byRole, exact, "router", is(router, good, gateway, good)},
	{byRole, exact, "access point", is(router, good)},
	{byRole, exact, "switch", is(router, good)},
	{byRole, exact, "repeater", is(router, fair)},
	{byRole, exact, "docsis", is(router, good)},
	{byRole, exact, "telephone", is(tabletop, strong)},
	{byRole, exact, "print server", is(printServer, weak)},
	{byRole, exact, "sql server", is(database, good, server, fair)},
	{byRole, exact, "dhcp server", is(dhcpServer, certain)},
	{byRole, exact, "unix server", is(linux, fair)},
	{byRole, exact, "apple file server", is(fileServer, fair)},
	{byRole, exact, "workstation", is(windows, weak)},

	// User agents (RFC 9110, 10.1.5) and other client software.
	{byAgent, contains, "iphone", is(iOS, strong, phone, strong)},
	{byAgent, contains, "ipad", is(iOS, strong, phone, strong)},
	{byAgent, contains, "playstation", is(console, strong)},
	{byAgent, contains, "nintendo", is(console, strong)},
	{byAgent, contains, "xbox", is(console, good)},
	{byAgent, contains, "crkey", is(media, strong)},
	{byAgent, contains, "smart-tv", is(media, strong)},
	{byAgent, contains, "smarttv", is(media, strong)},
	{byAgent, contains, "web0s", is(media, strong)},
	{byAgent, contains, "roku", is(media, strong)},
	{byAgent, contains, "sonos", is(media, strong)},
	{byAgent, contains, "android", is(android, strong, phone, good)},
	{byAgent, contains, "dalvik", is(android, strong, phone, good)},
	{byAgent, contains, "windows nt", is(windows, strong, workstation, fair)},
	{byAgent, contains, "microsoft-cryptoapi", is(windows, strong)},
	{byAgent, contains, "windows-update-agent", is(windows, strong)},
	{byAgent, contains, "microsoft ncsi", is(windows, strong)},
	{byAgent, contains, "microsoft bits", is(windows, strong)},
	{byAgent, contains, "wininet", is(windows, fair)},
	{byAgent, contains, "winhttp", is(windows, fair)},
	{byAgent, contains, "rdp ", is(windows, weak, workstation, weak)},
	{byAgent, contains, "macintosh", is(macOS, strong, workstation, fair)},
	{byAgent, contains, "mac os x", is(macOS, fair, workstation, weak)},
	{byAgent, contains, "captivenetworksupport", is(macOS, fair, iOS, fair)},
	{byAgent, contains, "darwin/", is(macOS, fair, iOS, fair)},
	{byAgent, contains, "x11; ubuntu", is(linux, strong, workstation, fair)},
	{byAgent, contains, "x11; linux", is(linux, strong, workstation, fair)},
	{byAgent, contains, "x11; cros", is(linux, weak, workstation, good)},
	{byAgent, contains, "debian apt", is(linux, strong)},
	{byAgent, contains, "ubuntu apt", is(linux, strong)},
	{byAgent, contains, "openssh_for_windows", is(windows, strong)},
	{byAgent, contains, "ubuntu", is(linux, good)},
	{byAgent, contains, "debian", is(linux, good)},
	{byAgent, contains, "esp8266", is(embedded, strong, smartHome, fair)},
	{byAgent, contains, "esp32", is(embedded, strong, smartHome, fair)},
	{byAgent, contains, "fitbit", is(smartHome, fair)},
	{byAgent, contains, "wemo", is(smartHome, fair)},

	// Banners of servers (RFC 4253, 4.2 for SSH).
	{byBanner, contains, "openssh_for_windows", is(windows, strong)},
	{byBanner, contains, "ubuntu", is(linux, strong)},
	{byBanner, contains, "debian", is(linux, strong)},
	{byBanner, contains, "raspbian", is(linux, strong)},
	{byBanner, contains, "freebsd", is(bsd, strong)},
	{byBanner, contains, "ssh-2.0-cisco", is(router, strong, routerOS, strong)},
	{byBanner, contains, "ssh-1.99-cisco", is(router, strong, routerOS, strong)},
	{byBanner, contains, "ssh-2.0-rosssh", is(router, strong, routerOS, strong)},
	{byBanner, contains, "dropbear", is(linux, fair, workstation, doubtful)},
	{byBanner, contains, "microsoft", is(windows, good)},
	{byBanner, contains, "windows", is(windows, good)},
	{byBanner, contains, "jetdirect", is(printer, strong)},
	{byBanner, contains, "laserjet", is(printer, strong)},
	{byBanner, contains, "filezilla server", is(windows, good)},
	{byBanner, contains, "vsftpd", is(linux, fair)},
	{byBanner, contains, "postfix", is(linux, weak)},

	// TCP stacks: order of options and first time to live.
	{bySYN, exact, "mss,nop,ws,nop,nop,sok 128", is(windows, good)},
	{bySYN, exact, "mss,nop,ws,sok,ts 128", is(windows, good)},
	{bySYN, exact, "mss,nop,nop,sok 128", is(windows, good)},
	{bySYN, exact, "mss,nop,ws,nop,nop,ts,nop,nop,sok 128", is(windows, good)},
	{bySYN, exact, "mss,nop,ws,nop,nop,ts,sok,eol 64", is(macOS, fair, iOS, fair)},
	{bySYN, prefix, "mss,nop,ws,nop,nop,ts,sok,eol,eol 64", is(macOS, fair, iOS, fair)},
	{bySYN, exact, "mss,sok,ts,nop,ws 64 window 65535", is(android, good, linux, fair)},
	{bySYN, prefix, "mss,sok,ts,nop,ws 64", is(linux, good, android, fair)},
	{bySYN, prefix, "mss,nop,ws,sok,ts 64", is(bsd, fair)},
	{bySYN, prefix, "mss,nop,nop,sok,nop,ws,nop,nop,ts 64", is(bsd, fair)},
	{bySYN, prefix, "mss 255", is(embedded, fair, routerOS, weak, workstation, doubtful)},
	{bySYN, prefix, "mss 128", is(embedded, weak, workstation, doubtful)},
	{bySYN, prefix, "mss 64", is(embedded, weak, workstation, doubtful)},
	{bySYNACK, prefix, "ttl 128", is(windows, fair)},
	{bySYNACK, prefix, "ttl 255", is(routerOS, weak, embedded, slight)},

	// Whom systems and things talk to by themselves: their vendors' services.
	{byLookup, exact, "windowsupdate.com", is(windows, fair)},
	{byLookup, exact, "msftconnecttest.com", is(windows, strong)},
	{byLookup, exact, "msftncsi.com", is(windows, strong)},
	{byLookup, exact, "time.windows.com", is(windows, fair)},
	{byLookup, exact, "update.microsoft.com", is(windows, fair)},
	{byLookup, exact, "captive.apple.com", is(macOS, weak, iOS, weak)},
	{byLookup, exact, "swscan.apple.com", is(macOS, fair)},
	{byLookup, exact, "mesu.apple.com", is(macOS, weak, iOS, weak)},
	{byLookup, exact, "push.apple.com", is(macOS, weak, iOS, weak)},
	{byLookup, exact, "time.apple.com", is(macOS, weak, iOS, weak)},
	{byLookup, exact, "time-ios.apple.com", is(iOS, good, phone, fair)},
	{byLookup, exact, "time-macos.apple.com", is(macOS, good, workstation, fair)},
	{byLookup, exact, "connectivitycheck.gstatic.com", is(android, weak)},
	{byLookup, exact, "connectivitycheck.android.com", is(android, fair)},
	{byLookup, exact, "android.clients.google.com", is(android, fair)},
	{byLookup, exact, "mtalk.google.com", is(android, slight)},
	{byLookup, exact, "time.android.com", is(android, fair)},
	{byLookup, exact, "connectivity-check.ubuntu.com", is(linux, good)},
	{byLookup, exact, "archive.ubuntu.com", is(linux, good)},
	{byLookup, exact, "ntp.ubuntu.com", is(linux, good)},
	{byLookup, exact, "deb.debian.org", is(linux, good)},
	{byLookup, exact, "nmcheck.gnome.org", is(linux, good)},
	{byLookup, exact, "fedoraproject.org", is(linux, fair)},
	{byLookup, exact, "freebsd.org", is(bsd, fair)},
	{byLookup, exact, "xbcs.net", is(smartHome, fair)},
	{byLookup, exact, "tplinkcloud.com", is(smartHome, weak)},
	{byLookup, exact, "meethue.com", is(smartHome, weak)},
	{byLookup, exact, "tuyaeu.com", is(smartHome, fair)},
	{byLookup, exact, "tuyaus.com", is(smartHome, fair)},
	{byLookup, exact, "mydlink.com", is(smartHome, weak, camera, weak)},
	{byLookup, exact, "fitbit.com", is(smartHome, slight)},
	{byLookup, exact, "roku.com", is(media, weak)},
	{byLookup, exact, "sonos.com", is(media, weak)},
	{byLookup, exact, "playstation.net", is(console, weak)},
	{byLookup, exact, "nintendo.net", is(console, weak)},
	{byLookup, exact, "hikvision.com", is(camera, weak)},

	{byPlace, prefix, behind, is(gateway, certain, router, good)},

	// What others asked of it: only domain controllers have these interfaces
	// (MS-DRSR, MS-NRPC) and shares (MS-ADTS). An attack has one of them for a
	// while (DCShadow), so none alone makes a domain controller that is sure
	// enough to be marked in flows.
	{byCall, exact, "drsuapi", is(domainController, 2.5, windows, fair, server, weak)},
	{byCall, exact, "netlogon", is(domainController, fair, windows, weak, server, weak)},
	{byCall, exact, "share sysvol", is(domainController, good, windows, weak, server, fair)},
	{byCall, exact, "share netlogon", is(domainController, good, windows, weak, server, fair)},
	{byCall, exact, "svcctl", is(windows, good)},
	{byCall, exact, "winreg", is(windows, good)},
	{byCall, exact, "share admin$", is(windows, good)},
	{byCall, exact, "share print", is(printServer, good)},
	{byCall, exact, "share disk", is(fileServer, weak)},
	{byCall, exact, "connect", is(proxy, strong, server, slight)},
	{byCall, exact, "dhcp", is(dhcpServer, certain)},
	{byCall, exact, "next hop", is(gateway, good, router, fair)},
}
