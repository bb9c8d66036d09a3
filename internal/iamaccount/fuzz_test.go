package iamaccount_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// However a credential report is garbled: it is refused with a sentence, or every use that stands in it is read. No
// time of a use gets lost on the way, and nobody but the root.
func FuzzCredentialReport(f *testing.F) {
	used := who + ",true,2026-01-01T00:00:00+00:00,2021-01-01T00:00:00+00:00,N/A,true,true,2022-01-01T00:00:00+00:00,2023-01-01T00:00:00+00:00,us-east-1,s3," +
		"false,2021-01-01T00:00:00+00:00,2024-01-01T00:00:00+00:00,N/A,N/A"
	for _, seed := range []string{
		reportHeader + "\n" + rootRow + "\n" + used + noCerts + "\n",
		reportHeader + "\n" + who + ",false,N/A,N/A,N/A,false" + noKeys + noCerts + "\n",
		reportHeader + ",additional_credentials_info\n" + used + ",true,2020-05-05T00:00:00+00:00,false,N/A,N/A\n",
		// A use of something that the same line says is not there.
		reportHeader + "\n" + who + ",false,2026-01-01T00:00:00+00:00,N/A,N/A,false,false,N/A,2026-01-01T00:00:00+00:00,us-east-1,s3,false,N/A,N/A,N/A,N/A" + noCerts + "\n",
		strings.Replace(reportHeader, "password_last_used,", "password_last_used,password_last_used,", 1) + "\n",
		"\xef\xbb\xbf" + reportHeader + "\r\n", "user\n", "", `"`,
	} {
		f.Add([]byte(seed))
	}
	made := *at("2026-03-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, content []byte) {
		rows, err := iamaccount.ParseReport(content, made)
		if err != nil {
			require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
			require.ErrorContains(t, err, "credential report: ")
			require.Empty(t, rows)
			return
		}
		lines := readPlainly(t, content)
		require.Len(t, rows, len(lines))
		for i, line := range lines {
			require.Equal(t, line["user"], rows[i].Name)
			for column, uses := range map[string][]time.Time{
				"password_last_used":          passwordUses(rows[i]),
				"access_key_1_last_used_date": keyUses(rows[i]),
				"access_key_2_last_used_date": keyUses(rows[i]),
			} {
				if said, err := time.Parse(time.RFC3339, line[column]); err == nil {
					require.Contains(t, uses, said.UTC(), "%s of %q", column, line["user"])
				}
			}
			for _, e := range rows[i].Evidence {
				require.Equal(t, e.Last != nil, e.Use == sunset.Used, e.Detail)
			}
		}
	})
}

// readPlainly reads a report's lines, but for the root's, as nothing but names and texts.
func readPlainly(t *testing.T, content []byte) []map[string]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1
	all, err := r.ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, fields := range all[1:] {
		line := map[string]string{}
		for i, name := range all[0] {
			name = strings.TrimSpace(name)
			if _, twice := line[name]; twice && strings.Contains(name, "last_used") {
				t.Fatalf("the column %s is there twice", name)
			}
			line[name] = strings.TrimSpace(fields[i])
		}
		if line["user"] != "<root_account>" {
			out = append(out, line)
		}
	}
	return out
}

func passwordUses(row iamaccount.ReportRow) []time.Time {
	if row.PasswordLastUsed == nil {
		return nil
	}
	return []time.Time{*row.PasswordLastUsed}
}

func keyUses(row iamaccount.ReportRow) []time.Time {
	var out []time.Time
	for _, c := range row.Credentials {
		if c.Kind == sunset.AccessKey && c.LastUsed != nil {
			out = append(out, *c.LastUsed)
		}
	}
	return out
}
