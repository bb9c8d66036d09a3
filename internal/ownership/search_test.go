package ownership_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	write("deploy/main.tf", "# nothing\nuser = \"ci\"\nkey = AKIAEXAMPLEEXAMPLE00\n")
	write("docs/notes.md", "the ci-deploy and circus users\nask bob@example.com.\narn:aws:iam::1:user/ci\n")
	write(".git/config", "ci\n")
	write("binary", "ci\x00ci\n")
	write("large", strings.Repeat("ci \n", 1<<20))
	require.NoError(t, os.Symlink(filepath.Join(dir, "deploy"), filepath.Join(dir, "link")))
	found, err := ownership.Search(dir, []ownership.Candidate{
		{UserID: "AIDACI", Name: "ci", KeyIDs: []string{"AKIAEXAMPLEEXAMPLE00"}},
		{UserID: "AIDABOB", Name: "bob@example.com"},
		{UserID: "AIDANOBODY", Name: "nobody"},
	})
	require.NoError(t, err)
	places := map[string][]string{}
	for id, refs := range found {
		for _, r := range refs {
			require.Equal(t, sunset.Informing, r.Weight)
			require.Equal(t, "code", r.Service)
			places[id] = append(places[id], r.Resource+" "+r.How)
		}
	}
	require.Equal(t, map[string][]string{
		"AIDACI":  {"deploy/main.tf:2 name", "deploy/main.tf:3 key-id", "docs/notes.md:3 name"},
		"AIDABOB": {"docs/notes.md:2 name"},
	}, places)

	_, err = ownership.Search(filepath.Join(dir, "missing"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSearchCountsWhatItDoesNotList(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte(strings.Repeat("ci\n", 60)), 0o600))
	found, err := ownership.Search(dir, []ownership.Candidate{{UserID: "AIDACI", Name: "ci"}})
	require.NoError(t, err)
	require.Len(t, found["AIDACI"], 50)
	require.Contains(t, found["AIDACI"][49].Detail, "and 10 more places")
}
