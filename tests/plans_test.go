package tests

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// plan is what the world's cleanup has planned.
func (w *world) plan() sunset.Plan {
	w.t.Helper()
	body, err := w.machine.Objects.Get(w.t.Context(), "plans/"+cleanup+"/plan.json")
	require.NoError(w.t, err)
	var p sunset.Plan
	require.NoError(w.t, json.Unmarshal(body, &p))
	return p
}

func (w *world) verdict(name string) sunset.Verdict {
	w.t.Helper()
	for _, e := range w.plan().Entries {
		if e.User.Name == name {
			return e.Verdict
		}
	}
	w.t.Fatalf("%s is not in the plan", name)
	return sunset.Verdict{}
}

func why(v sunset.Verdict) string {
	var out []string
	for _, r := range v.Reasons {
		out = append(out, string(r.Code)+": "+r.Text)
	}
	return strings.Join(out, "\n")
}

// writes are the calls over the wire that change something, from the first of them on.
func (w *world) writes() []string {
	var out []string
	for _, c := range w.account.Calls() {
		read := slices.ContainsFunc([]string{"Get", "List", "Describe", "Lookup", "GenerateCredentialReport", "Head"}, func(p string) bool { return strings.HasPrefix(c.Action, p) })
		if !read {
			out = append(out, c.Service+":"+c.Action)
		}
	}
	return out
}

// join adds a user to a world in the making.
func join(t *testing.T, a *fakeaws.Account, name string, lives ...fakeaws.Life) fakeaws.NewUser {
	t.Helper()
	u, err := a.Join(name, lives...)
	require.NoError(t, err)
	return u
}

// Each thing that can't be read at discovery, for anybody, keeps the users, and the plan names the action.
func TestUnreadIsKept(t *testing.T) {
	denied := func(service, action, region string) func(*world) {
		return func(w *world) {
			code := "AccessDenied"
			if service == "cloudtrail" || service == "account" || service == "kms" || service == "lambda" || service == "secretsmanager" || service == "ecr" || service == "sqs" {
				code = "AccessDeniedException"
			}
			w.account.Fail(fakeaws.Fault{Service: service, Action: action, Match: func(c fakeaws.Call) bool { return region == "" || c.Region == region }, Code: code, Status: 403, Message: "not authorized"})
		}
	}
	for _, r := range []struct {
		service, action, region string
		// fails says that nothing can be planned without it.
		fails bool
		// names is the action as a policy knows it, where that is another.
		names string
	}{
		{"iam", "GenerateCredentialReport", "", true, ""},
		{"iam", "GetCredentialReport", "", true, ""},
		{"iam", "GetAccountAuthorizationDetails", "", true, ""},
		{"iam", "ListServiceSpecificCredentials", "", false, ""},
		{"iam", "ListVirtualMFADevices", "", false, ""},
		{"iam", "ListSSHPublicKeys", "", false, ""},
		{"iam", "GetAccessKeyLastUsed", "", false, ""},
		{"cloudtrail", "LookupEvents", "eu-west-1", false, ""},
		{"account", "ListRegions", "", false, ""},
		{"s3", "ListBuckets", "", false, "s3:ListAllMyBuckets"},
		{"kms", "ListKeys", "eu-west-1", false, ""},
		{"ecr", "DescribeRepositories", "us-east-1", false, ""},
	} {
		t.Run(r.service+":"+r.action, func(t *testing.T) {
			t.Parallel()
			w := newSmallWorld(t, func(a *fakeaws.Account) { join(t, a, "old-batch", fakeaws.Dead()) })
			denied(r.service, r.action, r.region)(w)
			arn := w.clean(sunset.Request{})
			row := w.finish()
			require.Empty(t, w.writes())
			x, _ := w.machine.Engine.Execution(arn)
			if r.fails {
				require.EqualValues(t, "FAILED", x.Status)
				require.Contains(t, row.Refusal, r.service+":"+r.action)
				require.Contains(t, x.Cause, r.service+":"+r.action)
				return
			}
			v := w.verdict("old-batch")
			require.False(t, v.Eligible)
			require.True(t, v.Has(sunset.IsUnknown), why(v))
			require.Contains(t, why(v), cmp.Or(r.names, r.service+":"+r.action))
			require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1}, positive(row.Outcomes))
			w.proven()
		})
	}
}

