package rehearsal_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/rehearsal"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const patience = 90 * time.Minute

func TestPremiseIsProven(t *testing.T) {
	for name, c := range map[string]fakeaws.Config{"at once": {}, "IAM's reads are late": {IAMLag: 8 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c)
			r, err := w.rehearse(t.Context(), patience)
			require.NoError(t, err)
			require.Equal(t, rehearsal.Proven, r.Premise(), "%+v", r.Findings)
			for _, about := range []rehearsal.About{rehearsal.Denying, rehearsal.LastUsed, rehearsal.CloudTrail, rehearsal.Writing, rehearsal.Restoring, rehearsal.Deleting} {
				require.True(t, r.OK(about), "%s", about)
			}
			require.Len(t, r.Heard, 2)
			require.Greater(t, finding(t, r, rehearsal.CloudTrail).Took.Std(), time.Minute, "CloudTrail takes minutes")
			require.Zero(t, r.GotThrough)
			w.nothingLeft()
			require.Len(t, w.fake.DeletedUsers(), 1)

			// Two approvers had a letter that can't be taken for a real one.
			require.Len(t, w.mail, 2)
			for _, m := range w.mail {
				require.True(t, strings.HasPrefix(m.Subject, "[Rehearsal] "), m.Subject)
				require.Contains(t, m.Text, "nothing to decide")
				require.Contains(t, m.Text, r.User)
				require.NotContains(t, m.Text, "link below")
				require.Empty(t, m.Link)
			}

			// It is on record, whole, and without the key's secret.
			require.Empty(t, w.evidence().Problems)
			require.Len(t, w.wire.secrets, 1)
			kept := w.kept()
			require.NotContains(t, kept, w.wire.secrets[0])
			for _, what := range []string{"rehearsal-begun", `"snapshot"`, "iam:CreateUser", "iam:PutUserPolicy", "iam:DeleteUser", "rehearsed", "us-east-1", "eu-west-1"} {
				require.Contains(t, kept, what)
			}
		})
	}
}

// What a rehearsal needs of whoever rehearses is told in docs/operations.md.
func TestActionsOfWhoeverRehearses(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	r, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	told, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(told), "\n## Rehearse\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	calls := 0
	for _, c := range w.fake.Calls() {
		if strings.HasSuffix(c.CallerARN, "/"+r.User) {
			continue
		}
		calls++
		require.Regexp(t, "[`:]"+c.Action+"`", section)
		if !strings.HasPrefix(c.Action, "Get") && !strings.HasPrefix(c.Action, "List") && !strings.HasPrefix(c.Action, "Lookup") {
			require.Equal(t, r.User, c.Params["UserName"], "%s changes nobody but the decoy", c.Action)
		}
	}
	require.Greater(t, calls, 40)
}

// The key is not used before the deny is on: a call that got through would move last-used.
func TestKeyIsFirstUsedInQuarantine(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	r, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	denied, woken, restored := 0, 0, false
	for _, c := range w.fake.Calls() {
		restored = restored || c.Action == "UntagUser"
		if !strings.HasSuffix(c.CallerARN, "/"+r.User) {
			continue
		}
		if restored {
			require.Empty(t, c.Error)
			woken++
		} else {
			require.Equal(t, "AccessDenied", c.Error)
			denied++
		}
	}
	require.Equal(t, []int{2, 2}, []int{denied, woken})
}

func TestNothingIsHeardOfWhatIsLate(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	w.fake.SetDeliveryDelay(85 * time.Minute)
	r, err := w.rehearse(t.Context(), 90*time.Second)
	require.NoError(t, err)
	require.Equal(t, rehearsal.Partly, r.Premise())
	require.Contains(t, finding(t, r, rehearsal.CloudTrail).Text, "did not hear of the denied calls within 1m30s")
	require.True(t, r.OK(rehearsal.LastUsed))
	w.nothingLeft()
}

