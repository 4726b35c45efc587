package dnstunnel

import "github.com/weir-nta/weir/detect"

var needs = []detect.Need{
	{Table: "conn", Fields: []string{"ts", "src.ip", "dst.ip", "dst.port"}, Must: true, Without: "no conversations: whether what was asked for is ever contacted is not judged"},
	{Table: "dns", Fields: []string{"ts", "src.ip", "query"}, Without: "no questions for names: only long and many ones show, by what flows to port 53 carry, with a score below 0.8"},
	{Table: "dns", Fields: []string{"qtype"}, Without: "types that carry what one likes (TXT, NULL) are not told from others"},
	{Table: "dns", Fields: []string{"answer", "rcode"}, Without: "what comes down in answers is not counted"},
}

var limits = []detect.Limit{
	{Condition: detect.Sampled, Above: 1, Cost: "one question in {} is seen: a tunnel must carry {} times as much to be found"},
	{Condition: detect.OneWay, Above: 0.1, Cost: "where questions alone are seen, in {} of conversations, what comes down is not counted"},
	{Condition: detect.Lost, Above: 0.05, Cost: "{} of questions are missing: slow tunnels fall below what is reported"},
	{Condition: detect.Skewed, Above: 300, Cost: "its questions stand {} off from the conversations that they led to, if another exporter tells of these"},
}

// bears: questions are told one by one, whatever the timeouts of flows.
var bears = []detect.Condition{detect.ActiveTimeout, detect.InactiveTimeout}