func TestPlansThatChangeNothing(t *testing.T) {
	people := func(t *testing.T, a *fakeaws.Account) {
		join(t, a, "old-one", fakeaws.Dead(), fakeaws.InPath("/service/"))
		join(t, a, "old-two", fakeaws.OldKey(), fakeaws.Tagged("stage", "prod"))
		join(t, a, "daily", fakeaws.Active())
	}
	for _, r := range []struct {
		name     string
		request  sunset.Request
		settings func(*sunset.Settings)
		status   string
		state    string
		cause    string
		kept     string // a reason for old-one
	}{
		{
			name: "cap exceeded", settings: func(s *sunset.Settings) { s.CapPercent = 60 },
			status: "FAILED", state: "PlanRefused", cause: "cap_percent: 2 of 3 users are eligible",
		},
		{name: "dry run", request: sunset.Request{DryRun: true}, status: "SUCCEEDED", state: "Planned"},
		{
			name: "dry run over the cap", request: sunset.Request{DryRun: true}, settings: func(s *sunset.Settings) { s.CapPercent = 1 },
			status: "SUCCEEDED", state: "Planned",
		},
		{name: "names nobody who is unused", request: sunset.Request{Users: []string{"daily", "nobody"}}, status: "SUCCEEDED", state: "Planned", kept: "the request names other users"},
		{name: "skips a check", request: sunset.Request{Skip: []string{"cloudtrail"}}, status: "SUCCEEDED", state: "Planned", kept: "CloudTrail not checked"},
		{name: "loosens soak", request: sunset.Request{Soak: days(3)}, status: "FAILED", state: "Failed", cause: "soak: 3d would loosen"},
		{name: "loosens unused", request: sunset.Request{Unused: days(30)}, status: "FAILED", state: "Failed", cause: "unused: 30d would loosen"},
		{name: "raises the batch", request: sunset.Request{Batch: number(100)}, status: "FAILED", state: "Failed", cause: "batch: 100 must be from 1 to"},
		{name: "tightens the cap", request: sunset.Request{CapPercent: number(50)}, status: "FAILED", state: "PlanRefused", cause: "more than 50 %"},
		{
			name: "exempt by name, path, tag", status: "SUCCEEDED", state: "Planned", kept: "kept for the audit (exemption by path /service/)",
			settings: func(s *sunset.Settings) {
				s.Exemptions = []sunset.Exemption{
					{Name: "gone-*", Reason: "matches nobody"},
					{Path: "/service/", Reason: "kept for the audit", Expires: "2026-03-02"},
					{Tag: "stage=prod", Reason: "production"},
				}
			},
		},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w := newSmallWorld(t, func(a *fakeaws.Account) { people(t, a) })
			if r.settings != nil {
				w.set(r.settings)
			}
			arn := w.clean(r.request)
			w.until(func() bool { x, _ := w.machine.Engine.Execution(arn); return !x.Stopped.IsZero() })
			x, _ := w.machine.Engine.Execution(arn)
			require.Equal(t, r.status, string(x.Status))
			require.Equal(t, r.state, x.State)
			if r.cause != "" {
				require.Contains(t, x.Cause, r.cause)
			}
			require.Empty(t, w.writes(), "nothing may be changed")
			cases, err := w.machine.Cases.Cases(t.Context())
			require.NoError(t, err)
			require.Empty(t, cases)
			if r.state == "Failed" { // a request that can't be read makes no cleanup
				_, err := w.machine.Cases.Cleanup(t.Context(), cleanup)
				require.Error(t, err)
				w.proven()
				return
			}
			require.Contains(t, w.finish().Refusal, r.cause)
			if r.kept != "" {
				require.Contains(t, why(w.verdict("old-one")), r.kept)
			}
			if r.name == "exempt by name, path, tag" {
				require.Equal(t, []string{"name gone-*"}, w.plan().IdleExemptions)
			}
			if len(r.request.Users) > 0 {
				require.Equal(t, []string{"nobody"}, w.plan().UnknownNames)
			}
			w.proven()
		})
	}
}

func days(n int) *sunset.Duration { d := sunset.Days(n); return &d }

func number(n int) *int { return &n }

