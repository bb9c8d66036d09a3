//go:build browser

package browser

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/dashboard"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	day     = 24 * time.Hour
	ada     = "ada.lindgren@meadowlark.example"
	ben     = "ben.okafor@meadowlark.example"
	cleo    = "cleo.marchetti@meadowlark.example"
	maria   = "maria.keller@meadowlark.example"
	olga    = "arn:aws:sts::123456789012:assumed-role/security-team/olga.petrova"
	cleanup = "spring-2026"
)

// begin is when every world begins: a Monday morning.
func begin() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// world is a machine with the product on it in virtual time, an account to clean up, and a post that keeps every message.
// Between its steps time stands, so that people may take theirs in the browser.
type world struct {
	t       *testing.T
	clock   *clock.Virtual
	account *fakeaws.Account
	machine *onemachine.Machine
	board   *dashboard.Dashboard
	dir     string

	mu       sync.Mutex
	settings sunset.Settings
	mail     []approval.Message
}

func newWorld(t *testing.T, populate func(*fakeaws.Account), change ...func(*sunset.Settings)) *world {
	t.Helper()
	return newWorldAt(t, "127.0.0.1:0", populate, change...)
}

// newWorldAt has the engine and its dashboard on that address.
func newWorldAt(t *testing.T, engine string, populate func(*fakeaws.Account), change ...func(*sunset.Settings)) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(begin()), dir: t.TempDir(), settings: sunset.DefaultSettings()}
	w.settings.Approvers = []sunset.Approver{{Email: ada}, {Email: ben}, {Email: cleo}}
	w.settings.CapPercent, w.settings.Batch = 100, 300
	w.settings.Team, w.settings.OwnerDomains = "security@meadowlark.example", []string{"meadowlark.example"}
	w.settings.Exemptions = []sunset.Exemption{{Tag: "break-glass", Reason: "emergency access, used only when all else fails"}}
	for _, c := range change {
		c(&w.settings)
	}
	w.account = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 7, Regions: []string{"eu-central-1", "eu-west-1", "us-east-1"}})
	populate(w.account)
	aws, err := w.account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = aws.Close() })
	dir, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(t, err)
	key, err := approval.OpenKeyFile(filepath.Join(w.dir, "decisions.key"))
	require.NoError(t, err)
	w.machine, err = onemachine.Start(onemachine.Config{
		AWS: aws.Config("us-east-1"), AccountID: w.account.ID(), Region: "us-east-1", Time: w.clock,
		Objects: dir.Objects(), Rows: dir.Rows(), Signers: approval.Signers{Decisions: key, Links: key}, Messenger: w,
		Settings: func(context.Context) (sunset.Settings, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.settings, nil
		},
		Log: slog.New(slog.DiscardHandler), EngineAddr: engine, PagesAddr: "127.0.0.1:0", Rand: rand.NewChaCha8([32]byte{1}),
		Office: func(m *onemachine.Machine) http.Handler {
			w.board = dashboard.New(dashboard.Config{
				Workflow: m.Workflow, Account: w.account.ID(), Region: "us-east-1", SettingsFile: "/srv/iam-sunset/settings.json",
				Credentials: "/srv/iam-sunset/credentials", Now: w.clock.Now, Hold: w.clock.Hold, Log: slog.New(slog.DiscardHandler),
			})
			return w.board
		},
	})
	require.NoError(t, err)
	t.Cleanup(w.machine.Close)
	_, err = w.machine.StartCleanup(t.Context(), cleanup, sunset.Request{Starter: olga})
	require.NoError(t, err)
	return w
}

// join is somebody in the account, whom people know by an owner.
func join(t *testing.T, a *fakeaws.Account, name string, lives ...fakeaws.Life) {
	t.Helper()
	_, err := a.Join(name, append(lives, fakeaws.Tagged("owner", maria))...)
	require.NoError(t, err)
}

// one is a world with one unused user.
func one(t *testing.T, change ...func(*sunset.Settings)) *world {
	t.Helper()
	return newWorld(t, func(a *fakeaws.Account) { join(t, a, "old-batch", fakeaws.Dead()) }, change...)
}

