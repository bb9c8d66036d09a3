package trail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

func TestEachLifeGivesTheEvidenceThatIsTrue(t *testing.T) {
	for _, row := range []struct {
		name  string
		lives []fakeaws.Life
		want  sunset.Use
		call  string // of the last activity
	}{
		{"dead", []fakeaws.Life{fakeaws.Dead()}, sunset.Unused, ""},
		{"active", []fakeaws.Life{fakeaws.Active()}, sunset.Used, "*"},
		{"role-hopper", []fakeaws.Life{fakeaws.RoleHopper()}, sunset.Used, "AssumeRole"},
		{"sign-in only", []fakeaws.Life{fakeaws.SignsIn()}, sunset.Used, "ConsoleLogin"},
		{"aws login", []fakeaws.Life{fakeaws.AWSLogin(false)}, sunset.Used, "ListFunctions*"},
		{"federates", []fakeaws.Life{fakeaws.Federates()}, sunset.Used, "GetFederationToken"},
		{"S3 objects only", []fakeaws.Life{fakeaws.S3Uploader()}, sunset.Unused, ""},
		{"SES by SMTP", []fakeaws.Life{fakeaws.SESSender(time.Time{})}, sunset.Unused, ""},
		{"Bedrock only", []fakeaws.Life{fakeaws.BedrockOnly()}, sunset.Unused, ""},
		{"somebody else's sessions have its name", []fakeaws.Life{fakeaws.Dead(), fakeaws.NameInSessions()}, sunset.Unused, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, "eu-central-1", "eu-north-1", "eu-west-1", "us-east-1", "us-east-2", "ap-southeast-2")
			who := w.join("subject", row.lives...)
			r := w.crosscheck(w.query(who))
			require.Nil(t, r.Cursor)
			require.Empty(t, r.Gaps)
			facts := r.Evidence[who.UserID]
			require.Equal(t, row.want, verdict(facts), "%+v", facts)
			last, active := r.Last[who.UserID]
			require.Equal(t, row.want == sunset.Used, active)
			if row.want == sunset.Unused {
				require.Len(t, facts, 6, "a fact for each region")
				require.Contains(t, facts[0].Detail, "nothing since 2026-08-23")
				return
			}
			for _, f := range facts {
				if f.Use == sunset.Used {
					require.False(t, f.Last.After(last.At))
					require.Regexp(t, "^it (called|signed in)", f.Detail)
				}
			}
			require.Equal(t, last.At, *factIn(facts, last.Region).Last)
			if row.call != "*" {
				require.Contains(t, row.call, last.Call)
			}
			require.NotEmpty(t, last.Address)
			require.NotEmpty(t, last.Agent)
		})
	}
}

func TestFormerNamesFindWhatTheUserDidUnderThem(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	who := w.join("new-name", fakeaws.RenamedFrom("old-name", 20*day))
	busy := w.join("busy", fakeaws.OldKey(), fakeaws.UsedBefore(5*day), fakeaws.RenamedLater(w.clock.Now().Add(time.Hour), "calm"))
	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, 12*time.Hour) }))
	var renames []trail.Rename
	require.NoError(t, w.run(func(ctx context.Context) (err error) {
		renames, err = w.trail().Renames(ctx, w.clock.Now().Add(-90*day), w.clock.Now())
		return err
	}))
	require.Len(t, renames, 2)
	require.Equal(t, []string{"old-name"}, trail.FormerNamesOf("new-name", renames))
	require.Equal(t, []string{"busy"}, trail.FormerNamesOf("calm", renames))
	busy.Name = "calm"
	blind := busy
	busy.FormerNames = trail.FormerNamesOf("calm", renames)
	require.Equal(t, sunset.Unused, verdict(w.crosscheck(w.query(blind)).Evidence[busy.UserID]), "the new name alone shows nothing")
	r := w.crosscheck(w.query(busy, who))
	require.Equal(t, sunset.Used, verdict(r.Evidence[busy.UserID]))
	require.Equal(t, "busy", factIn(r.Evidence[busy.UserID], "eu-west-1").About)
}

