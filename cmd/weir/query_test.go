package main

import (
	"testing"

	"github.com/weir-nta/weir"
)

// TestShown wants every table to have columns for a screen, and these to exist.
func TestShown(t *testing.T) {
	for _, table := range weir.Tables {
		for size, columns := range map[string][]string{"wide": shown[table], "small": narrow[table]} {
			if len(columns) == 0 {
				t.Errorf("table %s has no columns for a %s screen", table.Name, size)
			}
			for _, c := range columns {
				if table.Column(c) < 0 {
					t.Errorf("table %s has no column %q", table.Name, c)
				}
			}
		}
	}
}
