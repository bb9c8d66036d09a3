package fakeaws_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

const day = 24 * time.Hour

// quiet is a world whose events show at once and whose look-ups aren't throttled.
func quiet(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.SetDeliveryDelay(0)
	w.SetLookupRate(0)
	return w
}

func (w *world) join(t *testing.T, name string, lives ...fakeaws.Life) fakeaws.NewUser {
	t.Helper()
	u, err := w.Join(name, lives...)
	require.NoError(t, err)
	return u
}

// own are the events whose identity is the user's, in all regions, oldest first.
func (w *world) own(u fakeaws.NewUser) []fakeaws.Event {
	var all []fakeaws.Event
	for _, region := range w.Regions() {
		for _, e := range w.Events(region) {
			if e.UserIdentity.PrincipalID == u.ID {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b fakeaws.Event) int { return a.Time.Compare(b.Time) })
	return all
}

func kinds(events []fakeaws.Event) []string {
	var all []string
	for _, e := range events {
		if !slices.Contains(all, e.Name) {
			all = append(all, e.Name)
		}
	}
	slices.Sort(all)
	return all
}

func TestEachLifeLeavesTheTracesItPromises(t *testing.T) {
	for name, c := range map[string]struct {
		lives []fakeaws.Life
		// events are the kinds of the user's own; keyDays and passwordDays the age of the last use, -1 for never.
		events                []string
		keyDays, passwordDays int
	}{
		"dead":       {[]fakeaws.Life{fakeaws.Dead()}, nil, 398, 412},
		"old key":    {[]fakeaws.Life{fakeaws.OldKey()}, nil, 500, -1},
		"never used": {[]fakeaws.Life{fakeaws.NeverUsedKey()}, nil, -1, -1},
		"never in":   {[]fakeaws.Life{fakeaws.NeverSignedIn()}, nil, -1, -1},
		"active":     {[]fakeaws.Life{fakeaws.Active()}, []string{"ConsoleLogin", "DescribeInstances"}, 1, 7},
		"pipeline":   {[]fakeaws.Life{fakeaws.Pipeline()}, []string{"DescribeInstances"}, 1, -1},
		"bedrock":    {[]fakeaws.Life{fakeaws.BedrockOnly()}, nil, -1, -1},
		"ses":        {[]fakeaws.Life{fakeaws.SESSender(time.Time{})}, nil, 1, -1},
		"uploader":   {[]fakeaws.Life{fakeaws.S3Uploader()}, nil, 1, -1},
		"hopper":     {[]fakeaws.Life{fakeaws.RoleHopper()}, []string{"AssumeRole"}, 2, -1},
		"signs in":   {[]fakeaws.Life{fakeaws.SignsIn()}, []string{"ConsoleLogin"}, -1, 5},
		"aws login":  {[]fakeaws.Life{fakeaws.AWSLogin(false)}, []string{"ListFunctions"}, -1, 100},
		"federates":  {[]fakeaws.Life{fakeaws.Federates()}, []string{"GetFederationToken"}, 7, -1},
		"glass":      {[]fakeaws.Life{fakeaws.BreakGlass()}, nil, -1, -1},
		"young":      {[]fakeaws.Life{fakeaws.TooYoung()}, nil, -1, -1},
		"vendor":     {[]fakeaws.Life{fakeaws.ThirdParty("datadog")}, nil, 300, -1},
		"namesake":   {[]fakeaws.Life{fakeaws.Dead(), fakeaws.NameInSessions()}, nil, 398, 412},
		"used":       {[]fakeaws.Life{fakeaws.NeverUsedKey(), fakeaws.UsedBefore(50 * day)}, []string{"DescribeInstances"}, 50, -1},
	} {
		t.Run(name, func(t *testing.T) {
			w := quiet(t)
			u := w.join(t, "one", c.lives...)
			require.Equal(t, c.events, kinds(w.own(u)))
			state, ok := w.User("one")
			require.True(t, ok)
			age := func(at time.Time, most int) {
				if most < 0 {
					require.True(t, at.IsZero(), at)
					return
				}
				days := int(w.now.Sub(at) / day)
				require.LessOrEqual(t, days, most)
				if most > 90 {
					require.Equal(t, most, days)
				}
			}
			if len(state.Keys) > 0 {
				age(state.Keys[0].LastUsed.At, c.keyDays)
			}
			age(state.PasswordLastUsed, c.passwordDays)
			for _, e := range w.own(u) {
				require.Empty(t, e.ErrorCode, e.Name)
			}
			// What was a habit before now stays one, and what was quiet stays quiet.
			before := len(w.own(u))
			w.now = w.now.Add(30 * day)
			require.Equal(t, c.events != nil && name != "used", len(w.own(u)) > before)
		})
	}
}

func TestSESAndS3MoveLastUsedWithoutEvents(t *testing.T) {
	w := quiet(t)
	ses := w.join(t, "mailer", fakeaws.SESSender(w.now.Add(2*day)))
	s3 := w.join(t, "uploader", fakeaws.S3Uploader())
	w.now = w.now.Add(10 * day)
	mailer, _ := w.User("mailer")
	require.Equal(t, "ses", mailer.Keys[0].LastUsed.Service)
	require.Greater(t, w.now.Sub(mailer.Keys[0].LastUsed.At), 7*day)
	uploader, _ := w.User("uploader")
	require.Less(t, w.now.Sub(uploader.Keys[0].LastUsed.At), 2*day)
	require.Empty(t, w.own(ses))
	require.Empty(t, w.own(s3))
}

func TestSessionsShowAsTheUserOrNotAtAll(t *testing.T) {
	w := quiet(t)
	login := w.join(t, "login", fakeaws.AWSLogin(false))
	hopper := w.join(t, "hopper", fakeaws.RoleHopper())
	federator := w.join(t, "federator", fakeaws.Federates())
	for _, e := range w.own(login) {
		require.Equal(t, "IAMUser", e.UserIdentity.Type)
		require.True(t, strings.HasPrefix(e.UserIdentity.AccessKeyID, "ASIA"))
	}
	// The hopper's later events bear its name as a session's.
	var asRole, federated int
	for _, e := range w.byUser(t, "eu-west-1", "hopper") {
		r := recordOf(t, e)
		if r.UserIdentity.Type == "AssumedRole" {
			asRole++
			require.NotEqual(t, hopper.ID, r.UserIdentity.PrincipalID)
		}
	}
	require.Positive(t, asRole)
	for _, e := range w.byUser(t, "us-east-1", "kiosk") {
		r := recordOf(t, e)
		require.Equal(t, "FederatedUser", r.UserIdentity.Type)
		require.Equal(t, federator.ID, r.UserIdentity.SessionContext.SessionIssuer.PrincipalID)
		federated++
	}
	require.Positive(t, federated)
}

func TestQuarterlyJobLooksUnusedUntilItRuns(t *testing.T) {
	w := quiet(t)
	u := w.join(t, "quarterly", fakeaws.Quarterly(w.now.Add(12*time.Hour)))
	state, _ := w.User("quarterly")
	require.Greater(t, w.now.Sub(state.Keys[0].LastUsed.At), 90*day)
	w.now = w.now.Add(day)
	state, _ = w.User("quarterly")
	require.Less(t, w.now.Sub(state.Keys[0].LastUsed.At), day)
	w.now = w.now.Add(91 * day)
	require.Equal(t, 3, len(w.own(u)))
}

func quarantine(t *testing.T, w *world, name string) {
	t.Helper()
	_, err := iam.NewFromConfig(w.config("us-east-1")).PutUserPolicy(context.Background(), &iam.PutUserPolicyInput{
		UserName: &name, PolicyName: aws.String("quarantine"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`),
	})
	require.NoError(t, err)
}

func TestKeyTriedInTheSoak(t *testing.T) {
	for name, c := range map[string]struct {
		status string
		shows  bool
	}{"active": {"Active", true}, "inactive": {"Inactive", false}} {
		t.Run(name, func(t *testing.T) {
			w := quiet(t)
			u := w.join(t, "ci", fakeaws.TriesItsKey(w.now.Add(5*day)))
			quarantine(t, w, "ci")
			_, err := iam.NewFromConfig(w.config("us-east-1")).UpdateAccessKey(context.Background(), &iam.UpdateAccessKeyInput{
				UserName: aws.String("ci"), AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Active",
			})
			require.NoError(t, err)
			if !c.shows {
				_, err := iam.NewFromConfig(w.config("us-east-1")).UpdateAccessKey(context.Background(), &iam.UpdateAccessKeyInput{
					UserName: aws.String("ci"), AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Inactive",
				})
				require.NoError(t, err)
			}
			tried := w.now.Add(5 * day)
			w.now = tried.Add(day)
			state, _ := w.User("ci")
			require.Equal(t, c.shows, state.Keys[0].LastUsed.At.Equal(tried))
			if !c.shows {
				require.Empty(t, w.own(u))
				return
			}
			require.Equal(t, []string{"ListBuckets"}, kinds(w.own(u)))
			require.Equal(t, "AccessDenied", w.own(u)[0].ErrorCode)
		})
	}
}

func TestTurnsHappenAtTheirTimeAndNotBefore(t *testing.T) {
	const after = 3 * day
	for name, c := range map[string]struct {
		life   func(time.Time) fakeaws.Life
		turned func(before, now fakeaws.UserState) bool
	}{
		"signs in": {fakeaws.TriesToSignIn, func(b, n fakeaws.UserState) bool { return n.PasswordLastUsed.After(b.PasswordLastUsed) }},
		"keep tag": {func(at time.Time) fakeaws.Life { return fakeaws.TaggedLater(at, "keep", "true") }, func(_, n fakeaws.UserState) bool { return n.Tags["keep"] == "true" }},
		"deny off": {fakeaws.DenyDetached, func(b, n fakeaws.UserState) bool {
			return len(n.Inline) == len(b.Inline)-1 && n.Inline["own-bucket"] != ""
		}},
		"new key":      {fakeaws.NewKeyLater, func(_, n fakeaws.UserState) bool { return len(n.Keys) == 1 }},
		"key on":       {fakeaws.KeySwitchedOn, func(_, n fakeaws.UserState) bool { return n.Keys[1].Status == "Active" }},
		"renamed":      {func(at time.Time) fakeaws.Life { return fakeaws.RenamedLater(at, "other") }, func(_, n fakeaws.UserState) bool { return n.Name == "" }},
		"name reused":  {fakeaws.NameReused, func(b, n fakeaws.UserState) bool { return n.ID != b.ID && len(n.Keys) == 0 && len(n.Groups) == 0 }},
		"tries in use": {fakeaws.TriesItsKey, func(b, n fakeaws.UserState) bool { return n.Keys[0].LastUsed.At.After(b.Keys[0].LastUsed.At) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := quiet(t)
			lives := []fakeaws.Life{fakeaws.Dead(), c.life(w.now.Add(after))}
			if name == "new key" {
				lives[0] = fakeaws.NeverSignedIn()
			}
			w.join(t, "one", lives...)
			quarantine(t, w, "one")
			before, _ := w.User("one")
			w.now = w.now.Add(after - time.Second)
			still, _ := w.User("one")
			require.Equal(t, before, still)
			w.now = w.now.Add(2 * time.Minute)
			now, _ := w.User("one")
			require.True(t, c.turned(before, now), now)
		})
	}
}

func TestRenamedUserBoreAnotherNameBefore(t *testing.T) {
	w := quiet(t)
	u := w.join(t, "anna.berg", fakeaws.OldKey(), fakeaws.Tagged("team", "web"), fakeaws.RenamedFrom("anna.schmidt", 40*day, 60*day), fakeaws.InGroup("readers"))
	// OldKey may call EC2.
	state, _ := w.User("anna.berg")
	require.Equal(t, u.ID, state.ID)
	require.Equal(t, "arn:aws:iam::123456789012:user/anna.berg", state.ARN)
	earlier := w.byUser(t, "eu-west-1", "anna.schmidt")
	require.Equal(t, []string{"DescribeInstances"}, names(earlier))
	require.Equal(t, u.ID, recordOf(t, earlier[0]).UserIdentity.PrincipalID)
	var renames int
	for _, e := range w.Events("us-east-1") {
		if e.Name == "UpdateUser" {
			renames++
			require.Equal(t, "anna.berg", e.RequestParameters["newUserName"])
			require.Equal(t, 40, int(w.now.Sub(e.Time)/day))
		}
	}
	require.Equal(t, 1, renames)
}

func TestMFAOfThreeKindsAndALeftover(t *testing.T) {
	w := quiet(t)
	u := w.join(t, "many", fakeaws.Dead(), fakeaws.HardwareMFA(), fakeaws.FIDOKey(), fakeaws.LeftoverMFA())
	state, _ := w.User("many")
	require.Len(t, state.MFA, 3)
	require.Len(t, u.MFASerials, 4)
	require.Len(t, w.VirtualMFADevices(), 2)
	require.Contains(t, state.MFA[2], ":u2f/user/many/")
}

func TestDemoCompany(t *testing.T) {
	w := quiet(t)
	all, err := w.Demo()
	require.NoError(t, err)
	require.Len(t, all, 25)
	for _, u := range w.Users() {
		require.NotEmpty(t, u.Tags["team"], u.Name)
	}
	disturbed := all[fakeaws.DemoDisturbed]
	require.Empty(t, w.own(disturbed))
	quarantine(t, w, fakeaws.DemoDisturbed)
	w.now = w.now.Add(fakeaws.DemoTriesItsKeyAfter + time.Hour)
	require.Equal(t, []string{"ListBuckets"}, kinds(w.own(disturbed)))
}

func TestCrowdsAreLargeQuickAndEqualForEqualSeeds(t *testing.T) {
	census := func() []fakeaws.UserState {
		a := fakeaws.New(fakeaws.Config{Now: func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }, Seed: 7, IAMLag: time.Second})
		require.NoError(t, a.Crowd(500))
		return a.Users()
	}
	one := census()
	require.Len(t, one, 500)
	require.Equal(t, one, census())
	unused := 0
	for _, u := range one {
		recent := time.Date(2026, 8, 21, 0, 0, 0, 0, time.UTC)
		if u.PasswordLastUsed.Before(recent) && !slices.ContainsFunc(u.Keys, func(k fakeaws.KeyState) bool { return k.LastUsed.At.After(recent) }) {
			unused++
		}
	}
	require.InDelta(t, 0.35*500, unused, 0.1*500)
}

func BenchmarkCrowdOf1000(b *testing.B) {
	for b.Loop() {
		a := fakeaws.New(fakeaws.Config{Seed: 1})
		if err := a.Crowd(1000); err != nil {
			b.Fatal(err)
		}
	}
}
