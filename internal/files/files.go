// Package files finds the files that a path on the command line stands for.
package files

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A File is one to read.
type File struct {
	Path string
	Size int64
	// Walked says that it was found in a folder: nobody claimed that it is of
	// the kind that is looked for.
	Walked bool
}

// Find returns the files that paths stand for, in their order: "-" stands for
// standard input, a folder for all regular files in it and below it, by name.
// Total is the sum of their sizes, 0 if it is not known of one, such as a pipe.
// A path that does not exist, or a folder without files, is an error.
func Find(paths []string) (found []File, total int64, err error) {
	known := true
	for _, path := range paths {
		files, whole, err := find(path)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, files...)
		known = known && whole
	}
	if known {
		for _, f := range found {
			total += f.Size
		}
	}
	return found, total, nil
}

// find returns the files that path stands for, and whether their size is known.
func find(path string) (found []File, known bool, _ error) {
	if path == "-" {
		return []File{{Path: path}}, false, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	if !info.IsDir() {
		return []File{{Path: path, Size: info.Size()}}, info.Mode().IsRegular(), nil
	}
	err = filepath.WalkDir(path, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(file) // the file that a link leads to
		if err == nil && info.Mode().IsRegular() {
			found = append(found, File{Path: file, Size: info.Size(), Walked: true})
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s: a folder without files", path)
	}
	return found, true, err
}
