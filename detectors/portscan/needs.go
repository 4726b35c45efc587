package portscan

import "github.com/weir-nta/weir/detect"

var needs = []detect.Need{
	{Table: "conn", Fields: []string{"ts", "src.ip", "dst.ip", "dst.port", "proto"}, Must: true, Without: "no conversations: there is nothing to count"},
	{Table: "conn", Fields: []string{"pkts.up", "pkts.down", "state"}, Must: true, Without: "whether an attempt failed is not told"},
	{Table: "dns", Fields: []string{"query", "answer"}, Without: "slow failures at hosts that were looked up count too"},
}

var limits = []detect.Limit{
	{Condition: detect.ActiveTimeout, Above: 300, Cost: "probes that are answered count up to {} late"},
	{Condition: detect.InactiveTimeout, Above: 60, Cost: "probes are told {} after they were made: so late is a scan found"},
	{Condition: detect.Sampled, Above: 1, Cost: "one probe in {} is seen: a scan must be as many times larger to be found"},
	{Condition: detect.OneWay, Above: 0.1, Cost: "of {} of conversations it is not known whether they were answered: those count as no failures"},
	{Condition: detect.Lost, Above: 0.05, Cost: "{} of probes are missing: the slowest scans fall below what is counted"},
	{Condition: detect.Skewed, Above: 300, Cost: "its probes stand {} off: with those that other exporters tell of they do not add up"},
}
