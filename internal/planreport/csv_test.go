package planreport_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func sheet(t *testing.T, p sunset.Plan) []map[string]string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, planreport.WriteCSV(&b, p))
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, row := range rows[1:] {
		line := map[string]string{}
		for i, column := range rows[0] {
			line[column] = row[i]
		}
		out = append(out, line)
	}
	return out
}

func TestCSVSaysEverythingOfAUser(t *testing.T) {
	p := plan(
		entry("a", func(e *sunset.Entry) {
			e.User.MFA, e.CodeManaged = []sunset.MFADevice{{Serial: "GAHT1"}}, "Terraform"
			e.References = []sunset.Reference{{Service: "s3", Resource: "arn:aws:s3:::bucket", Weight: sunset.Informing}}
		}),
		entry("b", unknown, blocked, func(e *sunset.Entry) {
			e.User.Credentials, e.Detailed = nil, false
			e.Evidence = append(e.Evidence, sunset.Evidence{Source: "cloudtrail:LookupEvents", Region: "us-west-2", Use: sunset.Unknown})
			e.Evidence = append(e.Evidence, sunset.Evidence{Source: "credential-report", Use: sunset.Used, Last: ago(9)})
		}),
	)
	p.Gaps = []sunset.Gap{{Action: "kms:ListKeys", Region: "eu-west-1"}, {Action: "s3:ListBuckets"}}
	require.Equal(t, []map[string]string{
		{
			"user": "a", "user_id": "AIDAa", "created": "2023-09-14T09:30:00Z", "class": "programmatic", "last_use": "2025-01-26", "verdict": "eligible", "codes": "",
			"why": "unused for 400 days; Terraform made it", "owner": "ada@example.com", "code_managed": "Terraform", "credentials": "access key AKIAIOSFODNN7EXAMPLE Active",
			"references": "informing arn:aws:s3:::bucket", "account": "123456789012", "arn": "arn:aws:iam::123456789012:user/a", "mfa": "yes", "last_use_days": "400",
			"evidence_used": "0", "evidence_unused": "5", "evidence_unknown": "0", "unread_regions": "eu-west-1",
		},
		{
			"user": "b", "user_id": "AIDAb", "created": "2023-09-14T09:30:00Z", "class": "programmatic", "last_use": "never", "verdict": "kept", "codes": "unknown blocked",
			"why": "AWS does not report when its SSH key was used; a key's policy names it", "owner": "ada@example.com", "code_managed": "", "credentials": "",
			"references": "", "account": "123456789012", "arn": "arn:aws:iam::123456789012:user/b", "mfa": "unknown", "last_use_days": "",
			"evidence_used": "1", "evidence_unused": "5", "evidence_unknown": "1", "unread_regions": "eu-west-1 us-west-2",
		},
	}, sheet(t, p))
}

// No name or tag becomes a formula, whatever a spreadsheet skips before it looks, and however it parts columns.
func TestNoCellIsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x",
		"\t=1": "' =1", "\r=1": "' =1", "\n=1": "' =1", "  =1": "'  =1", "\u00a0=1": "'\u00a0=1", "\u200b=1": "'=1", "\ufeff=1": "'=1", "\u202e=1": "'=1",
		"a;=1": "a;'=1", "a; @x;b": "a; '@x;b", "a|-1": "a|'-1", "old-bot": "old-bot", "a+b@example.com": "a+b@example.com", "": "", "\xff=": "\uFFFD=", "\x1b[2J": " [2J",
	} {
		got := sheet(t, plan(entry("a", func(e *sunset.Entry) { e.Owner.Email, e.Owner.Name = "", cell })))[0]["owner"]
		require.Equal(t, want, got, "%q", cell)
	}
}

// The columns are a promise: docs/scan.md names them all, in their order.
func TestColumnsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/scan.md")
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, planreport.WriteCSV(&b, plan()))
	at := 0
	for _, column := range strings.Split(strings.TrimSpace(b.String()), ",") {
		next := strings.Index(string(page[at:]), "\n| `"+column+"` |")
		require.GreaterOrEqual(t, next, 0, "%s is not in docs/scan.md, or out of order", column)
		at += next
	}
}
