package tests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/bundle"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// proof is what two whole cleanups left, sealed, with a checkpoint behind their ends.
type proof struct {
	objects store.Objects
	key     audit.PublicKey
	keyFile string
}

// proofOf lives two cleanups through: spring, in which users have every outcome that there is, and summer.
func proofOf(t *testing.T) proof {
	t.Helper()
	users := map[string]fakeaws.NewUser{}
	dir := t.TempDir()
	sealer, err := audit.OpenSealingKey(filepath.Join(dir, "sealing.pem"))
	require.NoError(t, err)
	w := newWorldIn(t, []string{"eu-west-1", "us-east-1"}, func(a *fakeaws.Account) {
		for _, name := range []string{"deleted", "rescued", "undecided", "stopped", "disturbed", "other"} {
			users[name] = join(t, a, name, fakeaws.OldKey(), fakeaws.Tagged("owner", "owner@example.com"))
		}
		join(t, a, "active", fakeaws.Active())
	}, func(w *world) {
		w.adapt = func(c *onemachine.Config) { c.Sealer = sealer }
	})
	w.people[approver] = func(r sunset.ApprovalRequest) sunset.Choice {
		if r.UserName == "undecided" {
			return ""
		}
		return deleteOrKeep(r)
	}
	w.account.At(turn().Add(6*day), func(p *fakeaws.Actor) {
		p.Do(users["disturbed"].Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil)
	})
	ctx := context.Background()
	w.at(turn().Add(4*day), func() {
		_, err := w.machine.Pause(ctx, "operator", "an incident")
		require.NoError(t, err)
		_, err = w.machine.Resume(ctx, "operator", "it is over")
		require.NoError(t, err)
	})
	w.at(turn().Add(5*day), func() { _ = w.machine.Rescue(ctx, users["rescued"].ID, "owner@example.com", "it is mine") })
	w.at(turn().Add(13*day), func() { w.stop(w.caseOf(users["stopped"].ID).Execution) })
	w.clean(sunset.Request{Users: slices.DeleteFunc(slices.Sorted(maps.Keys(users)), func(name string) bool { return name == "other" })})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{
		sunset.Kept: 2, sunset.Deleted: 1, sunset.Rescued: 1, sunset.Restored: 1, sunset.Lapsed: 1, sunset.Failed: 1,
	}, positive(row.Outcomes))
	w.cleanAs("summer", sunset.Request{Users: []string{"other"}, Starter: starter})
	w.finishOf("summer")
	until := w.clock.Now().Add(2 * day)
	w.until(func() bool { return w.clock.Now().After(until) })

	objects, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(t, err)
	der, err := sealer.PublicKey(ctx)
	require.NoError(t, err)
	p := proof{objects: objects.Objects(), keyFile: filepath.Join(dir, "sealing.pub.pem")}
	p.key = publicKey(t, der)
	require.NoError(t, os.WriteFile(p.keyFile, p.key.PEM(), 0o600))
	return p
}

// export packs a cleanup.
func (p proof) export(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	packed, err := bundle.Write(t.Context(), &b, p.objects, name, begin(), "v0")
	require.NoError(t, err)
	require.Empty(t, packed.Missing)
	return b.Bytes()
}

// A whole cleanup's bundle holds, by this program and by the one in docs, with the key and without.
func TestABundleOfAWholeCleanup(t *testing.T) {
	t.Parallel()
	p := proofOf(t)
	whole := p.export(t, cleanup)
	require.Equal(t, whole, p.export(t, cleanup), "the same evidence gives the same bytes")
	path := filepath.Join(t.TempDir(), "spring"+bundle.Suffix)
	require.NoError(t, os.WriteFile(path, whole, 0o600))

	report, err := bundle.Verify(path, p.key)
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.Empty(t, report.Open)
	require.Empty(t, report.Later, "the checkpoint is behind everything")
	require.Equal(t, 7, report.Discovered)
	require.Equal(t, 2, report.Seals, "the manifest's and the checkpoint's")
	require.Equal(t, []string{p.key.Fingerprint()}, report.Keys)
	require.Equal(t, 1+5+5, report.Held, "the plan, and of each case its file and its snapshot")
	require.Equal(t, "123456789012", report.Index.Account)

	unpacked := unpackBundle(t, whole)
	require.Contains(t, unpacked, "evidence/"+audit.Operations+"/000001.json")
	for name := range unpacked {
		require.NotContains(t, name, "summer", "it is another cleanup's")
	}
	for _, secret := range []string{"task_token", "PRIVATE KEY", "SecretAccessKey"} {
		for name, body := range unpacked {
			require.NotContains(t, string(body), secret, name)
		}
	}

	opened, err := bundle.Open(path)
	require.NoError(t, err)
	keys, err := opened.Objects().List(t.Context(), "evidence/manifest/")
	require.NoError(t, err)
	require.Equal(t, []string{"evidence/manifest/spring.json"}, keys)
	require.Error(t, opened.Objects().Put(t.Context(), "evidence/x", nil))
	_, err = opened.Objects().Get(t.Context(), "evidence/x")
	require.ErrorIs(t, err, store.ErrMissing)

	for _, args := range [][]string{{path}, {path, p.keyFile}} {
		said, held := inPython(t, args...)
		require.True(t, held, said)
		require.Contains(t, said, "ok: cleanup/spring")
	}
}

// inPython runs the verifier of docs/bundle.md.
func inPython(t *testing.T, args ...string) (said string, held bool) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not here; make test-emulators needs it too")
	}
	out, err := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("..", "docs", "verify_bundle.py")}, args...)...).CombinedOutput()
	return string(out), err == nil
}

// The verifier in docs is a page of text that anybody can read before they trust it.
func TestThePythonVerifierIsShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "verify_bundle.py"))
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(text, []byte("\n")), 60)
	for line := range strings.Lines(string(text)) {
		require.LessOrEqual(t, len(line), 141)
	}
}

// unpackBundle gives a bundle's files, as any tool would.
func unpackBundle(t *testing.T, packed []byte) map[string][]byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	files := map[string][]byte{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return files
		}
		require.NoError(t, err)
		files[h.Name], err = io.ReadAll(archive)
		require.NoError(t, err)
	}
}

func publicKey(t *testing.T, der []byte) audit.PublicKey {
	t.Helper()
	key, err := audit.ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	require.NoError(t, err)
	return key
}
