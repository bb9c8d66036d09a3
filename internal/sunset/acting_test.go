package sunset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Whoever decides by a signed request is known by what AWS proves, and never by a name that the caller chose.
func TestActingAs(t *testing.T) {
	s := sunset.Settings{Approvers: []sunset.Approver{
		{Email: "ada@example.com", Principals: []string{"arn:aws:iam::111122223333:user/people/ada", "arn:aws:iam::111122223333:role/approvers/Ada"}},
		{Email: "ben@example.com", Principals: []string{"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Security_0123/ben@example.com"}},
		{Email: "cleo@example.com"},
	}}
	require.NoError(t, sunset.Settings{
		Unused: sunset.Days(90), Soak: sunset.Days(14), ApprovalOpen: sunset.Days(14), Batch: 1, CapPercent: 1, Disable: sunset.ByQuarantine,
		Final: sunset.FinalDelete, ApprovalsNeeded: 1, Approvers: s.Approvers,
	}.Validate())
	for arn, email := range map[string]string{
		"arn:aws:iam::111122223333:user/people/ada":                                           "ada@example.com",
		"arn:aws:sts::111122223333:assumed-role/Ada/whatever":                                 "ada@example.com",
		"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Security_0123/ben@example.com": "ben@example.com",
		"arn:aws:iam::111122223333:user/ada":                                                  "",
		"arn:aws:iam::999999999999:user/people/ada":                                           "",
		"arn:aws:sts::999999999999:assumed-role/Ada/whatever":                                 "",
		"arn:aws:sts::111122223333:assumed-role/Eve/ada@example.com":                          "",
		"arn:aws:sts::111122223333:assumed-role/Eve/cleo@example.com":                         "",
		"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Security_0123/eve@example.com": "",
		"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Security_0123":                 "",
		"cleo@example.com":               "",
		"arn:aws:iam::111122223333:root": "",
		"":                               "",
	} {
		a, ok := s.ActingAs(arn)
		require.Equal(t, email != "", ok, arn)
		require.Equal(t, email, a.Email, arn)
	}
}

// What a cleanup's request claims of its starter is held against what CloudTrail says.
func TestFitsClaim(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/iam-sunset-scheduler/4f2a"
	for claimed, fits := range map[string]bool{
		session: true,
		"arn:aws:iam::111122223333:role/iam-sunset-scheduler":               true,
		"arn:aws:iam::999999999999:role/iam-sunset-scheduler":               false,
		"arn:aws:iam::111122223333:role/other":                              false,
		"arn:aws:sts::111122223333:assumed-role/iam-sunset-scheduler/other": false,
		"": false,
	} {
		require.Equal(t, fits, sunset.FitsClaim(claimed, session), claimed)
	}
	require.False(t, sunset.FitsClaim("", ""))
	require.True(t, sunset.FitsClaim("ada@example.com", "arn:aws:sts::111122223333:assumed-role/any/ada@example.com"))
}
