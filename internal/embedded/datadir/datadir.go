// Package datadir is the directory in which `iam-sunset serve` keeps everything that it has:
//
//	version.json   the form of the directory, and the one account that it is for
//	lock           held by the process that serves from it
//	settings.json  the settings, written by people
//	journal.db     the embedded engine's journal
//	store/         objects (plans, snapshots, evidence) and rows (cases, requests, decisions, links); see package store
//	keys/          decisions.key, links.key, owners.key, sealing.pem: private; sealing.pub.pem: for `audit verify --key`
//	credentials    the access key of the engine's API, as an AWS shared credentials file
//	outbox/        messages, an .eml each
//	engine.json    where the running process is reached; gone while none runs
//
// A directory is for one account and one region, and no other user of the machine may read it: it holds the keys that make
// decisions, and links that approve. Files are written whole or not at all, and are durable before anybody is told of them.
// A directory that holds anything else is refused untouched.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Names in a directory.
const (
	versionFile    = "version.json"
	lockFile       = "lock"
	settingsFile   = "settings.json"
	credentialFile = "credentials"
	engineFile     = "engine.json"
	keysDir        = "keys"
	journalFile    = "journal.db"
	storeDir       = "store"
	// unfinished begins the name of a file that is being written.
	unfinished = ".new-"
)

// Binding is what a directory is for.
type Binding struct {
	Account string // twelve digits
	Region  string // in the ARNs of its executions
}

// Dir is a directory that this process has locked. Close gives it back.
type Dir struct {
	Binding
	// Made is when it was made.
	Made time.Time
	path string
	lock *os.File
}

// Find looks at path and changes nothing. found says that a directory made by Open is there, and for what; where it is
// false, Open can make one. Whatever Open would refuse but another process's lock is an Invalid fault.
func Find(path string) (b Binding, found bool, err error) {
	v, found, err := look(path)
	return v.binding(), found, err
}

// Open locks the directory at path, and makes it for b, at now, where there is none. It is an Invalid fault if the directory
// is for another account, was written by a newer form of the product, may be read by others, or isn't ours; a
// Conflict fault if another process has it.
//
// The region of an existing directory stays what it was, whatever b says: the names of its executions hold it.
func Open(path string, b Binding, now time.Time) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the data directory %s: %w", path, err)
	}
	v, found, err := look(path)
	if err != nil {
		return nil, err
	}
	if found && v.Account != b.Account {
		return nil, elsewhere(path, v.Account, b.Account)
	}
	if b.Account == "" || b.Region == "" {
		return nil, sunset.Faultf(sunset.Internal, "opening the data directory %s: its account and region are not given", path)
	}
	if err := mkdir(path); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	d := &Dir{path: path}
	if d.lock, err = lock(path); err != nil {
		return nil, err
	}
	if err := d.take(b, now); err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	return d, nil
}

// take looks again, now that nobody else can make the directory, and makes what is lacking.
func (d *Dir) take(b Binding, now time.Time) error {
	v, found, err := look(d.path)
	if err != nil {
		return err
	}
	if found && v.Account != b.Account {
		return elsewhere(d.path, v.Account, b.Account)
	}
	if err := d.clear(); err != nil {
		return err
	}
	if found {
		d.Binding, d.Made = v.binding(), v.Made
		return d.complete()
	}
	if err := d.makeKeys(); err != nil {
		return err
	}
	// The version comes last: with it the directory is one that a missing key makes unusable.
	v = version{Format: format, Account: b.Account, Region: b.Region, Made: now.UTC().Truncate(time.Second)}
	if err := d.writeJSON(versionFile, v); err != nil {
		return err
	}
	d.Binding, d.Made = b, v.Made
	return nil
}

func elsewhere(path, has, asked string) error {
	return sunset.Faultf(sunset.Invalid, "the data directory %s is for account %s, but the credentials are of account %s", path, has, asked)
}

// look reads what is at path.
func look(path string) (v version, found bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return version{}, false, nil
	case err != nil:
		return version{}, false, sunset.Faultf(sunset.Invalid, "looking at the data directory: %w", err)
	case !info.IsDir():
		return version{}, false, sunset.Faultf(sunset.Invalid, "the data directory %s is a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return version{}, false, sunset.Faultf(sunset.Invalid, "other users of this machine may look into the data directory %s (mode %04o); run chmod 700 on it", path, info.Mode().Perm())
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return version{}, false, sunset.Faultf(sunset.Invalid, "the data directory %s belongs to another user of this machine; run as that user", path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return version{}, false, sunset.Faultf(sunset.Invalid, "looking at the data directory: %w", err)
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == versionFile }) {
		v, err := readVersion(filepath.Join(path, versionFile))
		return v, err == nil, err
	}
	for _, e := range entries {
		// All but the settings are what a first start leaves that was cut off.
		if !slices.Contains([]string{settingsFile, lockFile, keysDir, credentialFile}, e.Name()) && !strings.HasPrefix(e.Name(), unfinished) {
			return version{}, false, sunset.Faultf(sunset.Invalid, "%s is no data directory of iam-sunset: it holds %s and no %s", path, e.Name(), versionFile)
		}
	}
	return version{}, false, nil
}

// Path is where the directory is, as an absolute path.
func (d *Dir) Path() string { return d.path }

// Close tells that nobody serves any more, and lets others have the directory.
func (d *Dir) Close() error {
	err := os.Remove(d.In(engineFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, d.lock.Close())
}

// In is the path of a name in the directory.
func (d *Dir) In(name string) string { return filepath.Join(d.path, name) }

// Settings is where the settings are, unless a person says otherwise.
func Settings(path string) string { return filepath.Join(path, settingsFile) }

// Addresses are where the running process is reached.
type Addresses struct {
	Engine string `json:"engine"` // Step Functions' API, and the office below /office/
	Pages  string `json:"pages"`  // what links begin with
	PID    int    `json:"pid"`
}

// Announce writes down where this process is reached, until Close.
func (d *Dir) Announce(a Addresses) error {
	a.PID = os.Getpid()
	return d.writeJSON(engineFile, a)
}
