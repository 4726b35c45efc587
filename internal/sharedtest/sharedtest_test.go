package sharedtest

import "testing"

func TestPath(t *testing.T) {
	if Path(t, "corpus/labels.tsv") == "" {
		t.Error("Path returned nothing")
	}
}
