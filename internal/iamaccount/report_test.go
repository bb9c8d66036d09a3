package iamaccount_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const reportHeader = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
	"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
	"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
	"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated"

const (
	noKeys  = ",false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A"
	noCerts = ",false,N/A,false,N/A"
	who     = "ci,arn:aws:iam::123456789012:user/ci,2020-01-02T03:04:05+00:00"
	rootRow = "<root_account>,arn:aws:iam::123456789012:root,2019-01-01T00:00:00+00:00,not_supported,no_information,not_supported,not_supported,true" + noKeys + noCerts
)

func at(s string) *time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return &t
}

func TestReportSaysWhatItKnows(t *testing.T) {
	for name, row := range map[string]struct {
		line        string
		header      string
		credentials []sunset.Credential
		used        *time.Time
		uses        []sunset.Use
		detail      string
	}{
		"nothing at all": {line: who + ",false,N/A,N/A,N/A,false" + noKeys + noCerts},
		"a password that was used": {
			line: who + ",true,2026-01-01T00:00:00+00:00,2021-01-01T00:00:00+00:00,N/A,true" + noKeys + noCerts,
			credentials: []sunset.Credential{{
				Kind: sunset.Password, Status: sunset.Active, Created: *at("2021-01-01T00:00:00Z"), LastUsed: at("2026-01-01T00:00:00Z"),
			}},
			used: at("2026-01-01T00:00:00Z"), uses: []sunset.Use{sunset.Used}, detail: "its password was last used 2026-01-01",
		},
		"a password that was never used ages from its change": {
			line:        who + ",true,no_information,2021-01-01T00:00:00+00:00,N/A,true" + noKeys + noCerts,
			credentials: []sunset.Credential{{Kind: sunset.Password, Status: sunset.Active, Created: *at("2021-01-01T00:00:00Z")}},
			uses:        []sunset.Use{sunset.Unused}, detail: "its password was never used",
		},
		"a password from before sign-ins were recorded": {
			line:        who + ",true,no_information,2013-01-01T00:00:00+00:00,N/A,true" + noKeys + noCerts,
			credentials: []sunset.Credential{{Kind: sunset.Password, Status: sunset.Active, Created: *at("2013-01-01T00:00:00Z")}},
			uses:        []sunset.Use{sunset.Unused}, detail: "its password was never used, or not since October 2014",
		},
		"a password from before the gap of 2018": {
			line:        who + ",true,no_information,2017-01-01T00:00:00+00:00,N/A,true" + noKeys + noCerts,
			credentials: []sunset.Credential{{Kind: sunset.Password, Status: sunset.Active, Created: *at("2017-01-01T00:00:00Z")}},
			uses:        []sunset.Use{sunset.Unused}, detail: "its password was never used; AWS recorded no sign-ins from 3 to 23 May 2018",
		},
		"two keys, one off, and certificates": {
			line: who + ",false,N/A,N/A,N/A,false,true,2022-01-01T00:00:00+00:00,2023-01-01T00:00:00+00:00,us-east-1,s3,false,2021-01-01T00:00:00+00:00,N/A,N/A,N/A" +
				",true,2020-05-05T00:00:00+00:00,false,2020-06-06T00:00:00+00:00",
			credentials: []sunset.Credential{
				{Kind: sunset.AccessKey, Status: sunset.Active, Created: *at("2022-01-01T00:00:00Z"), LastUsed: at("2023-01-01T00:00:00Z"), Service: "s3", Region: "us-east-1"},
				{Kind: sunset.SigningCertificate, Status: sunset.Active, Created: *at("2020-05-05T00:00:00Z")},
				{Kind: sunset.AccessKey, Status: sunset.Inactive, Created: *at("2021-01-01T00:00:00Z")},
				{Kind: sunset.SigningCertificate, Status: sunset.Inactive, Created: *at("2020-06-06T00:00:00Z")},
			},
			uses: []sunset.Use{sunset.Used, sunset.Unused}, detail: "its access key 1 was last used 2023-01-01 with s3",
		},
		"a 23rd column": {
			header: reportHeader + ",additional_credentials_info",
			line:   who + ",false,N/A,N/A,N/A,false" + noKeys + noCerts + ",N/A",
		},
		"a byte order mark": {header: "\xef\xbb\xbf" + reportHeader, line: who + ",false,N/A,N/A,N/A,false" + noKeys + noCerts},
		"what is not supported": {
			line: who + ",not_supported,not_supported,not_supported,not_supported,false" + noKeys + noCerts,
		},
	} {
		t.Run(name, func(t *testing.T) {
			header, root := row.header, rootRow
			if header == "" {
				header = reportHeader
			}
			if strings.HasSuffix(header, "info") {
				root += ",N/A"
			}
			rows, err := iamaccount.ParseReport([]byte(header+"\n"+root+"\n"+row.line+"\n"), start())
			require.NoError(t, err)
			require.Len(t, rows, 1, "the root is no user")
			require.Equal(t, "ci", rows[0].Name)
			require.Equal(t, *at("2020-01-02T03:04:05Z"), rows[0].Created)
			require.Equal(t, row.credentials, rows[0].Credentials)
			require.Equal(t, row.used, rows[0].PasswordLastUsed)
			var uses []sunset.Use
			for _, e := range rows[0].Evidence {
				uses = append(uses, e.Use)
				require.Equal(t, start(), e.Read)
			}
			require.Equal(t, row.uses, uses)
			if row.detail != "" {
				require.Equal(t, row.detail, rows[0].Evidence[0].Detail)
			}
		})
	}
}

func TestReportThatCannotBeReadNamesColumnAndRow(t *testing.T) {
	good := who + ",false,N/A,N/A,N/A,false" + noKeys + noCerts
	for name, c := range map[string]struct{ content, want string }{
		"empty":             {"", "it is empty"},
		"a missing column":  {strings.Replace(reportHeader, "cert_2_active", "cert_9", 1) + "\n" + good, "the column cert_2_active is missing"},
		"too few fields":    {reportHeader + "\n" + rootRow + "\nci,arn", "row 3 has 2 fields, not 22"},
		"a bad time":        {reportHeader + "\n" + strings.Replace(good, "2020-01-02T03:04:05+00:00", "yesterday", 1), `column user_creation_time of row 2 (ci): "yesterday" is not a time`},
		"a bad answer":      {reportHeader + "\n" + strings.Replace(good, ",false,N/A,N/A,N/A,false", ",perhaps,N/A,N/A,N/A,false", 1), `column password_enabled of row 2 (ci): "perhaps"`},
		"no name":           {reportHeader + "\n" + strings.Replace(good, "ci,", ",", 1), "column user of row 2"},
		"no creation time":  {reportHeader + "\n" + strings.Replace(good, "2020-01-02T03:04:05+00:00", "N/A", 1), "column user_creation_time of row 2"},
		"an unclosed quote": {reportHeader + "\n\"" + good, "no CSV"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := iamaccount.ParseReport([]byte(c.content), start())
			require.ErrorContains(t, err, c.want)
			require.Equal(t, sunset.Invalid, sunset.KindOf(err))
		})
	}
}
