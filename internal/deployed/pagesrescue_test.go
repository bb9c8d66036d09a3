package deployed_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// What an owner asks for on a page is done by the function restore: approval-web has no right to change a user.
func TestThePagesAskRestore(t *testing.T) {
	d := deploy(t)
	w, err := d.world("approval-web")
	require.NoError(t, err)
	wish := workflow.RescueInput{UserID: "AIDAOLDBATCH", By: "olga@example.com", Reason: "the night job needs it", Way: sunset.WaySignIn, Principal: "https://login.example.com#1"}

	got := d.restores([]byte(`{"outcome":"rescued"}`), "")
	require.NoError(t, d.run(func(ctx context.Context) error { return w.Rescuer(ctx, wish) }))
	require.Len(t, *got, 1)
	require.Equal(t, &wish, (*got)[0].Rescue)

	d.restores([]byte(`{"errorType":"Conflict","errorMessage":"its deletion has begun"}`), "Unhandled")
	err = d.run(func(ctx context.Context) error { return w.Rescuer(ctx, wish) })
	require.Equal(t, sunset.Conflict, sunset.KindOf(err), "%v", err)
}

// A page does not wait for longer than people and API Gateway do; the function works on meanwhile.
func TestThePagesDontWaitForLong(t *testing.T) {
	d := deploy(t)
	w, err := d.world("approval-web")
	require.NoError(t, err)
	d.cloud.Mount("lambda", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
	err = d.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		return w.Rescuer(ctx, asked)
	})
	require.Equal(t, sunset.NotReady, sunset.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "works on by itself")
}

// Owners' links have a key of their own, which approval-web may check with and those who invite owners make MACs with.
func TestTheKeyOfOwnersLinks(t *testing.T) {
	d := deploy(t)
	for _, function := range []string{"disable", "open-cases", "reconcile", "request-approval"} {
		d.cloud.ResetCalls()
		w, err := d.world(function)
		require.NoError(t, err)
		var mac []byte
		require.NoError(t, d.run(func(ctx context.Context) (err error) {
			mac, err = w.Signers.Owners.MAC(ctx, []byte("link"))
			return err
		}))
		require.Equal(t, []string{"kms:GenerateMac " + d.env["IAM_SUNSET_OWNERS_KEY"]}, called(d.cloud.Calls()), function)

		pages, err := d.world("approval-web")
		require.NoError(t, err)
		d.cloud.ResetCalls()
		require.NoError(t, d.run(func(ctx context.Context) error {
			holds, err := pages.Signers.Owners.Verify(ctx, []byte("link"), mac)
			require.True(t, holds)
			return err
		}))
		require.Equal(t, []string{"kms:VerifyMac " + d.env["IAM_SUNSET_OWNERS_KEY"]}, called(d.cloud.Calls()))
	}
}

func called(calls []fakecloud.Call) []string {
	var out []string
	for _, c := range calls {
		out = append(out, c.Action+" "+c.Resource)
	}
	return out
}