func TestFormerNamesOfWalksBack(t *testing.T) {
	at := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for _, row := range []struct {
		name    string
		renames []trail.Rename
		want    []string
	}{
		{"none", nil, nil},
		{"a chain", []trail.Rename{{at(1), "a", "b"}, {at(2), "b", "now"}}, []string{"b", "a"}},
		{"a chain within one second", []trail.Rename{{at(1), "a", "b"}, {at(1), "b", "now"}}, []string{"b", "a"}},
		{"a later user of the former name", []trail.Rename{{at(1), "b", "now"}, {at(2), "z", "b"}}, []string{"b"}},
		{"there and back", []trail.Rename{{at(1), "now", "b"}, {at(2), "b", "now"}}, []string{"b"}},
		{"the name's earlier owner moved away", []trail.Rename{{at(1), "x", "now"}, {at(2), "now", "y"}, {at(3), "z", "now"}}, []string{"z"}},
		{"others", []trail.Rename{{at(1), "p", "q"}}, nil},
	} {
		t.Run(row.name, func(t *testing.T) { require.Equal(t, row.want, trail.FormerNamesOf("now", row.renames)) })
	}
}

func TestNameReusedIsAnotherUser(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	old := w.join("ci", fakeaws.Pipeline(), fakeaws.NameReused(w.clock.Now().Add(time.Hour)))
	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, 12*time.Hour) }))
	now, ok := w.User("ci")
	require.True(t, ok)
	require.NotEqual(t, old.UserID, now.ID)
	r := w.crosscheck(w.query(trail.Candidate{UserID: now.ID, Name: "ci"}))
	require.Equal(t, sunset.Unused, verdict(r.Evidence[now.ID]), "its namesake's calls are not its own")
	r = w.crosscheck(w.query(old))
	require.Equal(t, sunset.Used, verdict(r.Evidence[old.UserID]))
}

func TestSessionsOfTheUserAreTheUser(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	made, err := w.AddUser(fakeaws.UserSpec{Name: "subject", Keys: []fakeaws.AccessKeySpec{{}}, Attached: []string{"arn:aws:iam::aws:policy/AdministratorAccess"}})
	require.NoError(t, err)
	own := sts.NewFromConfig(w.server.ConfigFor(made.Keys[0].AccessKeyID, made.Keys[0].SecretAccessKey, "us-east-1"))
	name, policy := "subject", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	federated, err := own.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: &name, Policy: &policy})
	require.NoError(t, err)
	use := func(c *ststypes.Credentials, region string) {
		as := sts.NewFromConfig(w.server.ConfigForSession(fakeaws.Credentials{
			AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken,
		}, region))
		_, err := as.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		require.NoError(t, err)
	}
	use(federated.Credentials, "eu-west-1")
	w.pass(3 * time.Hour)
	q := w.query(trail.Candidate{UserID: made.ID, Name: "subject"})
	q.Regions = []string{"eu-west-1"} // where only the federated session called
	require.Equal(t, sunset.Used, verdict(w.crosscheck(q).Evidence[made.ID]))
	other := trail.Candidate{UserID: "AIDAOTHEROTHEROTHER01", Name: "subject"}
	q.Candidates = []trail.Candidate{other}
	require.Equal(t, sunset.Unused, verdict(w.crosscheck(q).Evidence[other.UserID]))

	_, err = own.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	require.NoError(t, err)
	from := w.clock.Now().Add(-time.Minute)
	w.pass(3 * time.Hour)
	h, err := w.heard(trail.Candidate{UserID: made.ID, Name: "subject"}, from, w.clock.Now())
	require.NoError(t, err)
	require.Len(t, h.signals, 1)
	require.Equal(t, "GetSessionToken", h.signals[0].About)
}

const denyAll = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

func TestADeniedCallIsUseAndAFailedSignInIsNot(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	u, err := w.AddUser(fakeaws.UserSpec{Name: "denied", Keys: []fakeaws.AccessKeySpec{{}}, Inline: map[string]string{"deny": denyAll}})
	require.NoError(t, err)
	bare, err := w.AddUser(fakeaws.UserSpec{Name: "bare"})
	require.NoError(t, err)
	w.At(w.clock.Now(), func(p *fakeaws.Actor) {
		p.Do(u.Keys[0].AccessKeyID, "ec2", "RunInstances", "eu-west-1", nil)
		p.SignIn("bare", "us-east-1")
	})
	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, 2*time.Hour) }))
	r := w.crosscheck(w.query(trail.Candidate{UserID: u.ID, Name: "denied"}, trail.Candidate{UserID: bare.ID, Name: "bare"}))
	fact := factIn(r.Evidence[u.ID], "eu-west-1")
	require.Equal(t, sunset.Used, fact.Use)
	require.Contains(t, fact.Detail, "it tried ec2:RunInstances from 198.51.100.7")
	require.Contains(t, fact.Detail, "was denied")
	require.Equal(t, "AccessDenied", r.Last[u.ID].Error)
	require.Equal(t, sunset.Unused, verdict(r.Evidence[bare.ID]))
	require.Equal(t, "ConsoleLogin", r.Last[bare.ID].Call, "people may still see that somebody tried")
	require.NotEmpty(t, r.Last[bare.ID].Error)
}

