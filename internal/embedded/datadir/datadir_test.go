package datadir_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var (
	ours  = datadir.Binding{Account: "123456789012", Region: "eu-west-1"}
	began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
)

func made(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "above", "data")
	d, err := datadir.Open(path, ours, began)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return path
}

// everything is what is below a directory, with modes and contents.
func everything(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := ""
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text = string(b)
		}
		all[strings.TrimPrefix(p, path)] = info.Mode().String() + " " + text
		return nil
	}))
	return all
}

func TestANewDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "above", "data")
	_, found, err := datadir.Find(path)
	require.NoError(t, err)
	require.False(t, found)
	require.NoDirExists(t, path)

	d, err := datadir.Open(path, ours, began)
	require.NoError(t, err)
	require.Equal(t, ours, d.Binding)
	require.Equal(t, began, d.Made)
	require.NoError(t, d.Announce(datadir.Addresses{Engine: "http://127.0.0.1:1", Pages: "http://127.0.0.1:2"}))
	first, err := d.Keys()
	require.NoError(t, err)
	for name, what := range everything(t, path) {
		want := "-rw------- "
		if name == "" || name == "/keys" {
			want = "drwx------ "
		}
		require.True(t, strings.HasPrefix(what, want), "%s: %.10s", name, what)
	}
	var at datadir.Addresses
	text, err := os.ReadFile(d.In("engine.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &at))
	require.Equal(t, os.Getpid(), at.PID)
	require.NoError(t, d.Close())
	require.NoFileExists(t, filepath.Join(path, "engine.json"))

	// The next process finds the same keys.
	b, found, err := datadir.Find(path)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, ours, b)
	d, err = datadir.Open(path, datadir.Binding{Account: ours.Account, Region: "us-east-1"}, began.Add(time.Hour))
	require.NoError(t, err)
	defer d.Close()
	require.Equal(t, ours, d.Binding, "its region stays")
	require.Equal(t, began, d.Made)
	again, err := d.Keys()
	require.NoError(t, err)
	require.Equal(t, first.Engine, again.Engine)
	require.NotEqual(t, first.Engine.Secret, "")
	mac, err := first.Signers.Decisions.MAC(t.Context(), []byte("x"))
	require.NoError(t, err)
	ok, err := again.Signers.Decisions.Verify(t.Context(), []byte("x"), mac)
	require.NoError(t, err)
	require.True(t, ok)
	ok, err = again.Signers.Links.Verify(t.Context(), []byte("x"), mac)
	require.NoError(t, err)
	require.False(t, ok, "links have a key of their own")
	pem, err := os.ReadFile(d.In(datadir.PublicSealingKey))
	require.NoError(t, err)
	public, err := audit.ParsePublicKey(pem)
	require.NoError(t, err)
	require.NotEmpty(t, public.Fingerprint())

	// The AWS SDK, and so the CLI, reads the credentials.
	cfg, err := config.LoadSharedConfigProfile(t.Context(), "default", func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles, o.ConfigFiles = []string{d.In("credentials")}, []string{}
	})
	require.NoError(t, err)
	require.Equal(t, first.Engine.ID, cfg.Credentials.AccessKeyID)
	require.Equal(t, first.Engine.Secret, cfg.Credentials.SecretAccessKey)
}

// A directory of before there were owners' links gets a key for them, and keeps all others.
func TestADirectoryWithoutAKeyForOwners(t *testing.T) {
	path := made(t)
	before := everything(t, path)
	require.NoError(t, os.Remove(path+"/keys/owners.key"))
	d, err := datadir.Open(path, ours, began)
	require.NoError(t, err)
	defer d.Close()
	after := everything(t, path)
	require.NotEqual(t, before["/keys/owners.key"], after["/keys/owners.key"])
	require.Len(t, after, len(before))
	for _, name := range []string{"/keys/decisions.key", "/keys/links.key", "/keys/sealing.pem", "/credentials", "/version.json"} {
		require.Equal(t, before[name], after[name], name)
	}
	keys, err := d.Keys()
	require.NoError(t, err)
	mac, err := keys.Signers.Owners.MAC(t.Context(), []byte("x"))
	require.NoError(t, err)
	ok, err := keys.Signers.Links.Verify(t.Context(), []byte("x"), mac)
	require.NoError(t, err)
	require.False(t, ok, "it is a key of its own")
}

