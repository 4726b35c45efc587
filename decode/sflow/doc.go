// Package sflow decodes datagrams of sFlow version 5
// (https://sflow.org/sflow_version_5.txt): packets picked at random, of which
// the agent sends the first octets, and the counters of its interfaces.
package sflow
