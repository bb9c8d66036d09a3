package iamaccount_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func (w *world) census() (c iamaccount.Census, err error) {
	err = w.run(func(ctx context.Context) (err error) {
		c, err = w.iam.Census(ctx, nil)
		return err
	})
	return c, err
}

func (w *world) detail(e *sunset.Entry) error {
	return w.run(func(ctx context.Context) error { return w.iam.Detail(ctx, e) })
}

func (w *world) find(id, name string) (u sunset.User, found bool, err error) {
	err = w.run(func(ctx context.Context) (err error) {
		u, found, err = w.iam.Find(ctx, id, name)
		return err
	})
	return u, found, err
}

// admin does something to the account at the present, as a colleague in a console would.
func (w *world) admin(action string, params map[string]string) {
	w.t.Helper()
	values := url.Values{}
	for k, v := range params {
		values.Set(k, v)
	}
	code := "never done"
	w.fake.At(w.clock.Now(), func(p *fakeaws.Actor) { code = p.AsAdministrator(action, values) })
	w.fake.Users()
	require.Empty(w.t, code, action)
}

func entryOf(t *testing.T, c iamaccount.Census, name string) sunset.Entry {
	t.Helper()
	i := slices.IndexFunc(c.Entries, func(e sunset.Entry) bool { return e.User.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return c.Entries[i]
}

func uses(e sunset.Entry) []string {
	var out []string
	for _, ev := range e.Evidence {
		out = append(out, ev.Source+" "+string(ev.Use))
	}
	return out
}

func TestCallerSaysWhoTheProductIs(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	caller, err := w.iam.Caller(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.fake.ID(), caller.Account)
	require.Contains(t, caller.ARN, ":assumed-role/")
}

func TestCensusKnowsEveryUserInFewCalls(t *testing.T) {
	w := newWorld(t, fakeaws.Config{ReportDelay: 5 * time.Second, ReportExtraColumn: true})
	all := w.everything("all")
	for i := range 400 {
		w.add(fakeaws.UserSpec{Name: fmt.Sprintf("u%03d", i), Keys: []fakeaws.AccessKeySpec{{}}, MFA: []fakeaws.MFASpec{{Kind: "virtual", Unassigned: i%2 == 0}}})
	}
	w.fake.AddRole(fakeaws.RoleSpec{Name: "r+1", Path: "/app/"})
	c, err := w.census()
	require.NoError(t, err)
	require.Empty(t, c.Gaps)
	require.Len(t, c.Entries, 401)
	require.True(t, slices.IsSortedFunc(c.Entries, func(a, b sunset.Entry) int {
		if a.User.Name < b.User.Name {
			return -1
		}
		return 1
	}))
	require.LessOrEqual(t, len(w.calls()), 16, "%v", w.calls())
	for _, call := range w.fake.Calls() {
		require.Empty(t, call.Params["UserName"], "%s asked about one user", call.Action)
	}

	e := entryOf(t, c, "all")
	u := e.User
	require.Equal(t, all.ID, u.ID)
	require.Equal(t, "/ci/", u.Path)
	require.Equal(t, map[string]string{"owner": "ada@example.com"}, u.Tags)
	require.Equal(t, []string{"devs", "ops"}, u.Groups)
	require.Equal(t, []string{"uploads+more"}, u.Inline)
	require.Len(t, u.Attached, 1)
	require.NotEmpty(t, u.Boundary)
	require.Equal(t, []string{all.MFASerials[0]}, []string{u.MFA[0].Serial})
	require.Len(t, u.Of(sunset.ServiceCredential), 2)
	require.Len(t, u.Of(sunset.AccessKey), 2)
	require.Empty(t, u.Of(sunset.SSHKey), "no bulk read knows them")
	require.Equal(t, []string{"credential-report used", "credential-report used", "credential-report unused"}, uses(e))
	require.Len(t, entryOf(t, c, "u000").SpareMFA, 1)
	require.Empty(t, entryOf(t, c, "u001").SpareMFA)
	require.Contains(t, c.Policies[0].Document, "s3:*")
	require.Len(t, c.Groups, 2)
	i := slices.IndexFunc(c.Roles, func(r iamaccount.Role) bool { return r.Name == "r+1" })
	require.Contains(t, c.Roles[i].Trust, "sts:AssumeRole")
	require.Equal(t, "/app/", c.Roles[i].Path)
}

func TestCensusAcceptsAnOldReportAndTrustsItNoFurther(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	for _, name := range []string{"stays", "goes", "reused"} {
		w.add(fakeaws.UserSpec{Name: name})
	}
	_, err := w.census()
	require.NoError(t, err)
	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, 3*time.Hour) }))
	for _, name := range []string{"goes", "reused"} {
		w.admin("DeleteUser", map[string]string{"UserName": name})
	}
	for _, name := range []string{"new", "reused"} {
		w.admin("CreateUser", map[string]string{"UserName": name})
	}
	c, err := w.census()
	require.NoError(t, err)
	require.Equal(t, start(), c.ReportMade.Truncate(time.Minute))
	require.Len(t, c.Entries, 3)
	for name, want := range map[string][]string{"stays": nil, "new": {"credential-report unknown"}, "reused": {"credential-report unknown"}} {
		require.Equal(t, want, uses(entryOf(t, c, name)), name)
	}
	e := entryOf(t, c, "new")
	require.NoError(t, w.detail(&e))
	require.Empty(t, uses(e), "its own reads say that it has nothing")
	require.True(t, e.Detailed)

	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, 90*time.Minute) }))
	c, err = w.census()
	require.NoError(t, err)
	require.Empty(t, uses(entryOf(t, c, "new")), "the report was too old and is made anew")
}