func TestARequestThatNamesUsersTouchesThoseAlone(t *testing.T) {
	t.Parallel()
	var one, two fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		one, two = join(t, a, "old-one", fakeaws.Dead()), join(t, a, "old-two", fakeaws.Dead())
	})
	before, _ := w.account.User("old-two")
	w.clean(sunset.Request{Users: []string{"old-one"}, Soak: days(20)})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1, sunset.Deleted: 1}, positive(row.Outcomes))
	c := w.caseOf(one.ID)
	require.Equal(t, 20*day, c.SoakUntil.Sub(c.SoakFrom), "a request may lengthen the soak")
	after, _ := w.account.User("old-two")
	require.Equal(t, before, after)
	_, err := w.machine.Cases.Get(t.Context(), two.ID)
	require.Error(t, err)
	w.proven()
}

// An exemption holds on its last day everywhere, and not after.
func TestAnExemptionEnds(t *testing.T) {
	t.Parallel()
	w := newSmallWorld(t, func(a *fakeaws.Account) { join(t, a, "old-one", fakeaws.Dead()) })
	w.set(func(s *sunset.Settings) {
		s.Exemptions = []sunset.Exemption{{Name: "old-*", Reason: "until February", Expires: "2026-02-28"}}
	})
	w.clean(sunset.Request{})
	require.Equal(t, 1, w.finish().Outcomes[sunset.Deleted])
}

func TestWhoeverIsAPoliciesOnlyPrincipalIsKept(t *testing.T) {
	for name, life := range map[string]fakeaws.Life{
		"arn:aws:s3:::payroll": fakeaws.SoleInBucketPolicy("payroll", "eu-west-1"),
		":key/":                fakeaws.SoleInKeyPolicy("eu-west-1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSmallWorld(t, func(a *fakeaws.Account) { join(t, a, "old-batch", fakeaws.Dead(), life) })
			w.clean(sunset.Request{})
			require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1}, positive(w.finish().Outcomes))
			v := w.verdict("old-batch")
			require.True(t, v.Has(sunset.Blocked), why(v))
			require.Contains(t, why(v), name)
			require.Empty(t, w.writes())
			w.proven()
		})
	}
}

// A policy that comes to name the user alone, while it soaks, is not left without a living principal.
func TestABlockingReferenceThatAppearsInTheSoakKeepsTheUser(t *testing.T) {
	t.Parallel()
	var user fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) { user = join(t, a, "old-batch", fakeaws.Dead()) })
	w.at(turn().Add(5*day), func() {
		w.account.AddBucket("payroll", "eu-west-1", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+user.ARN+`"},"Action":"s3:*","Resource":"arn:aws:s3:::payroll/*"}]}`)
	})
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Restored, w.caseOf(user.ID).Outcome, "the approver is not offered to delete it")
	w.proven()
}

// A second cleanup leaves the users of open cases alone, and those that an expired case left disabled.
func TestOneCaseAUser(t *testing.T) {
	t.Parallel()
	var one, two fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		one = join(t, a, "old-one", fakeaws.Dead(), fakeaws.Tagged("owner", "owner@example.com"))
	})
	before, _ := w.account.User("old-one")
	w.people = nil
	w.at(turn().Add(5*day), func() {
		two = join(t, w.account, "old-two", fakeaws.Dead())
		w.cleanAs(cleanup+"-2", sunset.Request{Starter: starter})
	})
	w.at(turn().Add(40*day), func() { w.cleanAs(cleanup+"-3", sunset.Request{Starter: starter}) })
	w.clean(sunset.Request{})
	first, second, third := w.finish(), w.finishOf(cleanup+"-2"), w.finishOf(cleanup+"-3")
	require.Equal(t, map[sunset.Outcome]int{sunset.Lapsed: 1}, positive(first.Outcomes))
	require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1, sunset.Lapsed: 1}, positive(second.Outcomes))
	require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 2}, positive(third.Outcomes))
	require.Equal(t, cleanup, w.caseOf(one.ID).CleanupID)
	require.Equal(t, cleanup+"-2", w.caseOf(two.ID).CleanupID)
	report := w.proven()
	require.Equal(t, 3, report.Cleanups)

	// Months later it is given back as it was before the first of them.
	require.NoError(t, w.clock.Run(t.Context(), func(ctx context.Context) error { return w.machine.Rescue(ctx, one.ID, "ops", "back from leave") }))
	after, _ := w.account.User("old-one")
	require.Equal(t, timeless(before), timeless(after))
	row, err := w.machine.Cases.Cleanup(t.Context(), cleanup)
	require.NoError(t, err)
	require.Equal(t, map[sunset.Outcome]int{sunset.Rescued: 1}, positive(row.Outcomes))
	require.Contains(t, w.mail[len(w.mail)-1].Subject, "old-one: it was put back")
	w.proven()
}
