// Command genoui writes internal/oui/table.gz, the holders of the first parts
// of link-layer addresses, from index.json of the npm package oui-data, which
// follows the public listings of the IEEE Registration Authority:
//
//	npm pack oui-data && tar xzf oui-data-*.tgz
//	go run ./tools/genoui package/index.json
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
)

const table = "internal/oui/table.gz"

// maxName is where a name is cut, in octets: some holders register an address.
const maxName = 48

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./tools/genoui INDEX.JSON")
	}
	if err := write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func write(from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var holders map[string]string // prefix to name and address
	if err := json.Unmarshal(data, &holders); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(lines(holders)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(table, out.Bytes(), 0o644)
}

// lines returns a line for each holder, in order: its name and the prefixes
// that it holds, each as six, seven or nine hexadecimal digits.
func lines(holders map[string]string) []byte {
	held := map[string][]string{}
	for prefix, text := range holders {
		name, _, _ := strings.Cut(text, "\n")
		name = strings.Join(strings.Fields(name), " ")
		if name == "" || name == "IEEE Registration Authority" {
			continue // divided among others, which are listed themselves
		}
		name = strings.ToValidUTF8(name[:min(len(name), maxName)], "")
		held[name] = append(held[name], prefix)
	}
	var b bytes.Buffer
	names := make([]string, 0, len(held))
	for name := range held {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		slices.Sort(held[name])
		fmt.Fprintf(&b, "%s\t%s\n", name, strings.Join(held[name], " "))
	}
	return b.Bytes()
}
