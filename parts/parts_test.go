package parts

import (
	"os"
	"testing"

	"github.com/weir-nta/weir/detect"
)

// TestListed checks that every folder of detectors/ is listed, in order.
func TestListed(t *testing.T) {
	dirs, err := os.ReadDir("../detectors")
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) != len(Detectors) {
		t.Fatalf("%d folders in detectors/, %d listed", len(dirs), len(Detectors))
	}
	for i, d := range dirs {
		if Detectors[i].Name != d.Name() {
			t.Errorf("folder %s: listed is %s", d.Name(), Detectors[i].Name)
		}
	}
}

// TestValid checks that every detector listed says what it is.
func TestValid(t *testing.T) {
	for _, d := range Detectors {
		if err := detect.Validate(d); err != nil {
			t.Error(err)
		}
	}
}