// Send is the world's mail.
func (w *world) Send(_ context.Context, m approval.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mail = append(w.mail, m)
	return nil
}

// linkOf is the newest link that somebody got, as an approver or as an owner.
func (w *world) linkOf(email string) string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.mail) - 1; i >= 0; i-- {
		if w.mail[i].To == email && w.mail[i].Link != "" {
			return w.mail[i].Link
		}
	}
	require.Fail(w.t, "no link", "%s never got one", email)
	return ""
}

// after lets time pass until so long after the beginning.
func (w *world) after(d time.Duration) {
	w.t.Helper()
	over := false
	w.clock.AfterFunc(begin().Add(d), func() { over = true })
	require.NoError(w.t, w.clock.RunUntil(w.t.Context(), func() bool { return over }))
}

// finish lets time pass until the cleanup has ended.
func (w *world) finish() sunset.Cleanup {
	w.t.Helper()
	var row sunset.Cleanup
	limit := begin().Add(200 * day)
	require.NoError(w.t, w.clock.RunUntil(w.t.Context(), func() bool {
		c, err := w.machine.Cases.Cleanup(w.t.Context(), cleanup)
		row = c
		return (err == nil && !c.Ended.IsZero()) || w.clock.Now().After(limit)
	}))
	require.False(w.t, row.Ended.IsZero(), "the cleanup never ended")
	return row
}

// asked is what approvers are asked about a user, the newest first where there is more than one.
func (w *world) asked(name string) sunset.ApprovalRequest {
	w.t.Helper()
	items, err := w.machine.Desk.Inbox(w.t.Context(), ada)
	require.NoError(w.t, err)
	var newest sunset.ApprovalRequest
	for _, it := range items {
		if it.Request.UserName == name && it.Request.Issued.After(newest.Issued) {
			newest = it.Request
		}
	}
	require.NotEmpty(w.t, newest.ID, "nobody is asked about %s", name)
	return newest
}

// outcome is how a user's case ended; empty while it has not.
func (w *world) outcome(name string) sunset.Outcome {
	w.t.Helper()
	cases, err := w.machine.Cases.Cases(w.t.Context())
	require.NoError(w.t, err)
	for _, c := range cases {
		if c.UserName == name {
			return c.Outcome
		}
	}
	require.Fail(w.t, "no case", name)
	return ""
}

// administrator does something at the account's console, now.
func (w *world) administrator(action string, values url.Values) {
	w.t.Helper()
	w.account.At(w.clock.Now(), func(p *fakeaws.Actor) {
		if code := p.AsAdministrator(action, values); code != "" {
			w.t.Errorf("%s: %s", action, code)
		}
	})
}

