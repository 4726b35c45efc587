package main

import (
	"os"
	"testing"

	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/parts"
)

// TestCurrent checks that the page says what the detectors say.
func TestCurrent(t *testing.T) {
	got, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != detect.MatrixDoc(parts.Detectors) {
		t.Errorf("%s is not what the detectors say: run go generate", page)
	}
}

// TestMatrix checks the cells that everybody knows.
func TestMatrix(t *testing.T) {
	cells := map[string]string{}
	for _, row := range detect.Matrix(parts.Detectors) {
		for i := range row {
			cells[row[i].Detector.Name+" "+row[i].Source.Name] = row[i].String()
		}
	}
	for _, c := range []struct{ cell, want string }{
		{"beacon packets", "all"}, {"beacon NetFlow 9, IPFIX", "partly"}, {"beacon Zeek", "all"},
		{"dnstunnel NetFlow 1, 5, 7", "partly"}, {"dnstunnel Zeek", "all"}, {"longconn Zeek", "partly"}, {"portscan sFlow", "partly"},
		{"portscan nfcapd", "partly"}, {"portscan packets", "all"},
	} {
		if got := cells[c.cell]; got != c.want {
			t.Errorf("%s: %q, want %q", c.cell, got, c.want)
		}
	}
}
