package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Open reads the bundle at path, which is an Invalid fault where that is none, is too large, or holds anything else than
// its index says. What it holds is not verified by that: see Verify.
func Open(path string) (*Bundle, error) {
	b, problems, err := read(path)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, sunset.Faultf(sunset.Invalid, "the bundle %s is damaged: %s: %s", path, problems[0].File, problems[0].Text)
	}
	return b, nil
}

// read is readFrom of the file at path.
func read(path string) (*Bundle, []audit.Problem, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the bundle: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("opening the bundle: %w", err)
	case !info.Mode().IsRegular():
		return nil, nil, sunset.Faultf(sunset.Invalid, "%s is no bundle: it is not a file", path)
	}
	b, problems, err := readFrom(f, most())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, problems, nil
}

// readFrom reads what can be read of a bundle, and says what is wrong with the container and the index. An Invalid fault
// says that it is no bundle at all, or too large.
func readFrom(r io.Reader, max limits) (*Bundle, []audit.Problem, error) {
	files, err := unpack(r, max)
	if broken := (damage{}); errors.As(err, &broken) {
		return &Bundle{}, []audit.Problem{{File: ".", Text: broken.text}}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return assemble(files)
}

func assemble(files []packed) (*Bundle, []audit.Problem, error) {
	last := len(files) - 1
	if last < 0 || files[last].name != indexName {
		return nil, nil, sunset.Faultf(sunset.Invalid, "it is no bundle of iam-sunset: its last file is not %s", indexName)
	}
	b := &Bundle{files: map[string][]byte{}}
	for _, f := range files[:last] {
		b.files[f.name] = f.body
	}
	index := files[last].body
	if err := decodeIndex(index, &b.Index); err != nil {
		return b, []audit.Problem{{File: indexName, Text: "the index can't be read: " + err.Error()}}, nil
	}
	return b, b.checkIndex(files[:last]), nil
}

func decodeIndex(body []byte, i *Index) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(i); err != nil {
		return err
	}
	if again, err := encodeIndex(*i); err != nil || !bytes.Equal(again, body) {
		return errors.New("it is written in another form than ours")
	}
	if i.Format != format {
		return fmt.Errorf("it is of format %d; this program knows %d", i.Format, format)
	}
	return nil
}

// checkIndex compares the index with the files: none more, none less, each as it says.
func (b *Bundle) checkIndex(files []packed) []audit.Problem {
	var problems []audit.Problem
	bad := func(file, format string, args ...any) {
		problems = append(problems, audit.Problem{File: file, Text: fmt.Sprintf(format, args...)})
	}
	listed := map[string]bool{}
	for _, f := range b.Index.Files {
		body, there := b.files[f.Name]
		switch {
		case listed[f.Name]:
			bad(indexName, "the index lists %s twice", f.Name)
		case !there:
			bad(f.Name, "the file is missing: the index lists it")
		case f.Size != int64(len(body)) || f.SHA256 != hashOf(body):
			bad(f.Name, "it has %d bytes and the SHA-256 %s, but the index says %d and %s: one of the two was changed", len(body), hashOf(body), f.Size, f.SHA256)
		}
		listed[f.Name] = true
	}
	for _, f := range files {
		if !listed[f.name] {
			bad(f.name, "the index does not list it")
		}
	}
	if !slices.IsSortedFunc(b.Index.Files, func(x, y File) int { return inOrder(x.Name, y.Name) }) {
		bad(indexName, "the index does not list the files in their order")
	}
	if !slices.Equal(b.Index.Chains, chainsOf(b.Index.Files)) {
		bad(indexName, "where the chains end is not as the files say")
	}
	return problems
}

// chainsOf is where chains end by a sorted list of files.
func chainsOf(files []File) []Chain {
	chains := []Chain{}
	for _, f := range files {
		name, isEvidence := strings.CutPrefix(f.Name, evidence)
		chain, _, isRecord := audit.RecordAt(name)
		if !isEvidence || !isRecord {
			continue
		}
		if n := len(chains); n == 0 || chains[n-1].Name != chain {
			chains = append(chains, Chain{Name: chain})
		}
		end := &chains[len(chains)-1]
		end.Count++
		end.Head = f.SHA256
	}
	return chains
}
