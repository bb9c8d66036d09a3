package trail_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

func (w *world) renames(t *trail.Trail) (renames []trail.Rename, err error) {
	w.t.Helper()
	err = w.run(func(ctx context.Context) (err error) {
		renames, err = t.Renames(ctx, w.clock.Now().Add(-90*day), w.clock.Now())
		return err
	})
	return renames, err
}

func TestRenamesArePagedAndOnlyThoseThatHappened(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	for i := range 60 {
		w.join(fmt.Sprintf("now-%d", i), fakeaws.RenamedFrom(fmt.Sprintf("was-%d", i), time.Duration(i+1)*day))
	}
	// Nobody may rename a user of another name that is taken: the attempt is an event with an error.
	who := w.join("wants", fakeaws.RenamedLater(w.clock.Now().Add(time.Minute), "now-1"))
	require.NotEmpty(t, who.UserID)
	w.pass(3 * time.Hour)
	w.ResetCalls()
	renames, err := w.renames(w.trail())
	require.NoError(t, err)
	require.Len(t, renames, 60)
	require.True(t, renames[0].At.Before(renames[59].At), "oldest first")
	require.Equal(t, "was-59", renames[0].From)
	calls := w.lookups()
	require.Len(t, calls, 2)
	require.Equal(t, "us-east-1", calls[0].Region)
}

func TestRenamesThatCanNotBeReadAreAFault(t *testing.T) {
	w := newWorld(t, "us-east-1")
	w.join("now", fakeaws.RenamedFrom("was", 2*day))
	_, err := w.renames(trail.New(w.rewritten(`\"userName\":\"was\"`, `\"userName\":[]`), w.clock))
	require.Equal(t, sunset.Internal, sunset.KindOf(err))
	require.Equal(t, "cloudtrail:LookupEvents", sunset.ActionOf(err))
	for code, kind := range map[string]sunset.Kind{
		"AccessDeniedException": sunset.AccessDenied, "UnknownOperationException": sunset.AccessDenied, "ThrottlingException": sunset.Throttled,
	} {
		remove := w.Fail(fakeaws.Fault{Service: "cloudtrail", Code: code, Status: http.StatusBadRequest})
		_, err := w.renames(w.trail())
		require.Equal(t, kind, sunset.KindOf(err))
		require.Equal(t, "cloudtrail:LookupEvents", sunset.ActionOf(err))
		remove()
	}
}

func TestCreatorsAreThoseWhoMadeUsers(t *testing.T) {
	w := newWorld(t, "us-east-1")
	client := iam.NewFromConfig(w.server.Config("us-east-1"))
	made, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("fresh")})
	require.NoError(t, err)
	_, err = client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("fresh")})
	require.Error(t, err, "an attempt makes nobody")
	w.pass(3 * time.Hour)
	var creators map[string]string
	require.NoError(t, w.run(func(ctx context.Context) (err error) {
		creators, err = w.trail().Creators(ctx, w.clock.Now().Add(-90*day), w.clock.Now())
		return err
	}))
	require.Len(t, creators, 1)
	require.Contains(t, creators[aws.ToString(made.User.UserId)], ":assumed-role/")
}
