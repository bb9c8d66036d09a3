package packaging

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// module is the path of the module that the functions are part of.
const module = "github.com/iam-sunset/iam-sunset"

// Source finds the module's directory from dir upwards. Its error wraps ErrNoSource where there is none.
func Source(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("looking for the source: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		switch is, err := isModule(at); {
		case err != nil:
			return "", err
		case is:
			return at, nil
		case at == filepath.Dir(at):
			return "", sunset.Faultf(sunset.Invalid, "%w: neither %s nor a folder above it has its go.mod", ErrNoSource, dir)
		}
	}
}

// Functions lists the functions in a module's directory by name, sorted.
func Functions(source string) ([]string, error) {
	switch is, err := isModule(source); {
	case err != nil:
		return nil, err
	case !is:
		return nil, sunset.Faultf(sunset.Invalid, "%w: %s does not have its go.mod", ErrNoSource, source)
	}
	folders, err := os.ReadDir(filepath.Join(source, "functions"))
	if err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "%w: %s has no functions: %w", ErrNoSource, source, err)
	}
	var names []string
	for _, f := range folders {
		if f.IsDir() {
			names = append(names, f.Name())
		}
	}
	if len(names) == 0 {
		return nil, sunset.Faultf(sunset.Invalid, "%w: there are no functions in %s", ErrNoSource, source)
	}
	return names, nil
}

func isModule(dir string) (bool, error) {
	b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for the source: %w", err)
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if path, ok := strings.CutPrefix(strings.TrimSpace(s.Text()), "module "); ok {
			return strings.TrimSpace(path) == module, nil
		}
	}
	return false, nil
}
