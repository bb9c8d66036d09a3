package ownership

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// mostCode is the size of the largest file that is searched: code is smaller.
	mostCode = 2 << 20
	// mostPlaces is how many places in code are told for a user.
	mostPlaces = 50
)

// Search looks for candidates' names, ids and access keys in the files under dir, as whole words, and tells file and
// line; all of it informs. It skips .git, symbolic links, binary files and files over 2 MiB. A place that can't be read
// is an error.
func Search(dir string, candidates []Candidate) (map[string][]sunset.Reference, error) {
	names := newWords(candidates)
	out := map[string][]sunset.Reference{}
	more := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git" && path != dir:
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Size() > mostCode {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0 {
			return nil
		}
		shown, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(content), "\n") {
			for _, hit := range names.in(line) {
				id := candidates[hit.candidate].UserID
				if len(out[id]) == mostPlaces {
					more[id]++
					continue
				}
				out[id] = append(out[id], sunset.Reference{
					Service: "code", Resource: fmt.Sprintf("%s:%d", filepath.ToSlash(shown), i+1), How: hit.how, Weight: sunset.Informing,
					Detail: "code has " + hit.text,
				})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("searching code in %s: %w", dir, err)
	}
	for id, n := range more {
		out[id][mostPlaces-1].Detail += fmt.Sprintf(", and %d more places have one of its names", n)
	}
	return out, nil
}
