package approval_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	ada     = "ada@example.com"
	ben     = "ben@example.com"
	cleo    = "cleo@example.com"
	starter = "arn:aws:sts::111122223333:assumed-role/Security/cleo"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// office is a desk with everything around it that a test may turn.
type office struct {
	*approval.Desk
	rows  store.Rows
	dir   string
	clock *clock.Virtual

	mu       sync.Mutex
	settings sunset.Settings
}

func newOffice(t *testing.T, needed int) *office {
	t.Helper()
	o := &office{dir: t.TempDir(), clock: clock.NewVirtual(start), settings: sunset.DefaultSettings()}
	o.settings.ApprovalsNeeded = needed
	o.settings.Approvers = []sunset.Approver{
		{Email: ada, Principals: []string{"arn:aws:iam::111122223333:user/ada"}},
		{Email: ben},
		{Email: cleo, Principals: []string{"arn:aws:iam::111122223333:role/Security"}},
	}
	key, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	o.rows = openRows(t, o.dir)
	o.Desk = approval.NewDesk(o.rows, approval.Signers{Decisions: key, Links: key}, func(context.Context) (sunset.Settings, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.settings, nil
	}, o.clock)
	return o
}

func (o *office) set(change func(*sunset.Settings)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.settings)
}

// later lets time pass.
func (o *office) later(t *testing.T, d time.Duration) {
	t.Helper()
	over := false
	o.clock.AfterFunc(o.clock.Now().Add(d), func() { over = true })
	require.NoError(t, o.clock.RunUntil(t.Context(), func() bool { return over }))
}

// contents is the whole store.
func (o *office) contents(t *testing.T) map[string]store.Row {
	t.Helper()
	rows, err := o.rows.List(t.Context(), "")
	require.NoError(t, err)
	all := map[string]store.Row{}
	for _, r := range rows {
		all[r.Key] = r
	}
	return all
}

// asking is a request about an unused user with one of everything.
func asking(name string) sunset.ApprovalRequest {
	used := start.AddDate(0, -8, 0)
	user := sunset.User{
		ID: "AIDA" + strings.ToUpper(hex(name)), Name: name, ARN: "arn:aws:iam::111122223333:user/ci/" + name, Path: "/ci/", Created: start.AddDate(-3, 0, 0),
		Groups: []string{"builders"}, Inline: []string{"upload"}, Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
		Credentials: []sunset.Credential{
			{Kind: sunset.Password, Status: sunset.Active, Created: start.AddDate(-3, 0, 0)},
			{Kind: sunset.AccessKey, ID: "AKIAOLD0000000000001", Status: sunset.Active, Created: start.AddDate(-2, 0, 0), LastUsed: &used, Service: "s3"},
			{Kind: sunset.AccessKey, ID: "AKIAOLD0000000000002", Status: sunset.Inactive, Created: start.AddDate(-3, 0, 0)},
			{Kind: sunset.SSHKey, ID: "APKAOLD0000000000003", Status: sunset.Inactive, Created: start.AddDate(-3, 0, 0)},
		},
		MFA: []sunset.MFADevice{{Serial: "arn:aws:iam::111122223333:mfa/" + name, Kind: sunset.VirtualMFA}},
	}
	refs := []sunset.Reference{{Service: "s3", Resource: "arn:aws:s3:::artifacts", How: "arn", Weight: sunset.Informing, Detail: "its bucket policy lets the user read"}}
	facts := sunset.FactsOf(sunset.Snapshot{User: user}, refs, nil, sunset.FinalDelete)
	return sunset.ApprovalRequest{
		CaseID: "nov-" + user.ID, CleanupID: "nov", UserID: user.ID, UserName: name, UserARN: user.ARN, Round: 1, Starter: starter,
		Expires: start.AddDate(0, 0, 14), Needed: 1, Facts: facts,
		Shown: sunset.Shown{
			Owner: sunset.Owner{Email: "build-team@example.com", Name: "build-team@example.com", From: "tag owner"}, Class: sunset.CI, CodeManaged: "Terraform",
			Credentials: user.Credentials, References: refs,
			Evidence: []sunset.Evidence{
				{Source: "credential-report", About: name, Read: start.AddDate(0, 0, -18), Use: sunset.Unused, Last: &used, Detail: "its newest use is 8 months old"},
				{Source: "cloudtrail:LookupEvents", About: name, Region: "eu-central-1", Read: start.AddDate(0, 0, -18), Use: sunset.Unused},
				{Source: "cloudtrail:LookupEvents", About: name, Region: "us-east-1", Read: start.AddDate(0, 0, -18), Use: sunset.Unused},
			},
			LastSeen:   &sunset.Activity{At: used, Service: "s3.amazonaws.com", Call: "PutBucketPolicy", Region: "eu-central-1", Address: "198.51.100.7", Agent: "aws-cli/1.16"},
			Quarantine: sunset.Quarantine{Method: sunset.InlineDeny, At: start.AddDate(0, 0, -14)}, SoakFrom: start.AddDate(0, 0, -14), SoakUntil: start,
			HeardUntil: start.Add(-2 * time.Hour), Settings: "0000",
		},
	}
}

