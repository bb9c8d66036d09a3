//go:build emulators

package peers

import (
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// TestTheCLIPages reads more users than a page holds: all of them, as few as it was told, and the rest from there.
func TestTheCLIPages(t *testing.T) {
	t.Parallel()
	a, aws := newAccount(t)
	const users = 120
	var want []string
	for i := range users {
		want = append(want, fmt.Sprintf("user-%03d", i))
		_, err := a.AddUser(fakeaws.UserSpec{Name: want[i]})
		require.NoError(t, err)
	}
	type listed struct {
		Users     []struct{ UserName string }
		NextToken string
	}
	names := func(l listed) (out []string) {
		for _, u := range l.Users {
			out = append(out, u.UserName)
		}
		return out
	}
	pages := func() int {
		n := len(a.Calls())
		a.ResetCalls()
		return n
	}
	all := asks[listed](aws, "iam", "list-users")
	require.Equal(t, want, names(all))
	require.Equal(t, 2, pages(), "a page is 100 users unless told")
	all = asks[listed](aws, "iam", "list-users", "--page-size", "50")
	require.Equal(t, want, names(all))
	require.Equal(t, 3, pages())

	first := asks[listed](aws, "iam", "list-users", "--max-items", "70", "--page-size", "30")
	require.NotEmpty(t, first.NextToken)
	rest := asks[listed](aws, "iam", "list-users", "--starting-token", first.NextToken)
	require.Empty(t, rest.NextToken)
	require.Equal(t, want, append(names(first), names(rest)...))

	one := asks[struct {
		Users       []struct{ UserName string }
		IsTruncated bool
		Marker      string
	}](aws, "iam", "list-users", "--no-paginate", "--max-items", "10")
	require.Len(t, one.Users, 10)
	require.True(t, one.IsTruncated)
	require.NotEmpty(t, one.Marker)
}

// TestTheCLIReadsTheReport asks for a credential report as people do, and finds in it what was done.
func TestTheCLIReadsTheReport(t *testing.T) {
	t.Parallel()
	_, aws := newAccount(t)
	aws.refused("ReportNotPresent", "GetCredentialReport", "", "iam", "get-credential-report")
	aws.does("iam", "create-user", "--user-name", "ann")
	aws.does("iam", "create-login-profile", "--user-name", "ann", "--password", "Correct-horse-9")
	type key struct {
		AccessKey struct{ AccessKeyId, SecretAccessKey string }
	}
	made := asks[key](aws, "iam", "create-access-key", "--user-name", "ann").AccessKey
	require.Contains(t, []string{"STARTED", "COMPLETE"}, aws.text("State", "iam", "generate-credential-report"))
	content, err := base64.StdEncoding.DecodeString(aws.text("Content", "iam", "get-credential-report"))
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3, "a header, root and ann")
	row := map[string]string{}
	for i, column := range rows[0] {
		row[column] = rows[2][i]
	}
	require.Equal(t, "ann", row["user"])
	require.Equal(t, "true", row["password_enabled"])
	require.Equal(t, "no_information", row["password_last_used"])
	require.Equal(t, "true", row["access_key_1_active"])
	require.Equal(t, "N/A", row["access_key_1_last_used_date"])
	require.Equal(t, "false", row["mfa_active"])

	// The new user may do nothing yet but say who it is, and that shows in its key's last use.
	user := aws.with("AWS_ACCESS_KEY_ID", made.AccessKeyId).with("AWS_SECRET_ACCESS_KEY", made.SecretAccessKey).with("AWS_SESSION_TOKEN", "")
	require.Equal(t, "arn:aws:iam::123456789012:user/ann", user.text("Arn", "sts", "get-caller-identity"))
	user.refused("AccessDenied", "ListUsers", "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:ListUsers", "iam", "list-users")
	require.Equal(t, "sts", aws.text("AccessKeyLastUsed.ServiceName", "iam", "get-access-key-last-used", "--access-key-id", made.AccessKeyId))
	aws.does("iam", "update-access-key", "--user-name", "ann", "--access-key-id", made.AccessKeyId, "--status", "Inactive")
	user.refused("InvalidClientTokenId", "GetCallerIdentity", "", "sts", "get-caller-identity")
}
