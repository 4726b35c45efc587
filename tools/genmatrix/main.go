// Command genmatrix writes docs/operate/matrix.md: which detector sees what in
// which source, from what detectors say that they need.
package main

import (
	"log"
	"os"

	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/parts"
)

const page = "docs/operate/matrix.md"

func main() {
	if err := os.WriteFile(page, []byte(detect.MatrixDoc(parts.Detectors)), 0o644); err != nil {
		log.Fatal(err)
	}
}