func disturbed(r sunset.ApprovalRequest) sunset.ApprovalRequest {
	r.Disturbed = true
	r.Facts.Signals = []sunset.Signal{{
		Kind: sunset.LastUsedMoved, About: "AKIAOLD0000000000001", At: start.Add(-72 * time.Hour), Source: "iam:GetAccessKeyLastUsed",
		Region: "eu-central-1", Detail: "its access key AKIAOLD0000000000001 was tried with s3",
	}}
	return r
}

func hex(s string) string {
	var b strings.Builder
	for _, c := range s {
		b.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[int(c)%26])
	}
	return b.String()
}

func (o *office) open(t *testing.T, r sunset.ApprovalRequest, token string) sunset.ApprovalRequest {
	t.Helper()
	r, err := o.Open(t.Context(), r, token)
	require.NoError(t, err)
	return r
}

func TestOpenIsOncePerCaseAndRound(t *testing.T) {
	o := newOffice(t, 1)
	first := o.open(t, asking("ci-old"), "token-1")
	require.Len(t, first.ID, 32)
	require.Equal(t, sunset.RequestOpen, first.State)
	require.Equal(t, first.Facts.Digest(), first.Digest)

	again := disturbed(asking("ci-old"))
	second := o.open(t, again, "token-2")
	require.Equal(t, first, second, "a retry gets the first request back, whatever it brings")

	_, _, err := o.Decide(t.Context(), sunset.Decision{RequestID: first.ID, Digest: first.Digest, Approver: ada, Choice: sunset.ChooseKeep, Reason: "in use"})
	require.NoError(t, err)
	waits, err := o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Len(t, waits, 1)
	require.Equal(t, "token-2", waits[0].Token, "only the newest task waits")

	require.NoError(t, o.MarkDelivered(t.Context(), first.ID, "token-2"))
	third := o.open(t, asking("ci-old"), "token-3")
	require.Equal(t, sunset.RequestDecided, third.State)
	require.NoError(t, o.MarkDelivered(t.Context(), first.ID, "token-2"), "a late word about the earlier task")
	waits, err = o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Len(t, waits, 1, "a new task of a decided request waits for the same answer")
	require.Equal(t, "token-3", waits[0].Token)
	require.Equal(t, sunset.ChooseKeep, waits[0].Choice)
}