func TestARegionThatDeniesIsAGapAndUnknownWithoutFurtherCalls(t *testing.T) {
	for name, shut := range map[string]func(*world, string) func(){
		"closed":      func(w *world, r string) func() { return w.CloseRegion(r) },
		"not enabled": func(w *world, r string) func() { return w.DisableRegion(r) },
		"no such operation": func(w *world, r string) func() {
			return w.Fail(fakeaws.Fault{Service: "cloudtrail", Match: func(c fakeaws.Call) bool { return c.Region == r }, Code: "UnknownOperationException", Status: http.StatusNotFound})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "eu-west-1", "sa-east-1", "us-east-1")
			busy, idle := w.join("busy", fakeaws.Pipeline()), w.idle(5)
			shut(w, "sa-east-1")
			r := w.crosscheck(w.query(append(idle, busy)...))
			require.Len(t, r.Gaps, 1)
			require.Equal(t, "cloudtrail:LookupEvents", r.Gaps[0].Action)
			require.Equal(t, "sa-east-1", r.Gaps[0].Region)
			for _, c := range idle {
				require.Equal(t, sunset.Unknown, factIn(r.Evidence[c.UserID], "sa-east-1").Use)
				require.Equal(t, sunset.Unused, factIn(r.Evidence[c.UserID], "eu-west-1").Use)
			}
			require.Equal(t, sunset.Used, verdict(r.Evidence[busy.UserID]))
			asked := 0
			for _, c := range w.lookups() {
				if c.Region == "sa-east-1" {
					asked++
				}
			}
			require.Equal(t, 1, asked)
		})
	}
}

func TestExpiredCredentialsEndTheCrossCheck(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	w.Fail(fakeaws.Fault{Service: "cloudtrail", Code: "ExpiredTokenException", Message: "The security token included in the request is expired"})
	err := w.run(func(ctx context.Context) error {
		_, err := w.trail().Crosscheck(ctx, w.query(w.idle(2)...), nil)
		return err
	})
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
	require.Equal(t, "cloudtrail:LookupEvents", sunset.ActionOf(err))
}

func TestPageBudget(t *testing.T) {
	w := newWorld(t, "us-east-1")
	// The administrator's session has this name too, and fills five pages.
	who := w.join("operator", fakeaws.Dead())
	admin := w.Administrator().AccessKeyID
	for i := range 230 {
		w.At(w.clock.Now().Add(time.Duration(i)*time.Second), func(p *fakeaws.Actor) { p.Do(admin, "ec2", "DescribeInstances", "us-east-1", nil) })
	}
	w.pass(3 * time.Hour)
	q := w.query(who)
	for _, row := range []struct {
		budget, pages int
		want          sunset.Use
	}{{0, 5, sunset.Unused}, {5, 5, sunset.Unused}, {4, 4, sunset.Unknown}, {1, 1, sunset.Unknown}} {
		w.ResetCalls()
		q.PageBudget = row.budget
		facts := w.crosscheck(q).Evidence[who.UserID]
		require.Equal(t, row.want, verdict(facts))
		require.Len(t, w.lookups(), row.pages)
		w.pass(time.Second)
	}
}

func TestAnUnreadableEventIsUnknown(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	who := w.join("subject", fakeaws.Dead(), fakeaws.NameInSessions())
	for name, cut := range map[string][2]string{
		"not JSON":        {`{\"eventVersion\"`, `{{\"eventVersion\"`},
		"nobody named":    {`\"userIdentity\":`, `\"formerly\":`},
		"type left out":   {`\"type\":\"AssumedRole\"`, `\"kind\":\"AssumedRole\"`},
		"another's shape": {`\"type\":\"AssumedRole\"`, `\"type\":[1]`},
	} {
		t.Run(name, func(t *testing.T) {
			var r trail.Result
			require.NoError(t, w.run(func(ctx context.Context) (err error) {
				r, err = trail.New(w.rewritten(cut[0], cut[1]), w.clock).Crosscheck(ctx, w.query(who), nil)
				return err
			}))
			require.Equal(t, sunset.Unknown, factIn(r.Evidence[who.UserID], "us-east-1").Use)
			require.Equal(t, sunset.Unused, factIn(r.Evidence[who.UserID], "eu-west-1").Use)
			require.Contains(t, factIn(r.Evidence[who.UserID], "us-east-1").Detail, "can't be read")
		})
	}
}

