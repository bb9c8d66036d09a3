package datadir

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Names of keys. PublicSealingKey is what auditors get.
const (
	decisionsKey     = keysDir + "/decisions.key"
	linksKey         = keysDir + "/links.key"
	ownersKey        = keysDir + "/owners.key"
	sealingKey       = keysDir + "/sealing.pem"
	PublicSealingKey = keysDir + "/sealing.pub.pem"
)

// Keys are what the directory alone has.
type Keys struct {
	Signers approval.Signers
	Sealer  audit.Sealer
	// Engine signs requests to the engine's API.
	Engine signature.Key
}

// Keys reads the directory's keys.
func (d *Dir) Keys() (Keys, error) {
	decisions, err := approval.OpenKeyFile(d.In(decisionsKey))
	if err != nil {
		return Keys{}, err
	}
	links, err := approval.OpenKeyFile(d.In(linksKey))
	if err != nil {
		return Keys{}, err
	}
	owners, err := approval.OpenKeyFile(d.In(ownersKey))
	if err != nil {
		return Keys{}, err
	}
	sealer, err := audit.OpenSealingKey(d.In(sealingKey))
	if err != nil {
		return Keys{}, err
	}
	engine, err := readCredentials(d.In(credentialFile))
	if err != nil {
		return Keys{}, err
	}
	return Keys{Signers: approval.Signers{Decisions: decisions, Links: links, Owners: owners}, Sealer: sealer, Engine: engine}, nil
}

// makeKeys makes the keys that are not there yet.
func (d *Dir) makeKeys() error {
	if err := mkdir(d.In(keysDir)); err != nil {
		return fmt.Errorf("making a place for keys: %w", err)
	}
	for _, name := range []string{decisionsKey, linksKey, ownersKey} {
		if _, err := approval.OpenKeyFile(d.In(name)); err != nil {
			return err
		}
	}
	if err := d.makeSealingKey(); err != nil {
		return err
	}
	if _, err := os.Stat(d.In(credentialFile)); errors.Is(err, fs.ErrNotExist) {
		key, err := signature.NewKey(rand.Reader)
		if err != nil {
			return fmt.Errorf("making the key of the engine's API: %w", err)
		}
		text := fmt.Appendf(nil, "# The key of the engine's API: whoever has it decides what runs.\n[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.ID, key.Secret)
		if err := d.write(credentialFile, text); err != nil {
			return err
		}
	}
	// The key files were linked into place without this.
	return syncDir(d.In(keysDir))
}

// makeSealingKey also writes the key's public half, which may be given to anybody and is 0600 like everything else.
func (d *Dir) makeSealingKey() error {
	sealer, err := audit.OpenSealingKey(d.In(sealingKey))
	if err != nil {
		return err
	}
	der, err := sealer.PublicKey(context.Background())
	if err != nil {
		return fmt.Errorf("writing the public sealing key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if have, err := os.ReadFile(d.In(PublicSealingKey)); err == nil && bytes.Equal(have, text) {
		return nil
	}
	return d.write(PublicSealingKey, text)
}

// complete refuses a directory that has lost a key, or its store. A new one in its place would make every decision and
// seal of before worthless, or every case unknown, without saying so.
func (d *Dir) complete() error {
	need := []string{decisionsKey, linksKey, sealingKey, credentialFile}
	if d.has(journalFile) {
		need = append(need, storeDir)
	}
	for _, name := range need {
		if _, err := os.Stat(d.In(name)); err != nil {
			return sunset.Faultf(sunset.Invalid, "the data directory %s has lost %s; put it back from a backup: %w", d.path, name, err)
		}
	}
	// Directories of before have no key for owners' links. Nothing rests on it but links under way, of which every message
	// to an owner brings a new one, so that making it anew is no harm.
	if _, err := os.Stat(d.In(ownersKey)); errors.Is(err, fs.ErrNotExist) {
		if _, err := approval.OpenKeyFile(d.In(ownersKey)); err != nil {
			return err
		}
		if err := syncDir(d.In(keysDir)); err != nil {
			return err
		}
	}
	return d.makeSealingKey()
}

// LostJournal reports whether there were cleanups here, whose journal is gone. With a new one nothing of theirs goes on.
func (d *Dir) LostJournal() bool { return !d.has(journalFile) && d.has(storeDir+"/rows/cleanup") }

// has errs on the side of yes: what can't be looked at is there.
func (d *Dir) has(name string) bool {
	_, err := os.Stat(d.In(name))
	return !errors.Is(err, fs.ErrNotExist)
}

var credentialText = regexp.MustCompile(`(?m)^\[default\]\naws_access_key_id = (\S+)\naws_secret_access_key = (\S+)$`)

// readCredentials reads what makeKeys wrote.
func readCredentials(path string) (signature.Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return signature.Key{}, fmt.Errorf("reading the key of the engine's API: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return signature.Key{}, sunset.Faultf(sunset.Invalid, "%s: others may read it (mode %04o); run chmod 600 on it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return signature.Key{}, fmt.Errorf("reading the key of the engine's API: %w", err)
	}
	found := credentialText.FindSubmatch(text)
	if found == nil {
		// The text stays out of the message: it may hold most of a secret.
		return signature.Key{}, sunset.Faultf(sunset.Invalid, "%s must hold one profile, default, with aws_access_key_id and aws_secret_access_key", path)
	}
	return signature.Key{ID: string(found[1]), Secret: string(found[2])}, nil
}