// An Open may die after any of its writes; the next one goes on from there, and nobody trips over what lies there.
func TestOpenGoesOnAfterACrash(t *testing.T) {
	whole := newOffice(t, 1)
	r := whole.open(t, asking("ci-old"), "token-1")
	written := whole.contents(t)
	order := []string{"round/" + r.CaseID + "/1", "token/" + r.ID, "request/" + r.ID}
	require.Len(t, written, len(order))
	for n := range order {
		o := newOffice(t, 1)
		for _, key := range order[:n] {
			_, err := o.rows.Put(t.Context(), key, 0, written[key].Body)
			require.NoError(t, err)
		}
		waits, err := o.Undelivered(t.Context())
		require.NoError(t, err)
		require.Empty(t, waits)
		require.NoError(t, o.Supersede(t.Context(), r.CaseID, ""))
		again := o.open(t, asking("ci-old"), "token-2")
		require.Equal(t, sunset.RequestOpen, again.State)
		require.Equal(t, n > 0, again.ID == r.ID, "a claimed round keeps its request's id")
		row, err := o.rows.Get(t.Context(), "token/"+again.ID)
		require.NoError(t, err)
		require.JSONEq(t, `{"token":"token-2"}`, string(row.Body))
	}
}

func TestOpenAtOnce(t *testing.T) {
	o := newOffice(t, 1)
	ids := make([]string, 12)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			r, err := o.Open(context.Background(), asking("ci-old"), "token")
			if err == nil {
				ids[i] = r.ID
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	open, err := o.OpenRequests(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 1)
}

func TestOpenSupersedesEarlierRoundsOfItsCaseAlone(t *testing.T) {
	o := newOffice(t, 1)
	other := o.open(t, asking("other"), "o")
	first := o.open(t, asking("ci-old"), "1")
	next := asking("ci-old")
	next.Round = 2
	second := o.open(t, next, "2")
	for id, want := range map[string]sunset.State{other.ID: sunset.RequestOpen, first.ID: sunset.RequestSuperseded, second.ID: sunset.RequestOpen} {
		r, err := o.Request(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, r.State)
	}
	_, err := o.Open(t.Context(), asking("ci-old"), "late")
	require.Equal(t, sunset.Conflict, sunset.KindOf(err), "the earlier round is over")

	require.NoError(t, o.Supersede(t.Context(), second.CaseID, second.ID))
	r, err := o.Request(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, sunset.RequestOpen, r.State)
	require.NoError(t, o.Supersede(t.Context(), second.CaseID, ""))
	r, err = o.Request(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, sunset.RequestSuperseded, r.State)
}

func TestOpenRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*sunset.ApprovalRequest){
		"no case":          func(r *sunset.ApprovalRequest) { r.CaseID = "" },
		"a case with path": func(r *sunset.ApprovalRequest) { r.CaseID = "../x" },
		"no user":          func(r *sunset.ApprovalRequest) { r.UserID = "" },
		"another's facts":  func(r *sunset.ApprovalRequest) { r.Facts.UserID = "AIDAOTHER" },
		"another digest":   func(r *sunset.ApprovalRequest) { r.Digest = strings.Repeat("0", 64) },
		"no end":           func(r *sunset.ApprovalRequest) { r.Expires = time.Time{} },
		"an id with path":  func(r *sunset.ApprovalRequest) { r.ID = "a/b" },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, 1)
			r := asking("ci-old")
			spoil(&r)
			_, err := o.Open(t.Context(), r, "token")
			require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
			require.Empty(t, o.contents(t))
		})
	}
}

func TestTokensStayInTheirRow(t *testing.T) {
	o := newOffice(t, 1)
	r := o.open(t, asking("ci-old"), "the-secret-token")
	for key, row := range o.contents(t) {
		if key != "token/"+r.ID {
			require.NotContains(t, string(row.Body), "the-secret-token", key)
		}
	}
}

func TestExpireEndsOnlyWhatIsOpen(t *testing.T) {
	o := newOffice(t, 1)
	a, b := o.open(t, asking("one"), "1"), o.open(t, asking("two"), "2")
	_, _, err := o.Decide(t.Context(), sunset.Decision{RequestID: b.ID, Digest: b.Digest, Approver: ada, Choice: sunset.ChooseKeep, Reason: "used"})
	require.NoError(t, err)
	for id, want := range map[string]sunset.State{a.ID: sunset.RequestExpired, b.ID: sunset.RequestDecided} {
		require.NoError(t, o.Expire(t.Context(), id))
		r, err := o.Request(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, r.State)
	}
	require.ErrorIs(t, o.Expire(t.Context(), "nobody"), store.ErrMissing)
}

