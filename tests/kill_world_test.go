package tests

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// neighbour has the same kinds of artifacts under a name that begins like the victim's, and works every day.
const neighbour = victim + "-too"

// twelve are a user's artifacts of all kinds that a deletion removes, those with a status once Active and once Inactive:
// password, access key, SSH key, signing certificate, service-specific credential, virtual, hardware and FIDO MFA, a
// virtual MFA device of its name that nobody has, group membership, inline and attached policy. Its tags and its
// permissions boundary go with the user.
func twelve(name string, edge string, lastUsed time.Time) fakeaws.UserSpec {
	made := begin().AddDate(-2, 0, 0)
	return fakeaws.UserSpec{
		Name: name, Path: "/ci/", CreatedAt: made, Tags: []fakeaws.Tag{{Key: "owner", Value: "ada@example.com"}},
		Password: &fakeaws.PasswordSpec{LastUsed: lastUsed, LastRotated: made},
		Keys: []fakeaws.AccessKeySpec{
			{CreatedAt: made, LastUsed: fakeaws.LastUsed{At: lastUsed, Service: "s3", Region: "us-east-1"}},
			{CreatedAt: made, Status: "Inactive"},
		},
		SSHKeys:      []fakeaws.SSHKeySpec{{UploadedAt: made}, {UploadedAt: made, Status: "Inactive"}},
		Certificates: []fakeaws.CertificateSpec{{UploadedAt: made}, {UploadedAt: made, Status: "Inactive"}},
		ServiceCredentials: []fakeaws.ServiceCredentialSpec{
			{ServiceName: "codecommit.amazonaws.com", CreatedAt: made}, {ServiceName: "bedrock.amazonaws.com", Status: "Inactive", CreatedAt: made},
		},
		MFA:    []fakeaws.MFASpec{{Kind: "virtual", Unassigned: true}, {Kind: "virtual"}, {Kind: "hardware"}, {Kind: "u2f"}},
		Groups: []string{"devs"}, Inline: map[string]string{"uploads+more": allowAll3}, Attached: []string{readOnly}, Boundary: edge,
	}
}

// whole12 is a world with that user on its way to one of the two ends, as quick as settings allow, and its neighbour.
type whole12 struct {
	*world
	end   sunset.Outcome
	user  fakeaws.NewUser
	asked int
	// before is the user, others everybody and everything else, as they were.
	before  fakeaws.UserState
	others  []fakeaws.UserState
	devices []string
	// calling names the function whose call goes out to AWS at this moment.
	calling atomic.Pointer[string]
	// answered, where set, may change what AWS answers to a call of IAM.
	answered func(service, action string, r *http.Response)
}

func newWhole12(t *testing.T, end sunset.Outcome, arrange ...func(*whole12)) *whole12 {
	t.Helper()
	x := &whole12{end: end}
	x.world = newWorldIn(t, []string{"us-east-1"}, func(a *fakeaws.Account) {
		a.AddGroup(fakeaws.GroupSpec{Name: "devs"})
		edge := a.AddPolicy("edge", allowAll3)
		var err error
		_, err = a.AddUser(twelve(neighbour, edge, begin().AddDate(0, 0, -1)))
		require.NoError(t, err)
		x.user, err = a.AddUser(twelve(victim, edge, begin().AddDate(-1, 0, 0)))
		require.NoError(t, err)
	}, func(w *world) {
		x.world = w
		w.settings.Soak, w.settings.Notice, w.settings.AcceptUnknown = sunset.Days(1), 0, []string{victim}
		w.settings.ApprovalOpen = sunset.Days(1)
		// Whoever is asked for the third time doesn't answer any more.
		w.people[approver] = func(sunset.ApprovalRequest) sunset.Choice {
			switch x.asked++; {
			case x.asked > 2:
				return ""
			case end == sunset.Restored:
				return sunset.ChooseKeep
			}
			return sunset.ChooseDelete
		}
		for _, f := range arrange {
			f(x)
		}
	})
	x.before, _ = x.account.User(victim)
	x.others, x.devices = x.rest()
	require.Len(t, x.devices, 2)
	return x
}

// rest is what is not the victim's.
func (x *whole12) rest() (users []fakeaws.UserState, devices []string) {
	for _, u := range x.account.Users() {
		if u.Name != victim {
			users = append(users, timeless(u))
		}
	}
	for _, serial := range x.account.VirtualMFADevices() {
		if strings.HasSuffix(serial, ":mfa/"+neighbour) || strings.HasSuffix(serial, ":mfa/"+neighbour+"-2") {
			devices = append(devices, serial)
		}
	}
	return users, devices
}

// apart gives each function a way to AWS of its own, which notes whose call it is.
func (x *whole12) apart(cfg *onemachine.Config) {
	cfg.Each = func(function string, w workflow.World) workflow.World {
		w.AWS.HTTPClient = ofFunction{inner: w.AWS.HTTPClient, function: &function, whole12: x}
		return w
	}
}

type ofFunction struct {
	*whole12
	inner    aws.HTTPClient
	function *string
}

func (f ofFunction) Do(r *http.Request) (*http.Response, error) {
	f.calling.Store(f.function)
	if f.answered == nil {
		return f.inner.Do(r)
	}
	action := actionOf(r)
	response, err := f.inner.Do(r)
	if err == nil && action != "" {
		f.answered("iam", action, response)
	}
	return response, err
}

// actionOf is the action of a request of IAM and of those who name theirs in a header; empty for others.
func actionOf(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:]
	}
	if r.Body == nil || !strings.Contains(r.Header.Get("Authorization"), "/iam/aws4_request") {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("Action")
}

// during reports whether the call that is being answered is a function's.
func (x *whole12) during(function string) bool {
	at := x.calling.Load()
	return at != nil && *at == function
}
