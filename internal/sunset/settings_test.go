package sunset_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestSettingsDefaults(t *testing.T) {
	s, err := sunset.ParseSettings([]byte(`{}`))
	require.NoError(t, err)
	require.Equal(t, sunset.DefaultSettings(), s)
	require.Equal(t, "90d 30d 14d 3d 14d", s.Unused.String()+" "+s.MinAge.String()+" "+s.Soak.String()+" "+s.Notice.String()+" "+s.ApprovalOpen.String())
	require.Equal(t, 20, s.Batch)
	require.Equal(t, 20, s.CapPercent)
}

func TestSettingsRoundTrip(t *testing.T) {
	s := settings()
	s.Exemptions = []sunset.Exemption{{Name: "break-*", Reason: "break-glass", Expires: "2027-01-31"}}
	s.Windows = []sunset.Window{{Days: []string{"mon"}, From: "09:00", To: "17:00", Zone: "Europe/Berlin"}}
	s.Team = "security@example.com"
	b, err := json.Marshal(s)
	require.NoError(t, err)
	back, err := sunset.ParseSettings(b)
	require.NoError(t, err)
	require.Equal(t, s.Digest(), back.Digest())
}

// Every impossible value is refused as Invalid, and the message names the field.
func TestSettingsNameTheBadField(t *testing.T) {
	for _, row := range []struct{ in, field string }{
		{``, "empty"},
		{`[]`, "object"},
		{`{} {}`, "after the end"},
		{`{"soke":"14d"}`, `"soke"`},
		{`{"exemptions":[{"nmae":"x","reason":"y"}]}`, `"nmae"`},
		{`{"batch":"20"}`, `"batch"`},
		{`{"batch":1.5}`, `"batch"`},
		{`{"approvers":[{"email":7}]}`, `approvers.email`},
		{`{"unused":"0d"}`, "unused"},
		{`{"unused":"ninety"}`, "unused"},
		{`{"unused":90}`, "unused"},
		{`{"min_age":"-1d"}`, "min_age"},
		{`{"soak":"0d"}`, "soak"},
		{`{"soak":"two weeks"}`, "soak"},
		{`{"soak":"400d"}`, "soak"},
		{`{"notice":"3"}`, "notice"},
		{`{"approval_open":"0s"}`, "approval_open"},
		{`{"approval_open":"1.5d"}`, "approval_open"},
		{`{"batch":0}`, "batch"},
		{`{"batch":5001}`, "batch"},
		{`{"cap_percent":0}`, "cap_percent"},
		{`{"cap_percent":101}`, "cap_percent"},
		{`{"disable":"off"}`, "disable"},
		{`{"final":"erase"}`, "final"},
		{`{"approvals_needed":0}`, "approvals_needed"},
		{`{"approvers":[{"email":"a@example.com"}],"approvals_needed":2}`, "approvals_needed"},
		{`{"approvers":[{"email":"Ann <a@example.com>"}]}`, "approvers[0].email"},
		{`{"approvers":[{"email":"a@example.com"},{"email":"A@example.com"}]}`, "approvers[1].email"},
		{`{"approvers":[{"email":"a@example.com","principals":["ann"]}]}`, "approvers[0].principals"},
		{`{"approvers":[{"email":"a@example.com","principals":["arn:aws:iam::1:role/x"]},{"email":"b@example.com","principals":["arn:aws:sts::1:assumed-role/x/b"]}]}`, "approvers[1].principals"},
		{`{"exemptions":[{"reason":"y"}]}`, "exemptions[0]"},
		{`{"exemptions":[{"name":"x"}]}`, "exemptions[0].reason"},
		{`{"exemptions":[{"name":"x","reason":" "}]}`, "exemptions[0].reason"},
		{`{"exemptions":[{"name":"x[","reason":"y"}]}`, "exemptions[0].name"},
		{`{"exemptions":[{"path":"service/","reason":"y"}]}`, "exemptions[0].path"},
		{`{"exemptions":[{"tag":"=x","reason":"y"}]}`, "exemptions[0].tag"},
		{`{"exemptions":[{"name":"x","reason":"y","expires":"31.1.2027"}]}`, "exemptions[0].expires"},
		{`{"exemptions":[{"name":"x","reason":"y","expires":"2027-02-30"}]}`, "exemptions[0].expires"},
		{`{"accept_unknown":[""]}`, "accept_unknown[0]"},
		{`{"accept_unknown":["*"]}`, "accept_unknown[0]"},
		{`{"accept_unread":["S3 buckets"]}`, "accept_unread[0]"},
		{`{"accept_unread":["cloudtrail"]}`, "accept_unread[0]"},
		{`{"closed_regions":[{"region":"eu-west-9"}]}`, "closed_regions[0]"},
		{`{"closed_regions":[{"reason":"denied"}]}`, "closed_regions[0]"},
		{`{"windows":[{"from":"9","to":"17:00"}]}`, "windows[0]: from"},
		{`{"windows":[{"from":"09:00","to":"25:00"}]}`, "windows[0]: to"},
		{`{"windows":[{"from":"17:00","to":"09:00"}]}`, "windows[0]: to"},
		{`{"windows":[{"from":"09:00","to":"09:00"}]}`, "windows[0]: to"},
		{`{"windows":[{"days":["monday"],"from":"09:00","to":"17:00"}]}`, "windows[0]: days"},
		{`{"windows":[{"from":"09:00","to":"17:00","zone":"Mars/Olympus"}]}`, "windows[0]: zone"},
		{`{"windows":[{"from":"09:00","to":"17:00","zone":"Local"}]}`, "windows[0]: zone"},
		{`{"office_hours":[{"from":"x","to":"17:00"}]}`, "office_hours[0]"},
		{`{"team":"the team"}`, "team"},
	} {
		_, err := sunset.ParseSettings([]byte(row.in))
		require.ErrorContains(t, err, row.field, row.in)
		require.ErrorContains(t, err, "settings", row.in)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), row.in)
	}
}