func TestACandidateWithoutIDOrNameIsRefusedBeforeAnyCall(t *testing.T) {
	w := newWorld(t)
	for _, c := range []trail.Candidate{{Name: "x"}, {UserID: "AIDAX"}, {UserID: "AIDAX", Name: "x", FormerNames: []string{""}}} {
		err := w.run(func(ctx context.Context) error {
			_, err := w.trail().Crosscheck(ctx, w.query(c), nil)
			return err
		})
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	}
	require.Empty(t, w.lookups())
}

func TestWithoutRegionsNothingIsKnown(t *testing.T) {
	w := newWorld(t, "us-east-1")
	who := w.join("subject", fakeaws.Dead())
	q := w.query(who)
	q.Regions = nil
	r := w.crosscheck(q)
	require.Equal(t, sunset.Unknown, verdict(r.Evidence[who.UserID]))
	require.Len(t, r.Gaps, 1)
	require.NoError(t, w.run(func(ctx context.Context) error {
		_, gaps, _, err := w.trail().Heard(ctx, who, nil, q.Since, q.Until)
		require.Equal(t, r.Gaps, gaps)
		return err
	}))
}

func TestTheCursorGoesOnExactly(t *testing.T) {
	for name, disturb := range map[string]func(*world){
		"quiet":          func(*world) {},
		"closed region":  func(w *world) { w.CloseRegion("us-west-2") },
		"throttled once": func(w *world) { w.Fail(fakeaws.Fault{Service: "cloudtrail", After: 11, Times: 1, Throttle: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			build := func() (*world, []trail.Candidate) {
				w := newWorld(t, "eu-central-1", "eu-north-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2")
				c := w.idle(6)
				c = append(
					c, w.join("busy", fakeaws.Active()), w.join("hopper", fakeaws.RoleHopper()), w.join("human", fakeaws.SignsIn()),
					w.join("namesake", fakeaws.Dead(), fakeaws.NameInSessions()), w.join("cli", fakeaws.AWSLogin(true)),
				)
				disturb(w)
				return w, c
			}
			whole, candidates := build()
			want := whole.crosscheck(whole.query(candidates...))
			require.Nil(t, want.Cursor)

			pieces, candidates := build()
			q := pieces.query(candidates...)
			var got trail.Result
			calls := 0
			for {
				q.Deadline = pieces.clock.Now().Add(1500 * time.Millisecond)
				more := pieces.crosscheck(q) // a new Trail each time, as a function's next invocation has
				got.Add(more)
				if more.Cursor == nil {
					break
				}
				wire, err := json.Marshal(more.Cursor)
				require.NoError(t, err)
				require.Less(t, len(wire), 600)
				q.Cursor = new(trail.Cursor)
				require.NoError(t, json.Unmarshal(wire, q.Cursor))
				calls++
				require.Less(t, calls, 100)
			}
			require.Greater(t, calls, 2)
			require.Equal(t, timeless(want), timeless(got))
			require.Len(t, pieces.lookups(), len(whole.lookups()))
		})
	}
}

// timeless is r without the times at which facts were read.
func timeless(r trail.Result) trail.Result {
	for _, facts := range r.Evidence {
		for i := range facts {
			facts[i].Read = time.Time{}
		}
	}
	return r
}

func TestACursorOfAnotherQueryIsRefused(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	q := w.query(w.idle(3)...)
	q.Deadline = w.clock.Now().Add(time.Second)
	cursor := w.crosscheck(q).Cursor
	require.NotNil(t, cursor)
	q.Cursor = cursor
	q.Candidates = q.Candidates[1:]
	err := w.run(func(ctx context.Context) error {
		_, err := w.trail().Crosscheck(ctx, q, nil)
		return err
	})
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	require.ErrorContains(t, err, "cursor")
}

func TestTheDeadlineIsKept(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	q := w.query(w.idle(20)...)
	q.Deadline = w.clock.Now().Add(3 * time.Second)
	require.NotNil(t, w.crosscheck(q).Cursor)
	for _, c := range w.lookups() {
		require.True(t, c.At.Before(q.Deadline))
	}
	require.False(t, w.clock.Now().After(q.Deadline))
}

func TestThrottlingStorms(t *testing.T) {
	t.Run("one that passes costs time alone", func(t *testing.T) {
		w := newWorld(t, "eu-west-1", "us-east-1")
		w.Fail(fakeaws.Fault{Service: "cloudtrail", Times: 9, Throttle: true})
		idle := w.idle(4)
		r := w.crosscheck(w.query(idle...))
		require.Nil(t, r.Cursor)
		for _, c := range idle {
			require.Equal(t, sunset.Unused, verdict(r.Evidence[c.UserID]))
		}
		w.requireRate(t)
	})
	t.Run("one in a region is left to the next call", func(t *testing.T) {
		w := newWorld(t, "eu-west-1", "us-east-1")
		calm := w.Fail(fakeaws.Fault{Service: "cloudtrail", Match: func(c fakeaws.Call) bool { return c.Region == "us-east-1" }, Throttle: true})
		q := w.query(w.idle(4)...)
		first := w.crosscheck(q)
		require.NotNil(t, first.Cursor)
		require.Len(t, first.Evidence, 4)
		q.Cursor = first.Cursor
		err := w.run(func(ctx context.Context) error {
			_, err := w.trail().Crosscheck(ctx, q, nil)
			return err
		})
		require.Equal(t, sunset.Throttled, sunset.KindOf(err), "the second call got nowhere")
		require.Equal(t, "cloudtrail:LookupEvents", sunset.ActionOf(err))
		calm()
		first.Add(w.crosscheck(q))
		require.Nil(t, first.Cursor)
		for _, facts := range first.Evidence {
			require.Len(t, facts, 2)
		}
		w.requireRate(t)
	})
	t.Run("a server's error that stays is a fault", func(t *testing.T) {
		w := newWorld(t, "us-east-1")
		w.Fail(fakeaws.Fault{Service: "cloudtrail", Code: "InternalFailure", Status: http.StatusInternalServerError})
		err := w.run(func(ctx context.Context) error {
			_, err := w.trail().Crosscheck(ctx, w.query(w.idle(1)...), nil)
			return err
		})
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err))
	})
	t.Run("the caller may give up", func(t *testing.T) {
		w := newWorld(t, "us-east-1")
		w.Fail(fakeaws.Fault{Service: "cloudtrail", Throttle: true})
		err := w.run(func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			w.clock.AfterFunc(w.clock.Now().Add(5*time.Second), cancel)
			_, err := w.trail().Crosscheck(ctx, w.query(w.idle(1)...), nil)
			return err
		})
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("others use the same rate up", func(t *testing.T) {
		w := newWorld(t, "us-east-1")
		w.Limit(fakeaws.Rate{Service: "cloudtrail", PerSecond: 0.5, Burst: 1})
		idle := w.idle(6)
		r := w.crosscheck(w.query(idle...))
		require.Nil(t, r.Cursor)
		require.Len(t, r.Evidence, 6)
	})
}

