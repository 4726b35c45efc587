package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/enrich/local"
)

type settings struct {
	Window time.Duration `yaml:"window"`
	Ports  int           `yaml:"ports"`
}

func (s settings) New(func(weir.Finding)) (detect.Handlers, error) {
	if s.Ports < 2 {
		return detect.Handlers{}, errors.New("ports: want 2 or more")
	}
	return detect.Handlers{}, nil
}

var detectors = []*detect.Detector{
	{Name: "one", Default: settings{Window: time.Minute, Ports: 15}},
	{Name: "two", Default: settings{Ports: 3}},
}

func TestParse(t *testing.T) {
	c, err := Parse([]byte("sensor: core-1\nstore: /data\nenrich:\n  local:\n    networks: [203.0.113.0/24]\n    groups: {dmz: [203.0.113.0/28]}\n  passivedns: {max_names: 5000}\ndetectors:\n  one: {ports: 20}\ndisabled: [two]\n"), detectors)
	if err != nil {
		t.Fatal(err)
	}
	if c.Sensor != "core-1" || c.Store != "/data" || !c.LocalGiven || c.Local.Networks[0] != netip.MustParsePrefix("203.0.113.0/24") {
		t.Errorf("got %+v", c)
	}
	if c.Names.MaxNames != 5000 || c.Names.Keep != 24*time.Hour {
		t.Errorf("names: got %+v, want 5000 kept for a day", c.Names)
	}
	if len(c.Detectors) != 1 || c.Detectors[0].Config != (settings{Window: time.Minute, Ports: 20}) {
		t.Errorf("detectors: got %+v, want one with its window kept and 20 ports", c.Detectors)
	}
}

func TestDefaults(t *testing.T) {
	c, err := Parse(nil, detectors)
	if err != nil {
		t.Fatal(err)
	}
	if c.LocalGiven || len(c.Local.Networks) != len(local.Default.Networks) || len(c.Detectors) != 2 || c.Sensor != "local" {
		t.Errorf("got %+v", c)
	}
}

// TestNoSettings checks that a detector named without settings has its defaults.
func TestNoSettings(t *testing.T) {
	c, err := Parse([]byte("detectors:\n  one:\n"), detectors)
	if err != nil || c.Detectors[0].Config != detectors[0].Default {
		t.Errorf("Parse = %+v, %v, want the defaults", c, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"sensr: x":                                       "sensr",
		"detectors: {three: {}}":                         `no detector "three"; there are one, two`,
		"detectors: {one: {prts: 3}}":                    "prts",
		"detectors: {one: {ports: 1}}":                   "ports: want 2 or more",
		"detectors: {one: {ports: many}}":                "one",
		"disabled: [three]":                              "three",
		"enrich: {local: {networks: [10.0.0.0/33]}}":     "10.0.0.0/33",
		"sensor: [":                                      "",
		"enrich: {local: {networks: ['::ffff:0:0/90']}}": "local",
		"enrich: {local: {networks: [10.0.0.0]}}":        `line 1: "10.0.0.0" is no network`,
		"enrich: {passivedns: {max_names: 0}}":           "passivedns",
		"enrich: {local: 7}":                             "line 1: `7` where keys with values are wanted",
		"sensor: [a]":                                    "line 1: a list where string is wanted",
		"disabled: one":                                  "line 1: `one` where a list of string is wanted",
		"sensor: a\nsensor: b":                           "line 2",
		// The line is that of the file, also inside of a detector's settings.
		"sensor: a\ndetectors:\n  one:\n    prts: 3":      "line 4: unknown key prts",
		"sensor: a\ndetectors:\n  one:\n    window: soon": "line 4: `soon` where a duration such as 24h is wanted",
	} {
		_, err := Parse([]byte(in), detectors)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", in, err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte("store: from-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WEIR_STORE", "from-environment")
	c, err := Load(file, detectors)
	if err != nil || c.Store != "from-environment" || c.File != file {
		t.Errorf("Load = %+v, %v", c, err)
	}
	if _, err := Load(file+".no", detectors); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestLoadClosed passes over the home of another user, such as that of who
// called sudo, and not over a file that may not be read.
func TestLoadClosed(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	home := t.TempDir()
	file := filepath.Join(home, "weir", "weir.yaml")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("store: of-another"), 0)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("WEIR_STORE", "")
	if _, err := Load("", detectors); !errors.Is(err, os.ErrPermission) {
		t.Errorf("of a file that may not be read: %v", err)
	}
	if err := os.Chmod(home, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(home, 0o700) }) // or it could not be removed
	if c, err := Load("", detectors); err != nil || c.Store == "of-another" {
		t.Errorf("of a home that may not be entered: %+v, %v", c, err)
	}
}