func TestSettingsNameTheSameFieldEveryTime(t *testing.T) {
	in := []byte(`{"windows":[{"from":"x","to":"y"}],"office_hours":[{"from":"x","to":"y"}]}`)
	_, first := sunset.ParseSettings(in)
	for range 50 {
		_, err := sunset.ParseSettings(in)
		require.EqualError(t, err, first.Error())
	}
}

func TestExemptions(t *testing.T) {
	u := idleUser()
	u.Tags = map[string]string{"Critical": "Yes"}
	for _, row := range []struct {
		name  string
		e     sunset.Exemption
		now   time.Time
		keeps bool
	}{
		{"by name", sunset.Exemption{Name: "old-ci"}, now, true},
		{"by glob", sunset.Exemption{Name: "old-*"}, now, true},
		{"by one letter", sunset.Exemption{Name: "old-c?"}, now, true},
		{"whatever the case", sunset.Exemption{Name: "OLD-CI"}, now, true},
		{"another name", sunset.Exemption{Name: "old"}, now, false},
		{"a glob that can't be read keeps", sunset.Exemption{Name: "x["}, now, true},
		{"by path", sunset.Exemption{Path: "/ci/"}, now, true},
		{"by path whatever the case", sunset.Exemption{Path: "/CI/"}, now, true},
		{"another path", sunset.Exemption{Path: "/people/"}, now, false},
		{"by tag", sunset.Exemption{Tag: "critical"}, now, true},
		{"by tag and value", sunset.Exemption{Tag: "critical=yes"}, now, true},
		{"another value", sunset.Exemption{Tag: "critical=no"}, now, false},
		{"another tag", sunset.Exemption{Tag: "crit"}, now, false},
		{"all that is said must match", sunset.Exemption{Name: "old-ci", Path: "/people/"}, now, false},
		{"all that is said does match", sunset.Exemption{Name: "old-ci", Path: "/ci/", Tag: "critical"}, now, true},
		{"its last day", sunset.Exemption{Name: "*", Expires: "2026-06-01"}, at(t, "2026-06-01T23:59:59Z"), true},
		{"its last day in the far west", sunset.Exemption{Name: "*", Expires: "2026-06-01"}, at(t, "2026-06-01T23:59:59-12:00"), true},
		{"over everywhere", sunset.Exemption{Name: "*", Expires: "2026-06-01"}, at(t, "2026-06-02T00:00:00-12:00"), false},
		{"an end that can't be read never comes", sunset.Exemption{Name: "*", Expires: "soon"}, now.AddDate(50, 0, 0), true},
		{"no end", sunset.Exemption{Name: "*"}, now.AddDate(50, 0, 0), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.e.Reason = "why"
			got, keeps := sunset.Settings{Exemptions: []sunset.Exemption{{Name: "nobody"}, row.e}}.ExemptionFor(u, row.now)
			require.Equal(t, row.keeps, keeps)
			if keeps {
				require.Equal(t, row.e, got)
			}
		})
	}
}

func TestIdleExemptions(t *testing.T) {
	typo := sunset.Exemption{Name: "odl-ci"}
	over := sunset.Exemption{Name: "old-ci", Expires: "2020-01-01"}
	live := sunset.Exemption{Name: "old-ci"}
	s := sunset.Settings{Exemptions: []sunset.Exemption{typo, live, over}}
	require.Equal(t, []sunset.Exemption{typo, over}, s.IdleExemptions([]sunset.User{idleUser()}, now))
}

func TestRegionClosed(t *testing.T) {
	s := sunset.Settings{ClosedRegions: []sunset.ClosedRegion{{Region: "ap-south-2", Reason: "denied by SCP"}}}
	why, closed := s.RegionClosed("ap-south-2")
	require.True(t, closed)
	require.Equal(t, "denied by SCP", why)
	_, closed = s.RegionClosed("ap-south-1")
	require.False(t, closed)
}