func of(user string, pairs ...string) url.Values {
	v := url.Values{"UserName": {user}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// company is a made-up one: people, machines and what they leave behind.
func company(t *testing.T, a *fakeaws.Account) {
	t.Helper()
	a.SetAlias("meadowlark")
	const domain = "@meadowlark.example"
	add := func(name, owner, team string, lives ...fakeaws.Life) {
		lives = append(lives, fakeaws.Tagged("team", team))
		if owner != "" {
			lives = append(lives, fakeaws.Tagged("owner", owner))
		}
		_, err := a.Join(name, lives...)
		require.NoError(t, err, name)
	}
	// In use, or not to be touched.
	add("maria.keller", "maria.keller"+domain, "platform", fakeaws.Active(), fakeaws.InGroup("developers"))
	add("tom.becker", "tom.becker"+domain, "platform", fakeaws.Active(), fakeaws.InGroup("developers"))
	add("aisha.rahman", "aisha.rahman"+domain, "finance", fakeaws.SignsIn())
	add("jan.novak", "jan.novak"+domain, "data", fakeaws.AWSLogin(false))
	add("lena.fischer", "lena.fischer"+domain, "data", fakeaws.RoleHopper())
	add("deploy-web", "maria.keller"+domain, "web", fakeaws.Pipeline(), fakeaws.InPath("/ci/"))
	add("quarterly-billing", "aisha.rahman"+domain, "finance", fakeaws.Quarterly(begin().Add(11*day)), fakeaws.InPath("/service/"))
	add("backup-uploader", "tom.becker"+domain, "platform", fakeaws.S3Uploader(), fakeaws.InPath("/service/"))
	add("BedrockAPIKey-x7k2", "jan.novak"+domain, "data", fakeaws.BedrockOnly())
	add("break-glass-admin", "maria.keller"+domain, "security", fakeaws.BreakGlass())
	add("pia.lund", "tom.becker"+domain, "web", fakeaws.TooYoung())
	add("legacy-ftp-bridge", "", "web", fakeaws.OldKey(), fakeaws.SoleInBucketPolicy("meadowlark-ftp-inbox", "eu-west-1"))
	// What they leave behind.
	add("peter.maurer", "maria.keller"+domain, "platform", fakeaws.Dead(), fakeaws.InGroup("developers"))
	add("old-jenkins", "tom.becker"+domain, "platform", fakeaws.OldKey(), fakeaws.InPath("/ci/"))
	add("hugo.brandt", "maria.keller"+domain, "data", fakeaws.NeverSignedIn(), fakeaws.HardwareMFA(), fakeaws.InGroup("readers"))
	add("sofia.lindqvist", "lena.fischer"+domain, "web", fakeaws.NeverSignedIn(), fakeaws.FIDOKey(), fakeaws.InGroup("developers"))
	add("intern-2023", "aisha.rahman"+domain, "finance", fakeaws.NeverSignedIn(), fakeaws.InGroup("readers"))
	add("poc-analytics", "", "data", fakeaws.NeverUsedKey())
	add("karl.weber", "tom.becker"+domain, "platform", fakeaws.Dead(), fakeaws.LeftoverMFA(), fakeaws.NameInSessions())
	add("report-export", "aisha.rahman"+domain, "finance", fakeaws.OldKey(), fakeaws.InPath("/service/"))
	add("anna.berg", "maria.keller"+domain, "web", fakeaws.Dead(), fakeaws.RenamedFrom("anna.schmidt", 40*day))
	add("datadog-integration", "tom.becker"+domain, "platform", fakeaws.ThirdParty("datadog"))
	add("svc-meadowlark-production-eu-central-1-legacy-billing-exporter-2", "finance-platform-operations"+domain, "finance", fakeaws.OldKey(), fakeaws.InPath("/service/"))
	add("l.zolc", "Łukasz Żółć / 財務部", "finance", fakeaws.Dead())
	add("temp-contractor", `<img src=x onerror=alert(1)>`, "web", fakeaws.NeverSignedIn())
	add("nightly-sync", "lena.fischer"+domain, "data", fakeaws.OldKey(), fakeaws.InPath("/service/"), fakeaws.TriesItsKey(begin().Add(9*day)))
	add("eva.holm", "lena.fischer"+domain, "data", fakeaws.Dead(), fakeaws.TriesToSignIn(begin().Add(12*day)))

	a.AddBucket("meadowlark-reports", "eu-west-1", sharedBy("s3:GetObject", "/service/report-export", "/service/quarterly-billing"))
	a.AddQueue("jobs", "eu-west-1", sharedBy("sqs:SendMessage", "/ci/old-jenkins", "/ci/deploy-web"))
	for _, name := range []string{"i-0a1b2c3d4e5f60718", "i-0b2c3d4e5f6071829"} {
		a.AddTagged("arn:aws:ec2:eu-west-1:"+fakeaws.DefaultAccountID+":instance/"+name, "eu-west-1", map[string]string{"CreatedBy": "peter.maurer", "team": "platform"})
	}
}

func sharedBy(action, one, other string) string {
	arn := "arn:aws:iam::" + fakeaws.DefaultAccountID + ":user"
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":[%q,%q]},"Action":%q,"Resource":"*"}]}`, arn+one, arn+other, action)
}

// decisions are those stored on what approvers are asked now about a user.
func (w *world) decisions(name string) []sunset.Decision {
	w.t.Helper()
	items, err := w.machine.Desk.Inbox(w.t.Context(), cleo)
	require.NoError(w.t, err)
	var out []sunset.Decision
	for _, it := range items {
		if it.Request.UserName == name {
			out = append(out, it.Others...)
		}
	}
	return out
}
