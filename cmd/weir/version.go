package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  wants(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if !asJSON {
				fmt.Fprintf(s.out, "weir %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
			return json.NewEncoder(s.out).Encode(map[string]any{
				"v": 1, "version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				"modules": modules(),
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, with the versions of the libraries")
	return cmd
}

func modules() map[string]string {
	out := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	for _, d := range info.Deps {
		out[d.Path] = d.Version
	}
	return out
}
