package iamaccount_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// change runs one of the changes by name.
func (w *world) change(what string, snap sunset.Snapshot, q sunset.Quarantine) error {
	return w.run(func(ctx context.Context) (err error) {
		switch what {
		case "quarantine":
			_, err = w.iam.Quarantine(ctx, snap, sunset.ByQuarantine, w.record)
		case "deactivate":
			err = w.iam.Deactivate(ctx, snap, w.record)
		case "restore":
			_, err = w.iam.Restore(ctx, snap, &q, w.record)
		case "strip":
			err = w.iam.Strip(ctx, snap, q, w.record)
		case "delete":
			err = w.iam.Delete(ctx, snap, q, w.record)
		case "password":
			_, err = w.iam.GiveNewPassword(ctx, snap, w.record)
		}
		return err
	})
}

func everyChange() []string {
	return []string{"quarantine", "deactivate", "restore", "strip", "delete", "password"}
}

func TestNoChangeTouchesAnotherUserOfTheName(t *testing.T) {
	for _, what := range everyChange() {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, fakeaws.Config{})
			u := w.add(fakeaws.UserSpec{Name: "u"})
			snap := w.snapshot(u)
			w.admin("DeleteUser", map[string]string{"UserName": "u"})
			w.add(fakeaws.UserSpec{Name: "u", Password: &fakeaws.PasswordSpec{}, Keys: []fakeaws.AccessKeySpec{{}}, MFA: []fakeaws.MFASpec{{Unassigned: true}}})
			before := w.state("u")
			err := w.change(what, snap, sunset.Quarantine{Method: sunset.InlineDeny})
			if what == "delete" {
				require.NoError(t, err, "the user of the case is gone, which was the aim")
			} else {
				require.Equal(t, sunset.Conflict, sunset.KindOf(err))
			}
			require.Equal(t, before, w.state("u"))
			require.Len(t, w.fake.VirtualMFADevices(), 1)
			require.Empty(t, w.leftovers(snap))
		})
	}
}

func TestChangesFollowAUserWhoWasRenamed(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.everything("all")
	snap := w.snapshot(u)
	w.admin("UpdateUser", map[string]string{"UserName": "all", "NewUserName": "renamed"})
	w.add(fakeaws.UserSpec{Name: "all", Path: "/other/"})
	other := w.state("all")
	q, err := w.quarantine(snap, sunset.ByQuarantine)
	require.NoError(t, err)
	require.Contains(t, w.state("renamed").Inline, sunset.DenyPolicyName)
	r, err := w.restore(snap, &q)
	require.NoError(t, err)
	require.Equal(t, []string{"it was renamed from all to renamed"}, r.Differences)
	require.NotEmpty(t, w.leftovers(snap))
	_, err = w.quarantine(snap, sunset.ByQuarantine)
	require.NoError(t, err)
	require.NoError(t, w.delete(snap, q))
	_, there := w.fake.User("renamed")
	require.False(t, there)
	require.Equal(t, other, w.state("all"))
	require.Empty(t, w.leftovers(snap))
}

func TestEmptyNamesAreRefusedBeforeAnyCall(t *testing.T) {
	for _, what := range everyChange() {
		w := newWorld(t, fakeaws.Config{})
		snap := w.snapshot(w.add(fakeaws.UserSpec{Name: "u"}))
		snap.User.Name = ""
		w.fake.ResetCalls()
		require.Equal(t, sunset.Invalid, sunset.KindOf(w.change(what, snap, sunset.Quarantine{Method: sunset.InlineDeny})), what)
		require.Empty(t, w.calls(), what)
	}
	w := newWorld(t, fakeaws.Config{})
	for _, m := range []sunset.Method{sunset.InlineDeny, sunset.ManagedDeny, sunset.Deactivation} {
		_, err := w.iam.DenyInPlace(t.Context(), sunset.User{}, sunset.Quarantine{Method: m})
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), m)
	}
	require.Equal(t, sunset.Invalid, sunset.KindOf(w.detail(&sunset.Entry{User: sunset.User{ID: "AIDAX"}})))
	require.Empty(t, w.calls())
}

func TestAFaultAfterAChangeSaysWhatWasChanged(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	snap := w.snapshot(w.reference())
	w.fake.Fail(fakeaws.Fault{Action: "PutUserPolicy", Code: "AccessDenied", Status: 403})
	_, err := w.quarantine(snap, sunset.ByQuarantine)
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
	require.Equal(t, "iam:PutUserPolicy", sunset.ActionOf(err))
	require.ErrorContains(t, err, "putting the deny policy on user reference ("+snap.User.ID+")")
	require.ErrorContains(t, err, "changed before that: iam:TagUser on reference")
	require.Equal(t, 1, strings.Count(err.Error(), "changed before that"))
}

// endless is a wire on which one action's answers never come to an end: each says more instead of whether there is
// more, and the next page is the first one again.
type endless struct {
	action, more string
	first        *[]byte
}

var truncated = regexp.MustCompile(`<IsTruncated>\w+</IsTruncated>`)

func (e endless) Do(r *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	if !strings.Contains(string(sent), "Action="+e.action+"&") {
		return http.DefaultTransport.RoundTrip(r)
	}
	if *e.first == nil {
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}
		*e.first = truncated.ReplaceAll(body, []byte(e.more))
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(*e.first)), ContentLength: int64(len(*e.first)),
	}, nil
}

func TestAListThatDoesNotEndWellIsNoList(t *testing.T) {
	for name, more := range map[string]string{
		"more, and not where":      `<IsTruncated>true</IsTruncated>`,
		"back to where it started": `<IsTruncated>true</IsTruncated><Marker>again</Marker>`,
	} {
		for _, action := range []string{
			"GetAccountAuthorizationDetails", "ListServiceSpecificCredentials", "ListVirtualMFADevices", "ListAccessKeys", "ListSSHPublicKeys",
			"ListSigningCertificates", "ListMFADevices", "ListGroupsForUser", "ListUserPolicies", "ListAttachedUserPolicies",
		} {
			t.Run(action+" "+name, func(t *testing.T) {
				w := newWorld(t, fakeaws.Config{})
				u := w.everything("all")
				cfg := w.server.Config("us-east-1")
				cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
				cfg.HTTPClient = endless{action, more, new([]byte)}
				w.iam = iamaccount.New(cfg, w.clock)
				var err error
				if action == "GetAccountAuthorizationDetails" {
					_, err = w.census()
				} else {
					err = w.run(func(ctx context.Context) error {
						_, err := w.iam.Snapshot(ctx, "c", w.fake.ID(), u.ID, "all")
						return err
					})
				}
				require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
				require.ErrorContains(t, err, "says that there is more but not where")
			})
		}
	}
}
