package tests

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Each read that tells whether a user is used or named fails for good, in each way. Whatever the cleanup makes of it,
// nobody is disabled.
func TestWhatIsNotReadKeepsTheUser(t *testing.T) {
	reads := []string{
		"iam GetUser", "iam ListAccessKeys", "iam GetAccessKeyLastUsed", "iam GetLoginProfile", "iam ListSSHPublicKeys", "iam ListSigningCertificates",
		"iam ListServiceSpecificCredentials", "iam GetCredentialReport", "iam GetAccountAuthorizationDetails",
		"cloudtrail LookupEvents", "account ListRegions", "s3 ListBuckets", "kms ListKeys", "sqs ListQueues", "secretsmanager ListSecrets",
	}
	for _, read := range reads {
		for way, fault := range map[string]fakeaws.Fault{
			"denied":    {Code: "AccessDenied", Status: 403},
			"throttled": {Throttle: true},
			"half":      {Truncate: true},
		} {
			t.Run(read+" "+way, func(t *testing.T) {
				t.Parallel()
				b := newBreaker(t)
				fault := fault
				fault.Service, fault.Action, _ = strings.Cut(read, " ")
				b.account.Fail(fault)
				b.clean(sunset.Request{})
				end := begin().Add(5 * day) // past the turn
				b.until(func() bool { return b.clock.Now().After(end) })
				for _, c := range b.account.Calls() {
					require.False(t, c.Service == "iam" && (strings.HasPrefix(c.Action, "Put") || strings.HasPrefix(c.Action, "Tag") || strings.HasPrefix(c.Action, "Update") || irrevocable(c)), "%s was called", c.Action)
				}
				require.Equal(t, timeless(b.before), timeless(b.untouched()))
			})
		}
	}
}

// One case that fails leaves the others as they are: they wait until somebody has looked, and go on.
func TestOneCasesFailureTouchesNoOther(t *testing.T) {
	b := newBreaker(t)
	b.people[approver] = deleteOrKeep
	others := map[string]fakeaws.NewUser{}
	for i := range 3 {
		u, err := b.account.Join(fmt.Sprintf("idle-%d", i), fakeaws.OldKey())
		require.NoError(t, err)
		others[u.Name] = u
	}
	b.account.Fail(fakeaws.Fault{Service: "iam", Action: "PutUserPolicy", Code: "AccessDenied", Status: 403, Match: func(c fakeaws.Call) bool { return c.Params["UserName"] == victim }})
	b.at(turn().Add(day), func() { require.NoError(t, b.machine.Cases.ResumeTurns(t.Context(), cleanup, "ops")) })
	c := b.settle()
	require.Equal(t, sunset.Failed, c.Outcome, b.dump(c))
	row := b.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1, sunset.Failed: 1, sunset.Deleted: 3}, positive(row.Outcomes))
	require.Equal(t, b.before.Keys[0].Status, b.stateOf(victim).Keys[0].Status)
	b.proven()
}

// A half-disabled user whose case is taken up again later is judged again first: it may be in use by then.
func TestAHalfDisabledUserIsJudgedAgain(t *testing.T) {
	b := newBreaker(t)
	b.account.Fail(fakeaws.Fault{Service: "iam", Action: "PutUserPolicy", Times: 1, Code: "AccessDenied", Status: 403})
	c := b.settle()
	require.Equal(t, sunset.Failed, c.Outcome, b.dump(c))
	require.True(t, c.Changed)
	b.account.At(b.clock.Now(), func(p *fakeaws.Actor) { p.Do(b.user.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil) })
	out, err := invoke(b.world, b.machine.Disable, b.of(c))
	require.NoError(t, err)
	require.Equal(t, "skipped", out.Status)
	require.Equal(t, timeless(b.before), timeless(b.untouched()))
	require.Equal(t, sunset.Restored, b.caseOf(b.user.ID).Outcome)
}

// The cap is over all that delete at once: of cases that are all decided in one hour, no more go than it allows, also
// where they belong to another cleanup.
func TestTheCapHoldsForAllThatDeleteAtOnce(t *testing.T) {
	b := newBreaker(t)
	b.people[approver] = deleteOrKeep
	for i := range 7 {
		_, err := b.account.Join(fmt.Sprintf("idle-%d", i), fakeaws.OldKey())
		require.NoError(t, err)
	}
	b.clean(sunset.Request{Users: []string{victim, "idle-0", "idle-1", "idle-2"}})
	_, err := b.machine.StartCleanup(t.Context(), "autumn", sunset.Request{Starter: starter, Users: []string{"idle-3", "idle-4", "idle-5", "idle-6"}})
	require.NoError(t, err)
	b.at(turn().Add(day), func() { b.set(func(s *sunset.Settings) { s.CapPercent = 34 }) }) // three of nine
	end := turn().Add(12 * day)
	b.until(func() bool { return b.clock.Now().After(end) })
	gone := len(b.account.DeletedUsers())
	require.LessOrEqual(t, gone, 3)
	require.Positive(t, gone)
}

// After a whole run, a change of any byte of any file of the evidence is found, and so is any file that goes, but for the
// newest checkpoint: of that alone nothing in the evidence tells. Its SHA-256 is in the log.
func TestTheEvidenceOfARunCannotBeChanged(t *testing.T) {
	b := newBreaker(t)
	b.settle()
	b.finish()
	b.proven()
	var files []string
	require.NoError(t, filepath.WalkDir(b.evidence(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	require.Greater(t, len(files), 20)
	checkpoints, err := filepath.Glob(filepath.Join(b.evidence(), "checkpoint", "*.json"))
	require.NoError(t, err)
	newest := slices.Max(checkpoints)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(body), `"kind":"manifest"`) {
			continue // the seal is the last record, with nothing after it that could hold its time
		}
		changed := []byte(strings.Replace(string(body), "2026-03", "2026-02", 1))
		require.NoError(t, os.WriteFile(file, changed, 0o600))
		report, err := audit.Verify(os.DirFS(b.evidence()))
		require.NoError(t, err)
		require.NotEmpty(t, report.Problems, "%s was changed", file)
		require.NoError(t, os.Remove(file))
		report, err = audit.Verify(os.DirFS(b.evidence()))
		require.NoError(t, err)
		if file == newest {
			require.Empty(t, report.Problems)
			require.Contains(t, b.log.String(), fmt.Sprintf("sha256=%x", sha256.Sum256(body)))
		} else {
			require.NotEmpty(t, report.Problems, "%s was taken away", file)
		}
		require.NoError(t, os.WriteFile(file, body, 0o600))
	}
}

func (b *breaker) stateOf(name string) fakeaws.UserState {
	b.t.Helper()
	s, there := b.account.User(name)
	require.True(b.t, there)
	return s
}
