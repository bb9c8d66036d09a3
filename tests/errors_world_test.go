package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// callOf is an AWS action that a function calls.
type callOf struct{ function, service, action string }

func (c callOf) String() string { return c.function + "/" + c.service + ":" + c.action }

// changes reports whether the call is one that changes something.
func (c callOf) changes() bool {
	for _, read := range []string{"Get", "List", "Describe", "Lookup", "Generate"} {
		if strings.HasPrefix(c.action, read) {
			return false
		}
	}
	return true
}

// pages reports whether the action answers in pages of IAM's form.
func (c callOf) pages() bool {
	return c.service == "iam" && (strings.HasPrefix(c.action, "List") || c.action == "GetAccountAuthorizationDetails")
}

// everyCall are the calls of a whole life to one of its ends.
func everyCall(t *testing.T, end sunset.Outcome) []callOf {
	t.Helper()
	x := newWhole12(t, end, func(x *whole12) { x.adapt = x.apart })
	var calls []callOf
	x.account.Fail(fakeaws.Fault{Match: func(c fakeaws.Call) bool {
		if k := (callOf{*x.calling.Load(), c.Service, c.Action}); !slices.Contains(calls, k) {
			calls = append(calls, k)
		}
		return false
	}})
	x.clean(sunset.Request{})
	row := x.finish()
	require.Equal(t, map[sunset.Outcome]int{end: 1, sunset.Kept: 1}, positive(row.Outcomes))
	slices.SortFunc(calls, func(a, b callOf) int { return strings.Compare(a.String(), b.String()) })
	return calls
}

// trouble is a documented way in which a call to AWS fails.
type trouble struct {
	name  string
	fault fakeaws.Fault
	// of says which calls it is documented for.
	of func(callOf) bool
	// passes says that the SDK itself tries again.
	passes bool
}

func anyCall(callOf) bool { return true }

func ofIAM(c callOf) bool { return c.service == "iam" }

func troubles() []trouble {
	iam := func(code string, status int, of func(callOf) bool) trouble {
		return trouble{name: code, fault: fakeaws.Fault{Code: code, Status: status, Message: "as asked"}, of: of}
	}
	return []trouble{
		{name: "throttled", fault: fakeaws.Fault{Throttle: true}, of: anyCall, passes: true},
		{name: "ServiceFailure", fault: fakeaws.Fault{Code: "ServiceFailure", Status: 500, Message: "as asked"}, of: anyCall, passes: true},
		{name: "dropped", fault: fakeaws.Fault{Drop: true}, of: anyCall, passes: true},
		{name: "dropped when done", fault: fakeaws.Fault{Drop: true, ApplyFirst: true}, of: callOf.changes, passes: true},
		{name: "half an answer", fault: fakeaws.Fault{Truncate: true}, of: anyCall, passes: true},
		{name: "AccessDenied", fault: fakeaws.Fault{Code: "AccessDenied", Status: 403, Message: "as asked"}, of: anyCall},
		iam("NoSuchEntity", 404, ofIAM), iam("DeleteConflict", 409, callOf.changes), iam("ConcurrentModification", 409, callOf.changes),
		iam("EntityTemporarilyUnmodifiable", 409, callOf.changes), iam("LimitExceeded", 409, callOf.changes),
		{name: "more without a marker", of: callOf.pages},
	}
}

// befall has the call fail like that, once or for ever.
func (x *whole12) befall(c callOf, what trouble, once bool) (met *atomic.Int64) {
	met = &atomic.Int64{}
	fits := func(service, action string) bool {
		return x.during(c.function) && service == c.service && action == c.action && (met.Add(1) == 1 || !once)
	}
	if what.name == "more without a marker" {
		x.answered = func(service, action string, r *http.Response) {
			if fits(service, action) {
				withoutMarker(r)
			}
		}
		return met
	}
	fault := what.fault
	fault.Match = func(call fakeaws.Call) bool { return fits(call.Service, call.Action) }
	x.account.Fail(fault)
	return met
}

var truncation = regexp.MustCompile(`<IsTruncated>(true|false)</IsTruncated>`)

// withoutMarker makes a page say that there is more, but not where.
func withoutMarker(r *http.Response) {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err == nil {
		body = truncation.ReplaceAll(body, []byte("<IsTruncated>true</IsTruncated>"))
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
}

// standing says in a word how the victim stands: "as before", "quarantined" with all that it had, "stripped" of some of
// it and quarantined, "gone" with everything, or else what is wrong.
func (x *whole12) standing() string {
	var left []string
	for _, serial := range x.account.VirtualMFADevices() {
		if strings.HasSuffix(serial, ":mfa/"+victim) || strings.HasSuffix(serial, ":mfa/"+victim+"-2") {
			left = append(left, serial)
		}
	}
	now, there := x.account.User(victim)
	if !there {
		if len(left) > 0 {
			return fmt.Sprint("gone, but left ", left)
		}
		return "gone"
	}
	denied := now.Inline[sunset.DenyPolicyName] == sunset.DenyDocument
	delete(now.Inline, sunset.DenyPolicyName)
	tagged := now.Tags[sunset.TagCase] != ""
	delete(now.Tags, sunset.TagCase)
	same := fmt.Sprint(timeless(now)) == fmt.Sprint(timeless(x.before)) && len(left) == 2
	switch {
	case same && !denied && !tagged:
		return "as before"
	case same && !denied:
		return "as before but marked"
	case same:
		return "quarantined"
	case denied:
		return "stripped"
	}
	return "stripped and awake"
}

// outcome is what the cleanup says of the victim: its case's outcome, or why it has no case.
func (x *whole12) outcome(row sunset.Cleanup) string {
	c, err := x.machine.Cases.Get(context.Background(), x.user.ID)
	switch {
	case err == nil:
		return string(c.Outcome)
	case row.ID == "" || row.Refusal != "": // it may have failed before it had a row
		return "cleanup failed"
	}
	return "kept"
}
