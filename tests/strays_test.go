package tests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// A user that carries the mark of a case without having one may be disabled with nobody waiting for it: people are told
// once, through a record.
func TestAStrayMarkIsOnRecord(t *testing.T) {
	t.Parallel()
	var marked fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		var err error
		marked, err = a.Join("daily", fakeaws.Active(), fakeaws.Tagged(sunset.TagCase, "spring-2024-AIDAOLD"))
		require.NoError(t, err)
		_, err = a.Join("old-batch", fakeaws.Dead())
		require.NoError(t, err)
	})
	w.clean(sunset.Request{})
	w.finish()
	records, err := w.machine.Records.Chain(t.Context(), "account/strays")
	require.NoError(t, err)
	require.Len(t, records, 1, "once, and not for the case that was open")
	require.Equal(t, "mismatch", records[0].Kind)
	require.Equal(t, marked.ID, records[0].UserID)
	require.Contains(t, records[0].Text, `carries the mark of case "spring-2024-AIDAOLD"`)
	w.proven()
}
