package fakeaws_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

func requireStatus(t *testing.T, err error, status int) {
	t.Helper()
	var e *awshttp.ResponseError
	require.ErrorAs(t, err, &e)
	require.Equal(t, status, e.HTTPStatusCode())
}

func TestReportLifeCycle(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{ReportDelay: 30 * time.Second})
	w.add(t, fakeaws.UserSpec{Name: "x"})
	ctx := t.Context()
	generate := func() types.ReportStateType {
		out, err := w.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{})
		require.NoError(t, err)
		return out.State
	}
	get := func() (string, error) {
		out, err := w.iam.GetCredentialReport(ctx, &iam.GetCredentialReportInput{})
		if err != nil {
			return "", err
		}
		require.Equal(t, types.ReportFormatTypeTextCsv, out.ReportFormat)
		return string(out.Content), nil
	}
	_, err := get()
	refused(t, err, "ReportNotPresent", "")
	requireStatus(t, err, http.StatusGone)
	require.Equal(t, types.ReportStateTypeStarted, generate())
	_, err = get()
	refused(t, err, "ReportInProgress", "")
	requireStatus(t, err, http.StatusNotFound)
	w.clock.pass(29 * time.Second)
	require.Equal(t, types.ReportStateTypeInprogress, generate())
	w.clock.pass(time.Second)
	require.Equal(t, types.ReportStateTypeComplete, generate())

	_, err = w.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("x")})
	require.NoError(t, err)
	w.clock.pass(3 * time.Hour)
	require.Equal(t, types.ReportStateTypeComplete, generate(), "one in four hours")
	text, err := get()
	require.NoError(t, err)
	require.Contains(t, text, "\nx,", "a user deleted since is still in it")

	w.clock.pass(time.Hour)
	_, err = get()
	refused(t, err, "ReportExpired", "")
	requireStatus(t, err, http.StatusGone)
	require.Equal(t, types.ReportStateTypeStarted, generate())
}

// TestReportRows pins what the report says of each kind of user.
func TestReportRows(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{ReportExtraColumn: true})
	made := time.Date(2023, 4, 5, 6, 7, 8, 0, time.UTC)
	used := made.AddDate(1, 0, 0)
	w.SetRoot(fakeaws.RootSpec{CreatedAt: made, PasswordLastUsed: used, MFA: true})
	for _, s := range []fakeaws.UserSpec{
		{Name: "blank"},
		{Name: "signed-in", Password: &fakeaws.PasswordSpec{LastUsed: used}, MFA: []fakeaws.MFASpec{{Kind: "u2f"}}},
		{Name: "never-signed-in", Password: &fakeaws.PasswordSpec{}},
		{Name: "password-removed", Password: &fakeaws.PasswordSpec{LastUsed: used, Removed: true}},
		{Name: "keys", Keys: []fakeaws.AccessKeySpec{{LastUsed: fakeaws.LastUsed{At: used, Service: "s3", Region: "eu-west-1"}}, {Status: "Inactive"}}},
		{Name: "cert", Certificates: []fakeaws.CertificateSpec{{}}},
		{Name: "bedrock", ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "bedrock.amazonaws.com"}}, SSHKeys: []fakeaws.SSHKeySpec{{}}},
	} {
		s.CreatedAt = made
		w.add(t, s)
	}
	_, err := w.iam.GenerateCredentialReport(t.Context(), &iam.GenerateCredentialReportInput{})
	require.NoError(t, err)
	out, err := w.iam.GetCredentialReport(t.Context(), &iam.GetCredentialReportInput{})
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(out.Content))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows[0], 23)
	require.Equal(t, "additional_credentials_info", rows[0][22])
	got := map[string]string{}
	for _, row := range rows[1:] {
		require.Len(t, row, 23)
		got[row[0]] = strings.Join(row[2:22], " ")
	}
	const m, u, none = "2023-04-05T06:07:08+00:00", "2024-04-05T06:07:08+00:00", " false N/A N/A N/A N/A"
	const noCerts = " false N/A false N/A"
	require.Equal(t, map[string]string{
		"<root_account>":   m + " not_supported " + u + " not_supported not_supported true" + none + none + noCerts,
		"blank":            m + " false N/A N/A N/A false" + none + none + noCerts,
		"bedrock":          m + " false N/A N/A N/A false" + none + none + noCerts,
		"signed-in":        m + " true " + u + " " + m + " N/A true" + none + none + noCerts,
		"never-signed-in":  m + " true no_information " + m + " N/A false" + none + none + noCerts,
		"password-removed": m + " false N/A N/A N/A false" + none + none + noCerts,
		"keys":             m + " false N/A N/A N/A false true " + m + " " + u + " eu-west-1 s3 false " + m + " N/A N/A N/A" + noCerts,
		"cert":             m + " false N/A N/A N/A false" + none + none + " true " + m + " false N/A",
	}, got)
	user, err := w.iam.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("password-removed")})
	require.NoError(t, err)
	require.Equal(t, used, *user.User.PasswordLastUsed, "GetUser remembers what the report doesn't show")
}