func TestCensusGivesUpOnAReportThatNeverCompletes(t *testing.T) {
	w := newWorld(t, fakeaws.Config{ReportDelay: 24 * time.Hour})
	_, err := w.census()
	require.Equal(t, sunset.NotReady, sunset.KindOf(err))
	require.ErrorContains(t, err, "scan again in some minutes")
	require.LessOrEqual(t, w.clock.Now().Sub(start()), 10*time.Minute)
}

func TestCensusIsWholeOrAFault(t *testing.T) {
	for name, c := range map[string]struct {
		fault fakeaws.Fault
		kind  sunset.Kind
	}{
		"no report allowed":     {fakeaws.Fault{Action: "GenerateCredentialReport", Code: "AccessDenied", Status: 403}, sunset.AccessDenied},
		"no details allowed":    {fakeaws.Fault{Action: "GetAccountAuthorizationDetails", Code: "AccessDenied", Status: 403}, sunset.AccessDenied},
		"details throttled":     {fakeaws.Fault{Action: "GetAccountAuthorizationDetails", Throttle: true}, sunset.Throttled},
		"details cut":           {fakeaws.Fault{Action: "GetAccountAuthorizationDetails", Truncate: true}, sunset.Unavailable},
		"credentials throttled": {fakeaws.Fault{Action: "ListServiceSpecificCredentials", Throttle: true}, sunset.Throttled},
		"devices failing":       {fakeaws.Fault{Action: "ListVirtualMFADevices", Code: "ServiceFailure", Status: 500}, sunset.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakeaws.Config{})
			w.everything("all")
			w.fake.Fail(c.fault)
			_, err := w.census()
			require.Equal(t, c.kind, sunset.KindOf(err), "%v", err)
			require.Equal(t, "iam:"+c.fault.Action, sunset.ActionOf(err))
		})
	}
}

func TestCensusSaysWhatItWasDenied(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	w.add(fakeaws.UserSpec{Name: "u", ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "bedrock.amazonaws.com"}}})
	remove := w.fake.Fail(fakeaws.Fault{Action: "ListServiceSpecificCredentials", Code: "AccessDenied", Status: 403})
	c, err := w.census()
	require.NoError(t, err)
	require.Equal(t, []sunset.Gap{{Action: "iam:ListServiceSpecificCredentials", Why: "access denied (AccessDenied)"}}, c.Gaps)
	e := c.Entries[0]
	require.Equal(t, []string{"iam:ListServiceSpecificCredentials unknown"}, uses(e))
	require.NoError(t, w.detail(&e))
	require.Equal(t, []string{"iam:ListServiceSpecificCredentials unknown"}, uses(e), "said once")
	remove()
	require.NoError(t, w.detail(&e))
	require.Empty(t, uses(e))
	require.Len(t, e.User.Of(sunset.ServiceCredential), 1)
}

func TestDetailReadsWhatBulkReadsDoNotKnow(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	all := w.everything("all")
	c, err := w.census()
	require.NoError(t, err)
	e := entryOf(t, c, "all")
	require.NoError(t, w.detail(&e))
	require.True(t, e.Detailed)
	require.Len(t, e.User.MFA, 3)
	require.Len(t, e.User.Of(sunset.SSHKey), 2)
	for _, k := range e.User.Of(sunset.AccessKey) {
		require.NotEmpty(t, k.ID)
		if k.ID == all.Keys[0].AccessKeyID {
			require.Equal(t, "s3", k.Service)
		} else {
			require.Nil(t, k.LastUsed)
			require.Equal(t, sunset.Inactive, k.Status)
		}
	}
	live, found, err := w.find(all.ID, "all")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, live, e.User, "what is found live is the same")
}

