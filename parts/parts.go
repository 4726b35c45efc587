// Package parts lists what is built into this program. A new detector is a
// folder of its own and one line here.
package parts

import (
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/detectors/beacon"
	"github.com/weir-nta/weir/detectors/dnstunnel"
	"github.com/weir-nta/weir/detectors/hostsweep"
	"github.com/weir-nta/weir/detectors/longconn"
	"github.com/weir-nta/weir/detectors/portscan"
)

// Detectors are all detectors, by name.
var Detectors = []*detect.Detector{
	beacon.Detector,
	dnstunnel.Detector,
	hostsweep.Detector,
	longconn.Detector,
	portscan.Detector,
}
