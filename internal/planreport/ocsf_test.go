package planreport_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func findings(t *testing.T, p sunset.Plan) []map[string]any {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, planreport.WriteOCSF(&b, p, "v1.2.3"))
	var out []map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &out), b.String())
	require.NotNil(t, out, "an array, even of nothing")
	require.Equal(t, len(out)+2, strings.Count(b.String(), "\n"), "one finding a line")
	return out
}

// at follows names and positions into a finding.
func at(t *testing.T, in any, path string) any {
	t.Helper()
	for _, name := range strings.Split(path, ".") {
		if list, ok := in.([]any); ok {
			require.NotEmpty(t, list, path)
			in = list[0]
		}
		object, ok := in.(map[string]any)
		require.True(t, ok, path)
		in, ok = object[name]
		require.True(t, ok, "%s: there is no %s", path, name)
	}
	return in
}

func TestWhoMakesAFinding(t *testing.T) {
	for name, c := range map[string]struct {
		entry            sunset.Entry
		rule, code       string
		severity, inWord any
	}{
		"eligible":                     {entry("a"), "iam-user-unused", "FAIL", 3., "Medium"},
		"nothing active":               {entry("a", func(e *sunset.Entry) { e.User.Credentials[0].Status = sunset.Inactive }), "iam-user-unused", "FAIL", 2., "Low"},
		"an administrator":             {entry("a", func(e *sunset.Entry) { e.User.Attached = []string{"arn:aws:iam::aws:policy/AdministratorAccess"} }), "iam-user-unused", "FAIL", 4., "High"},
		"something names it":           {entry("a", blocked), "iam-user-unused-named", "FAIL", 3., "Medium"},
		"not known":                    {entry("a", unknown), "iam-user-use-unknown", "MANUAL", 2., "Low"},
		"not known, no way in":         {entry("a", unknown, func(e *sunset.Entry) { e.User.Credentials = nil }), "iam-user-use-unknown", "MANUAL", 1., "Informational"},
		"not known, and something too": {entry("a", blocked, unknown), "iam-user-use-unknown", "MANUAL", 2., "Low"},
		"checks left out":              {entry("a", keep(sunset.NotCrosschecked, "CloudTrail not checked")), "iam-user-use-unknown", "MANUAL", 2., "Low"},
	} {
		t.Run(name, func(t *testing.T) {
			got := findings(t, plan(c.entry))
			require.Len(t, got, 1)
			require.Equal(t, c.rule, at(t, got[0], "metadata.event_code"))
			require.Equal(t, c.code, at(t, got[0], "status_code"))
			require.Equal(t, c.severity, at(t, got[0], "severity_id"))
			require.Equal(t, c.inWord, at(t, got[0], "severity"))
			require.Equal(t, "iam-sunset/123456789012/AIDAa/"+c.rule, at(t, got[0], "finding_info.uid"))
		})
	}
	for _, code := range []sunset.ReasonCode{sunset.IsActive, sunset.TooYoung, sunset.Exempt, sunset.InCase, sunset.NotRequested} {
		require.Empty(t, findings(t, plan(entry("a", keep(code, "so it is")))), code)
	}
}

// What OCSF 1.5.0 requires of a Detection Finding with the profiles cloud and datetime, and what tools look for. That nothing
// else is against the schema, tests/emulators has the schema itself say.
func TestFindingHasWhatIsRequired(t *testing.T) {
	f := findings(t, plan(entry("a", func(e *sunset.Entry) { e.User.Tags = map[string]string{"team": "web", "cost": "7"} })))[0]
	for path, want := range map[string]any{
		"activity_id": 1., "category_uid": 2., "class_uid": 2004., "type_uid": 200401., "time": float64(made.UnixMilli()), "time_dt": made.Format(time.RFC3339),
		"metadata.version": "1.5.0", "metadata.product.name": "IAM Sunset", "metadata.product.version": "v1.2.3", "metadata.profiles": []any{"cloud", "datetime"},
		"cloud.provider": "AWS", "cloud.account.uid": "123456789012", "cloud.account.type_id": 10., "cloud.region": "aws-global",
		"finding_info.title": "IAM user is unused", "finding_info.analytic.type_id": 1., "finding_info.data_sources": []any{"iam:GetAccessKeyLastUsed", "cloudtrail:LookupEvents"},
		"resources.uid": "arn:aws:iam::123456789012:user/a", "resources.uid_alt": "AIDAa", "resources.name": "a", "resources.group.name": "iam",
		"resources.owner.email_addr": "ada@example.com", "resources.labels": []any{"cost:7", "team:web"}, "resources.created_time": float64(ago(900).UnixMilli()),
		"status_id": 1., "message": "a: unused for 400 days", "unmapped.unused_after": "90d",
	} {
		require.Equal(t, want, at(t, f, path), path)
	}
	require.NotEmpty(t, at(t, f, "remediation.desc"))
	evidences, ok := at(t, f, "evidences").([]any)
	require.True(t, ok)
	require.Len(t, evidences, 2, "what CloudTrail says of four regions is said once")
	require.Equal(t, []any{"eu-central-1", "eu-west-1", "us-east-1", "us-west-2"}, at(t, evidences[1], "data.regions"))
	require.Equal(t, made.Format(time.RFC3339), at(t, evidences[1], "data.read"), "the earliest of them")
}

// A tool that has the finding of an earlier scan knows it again, even if the user was renamed meanwhile.
func TestFindingsKeepTheirUID(t *testing.T) {
	before := findings(t, plan(entry("a")))[0]
	later := plan(entry("a", func(e *sunset.Entry) { e.User.Name, e.User.ARN = "b", "arn:aws:iam::123456789012:user/b" }))
	later.Made, later.CleanupID = made.AddDate(0, 1, 0), "scan-2"
	require.Equal(t, at(t, before, "finding_info.uid"), at(t, findings(t, later)[0], "finding_info.uid"))
}

func TestFindingsWithoutAnOwnerOrAnAddress(t *testing.T) {
	f := findings(t, plan(entry("a", func(e *sunset.Entry) { e.Owner = sunset.Owner{} }), entry("b", func(e *sunset.Entry) { e.Owner = sunset.Owner{Name: "a@x, b@x", Email: "a@x, b@x"} })))
	_, there := at(t, f[0], "resources").([]any)[0].(map[string]any)["owner"]
	require.False(t, there)
	owner := at(t, f[1], "resources.owner").(map[string]any)
	require.Equal(t, "a@x, b@x", owner["name"])
	require.NotContains(t, owner, "email_addr")
}
