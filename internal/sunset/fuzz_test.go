package sunset_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Settings are read or refused with a fault that says so; what is read is possible, and means the same when it is
// written and read again.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"soak":"14d","approvers":[{"email":"ann@example.com","principals":["arn:aws:iam::111122223333:role/a"]}],"approvals_needed":1}`,
		`{"exemptions":[{"name":"ci-*","reason":"needed","expires":"2027-01-31"},{"tag":"team=x","path":"/a/","reason":"r"}]}`,
		`{"windows":[{"days":["mon"],"from":"09:00","to":"17:00","zone":"Europe/Berlin"}],"closed_regions":[{"region":"eu-west-1","reason":"x"}]}`,
		`{"soak":"14d","soak":"1s"}`, `{"soak":"1s","Soak":"14d"}`, `{"unused":"0d"}`, `{"cap_percent":101}`, `[]`, `{"exemptions":[{"name":"[","reason":"x"}]}`,
		`{"accounts":[{"id":"111122223333"}],"disable":"deactivate","final":"retain","accept_unread":["ecr"],"accept_unknown":["old"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		s, err := sunset.ParseSettings(document)
		if err != nil {
			refused(t, err, "settings: ")
			return
		}
		require.NoError(t, s.Validate())
		written, err := json.Marshal(s)
		require.NoError(t, err)
		again, err := sunset.ParseSettings(written)
		require.NoError(t, err, "%s", written)
		require.Equal(t, s.Digest(), again.Digest(), "%s", written)
		require.GreaterOrEqual(t, s.ApprovalsNeeded, 1)
		require.Positive(t, s.Soak.Std())
		// Whoever is exempt whatever its name stays so, as long as the exemption lasts.
		for _, x := range s.Exemptions {
			if x.Name == "*" && x.Path == "" && x.Tag == "" && x.Expires == "" {
				_, exempt := s.ExemptionFor(sunset.User{Name: "anybody"}, now)
				require.True(t, exempt)
			}
		}
	})
}

// A request is read or refused; what is read never loosens the settings, neither at the start nor later.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"users":["old"],"dry_run":true}`, `{"soak":"30d","unused":"120d","min_age":"60d","notice":"7d","cap_percent":5,"batch":3}`, `{"soak":"1d"}`,
		`{"batch":0}`, `{"batch":-1}`, `{"cap_percent":100}`, `{"skip":["cloudtrail"],"starter":"arn:aws:iam::1:user/a"}`, `{"users":[]}`, `{"users":[""]}`, `{"users":["a"],"users":["b"]}`, `null`,
		`{"account":"999900001111"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		r, err := sunset.ParseRequest(document)
		if err != nil {
			refused(t, err, "request: ")
			return
		}
		written, err := json.Marshal(r)
		require.NoError(t, err)
		again, err := sunset.ParseRequest(written)
		require.NoError(t, err, "%s", written)
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(written), string(rewritten))

		base := sunset.DefaultSettings()
		tightened := []sunset.Settings{r.Tighten(base)}
		if s, err := r.Apply(base); err == nil {
			require.Equal(t, s.Digest(), tightened[0].Digest(), "at the start and later the same")
			tightened = append(tightened, s)
		} else {
			refused(t, err, "request: ")
		}
		for _, s := range tightened {
			require.GreaterOrEqual(t, s.Soak, base.Soak)
			require.GreaterOrEqual(t, s.Unused, base.Unused)
			require.GreaterOrEqual(t, s.MinAge, base.MinAge)
			require.GreaterOrEqual(t, s.Notice, base.Notice)
			require.True(t, s.CapPercent >= 1 && s.CapPercent <= base.CapPercent, s.CapPercent)
			require.True(t, s.Batch >= 1 && s.Batch <= base.Batch, s.Batch)
			require.Equal(t, base.ApprovalsNeeded, s.ApprovalsNeeded)
		}
	})
}

// refused holds that a fault is the document's, and names it.
func refused(t *testing.T, err error, begins string) {
	t.Helper()
	require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
	require.True(t, strings.HasPrefix(err.Error(), begins), "%v", err)
	require.Greater(t, len(err.Error()), len(begins)+5)
}
