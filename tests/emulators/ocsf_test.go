//go:build emulators

package emulators

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// againstSchema reads findings and prints what in them the published schema does not allow: a line each, which begins with the
// finding's place. The schema lets no attribute in that it doesn't know.
const againstSchema = `
import functools, json, sys
from jsonschema import Draft202012Validator
from ocsf_json_schema import get_ocsf_schema, OcsfJsonSchemaEmbedded

@functools.cache
def validator(version, uid, profiles):
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
    return Draft202012Validator(schema.get_class_schema(schema.lookup_class_name_from_uid(uid), list(profiles)))

for i, f in enumerate(json.load(sys.stdin)):
    for e in validator(f["metadata"]["version"], f["class_uid"], tuple(f["metadata"]["profiles"])).iter_errors(f):
        print(f"{i}: {'/'.join(map(str, e.path))} {e.message[:300]}")
`

// TestFindingsFollowTheSchema holds what scan says of a small company against OCSF's own schema; and broken findings too, since a
// validator that finds nothing anywhere proves nothing.
func TestFindingsFollowTheSchema(t *testing.T) {
	t.Parallel()
	account := fakeaws.New(fakeaws.Config{Now: func() time.Time { return time.Now().UTC() }})
	_, err := account.Demo()
	require.NoError(t, err)
	_, err = account.AddUser(fakeaws.UserSpec{Name: "odd-one", CreatedAt: time.Now().AddDate(-2, 0, 0), Tags: []fakeaws.Tag{{Key: "owner", Value: "a@x, b@x"}, {Key: "note", Value: "ä \"<b>\" ="}}})
	require.NoError(t, err)
	_, err = account.AddUser(fakeaws.UserSpec{Name: "nobodys", CreatedAt: time.Now().AddDate(-2, 0, 0)})
	require.NoError(t, err)
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	admin := account.Administrator()
	scan := exec.CommandContext(t.Context(), buildCLI(t), "scan", "--output", "ocsf")
	scan.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL=" + server.URL,
		"AWS_ACCESS_KEY_ID=" + admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + admin.SecretAccessKey, "AWS_SESSION_TOKEN=" + admin.SessionToken,
	}
	written, err := scan.Output()
	require.NoError(t, err)
	var findings []map[string]any
	require.NoError(t, json.Unmarshal(written, &findings))
	rules := map[string]bool{}
	for _, f := range findings {
		rules[f["metadata"].(map[string]any)["event_code"].(string)] = true
	}
	require.Equal(t, map[string]bool{"iam-user-unused": true, "iam-user-unused-named": true, "iam-user-use-unknown": true}, rules)
	require.Empty(t, schemaErrors(t, string(written)))

	one, err := json.Marshal(findings[0])
	require.NoError(t, err)
	var broken, expected []string
	for _, c := range []struct{ from, to, says string }{
		{`"time":`, `"times":`, "'time' is a required property"},
		{`"severity_id":`, `"severity_id":7,"was":`, "7 is not one of"},
		{`"remediation":`, `"remediation":"go","was":`, "'go' is not of type 'object'"},
		{`"uid_alt":`, `"uid_other":`, "'uid_other' was unexpected"},
		{`"provider":`, `"providers":`, "'provider' is a required property"},
	} {
		require.Contains(t, string(one), c.from)
		broken, expected = append(broken, strings.Replace(string(one), c.from, c.to, 1)), append(expected, c.says)
	}
	said := schemaErrors(t, "["+strings.Join(broken, ",")+"]")
	for i, says := range expected {
		require.Regexp(t, fmt.Sprintf("(?m)^%d: .*%s", i, regexp.QuoteMeta(says)), said)
	}
}

func schemaErrors(t *testing.T, findings string) string {
	t.Helper()
	check := exec.CommandContext(t.Context(), python(t), "-c", againstSchema)
	check.Stdin = strings.NewReader(findings)
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}
