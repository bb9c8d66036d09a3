package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// What a rehearsal puts on record is published as well, in order; where that can't be, it is rehearsed all the same.
func TestARehearsalIsPublished(t *testing.T) {
	s := siteFor(t)
	var told []audit.Record
	down := false
	s.machine.Publish = func(_ context.Context, r audit.Record) error {
		if down {
			return errors.New("the bus is down")
		}
		told = append(told, r)
		return nil
	}
	s.does(t, 0, "rehearse", "--yes")
	chains, err := s.machine.Records.Chains(t.Context(), "account/rehearsal-")
	require.NoError(t, err)
	require.Len(t, chains, 1)
	records, err := s.machine.Records.Chain(t.Context(), chains[0])
	require.NoError(t, err)
	require.Equal(t, records, told)
	require.Equal(t, "rehearsed", told[len(told)-1].Kind)

	down = true
	s.does(t, 0, "rehearse", "--yes")
	rows, err := s.machine.Rows.List(t.Context(), "unsent/")
	require.NoError(t, err)
	require.Len(t, rows, len(records), "each is left for reconcile")
}

// Whoever interrupts a rehearsal is told what became of the decoy.
func TestInterruptedRehearsal(t *testing.T) {
	s := siteFor(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	mend := s.account.Fail(fakeaws.Fault{Action: "GetAccessKeyLastUsed", Match: func(fakeaws.Call) bool { interrupt(); return false }})
	var stdout, stderr bytes.Buffer
	require.Equal(t, 2, s.operate(ctx, &stdout, &stderr, "rehearse", "--yes"))
	require.Empty(t, stdout.String())
	require.Regexp(t, `The decoy user iam-sunset-rehearsal-\S+ was removed\. What happened is on record in account/rehearsal-\S+\.\niam-sunset: interrupted, before it was done\n$`, stderr.String())
	require.Empty(t, s.account.Users())
	require.Len(t, s.account.DeletedUsers(), 1)
	mend()

	// Where it can't be removed, that is not lost in the interruption.
	ctx, again := context.WithCancel(t.Context())
	defer again()
	s.account.Fail(fakeaws.Fault{Action: "GetAccessKeyLastUsed", Match: func(fakeaws.Call) bool { again(); return false }})
	s.account.Fail(fakeaws.Fault{Action: "DeleteUser", Code: "AccessDenied", Status: 403})
	stderr.Reset()
	require.Equal(t, 2, s.operate(ctx, &stdout, &stderr, "rehearse", "--yes"))
	require.Regexp(t, `The decoy user iam-sunset-rehearsal-\S+ may still be there: .*iam:DeleteUser.* iam-sunset rehearse removes it first\.`, stderr.String())
	require.Len(t, s.account.Users(), 1)
}

// fails CALL=CODE… makes calls to the site's account fail, such as iam:CreateUser=LimitExceeded; nothing after it: no more.
func fails(ts *testscript.TestScript, _ bool, args []string) {
	s := ours(ts)
	for _, remove := range s.faults {
		remove()
	}
	s.faults = nil
	for _, arg := range args {
		call, code, ok := strings.Cut(arg, "=")
		service, action, named := strings.Cut(call, ":")
		if !ok || !named {
			ts.Fatalf("usage: fails SERVICE:ACTION=CODE…")
		}
		status := cmp.Or(map[string]int{"AccessDenied": 403, "LimitExceeded": 409}[code], 400)
		s.faults = append(s.faults, s.account.Fail(fakeaws.Fault{Service: service, Action: action, Code: code, Message: "on demand", Status: status}))
	}
}
