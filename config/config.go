// Package config reads the one configuration file into the parts' own structs.
// Unknown keys are refused, with the place where they stand.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/enrich/domains"
	"github.com/weir-nta/weir/enrich/hosts"
	"github.com/weir-nta/weir/enrich/local"
	"github.com/weir-nta/weir/enrich/passivedns"
	"github.com/weir-nta/weir/query"
)

// A Config is what an operator has set, and the defaults for the rest.
type Config struct {
	// File is where it was read from, empty if there is none.
	File string
	// Sensor names this place in the records.
	Sensor string
	// Store is the folder of the store, empty for none.
	Store string
	// Retention bounds the store of a program that listens.
	Retention Retention
	// Listen says where it does so.
	Listen Listen
	// Local says what is one's own network. Given says that the operator did:
	// else the networks may be proposed from the traffic.
	Local      local.Config
	LocalGiven bool
	// Names and Domains set up the memory for names looked up and the cache of
	// registered domains.
	Names   passivedns.Config
	Domains domains.Config
	// Hosts sets up the memory for devices.
	Hosts hosts.Config
	// Detectors are the detectors to run, in the order of the list.
	Detectors []detect.Choice
	// Lists are the named lists and indicators that questions may use.
	Lists *query.Lists
}

// file is the shape of the configuration file.
type file struct {
	Sensor    string               `yaml:"sensor"`
	Store     string               `yaml:"store"`
	Retention Retention            `yaml:"retention"`
	Listen    Listen               `yaml:"listen"`
	Enrich    enrichers            `yaml:"enrich"`
	Detectors map[string]yaml.Node `yaml:"detectors"`
	Disabled  []string             `yaml:"disabled"`
	Lists     map[string]yaml.Node `yaml:"lists"`
	Intel     map[string]yaml.Node `yaml:"intel"`
}

// enrichers are the settings of what adds to records, by folder.
type enrichers struct {
	Local      local.Config      `yaml:"local"`
	PassiveDNS passivedns.Config `yaml:"passivedns"`
	Domains    domains.Config    `yaml:"domains"`
	Hosts      hosts.Config      `yaml:"hosts"`
}

// Places returns where a configuration file is looked for, first one first.
func Places() []string {
	places := []string{"weir.yaml"}
	if home, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(home, "weir", "weir.yaml"))
	}
	return append(places, "/etc/weir/weir.yaml")
}

// Load reads path or, if that is empty, the first of [Places] that exists; if
// none does, everything is as it is by default. WEIR_SENSOR and WEIR_STORE in
// the environment win over the file.
func Load(path string, detectors []*detect.Detector) (*Config, error) {
	path, text, err := read(path)
	if err != nil {
		return nil, err
	}
	c, err := parse(text, filepath.Dir(path), detectors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.File = path
	if s := os.Getenv("WEIR_SENSOR"); s != "" {
		c.Sensor = s
	}
	if s := os.Getenv("WEIR_STORE"); s != "" {
		c.Store = s
	}
	return c, nil
}

func read(path string) (string, []byte, error) {
	if path != "" {
		text, err := os.ReadFile(path)
		return path, text, err
	}
	for _, p := range Places() {
		text, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) || closed(p, err) {
			continue
		}
		return p, text, err
	}
	return "", nil, nil
}

// closed says that err is about the folder of path, which is somebody else's:
// the home of who called sudo, say. A file that is there and may not be read
// is an error.
func closed(path string, err error) bool {
	if !errors.Is(err, fs.ErrPermission) {
		return false
	}
	_, err = os.Stat(path)
	return errors.Is(err, fs.ErrPermission)
}

// Parse reads the text of a configuration file. An empty one gives the defaults.
// Paths in it are from the working directory on.
func Parse(text []byte, detectors []*detect.Detector) (*Config, error) {
	return parse(text, ".", detectors)
}

// parse reads the text of a configuration file in dir.
func parse(text []byte, dir string, detectors []*detect.Detector) (*Config, error) {
	f := file{Sensor: "local", Retention: DefaultRetention, Listen: defaultListen, Enrich: enrichers{PassiveDNS: passivedns.Default, Domains: domains.Default, Hosts: hosts.Default}}
	if len(strings.TrimSpace(string(text))) > 0 {
		if err := yaml.Load(text, &f, yaml.WithKnownFields()); err != nil {
			return nil, plain(err)
		}
	}
	c := &Config{Sensor: f.Sensor, Store: f.Store, Retention: f.Retention, Listen: f.Listen, Local: f.Enrich.Local, LocalGiven: len(f.Enrich.Local.Networks) > 0,
		Names: f.Enrich.PassiveDNS, Domains: f.Enrich.Domains, Hosts: f.Enrich.Hosts}
	if !c.LocalGiven {
		c.Local.Networks = local.Default.Networks
	}
	if err := c.checkEnrichers(); err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}
	if err := c.Listen.check(); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := c.chooseDetectors(&f, detectors); err != nil {
		return nil, err
	}
	var err error
	if c.Lists, err = readLists(f.Lists, f.Intel, dir); err != nil {
		return nil, err
	}
	return c, nil
}