func TestLastUsedThatNeverMoves(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	w.wire.change = func(action, body string) string {
		if action != "GetAccessKeyLastUsed" {
			return body
		}
		before, rest, ok := strings.Cut(body, "<LastUsedDate>")
		if _, after, closed := strings.Cut(rest, "</LastUsedDate>"); ok && closed {
			return before + after
		}
		return body
	}
	began := w.clock.Now()
	r, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	require.Equal(t, rehearsal.Partly, r.Premise())
	require.Equal(t, "Last-used did not hear of the denied calls within 1h30m0s", finding(t, r, rehearsal.LastUsed).Text)
	require.Greater(t, w.clock.Now().Sub(began), patience)
	require.Less(t, w.clock.Now().Sub(began), patience+10*time.Minute)
	w.nothingLeft()
}

func TestSourcesThatAreDenied(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	w.fake.Fail(fakeaws.Fault{Service: "cloudtrail", Code: "AccessDeniedException", Message: "no", Status: 400})
	r, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	require.Equal(t, rehearsal.Partly, r.Premise())
	require.Contains(t, finding(t, r, rehearsal.CloudTrail).Text, "CloudTrail could not be asked: cloudtrail:LookupEvents in")

	w.fake.Fail(fakeaws.Fault{Action: "GetAccessKeyLastUsed", Match: func(c fakeaws.Call) bool { return true }, Code: "AccessDenied", Status: 403})
	r, err = w.rehearse(t.Context(), patience)
	// A snapshot without last uses is none: nothing was disabled, and nothing stays.
	require.ErrorContains(t, err, "iam:GetAccessKeyLastUsed")
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
	require.Equal(t, rehearsal.NotProven, r.Premise())
	w.nothingLeft()
}

// Somebody takes the deny off before it was tried: the report must not call that a proof.
func TestDenyThatDoesNotHold(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	off := false
	w.fake.Fail(fakeaws.Fault{Action: "GetUserPolicy", Match: func(c fakeaws.Call) bool {
		if !off {
			off = true
			w.clock.AfterFunc(w.clock.Now().Add(10*time.Second), func() {
				w.fake.At(w.clock.Now(), func(p *fakeaws.Actor) {
					p.AsAdministrator("DeleteUserPolicy", url.Values{"UserName": {c.Params["UserName"]}, "PolicyName": {sunset.DenyPolicyName}})
				})
			})
		}
		return false
	}})
	r, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	require.Equal(t, rehearsal.NotProven, r.Premise())
	require.Contains(t, finding(t, r, rehearsal.Denying).Text, "was not kept from everything within 3m0s: iam:ListAccountAliases, s3:ListAllMyBuckets")
	require.Positive(t, r.GotThrough)
	require.Contains(t, r.Sentence(), "do not disable anybody")
	w.nothingLeft()
}

func TestKeyThatIsNotKnownEverywhereYet(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	w.fake.Fail(fakeaws.Fault{Action: "ListAccountAliases", Times: 3, Code: "InvalidClientTokenId", Status: 403})
	r, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	require.Equal(t, rehearsal.Proven, r.Premise(), "%+v", r.Findings)
}

func TestRefusedMessageEndsNothing(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	w.refused = errRefused
	r, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	require.Equal(t, rehearsal.Proven, r.Premise())
	require.False(t, r.OK(rehearsal.Writing))
	require.Contains(t, finding(t, r, rehearsal.Writing).Text, "ada@example.com: SES does not take the address")
	w.nothingLeft()
}

func TestQuotaThatIsFull(t *testing.T) {
	for _, action := range []string{"CreateUser", "CreateAccessKey"} {
		w := newWorld(t, fakeaws.Config{})
		w.fake.Fail(fakeaws.Fault{Action: action, Code: "LimitExceeded", Message: "Cannot exceed quota", Status: 409})
		_, err := w.rehearse(t.Context(), patience)
		require.ErrorContains(t, err, "iam:"+action+": LimitExceeded: Cannot exceed quota")
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
		w.nothingLeft()
		require.Empty(t, w.mail)
	}
}

// A store that takes nothing more keeps a rehearsal from beginning, and never keeps a decoy.
func TestNothingIsMadeThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.rehearse(ctx, patience)
	require.Error(t, err)
	require.Empty(t, w.fake.DeletedUsers())
	w.nothingLeft()
}