// What is refused is refused untouched, with a sentence that says what to do.
func TestRefusals(t *testing.T) {
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(path, name)), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte(text), 0o600))
		}
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, string)
		says  string
		bound datadir.Binding
		finds bool // Find takes it
	}{
		"another account":    {func(*testing.T, string) {}, "is for account 123456789012, but the credentials are of account 210987654321", datadir.Binding{Account: "210987654321", Region: "eu-west-1"}, true},
		"a newer form":       {write("version.json", `{"format":2,"tenants":["x"]}`), "is of form 2, and this iam-sunset knows form 1: a newer one has made it; upgrade iam-sunset", ours, false},
		"no version":         {write("version.json", ``), "version.json is damaged", ours, false},
		"an empty version":   {write("version.json", `{}`), "version.json is damaged", ours, false},
		"a stranger's field": {write("version.json", `{"format":1,"account":"123456789012","region":"eu-west-1","made":"2026-03-02T09:00:00Z","x":1}`), "version.json is damaged", ours, false},
		"no account":         {write("version.json", `{"format":1,"account":"1","region":"eu-west-1","made":"2026-03-02T09:00:00Z"}`), "it must say format, account", ours, false},
		"no region":          {write("version.json", `{"format":1,"account":"123456789012","region":"a:b","made":"2026-03-02T09:00:00Z"}`), "it must say format, account", ours, false},
		"read by others":     {func(t *testing.T, path string) { require.NoError(t, os.Chmod(path, 0o750)) }, "(mode 0750); run chmod 700 on it", ours, false},
		"a lost key": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(filepath.Join(path, "keys", "decisions.key")))
		}, "has lost keys/decisions.key; put it back from a backup", ours, true},
		"lost credentials": {func(t *testing.T, path string) { require.NoError(t, os.Remove(filepath.Join(path, "credentials"))) }, "has lost credentials", ours, true},
		"lost store":       {write("journal.db", "x"), "has lost store", ours, true},
		"other things in it": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(filepath.Join(path, "version.json")))
			write("holiday.jpg", "x")(t, path)
		}, "is no data directory of iam-sunset: it holds holiday.jpg and no version.json", ours, false},
		"a file": {func(t *testing.T, path string) {
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		}, "is a file", ours, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := made(t)
			c.spoil(t, path)
			before := everything(t, path)
			_, err := datadir.Open(path, c.bound, began)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, sunset.Invalid, sunset.KindOf(err))
			_, found, err := datadir.Find(path)
			if c.finds {
				require.NoError(t, err)
				require.True(t, found)
			} else {
				require.ErrorContains(t, err, c.says)
			}
			after := everything(t, path)
			delete(before, "/lock") // it says who looked last
			delete(after, "/lock")
			require.Equal(t, before, after)
		})
	}
}

func TestADirectoryThatIsMoved(t *testing.T) {
	for name, move := range map[string]func(path string) error{
		"moved":    func(path string) error { return os.Rename(path, path+"-elsewhere") },
		"unlocked": func(path string) error { return os.Remove(filepath.Join(path, "lock")) },
		"another's": func(path string) error {
			return errors.Join(os.Remove(filepath.Join(path, "lock")), os.WriteFile(filepath.Join(path, "lock"), nil, 0o600))
		},
	} {
		d, err := datadir.Open(made(t), ours, began)
		require.NoError(t, err)
		defer d.Close()
		require.NoError(t, d.There())
		require.NoError(t, move(d.Path()))
		require.ErrorContains(t, d.There(), "is not there any more, or is another one", name)
	}
}

func TestALostJournal(t *testing.T) {
	path := made(t)
	d, err := datadir.Open(path, ours, began)
	require.NoError(t, err)
	defer d.Close()
	require.False(t, d.LostJournal(), "there was none yet")
	require.NoError(t, os.MkdirAll(d.In("store/rows/cleanup"), 0o700))
	require.True(t, d.LostJournal())
	require.NoError(t, os.WriteFile(d.In("journal.db"), nil, 0o600))
	require.False(t, d.LostJournal())
}

func TestOneProcessAtATime(t *testing.T) {
	path := made(t)
	d, err := datadir.Open(path, ours, began)
	require.NoError(t, err)
	_, err = datadir.Open(path, ours, began)
	require.ErrorContains(t, err, fmt.Sprintf("is in use by process %d", os.Getpid()))
	require.Equal(t, sunset.Conflict, sunset.KindOf(err))
	require.NoError(t, d.Close())
	d, err = datadir.Open(path, ours, began)
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

// A first start that was cut off anywhere is taken up by the next.
func TestAFirstStartThatWasCutOff(t *testing.T) {
	whole := everything(t, made(t))
	for _, lost := range [][]string{
		{"/version.json"},
		{"/version.json", "/credentials"},
		{"/version.json", "/credentials", "/keys/sealing.pub.pem"},
		{"/version.json", "/credentials", "/keys/sealing.pub.pem", "/keys/sealing.pem"},
		{"/version.json", "/credentials", "/keys/sealing.pub.pem", "/keys/sealing.pem", "/keys/owners.key", "/keys/links.key", "/keys/decisions.key"},
		{"/version.json", "/credentials", "/keys/sealing.pub.pem", "/keys/sealing.pem", "/keys/owners.key", "/keys/links.key", "/keys/decisions.key", "/keys", "/lock"},
	} {
		path := made(t)
		for _, name := range lost {
			require.NoError(t, os.Remove(path+name))
		}
		for _, name := range []string{"/.new-123", "/settings.json"} {
			require.NoError(t, os.WriteFile(path+name, []byte("{}"), 0o600))
		}
		kept, _ := os.ReadFile(path + "/keys/decisions.key")
		d, err := datadir.Open(path, ours, began)
		require.NoError(t, err, "%v", lost)
		_, err = d.Keys()
		require.NoError(t, err)
		require.NoError(t, d.Close())
		now := everything(t, path)
		require.Len(t, now, len(whole)+1, "all that a directory has, the settings, and nothing unfinished")
		if len(kept) > 0 {
			require.Contains(t, now["/keys/decisions.key"], string(kept))
		}
	}
}

func TestCredentialsThatAreNotOurs(t *testing.T) {
	path := made(t)
	d, err := datadir.Open(path, ours, began)
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, os.WriteFile(d.In("credentials"), []byte("[default]\naws_secret_access_key = s3cret\n"), 0o600))
	_, err = d.Keys()
	require.ErrorContains(t, err, "must hold one profile, default")
	require.NotContains(t, err.Error(), "s3cret")
	require.NoError(t, os.Chmod(d.In("credentials"), 0o644))
	_, err = d.Keys()
	require.ErrorContains(t, err, "run chmod 600 on it")
}
