package config

import (
	"errors"

	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/source/udp"
)

// Listen says where a program that listens does so, and to whom.
type Listen struct {
	UDP      []string `yaml:"udp"`       // addresses with ports, such as [::]:2055, for NetFlow, IPFIX and sFlow
	IPFIXTCP []string `yaml:"ipfix_tcp"` // for IPFIX over TCP
	IPFIXTLS []string `yaml:"ipfix_tls"` // for IPFIX over TLS
	Logs     []string `yaml:"logs"`      // logs of Zeek and Suricata to follow: files, folders, patterns
	Cert     string   `yaml:"cert"`      // file of our certificate (PEM), for TLS
	Key      string   `yaml:"key"`       // file of its key
	CA       string   `yaml:"ca"`        // file of who signs exporters' certificates; without it they need none

	Allow     []collector.Network `yaml:"allow"`     // networks of exporters; without any, all may send
	Sampling  uint32              `yaml:"sampling"`  // N of 1:N for all exporters not named, whatever they tell
	Exporters []collector.Setting `yaml:"exporters"` // names and rates by network
	State     string              `yaml:"state"`     // folder for templates; without it, one in that of the store

	Workers       int   `yaml:"workers"`        // receiving goroutines for each address, 0 for one per CPU
	ReceiveBuffer Bytes `yaml:"receive_buffer"` // that the kernel is asked to hold for each
}

// defaultListen is what holds where the file says nothing.
var defaultListen = Listen{ReceiveBuffer: Bytes(udp.Default.ReceiveBuffer)}

// Collector returns the settings of the collector.
func (l *Listen) Collector() collector.Config {
	c := collector.DefaultConfig()
	c.Sampling, c.Exporters, c.StateDir = l.Sampling, l.Exporters, l.State
	for _, n := range l.Allow {
		c.Allow = append(c.Allow, n.Prefix)
	}
	return c
}

// check refuses what cannot work, before any socket is opened.
func (l *Listen) check() error {
	c := l.Collector()
	if err := c.Check(); err != nil {
		return err
	}
	if (l.Cert == "") != (l.Key == "") {
		return errors.New("cert and key: want both or neither")
	}
	return nil
}