// requireRate measures the call log: in no region more than 2 requests a second, with 5 % allowed, over any span.
func (w *world) requireRate(t *testing.T) {
	t.Helper()
	byRegion := map[string][]time.Time{}
	for _, c := range w.lookups() {
		byRegion[c.Region] = append(byRegion[c.Region], c.At)
	}
	for region, times := range byRegion {
		for i := 2; i < len(times); i++ {
			require.Greater(t, times[i].Sub(times[i-2]), time.Second, "three requests within a second in %s", region)
		}
		if n := len(times); n > 1 {
			rate := float64(n-1) / times[n-1].Sub(times[0]).Seconds()
			require.LessOrEqual(t, rate, 2*1.05, region)
		}
	}
}

func TestThreeHundredCandidatesInSeventeenRegionsStayUnderTheRate(t *testing.T) {
	w := newWorld(t)
	require.Len(t, w.Regions(), 17)
	began := w.clock.Now()
	var said []string
	q := w.query(w.idle(300)...)
	require.NoError(t, w.run(func(ctx context.Context) error {
		r, err := w.trail().Crosscheck(ctx, q, func(s string) { said = append(said, s) })
		if err == nil && (r.Cursor != nil || len(r.Evidence) != 300) {
			return errors.New("the cross-check did not end")
		}
		return err
	}))
	calls := w.lookups()
	require.Len(t, calls, 300*17)
	for _, c := range calls {
		require.Empty(t, c.Error, "no request may be refused")
	}
	w.requireRate(t)
	took := w.clock.Now().Sub(began)
	q.Deadline = w.clock.Now().Add(20 * time.Second)
	cursor, err := json.Marshal(w.crosscheck(q).Cursor)
	require.NoError(t, err)
	require.Less(t, len(cursor), 800, "a payload carries it")
	require.Less(t, took, 3*time.Minute, "lanes run side by side")
	require.LessOrEqual(t, len(said), 100)
	require.Equal(t, fmt.Sprintf("CloudTrail: %d of %d look-ups of users in regions", 5100, 5100), said[len(said)-1])
}
