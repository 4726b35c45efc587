package beacon

import "github.com/weir-nta/weir/detect"

var needs = []detect.Need{
	{Table: "conn", Fields: []string{"ts", "src.ip", "dst.ip", "dst.port", "proto"}, Must: true, Without: "no conversations: there is nothing to time"},
	{Table: "conn", Fields: []string{"bytes.up", "bytes.down"}, Without: "sizes that repeat add nothing"},
	{Table: "conn", Fields: []string{"tls.sni|http.host|dst.host"}, Without: "servers without a look-up are told by address: many addresses behind one name are many channels"},
	{Table: "conn", Fields: []string{"tls.subject", "tls.issuer"}, Without: "certificates are not judged"},
	{Table: "conn", Fields: []string{"tls.ja4"}, Without: "how rare the client is is not judged"},
	{Table: "dns", Fields: []string{"query", "answer"}, Without: "no look-ups: channels are addresses, and check-ins by DNS are not found"},
}

var limits = []detect.Limit{
	{Condition: detect.ActiveTimeout, Above: 60, Cost: "calls from one port (UDP, connections kept open) come as one record every {}: of these, beacons under {/3} are invisible here, slower ones are found up to {} late"},
	{Condition: detect.InactiveTimeout, Above: 120, Cost: "calls from one port less than {} apart are one conversation: beacons by UDP faster than that are invisible here"},
	{Condition: detect.Sampled, Above: 1, Cost: "of 1 packet in {} the calls that are left are timed: short ones are missed, it takes more of them"},
	{Condition: detect.Sampled, Above: 10, Cost: "1 packet in {} gives no timing score: of most calls nothing is seen"},
	{Condition: detect.OneWay, Above: 0.1, Cost: "of {} of conversations the sizes of answers are not known, and who called is guessed from the ports"},
	{Condition: detect.Lost, Above: 0.05, Cost: "{} of calls are missing: intervals double, it takes up to twice as many calls to be sure"},
	{Condition: detect.Lost, Above: 0.3, Cost: "{} of calls are missing: few beacons keep a rhythm that shows"},
	{Condition: detect.Skewed, Above: 300, Cost: "intervals are not touched, but its calls stand {} off from those that other exporters tell of"},
}
