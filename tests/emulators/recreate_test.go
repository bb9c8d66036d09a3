//go:build emulators

package emulators

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/dossier"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// A user that the product has deleted is made again by the kit's script and the real AWS CLI, and is as it was but for its
// credentials.
func TestTheRecreateKitMakesTheUserAgain(t *testing.T) {
	t.Parallel()
	cli := os.Getenv("IAM_SUNSET_AWSCLI")
	require.NotEmpty(t, cli, "IAM_SUNSET_AWSCLI names the AWS CLI; make test-emulators sets it")
	ctx := t.Context()
	fake := fakeaws.New(fakeaws.Config{Seed: 1})
	server, err := fake.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	fake.AddGroup(fakeaws.GroupSpec{Name: "readers"})
	fake.AddGroup(fakeaws.GroupSpec{Name: "writers"})
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:username}/$(id)/'/*"}]}`
	made, err := fake.AddUser(fakeaws.UserSpec{
		Name: "old+jenkins@ci", Path: "/ci/$(id)/'/", CreatedAt: time.Now().AddDate(-2, 0, 0), Password: &fakeaws.PasswordSpec{},
		Tags:   []fakeaws.Tag{{Key: "owner", Value: "tom@example.com"}, {Key: "team/a", Value: "ops = dev, + 1: x@y"}},
		Groups: []string{"readers", "writers"}, Inline: map[string]string{"own-bucket": document},
		Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Boundary: fake.AddPolicy("edge", document),
		Keys: []fakeaws.AccessKeySpec{{}, {Status: "Inactive"}}, SSHKeys: []fakeaws.SSHKeySpec{{Status: "Inactive"}, {}},
		Certificates: []fakeaws.CertificateSpec{{}}, MFA: []fakeaws.MFASpec{{Kind: "virtual"}},
	})
	require.NoError(t, err)

	account := iamaccount.New(server.Config(region), clock.Wall{})
	id := sunset.CaseID("spring", made.ID)
	snap, err := account.Snapshot(ctx, id, fake.ID(), made.ID, made.Name)
	require.NoError(t, err)
	evidence := recorded(t, snap)
	nobody := func(context.Context, iamaccount.Change) error { return nil }
	q, err := account.Quarantine(ctx, snap, sunset.ByQuarantine, nobody)
	require.NoError(t, err)
	require.NoError(t, account.Delete(ctx, snap, q, nobody))

	archive, err := dossier.Read(ctx, evidence)
	require.NoError(t, err)
	d, _, err := archive.User(ctx, made.ID)
	require.NoError(t, err)
	kit, err := dossier.KitOf(d)
	require.NoError(t, err)
	script := filepath.Join(t.TempDir(), "recreate.sh")
	require.NoError(t, os.WriteFile(script, []byte(kit.Script), 0o600))
	run := func() (string, error) {
		admin := fake.Administrator()
		c := exec.CommandContext(ctx, "sh", script)
		c.Dir = filepath.Dir(script)
		c.Env = []string{
			"PATH=" + filepath.Dir(cli) + ":" + os.Getenv("PATH"), "HOME=" + c.Dir, "TMPDIR=" + c.Dir, "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
			"AWS_ENDPOINT_URL=" + server.URL, "AWS_ACCESS_KEY_ID=" + admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + admin.SecretAccessKey, "AWS_SESSION_TOKEN=" + admin.SessionToken,
		}
		out, err := c.CombinedOutput()
		return string(out), err
	}
	out, err := run()
	require.NoError(t, err, out)

	now := snapshotByName(t, account, fake, made.Name)
	require.NotEqual(t, made.ID, now.User.ID)
	require.Equal(t, lasting(snap), lasting(now))
	require.Empty(t, now.User.Credentials, "no way in is made")

	// Where the name is taken it changes nothing.
	out, err = run()
	require.Error(t, err)
	require.Contains(t, out, "EntityAlreadyExists")
	require.Equal(t, now.User, snapshotByName(t, account, fake, made.Name).User)
}

// recorded is evidence of a case that deleted the snapshot's user.
func recorded(t *testing.T, snap sunset.Snapshot) store.Objects {
	t.Helper()
	dir, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	body, err := json.Marshal(snap)
	require.NoError(t, err)
	sum := sha256.Sum256(body)
	key := "snapshots/" + snap.CaseID + ".json"
	require.NoError(t, dir.Objects().Put(t.Context(), key, body))
	book := audit.NewBook(dir.Objects(), clock.Wall{})
	for _, r := range []struct {
		chain, kind string
		data        map[string]any
	}{
		{sunset.CleanupChain("spring"), "begun", map[string]any{"account": snap.Account, "execution": "arn:aws:states:us-east-1:123456789012:execution:iam-sunset:spring"}},
		{sunset.ChainOf(snap.CaseID), "claimed", map[string]any{"entry": sunset.Entry{User: snap.User}}},
		{sunset.ChainOf(snap.CaseID), "snapshot", map[string]any{"snapshot": key, "sha256": hex.EncodeToString(sum[:])}},
		{sunset.ChainOf(snap.CaseID), "closed", map[string]any{"outcome": sunset.Deleted}},
	} {
		data, err := json.Marshal(r.data)
		require.NoError(t, err)
		_, err = book.Append(t.Context(), audit.Record{Chain: r.chain, Kind: r.kind, CleanupID: "spring", UserID: snap.User.ID, UserName: snap.User.Name, Data: data})
		require.NoError(t, err)
	}
	return dir.Objects()
}

func snapshotByName(t *testing.T, account *iamaccount.Account, fake *fakeaws.Account, name string) sunset.Snapshot {
	t.Helper()
	census, err := account.Census(t.Context(), nil)
	require.NoError(t, err)
	i := slices.IndexFunc(census.Entries, func(e sunset.Entry) bool { return e.User.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	snap, err := account.Snapshot(t.Context(), "", fake.ID(), census.Entries[i].User.ID, name)
	require.NoError(t, err)
	return snap
}

// lasting is what a kit makes again, less public halves, which get other ids.
func lasting(s sunset.Snapshot) sunset.Snapshot {
	s.CaseID, s.Taken, s.Bodies, s.PasswordResetRequired, s.SpareMFA = "", time.Time{}, nil, false, nil
	s.User.ID, s.User.Created, s.User.Credentials, s.User.MFA, s.User.PasswordLastUsed = "", time.Time{}, nil, nil, nil
	return s
}