func TestDetailKeepsWhatItMayNotRead(t *testing.T) {
	for _, action := range []string{
		"GetUser", "GetLoginProfile", "ListAccessKeys", "GetAccessKeyLastUsed", "ListSSHPublicKeys", "ListSigningCertificates",
		"ListServiceSpecificCredentials", "ListMFADevices",
	} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t, fakeaws.Config{})
			w.everything("all")
			c, err := w.census()
			require.NoError(t, err)
			e := entryOf(t, c, "all")
			before := e
			remove := w.fake.Fail(fakeaws.Fault{Action: action, Code: "AccessDenied", Status: 403})
			require.NoError(t, w.detail(&e))
			require.Contains(t, uses(e), "iam:"+action+" unknown")
			require.GreaterOrEqual(t, len(e.User.Credentials), len(before.User.Credentials))
			remove()

			e = before
			remove = w.fake.Fail(fakeaws.Fault{Action: action, Code: "InvalidAction", Status: 400})
			require.NoError(t, w.detail(&e), "an endpoint may not have it")
			require.Contains(t, uses(e), "iam:"+action+" unknown")
			remove()

			e = before
			w.fake.Fail(fakeaws.Fault{Action: action, Throttle: true})
			require.Equal(t, sunset.Throttled, sunset.KindOf(w.detail(&e)))
			require.Equal(t, before, e, "half of it is never left behind")
		})
	}
}

func TestDetailNeverReadsTheOtherUser(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	w.add(fakeaws.UserSpec{Name: "u"})
	c, err := w.census()
	require.NoError(t, err)
	e := c.Entries[0]
	w.admin("DeleteUser", map[string]string{"UserName": "u"})
	require.Equal(t, sunset.Conflict, sunset.KindOf(w.detail(&e)))
	w.admin("CreateUser", map[string]string{"UserName": "u"})
	require.Equal(t, sunset.Conflict, sunset.KindOf(w.detail(&e)))
}

func TestFindFollowsTheIDNotTheName(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.everything("all")
	w.fake.ResetCalls()
	_, found, err := w.find(u.ID, "all")
	require.NoError(t, err)
	require.True(t, found)
	require.LessOrEqual(t, len(w.calls()), 12, "%v", w.calls())

	w.admin("UpdateUser", map[string]string{"UserName": "all", "NewUserName": "renamed"})
	live, found, err := w.find(u.ID, "all")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "renamed", live.Name)

	other := w.add(fakeaws.UserSpec{Name: "all"})
	live, found, err = w.find(u.ID, "all")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, []string{u.ID, "renamed"}, []string{live.ID, live.Name})

	_, found, err = w.find("AIDAGONE", "all")
	require.NoError(t, err)
	require.False(t, found)
	_, found, err = w.find(other.ID, "all")
	require.NoError(t, err)
	require.True(t, found)
	for _, empty := range [][2]string{{u.ID, ""}, {u.ID, " "}, {"", "all"}} {
		_, _, err = w.find(empty[0], empty[1])
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	}
	w.noEmptyNames()
}

func TestASnapshotIsWholeOrNone(t *testing.T) {
	for _, action := range []string{
		"GetUser", "ListAccessKeys", "GetAccessKeyLastUsed", "GetLoginProfile", "ListSSHPublicKeys", "GetSSHPublicKey", "ListSigningCertificates",
		"ListServiceSpecificCredentials", "ListMFADevices", "ListGroupsForUser", "ListUserPolicies", "GetUserPolicy", "ListAttachedUserPolicies",
		"ListVirtualMFADevices",
	} {
		w := newWorld(t, fakeaws.Config{})
		u := w.everything("all")
		w.fake.Fail(fakeaws.Fault{Action: action, Code: "AccessDenied", Status: 403})
		err := w.run(func(ctx context.Context) error {
			_, err := w.iam.Snapshot(ctx, "c", w.fake.ID(), u.ID, "all")
			return err
		})
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), action)
		require.Equal(t, "iam:"+action, sunset.ActionOf(err))
	}
	w := newWorld(t, fakeaws.Config{})
	w.add(fakeaws.UserSpec{Name: "u"})
	err := w.run(func(ctx context.Context) error {
		_, err := w.iam.Snapshot(ctx, "c", w.fake.ID(), "AIDAGONE", "u")
		return err
	})
	require.Equal(t, sunset.Conflict, sunset.KindOf(err))
}
