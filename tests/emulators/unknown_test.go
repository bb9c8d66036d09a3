//go:build emulators

package emulators

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// scanned makes a plan of an emulator's account in a year's time, by when its users, who are all new, would be unused for long.
func (e emulated) scanned(t *testing.T, by map[string]standIn) (sunset.Plan, error) {
	t.Helper()
	year := clock.NewVirtual(time.Now().UTC().AddDate(1, 0, 0))
	all := map[string]standIn{}
	if _, ours := by["GetCredentialReport"]; !ours {
		// Its clock stays where it is, so that its report would be a year old, or, moto's, of 2015; such a one is not taken.
		all["GetCredentialReport"] = madeAt(year.Now)
	}
	for action, f := range by {
		if f != nil {
			all[action] = f
		}
	}
	front, _ := inFrontOf(t, e.url, all)
	dir, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	w := workflow.New(workflow.World{
		AWS: configAt(front, e.key), Objects: dir.Objects(), Rows: dir.Rows(), Clock: year, Log: slog.New(slog.DiscardHandler),
		Settings: func(context.Context) (sunset.Settings, error) {
			s := sunset.DefaultSettings()
			s.CapPercent = 100
			return s, nil
		},
	})
	var plan sunset.Plan
	err = year.Run(t.Context(), func(ctx context.Context) (err error) {
		plan, err = w.Scan(ctx, "scan", sunset.Request{})
		return err
	})
	return plan, err
}

// reasons are why a plan keeps a user, in one string; empty where it doesn't.
func reasons(t *testing.T, p sunset.Plan, name string) string {
	t.Helper()
	for _, e := range p.Entries {
		if e.User.Name == name {
			var all []string
			for _, r := range e.Verdict.Reasons {
				all = append(all, string(r.Code)+": "+r.Text)
			}
			require.Equal(t, e.Verdict.Eligible, len(all) == 0)
			return strings.Join(all, "\n")
		}
	}
	t.Fatalf("the plan has no user %s", name)
	return ""
}

// unknowns has a user who has nothing but an access key looked at on an emulator, which doesn't have every read that AWS has:
// that, by its action's name, and nothing else keeps the user.
func unknowns(t *testing.T, e emulated) {
	c := iam.NewFromConfig(configAt(e.url, e.key))
	_, err := c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("idle")})
	require.NoError(t, err)
	_, err = c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: new("idle")})
	require.NoError(t, err)

	_, err = e.scanned(t, map[string]standIn{"GetCredentialReport": nil})
	require.Equal(t, sunset.NotReady, sunset.KindOf(err), err)
	require.Equal(t, "iam:GenerateCredentialReport", sunset.ActionOf(err))
	plan, err := e.scanned(t, nil)
	require.NoError(t, err)
	require.Empty(t, plan.Eligible())
	said := reasons(t, plan, "idle")
	for _, action := range e.lacks {
		require.Contains(t, said, "unknown: ")
		require.Contains(t, said, "iam:"+action)
	}
	missing := map[string]standIn{}
	for _, action := range e.lacks {
		missing[action] = nothing(action)
	}
	if e.regions {
		plan, err = e.scanned(t, missing)
		require.NoError(t, err)
		require.Empty(t, reasons(t, plan, "idle"), "nothing else keeps it")
		require.Contains(t, plan.Regions, region)
	} else {
		plan, err = e.scanned(t, missing)
		require.NoError(t, err)
		require.Contains(t, reasons(t, plan, "idle"), "unknown: ")
		require.Contains(t, reasons(t, plan, "idle"), "account:ListRegions")
		missing["/listRegions"] = inJSON(`{"Regions":[{"RegionName":"` + region + `","RegionOptStatus":"ENABLED_BY_DEFAULT"}]}`)
		plan, err = e.scanned(t, missing)
		require.NoError(t, err)
		require.Empty(t, plan.Eligible())
		require.Contains(t, reasons(t, plan, "idle"), "cloudtrail:LookupEvents")
		missing["LookupEvents"] = inJSON(`{"Events":[]}`)
		plan, err = e.scanned(t, missing)
		require.NoError(t, err)
		require.Empty(t, reasons(t, plan, "idle"), "nothing else keeps it")
	}
	e.trails(t)
}

// trails asks an emulator's CloudTrail about a user whom it knows nothing of, or can't be asked about.
func (e emulated) trails(t *testing.T) {
	t.Helper()
	now := clock.NewVirtual(time.Now().UTC())
	query := trail.Query{
		Regions: []string{region}, Candidates: []trail.Candidate{{UserID: "AIDAEXAMPLEOFNOBODY", Name: "nobody"}},
		Since: now.Now().AddDate(0, 0, -80), Until: now.Now(),
	}
	var found trail.Result
	ask := func(front string) error {
		return now.Run(t.Context(), func(ctx context.Context) (err error) {
			found, err = trail.New(configAt(front, e.key), now).Crosscheck(ctx, query, nil)
			return err
		})
	}
	if e.regions {
		require.NoError(t, ask(e.url))
		require.Len(t, found.Evidence["AIDAEXAMPLEOFNOBODY"], 1)
		require.Equal(t, sunset.Unused, found.Evidence["AIDAEXAMPLEOFNOBODY"][0].Use)
		return
	}
	require.NoError(t, ask(e.url))
	require.Len(t, found.Gaps, 1)
	require.Equal(t, "cloudtrail:LookupEvents", found.Gaps[0].Action)
	require.Equal(t, sunset.Unknown, found.Evidence["AIDAEXAMPLEOFNOBODY"][0].Use)
}
