//go:build emulators

package emulators

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// upgradeInFlight has cases begin on version 1 and wait for windows, puts version 2 in place while they soak, and begins another
// cleanup then: each case ends on the version that it began on.
func upgradeInFlight(t *testing.T, m *ministack, zips map[string]string, command string) {
	settings := quick()
	settings.Disable, settings.Final, settings.Soak = sunset.ByDeactivation, sunset.FinalRetain, sunset.Duration(12*time.Second)
	account, routes := newAccount(), routesByWindow()
	users := people(t, account, routes, "late")
	late, _ := account.User("late")
	d := deploy(t, m, "upgraded", account, settings, zips)
	operator := d.person(t, command, d.doors.assume("security", "starter@example.org"))
	w := d.world(t, operator, d.person(t, command, d.doors.assume("approvers", "carol")), users, routes)
	w.begin()
	operator.does(0, "start", "--open-cases", "--name", "spring", "--yes", "--user", "retained,kept-after-deactivation")
	d.reconciling(t)
	newer := packagesLater(t, "2")

	until(t, 150*time.Second, "the cases' soak", func() bool {
		w.look("spring")
		c, err := w.flow.Cases.Get(t.Context(), users["retained"].ID)
		return err == nil && c.Stage == sunset.Soaking
	})
	d.upgrade(t.Context(), newer())
	w.routes = append(w.routes, route{name: "late", answer: always(sunset.ChooseDelete)})
	operator.does(0, "start", "--open-cases", "--name", "summer", "--yes", "--user", "late")
	until(t, 200*time.Second, "the end of both cleanups", func() bool {
		spring := w.look("spring")
		return w.look("summer") && spring
	})
	w.routes = routes
	paths := w.check(t, "spring", "late")
	c, err := w.flow.Cases.Get(t.Context(), late.ID)
	require.NoError(t, err)
	require.Equal(t, sunset.Retained, c.Outcome, w.story(t, c))
	require.Equal(t, []string{"2"}, d.versionsOf(t, c.Execution))
	for _, r := range routes {
		c, err := w.flow.Cases.Get(t.Context(), users[r.name].ID)
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, d.versionsOf(t, c.Execution), r.name)
	}
	for version, stamp := range map[string]string{"1": `"version":"1"`, "2": `"version":"2"`} {
		require.Contains(t, d.logOf(t, d.functionARN("log")+":"+version), stamp)
	}
	expected, _ := embedded(t, settings, "spring", sunset.Request{Starter: starter, Users: []string{"retained", "kept-after-deactivation"}}, routesByWindow(), "late")
	require.Equal(t, expected, paths)
	d.proven(t, operator)
}

// versionsOf are the versions of the functions that an execution called, by its history.
func (d *deployment) versionsOf(t *testing.T, execution string) []string {
	t.Helper()
	var out []string
	seen := map[string]bool{}
	pages := sfn.NewGetExecutionHistoryPaginator(d.sfn, &sfn.GetExecutionHistoryInput{ExecutionArn: &execution, MaxResults: 1000})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		for _, e := range page.Events {
			if e.TaskScheduledEventDetails == nil {
				continue
			}
			resource := aws.ToString(e.TaskScheduledEventDetails.Resource)
			if strings.Contains(resource, ":function:") {
				version := resource[strings.LastIndex(resource, ":")+1:]
				if !seen[version] {
					out = append(out, version)
				}
				seen[version] = true
			}
		}
	}
	return out
}

// logOf is the last of what a function logs at a call that it refuses.
func (d *deployment) logOf(t *testing.T, arn string) string {
	t.Helper()
	out, err := d.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &arn, Payload: []byte(`{}`), LogType: lambdatypes.LogTypeTail})
	require.NoError(t, err)
	require.NotNil(t, out.FunctionError)
	b, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	require.NoError(t, err)
	return string(b)
}
