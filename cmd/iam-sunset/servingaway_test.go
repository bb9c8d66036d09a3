package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// profile is one whose credentials come from a file that can be edited, as those of a role that is switched.
type profile struct {
	t    *testing.T
	file string
}

func newProfile(t *testing.T) profile {
	dir := t.TempDir()
	p := profile{t, filepath.Join(dir, "credentials.json")}
	config := filepath.Join(dir, "config")
	require.NoError(t, os.WriteFile(config, []byte("[default]\ncredential_process = cat "+p.file+" 2>/dev/null\n"), 0o600))
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", config)
	return p
}

// is makes the profile that of somebody, for a second; what has ended the SDK renews at each use.
func (p profile) is(c fakeaws.Credentials) {
	b, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "SessionToken": c.SessionToken, "Expiration": time.Now().Add(time.Second),
	})
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(p.file+".new", b, 0o600))
	require.NoError(p.t, os.Rename(p.file+".new", p.file))
}

// Somebody switches the profile to another account in the middle of a soak, or its session ends. Nothing is done in the
// other account, no case fails, and all goes on once the profile is right.
func TestAProfileThatIsSwitchedInASoak(t *testing.T) {
	for name, c := range map[string]struct {
		to   func(profile, *fakeaws.Account)
		says string
	}{
		"another account": {func(p profile, other *fakeaws.Account) { p.is(other.Administrator()) }, "the credentials are of account 210987654321 now, and no more of account 123456789012"},
		"nobody's":        {func(p profile, _ *fakeaws.Account) { require.NoError(p.t, os.Remove(p.file)) }, "AWS credentials can't be had"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPremises(t, "old-a")
			other := fakeaws.New(fakeaws.Config{AccountID: "210987654321", Seed: 9, Regions: []string{"us-east-1"}})
			_, err := other.Join("old-a", fakeaws.OldKey())
			require.NoError(t, err)
			// AWS is one endpoint, and the key tells whose a request is.
			everyone := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				to := p.account
				if strings.Contains(r.Header.Get("Authorization"), other.Administrator().AccessKeyID) {
					to = other
				}
				to.Handler().ServeHTTP(rw, r)
			}))
			t.Cleanup(everyone.Close)
			t.Setenv("AWS_ENDPOINT_URL", everyone.URL)
			as := newProfile(t)
			as.is(p.account.Administrator())

			p.serve("", "--yes")
			p.does("start", "--open-cases", "--name", "spring", "--yes")
			p.comes("the quarantine", func() bool {
				return p.stateOf("old-a") == "disabled" && strings.Contains(p.stderr.String(), "kind=disabled")
			})
			writes := p.writes()
			c.to(as, other)
			require.Equal(t, 1, p.ended())
			require.Contains(t, p.stderr.String(), c.says)
			require.Contains(t, p.stderr.String(), "Nothing more is sent to AWS, and nothing is lost")
			require.NotContains(t, p.stderr.String(), "kind=failed")
			require.Equal(t, writes, p.writes())
			for _, call := range other.Calls() {
				require.Equal(t, "GetCallerIdentity", call.Action)
			}

			if name == "nobody's" {
				return // what follows is the same
			}
			as.is(p.account.Administrator())
			p.serve("", "--yes")
			p.comes("the request", func() bool { return strings.Contains(p.does("status"), "requesting") })
			require.NotContains(t, p.does("status"), "requesting !", "nothing was heard")
			p.stop()
			require.Zero(t, p.ended())
		})
	}
}
