package longconn

import "github.com/weir-nta/weir/detect"

var needs = []detect.Need{
	{Table: "conn", Fields: []string{"ts", "end", "dur", "src.ip", "dst.ip", "dst.port", "proto"}, Must: true, Without: "how long conversations last is not told"},
	{Table: "conn", Fields: []string{"bytes.up", "bytes.down"}, Without: "what goes over them is not told"},
	{Table: "conn", Fields: []string{"slice"}, Without: "a connection is known when it has ended, not before"},
	{Table: "conn", Fields: []string{"tls.sni|http.host|dst.host"}, Without: "servers without a look-up are told by address"},
	{Table: "conn", Fields: []string{"tls.subject", "tls.issuer"}, Without: "certificates are not judged"},
	{Table: "dns", Fields: []string{"query", "answer"}, Without: "no look-ups: how rare a server is is judged by its address"},
}

var limits = []detect.Limit{
	{Condition: detect.ActiveTimeout, Above: 600, Cost: "a connection shows every {}: it is found that much late"},
	{Condition: detect.Sampled, Above: 1, Cost: "at 1 packet in {} silent connections look shorter than they are"},
	{Condition: detect.Sampled, Above: 100, Cost: "at 1 packet in {} connections that carry little do not show"},
	{Condition: detect.OneWay, Above: 0.1, Cost: "of {} of conversations one direction is counted, and who began is guessed from the ports"},
	{Condition: detect.Lost, Above: 0.05, Cost: "{} of their records are missing: volumes are too small, a connection may fall apart into several"},
	{Condition: detect.Skewed, Above: 300, Cost: "begin and end are told {} off"},
}

// bears: pieces of a connection cut for silence are put together again.
var bears = []detect.Condition{detect.InactiveTimeout}
