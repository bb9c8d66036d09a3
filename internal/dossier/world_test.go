package dossier

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// ledger writes records as the workflow does, at times of its own.
type ledger struct {
	t    *testing.T
	dir  *store.Dir
	book *audit.Book
	now  time.Time
}

func (l *ledger) Now() time.Time { l.now = l.now.Add(time.Minute); return l.now }

func newLedger(t *testing.T) *ledger {
	t.Helper()
	dir, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	l := &ledger{t: t, dir: dir, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	l.book = audit.NewBook(dir.Objects(), l)
	return l
}

// put stores an object and gives its SHA-256.
func (l *ledger) put(key string, v any) string {
	l.t.Helper()
	b, err := json.Marshal(v)
	require.NoError(l.t, err)
	require.NoError(l.t, l.dir.Objects().Put(l.t.Context(), key, b))
	return hashOf(b)
}

func (l *ledger) write(r audit.Record, data map[string]any) {
	l.t.Helper()
	if data != nil {
		b, err := json.Marshal(data)
		require.NoError(l.t, err)
		r.Data = b
	}
	_, err := l.book.Append(l.t.Context(), r)
	require.NoError(l.t, err)
}

type fields = map[string]any

// begin records a cleanup of these users. All eligible ones can have cases.
func (l *ledger) begin(cleanup string, entries ...sunset.Entry) {
	l.t.Helper()
	settings := sunset.DefaultSettings()
	settings.Approvers = []sunset.Approver{{Email: "ada@example.com"}}
	l.write(audit.Record{Chain: "cleanup/" + cleanup, Kind: "begun", CleanupID: cleanup, By: "olga@example.com", Text: "The cleanup began."}, fields{
		"execution": "arn:aws:states:eu-west-1:111122223333:execution:iam-sunset:" + cleanup, "account": "111122223333", "settings": settings,
		"request": sunset.Request{Starter: "olga@example.com"}, "settings_digest": settings.Digest(),
	})
	plan := sunset.Plan{CleanupID: cleanup, Account: "111122223333", Made: l.now, Entries: entries}
	key := "plans/" + cleanup + "/plan.json"
	l.write(audit.Record{Chain: "cleanup/" + cleanup, Kind: "plan", CleanupID: cleanup, Text: "Users were discovered."}, fields{
		"plan": key, "sha256": l.put(key, plan), "users": len(entries), "eligible": len(plan.Eligible()),
	})
}

// end closes a cleanup and writes its manifest.
func (l *ledger) end(cleanup string, users int, outcomes map[sunset.Outcome]int, cases ...string) {
	l.t.Helper()
	l.write(audit.Record{Chain: "cleanup/" + cleanup, Kind: "closed", CleanupID: cleanup, Text: "The cleanup ended."}, fields{"discovered": users, "outcomes": outcomes})
	var chains []string
	for _, id := range cases {
		chains = append(chains, sunset.ChainOf(id))
	}
	require.NoError(l.t, l.book.WriteManifest(l.t.Context(), cleanup, chains, outcomes, users))
}

// of writes a record of a case.
func (l *ledger) of(e sunset.Entry, cleanup, kind, by, text string, data fields) {
	l.t.Helper()
	id := sunset.CaseID(cleanup, e.User.ID)
	l.write(audit.Record{Chain: sunset.ChainOf(id), Kind: kind, CleanupID: cleanup, CaseID: id, UserID: e.User.ID, UserName: e.User.Name, By: by, Text: text}, data)
}

// disable takes a case up to its soak, with one quiet check.
func (l *ledger) disable(e sunset.Entry, cleanup string) {
	l.t.Helper()
	id := sunset.CaseID(cleanup, e.User.ID)
	l.of(e, cleanup, "claimed", "iam-sunset", "It was claimed.", fields{"turn": l.now, "entry": e})
	key := "snapshots/" + id + ".json"
	snap := sunset.Snapshot{CaseID: id, Account: "111122223333", Taken: l.now, User: e.User, InlineDocuments: map[string]string{}}
	for _, name := range e.User.Inline {
		snap.InlineDocuments[name] = `{"Version":"2012-10-17","Statement":[]}`
	}
	l.of(e, cleanup, "snapshot", "iam-sunset", "It was written down.", fields{"snapshot": key, "sha256": l.put(key, snap), "artifacts": snap.User.Artifacts()})
	l.change(e, cleanup, "iam:PutUserPolicy", "inline policy IAMSunsetQuarantine of "+e.User.Name)
	l.of(e, cleanup, "disabled", "iam-sunset", "It was disabled.", fields{"quarantine": sunset.Quarantine{Method: sunset.InlineDeny, At: l.now, Deny: sunset.InlineDeny}, "soak_until": l.now.Add(time.Hour)})
	l.of(e, cleanup, "listened", "iam-sunset", "Nothing was heard.", fields{"status": "quiet", "new": 0, "cloudtrail_until": l.now, "soak_until": l.now.Add(time.Hour)})
}

func (l *ledger) change(e sunset.Entry, cleanup, action, target string) {
	l.t.Helper()
	data := fields{"action": action, "target": target}
	l.of(e, cleanup, "intent", "iam-sunset", "About to do it.", data)
	l.of(e, cleanup, "outcome", "iam-sunset", "Did it.", data)
}

func (l *ledger) decide(e sunset.Entry, cleanup string, choice sunset.Choice, reason string) {
	l.t.Helper()
	digest := strings.Repeat("ab", 32)
	l.of(e, cleanup, "requested", "iam-sunset", "They are asked.", fields{"digest": digest, "needed": 1})
	l.of(e, cleanup, "decision", "ada@example.com", "It was decided.", fields{
		"approver": "ada@example.com", "choice": choice, "reason": reason, "digest": digest, "way": "aws", "at": l.now, "mac": []byte("0123456789"), "request_id": "hidden-request",
	})
}

func (l *ledger) delete(e sunset.Entry, cleanup string) {
	l.t.Helper()
	l.of(e, cleanup, "deleting", "iam-sunset", "It goes.", fields{"digest": "abab", "cloudtrail_until": l.now.Add(-2 * time.Hour), "not_covered": "CloudTrail's last two hours, and data events"})
	for _, c := range e.User.Of(sunset.AccessKey) {
		l.change(e, cleanup, "iam:DeleteAccessKey", "access key "+c.ID+" of "+e.User.Name)
	}
	l.change(e, cleanup, "iam:DeleteUserPolicy", "inline policy IAMSunsetQuarantine of "+e.User.Name)
	l.change(e, cleanup, "iam:DeleteUser", e.User.Name)
	l.of(e, cleanup, "deleted", "iam-sunset", "It was deleted.", fields{"outcome": "deleted"})
	l.close(e, cleanup, sunset.Deleted, "nothing is left of it")
}

func (l *ledger) close(e sunset.Entry, cleanup string, outcome sunset.Outcome, reason string) {
	l.t.Helper()
	l.of(e, cleanup, "closed", "iam-sunset", "The case ended.", fields{"outcome": outcome, "reason": reason})
}

// unused is a user with one key, idle for years.
func unused(id, name string) sunset.Entry {
	used := time.Date(2024, 10, 18, 9, 0, 0, 0, time.UTC)
	return sunset.Entry{
		User: sunset.User{
			ID: id, Name: name, ARN: "arn:aws:iam::111122223333:user/" + name, Path: "/", Created: used.AddDate(-1, 0, 0),
			Credentials: []sunset.Credential{{Kind: sunset.AccessKey, ID: "AKIA" + id, Status: sunset.Active, Created: used.AddDate(-1, 0, 0), LastUsed: &used}},
		},
		Owner:    sunset.Owner{Email: "tom@example.com", From: "tag owner"},
		Evidence: []sunset.Evidence{{Source: "cloudtrail:LookupEvents", Region: "eu-west-1", Use: sunset.Unused, Read: used}, {Source: "cloudtrail:LookupEvents", Region: "us-east-1", Use: sunset.Unused, Read: used}},
		Verdict:  sunset.Verdict{Eligible: true},
	}
}

func kept(id, name, why string) sunset.Entry {
	e := unused(id, name)
	e.Verdict = sunset.Verdict{Reasons: []sunset.Reason{{Code: sunset.IsActive, Text: why}}}
	return e
}

func (l *ledger) read(keys ...audit.PublicKey) *Archive {
	l.t.Helper()
	a, err := Read(l.t.Context(), l.dir.Objects(), keys...)
	require.NoError(l.t, err)
	return a
}

func (l *ledger) why(who string) string {
	l.t.Helper()
	d, elsewhere, err := l.read().User(l.t.Context(), who)
	require.NoError(l.t, err)
	return Why(d, elsewhere)
}