// checkEnrichers has each look at its settings.
func (c *Config) checkEnrichers() error {
	if _, err := c.Local.New(); err != nil {
		return fmt.Errorf("local: %w", err)
	}
	if _, err := c.Names.New(); err != nil {
		return fmt.Errorf("passivedns: %w", err)
	}
	if _, err := c.Domains.New(); err != nil {
		return fmt.Errorf("domains: %w", err)
	}
	if _, err := c.Hosts.New(nil); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	return nil
}

// chooseDetectors gives each detector that is not disabled its configuration.
func (c *Config) chooseDetectors(f *file, detectors []*detect.Detector) error {
	var names []string
	for _, d := range detectors {
		names = append(names, d.Name)
	}
	for _, n := range f.Disabled {
		if !slices.Contains(names, n) {
			return fmt.Errorf("disabled: no detector %q; there are %s", n, strings.Join(names, ", "))
		}
	}
	for n := range f.Detectors {
		if !slices.Contains(names, n) {
			return fmt.Errorf("detectors: no detector %q; there are %s", n, strings.Join(names, ", "))
		}
	}
	for _, d := range detectors {
		if slices.Contains(f.Disabled, d.Name) {
			continue
		}
		dc := d.Default
		if node, ok := f.Detectors[d.Name]; ok {
			var err error
			if dc, err = overlay(d.Default, &node); err != nil {
				return fmt.Errorf("detectors: %s: %w", d.Name, err)
			}
		}
		c.Detectors = append(c.Detectors, detect.Choice{Detector: d, Config: dc})
	}
	return nil
}

// overlay returns a copy of base with what node says, and refuses keys that
// base lacks. It also has base's own check look at the result.
func overlay(base detect.Config, node *yaml.Node) (detect.Config, error) {
	c := reflect.New(reflect.TypeOf(base))
	c.Elem().Set(reflect.ValueOf(base))
	if err := node.Load(c.Interface(), yaml.WithKnownFields()); err != nil {
		return nil, plain(err)
	}
	out, ok := c.Elem().Interface().(detect.Config)
	if !ok {
		return nil, fmt.Errorf("%T is no configuration", c.Elem().Interface())
	}
	return out, check(out)
}

// What the reader of YAML says in the words of Go, and what an operator is told.
var words = []struct {
	said *regexp.Regexp
	tell string
}{
	{regexp.MustCompile(`^field (.+) not found in type .*$`), "unknown key $1"},
	{regexp.MustCompile("^cannot construct !!\\w+ (`.*`) into (.+)$"), "$1 where $2 is wanted"},
	{regexp.MustCompile(`^cannot construct !!(\w+) into (.+)$`), "a $1 where $2 is wanted"},
	{regexp.MustCompile(`^netip\.ParsePrefix\(("[^"]*")\).*$`), "$1 is no network: want an address and a length, such as 203.0.113.0/24"},
	{regexp.MustCompile(`\[\](\S+) is wanted$`), "a list of $1 is wanted"},
	{regexp.MustCompile(`netip\.Prefix is wanted$`), "networks is wanted"},
	{regexp.MustCompile(`config\.Age is wanted$`), "a time such as 30d is wanted"},
	{regexp.MustCompile(`config\.Bytes is wanted$`), "a size such as 50GB is wanted"},
	{regexp.MustCompile(`time\.Duration is wanted$`), "a duration such as 24h is wanted"},
	{regexp.MustCompile(`\S+\.(Config|Node) is wanted$`), "keys with values are wanted"},
	{regexp.MustCompile(`\bseq\b`), "list"},
}

// plain says for each place of a file what is wrong there, in words that do
// not speak of this program's inside.
func plain(err error) error {
	var all *yaml.LoadErrors
	if !errors.As(err, &all) {
		return err
	}
	var list []string
	for _, e := range all.Errors {
		text := e.Message
		for _, w := range words {
			text = w.said.ReplaceAllString(text, w.tell)
		}
		if e.Mark.Line > 0 {
			text = fmt.Sprintf("line %d: %s", e.Mark.Line, text)
		}
		list = append(list, text)
	}
	return errors.New(strings.Join(list, "; "))
}

// check has a configuration look at itself by starting a run that nobody feeds.
func check(c detect.Config) error {
	_, err := c.New(func(weir.Finding) {})
	return err
}
