package dnstunnel

import "github.com/weir-nta/weir/detect"

var needs = []detect.Need{
	{Table: "dns", Fields: []string{"ts", "src.ip", "query"}, Must: true, Without: "no questions for names: nothing is found"},
	{Table: "dns", Fields: []string{"qtype"}, Without: "types that carry what one likes (TXT, NULL) are not told from others"},
	{Table: "dns", Fields: []string{"answer", "rcode"}, Without: "what comes down in answers is not counted"},
	{Table: "conn", Fields: []string{"src.ip", "dst.ip"}, Without: "whether what was asked for is ever contacted is not judged"},
}

var limits = []detect.Limit{
	{Condition: detect.Sampled, Above: 1, Cost: "one question in {} is seen: a tunnel must carry {} times as much to be found"},
	{Condition: detect.OneWay, Above: 0.1, Cost: "where questions alone are seen, in {} of conversations, what comes down is not counted"},
	{Condition: detect.Lost, Above: 0.05, Cost: "{} of questions are missing: slow tunnels fall below what is reported"},
	{Condition: detect.Skewed, Above: 300, Cost: "its questions stand {} off from the conversations that they led to, if another exporter tells of these"},
}

// bears: questions are told one by one, whatever the timeouts of flows.
var bears = []detect.Condition{detect.ActiveTimeout, detect.InactiveTimeout}