func TestWaitingNamesWhoIsStillToBeTold(t *testing.T) {
	o := newOffice(t, 2)
	r := o.open(t, asking("ci-old"), "1")
	who := func(list []approval.Waiting, err error) []string {
		require.NoError(t, err)
		var out []string
		for _, w := range list {
			require.Equal(t, r.ID, w.Request.ID)
			out = append(out, w.Approver)
		}
		return out
	}
	require.Equal(t, []string{ada, ben}, who(o.Unannounced(t.Context())), "cleo started the cleanup")
	require.NoError(t, o.MarkAnnounced(t.Context(), r.ID, strings.ToUpper(ada)))
	require.Equal(t, []string{ben}, who(o.Unannounced(t.Context())))
	waiting, err := o.Waiting(t.Context())
	require.Equal(t, []string{ada, ben}, who(waiting, err))
	require.Equal(t, start, waiting[0].Announced)
	_, _, err = o.Decide(t.Context(), sunset.Decision{RequestID: r.ID, Digest: r.Digest, Approver: ada, Choice: sunset.ChooseDelete, Reason: "unused"})
	require.NoError(t, err)
	require.Equal(t, []string{ben}, who(o.Waiting(t.Context())), "ada has decided")
	o.later(t, 15*24*time.Hour)
	require.Empty(t, who(o.Waiting(t.Context())), "nobody can decide any more")
}

func TestLinks(t *testing.T) {
	o := newOffice(t, 1)
	secret, err := o.NewLink(t.Context(), strings.ToUpper(ada), start.AddDate(0, 0, 3))
	require.NoError(t, err)
	require.Len(t, secret, 43, "256 bits in base64url")
	email, err := o.Approver(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, ada, email)

	for key, row := range o.contents(t) {
		require.NotContains(t, key+string(row.Body), secret)
	}
	for _, wrong := range []string{"", "x", secret[1:], secret + "A", "../" + secret} {
		_, err := o.Approver(t.Context(), wrong)
		require.ErrorIs(t, err, store.ErrMissing)
	}
	_, err = o.NewLink(t.Context(), "eve@example.com", start.AddDate(0, 0, 3))
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))

	o.later(t, 3*24*time.Hour)
	_, over := o.Approver(t.Context(), secret)
	_, never := o.Approver(t.Context(), "x")
	require.ErrorIs(t, over, store.ErrMissing)
	require.Equal(t, never.Error(), over.Error(), "nothing tells a link that is over from one that never was")
}

func TestLinksMadeOrMovedInTheStoreDontOpen(t *testing.T) {
	o := newOffice(t, 1)
	secret, err := o.NewLink(t.Context(), ada, start.AddDate(0, 0, 3))
	require.NoError(t, err)
	for key, row := range o.contents(t) {
		var l map[string]any
		require.NoError(t, json.Unmarshal(row.Body, &l))
		l["approver"] = ben
		body, err := json.Marshal(l)
		require.NoError(t, err)
		_, err = o.rows.Put(t.Context(), key, row.Version, body)
		require.NoError(t, err)
	}
	_, err = o.Approver(t.Context(), secret)
	require.ErrorIs(t, err, store.ErrMissing)
}

func TestALinksAddress(t *testing.T) {
	require.Equal(t, "https://approve.example.com/a/s3cret", approval.LinkURL("https://approve.example.com/", "s3cret"))
}

// When somebody was last told of anything stays known when what they were told of is decided.
func TestWhenSomebodyWasLastTold(t *testing.T) {
	o := newOffice(t, 1)
	for _, who := range []string{ada, approval.Team} {
		at, err := o.LastTold(t.Context(), who)
		require.NoError(t, err)
		require.Zero(t, at)
		require.NoError(t, o.MarkTold(t.Context(), strings.ToUpper(who)))
		at, err = o.LastTold(t.Context(), who)
		require.NoError(t, err)
		require.Equal(t, start, at)
	}
	at, err := o.LastTold(t.Context(), ben)
	require.NoError(t, err)
	require.Zero(t, at)
}
