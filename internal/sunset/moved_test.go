package sunset_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestMovedSaysWhatDiffers(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	facts := func() sunset.Facts {
		return sunset.Facts{
			UserID: "AIDAOLD", Name: "ci-old", Created: at.AddDate(-3, 0, 0), Final: sunset.FinalDelete,
			Artifacts:  []sunset.Artifact{{Kind: "access-key", ID: "AKIA1", Status: "Active"}, {Kind: "group", ID: "builders"}, {Kind: "password", Status: "Active"}},
			References: []sunset.Reference{{Service: "s3", Resource: "arn:aws:s3:::logs", How: "arn", Weight: sunset.Informing}},
			Signals:    []sunset.Signal{{Kind: sunset.Call, About: "GetUser", At: at, Detail: "it called GetUser"}},
		}
	}
	require.Empty(t, sunset.Moved(facts(), facts()))
	for name, c := range map[string]struct {
		change func(*sunset.Facts)
		want   []string
	}{
		"another user": {func(f *sunset.Facts) { f.UserID = "AIDANEW" }, []string{"another user now: AIDANEW", "it was AIDAOLD"}},
		"made anew":    {func(f *sunset.Facts) { f.Created = at }, []string{"created 1 March 2026"}},
		"another name": {func(f *sunset.Facts) { f.Name = "ci-new" }, []string{"called ci-new now; it was ci-old"}},
		"kept, empty":  {func(f *sunset.Facts) { f.Final = sunset.FinalRetain }, []string{"strips the user and keeps it now"}},
		"a new key": {func(f *sunset.Facts) {
			f.Artifacts = append(f.Artifacts, sunset.Artifact{Kind: "access-key", ID: "AKIA2", Status: "Active"})
		}, []string{"one more: access key AKIA2, Active"}},
		"a new policy": {func(f *sunset.Facts) {
			f.Artifacts = append(f.Artifacts, sunset.Artifact{Kind: "inline-policy", ID: "upload"})
		}, []string{"one more: inline policy upload."}},
		"a strange kind": {func(f *sunset.Facts) { f.Artifacts = append(f.Artifacts, sunset.Artifact{Kind: "new-thing", ID: "x"}) }, []string{"one more: new thing x."}},
		"a key is off":   {func(f *sunset.Facts) { f.Artifacts[0].Status = "Inactive" }, []string{"Its access key AKIA1 is Inactive now; it was Active"}},
		"a key is gone":  {func(f *sunset.Facts) { f.Artifacts = f.Artifacts[1:] }, []string{"does not have this any more: access key AKIA1"}},
		"no password":    {func(f *sunset.Facts) { f.Artifacts = f.Artifacts[:2] }, []string{"does not have this any more: password."}},
		"named anew": {func(f *sunset.Facts) {
			f.References = append(f.References, sunset.Reference{Service: "sqs", Resource: "arn:aws:sqs:q", How: "user-id", Weight: sunset.Informing})
		}, []string{"arn:aws:sqs:q names it now (user-id)"}},
		"the last who can": {func(f *sunset.Facts) {
			f.References = append(f.References, sunset.Reference{Service: "kms", Resource: "arn:aws:kms:k", How: "arn", Weight: sunset.Blocking})
		}, []string{"arn:aws:kms:k names it now, and would be left"}},
		"blocks now":    {func(f *sunset.Facts) { f.References[0].Weight = sunset.Blocking }, []string{"arn:aws:s3:::logs would be left"}},
		"named no more": {func(f *sunset.Facts) { f.References = nil }, []string{"arn:aws:s3:::logs does not name it any more"}},
		"heard since": {func(f *sunset.Facts) {
			f.Signals = append(f.Signals, sunset.Signal{Kind: sunset.SignIn, At: at.Add(time.Hour), Detail: "its password was used"})
		}, []string{"Heard since, 1 March 2026 09:30 UTC: its password was used."}},
		"heard, no detail": {func(f *sunset.Facts) {
			f.Signals = append(f.Signals, sunset.Signal{Kind: sunset.KeepTag, About: "t", At: at})
		}, []string{"keep-tag t."}},
		"forgiven":         {func(f *sunset.Facts) { f.Signals = nil }, []string{"Not counted any more: it called GetUser"}},
		"in another order": {func(f *sunset.Facts) { slices.Reverse(f.Artifacts) }, []string{"listed in another way"}},
		"two at once": {func(f *sunset.Facts) { f.Name, f.Signals = "ci-new", nil }, []string{
			"called ci-new", "Not counted any more",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			now := facts()
			c.change(&now)
			got := sunset.Moved(facts(), now)
			for _, want := range c.want {
				require.Contains(t, strings.Join(got, "\n"), want)
			}
			require.NotEmpty(t, sunset.Moved(now, facts()), "and back")
			for _, s := range got {
				require.True(t, strings.HasSuffix(s, "."), "a sentence: %q", s)
			}
		})
	}
}

func TestMovedBlockingIsPutRight(t *testing.T) {
	was := sunset.Facts{References: []sunset.Reference{{Resource: "arn:aws:kms:k", How: "arn", Weight: sunset.Blocking}}}
	now := sunset.Facts{References: []sunset.Reference{{Resource: "arn:aws:kms:k", How: "arn", Weight: sunset.Informing}}}
	require.Equal(t, []string{"arn:aws:kms:k has somebody else who can use it now."}, sunset.Moved(was, now))
}
