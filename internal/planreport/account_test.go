package planreport_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var made = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

func ago(days int) *time.Time {
	t := made.AddDate(0, 0, -days)
	return &t
}

var regions = []string{"eu-central-1", "eu-west-1", "us-east-1", "us-west-2"}

// entry is a user that was read in full and looks unused for 400 days.
func entry(name string, change ...func(*sunset.Entry)) sunset.Entry {
	e := sunset.Entry{
		User: sunset.User{
			ID: "AIDA" + name, Name: name, ARN: "arn:aws:iam::123456789012:user/" + name, Path: "/", Created: *ago(900),
			Credentials: []sunset.Credential{{Kind: sunset.AccessKey, ID: "AKIAIOSFODNN7EXAMPLE", Status: sunset.Active, Created: *ago(800), LastUsed: ago(400), Service: "s3"}},
		},
		Class: sunset.Programmatic, ClassRule: "has key", Owner: sunset.Owner{Email: "ada@example.com", Name: "ada@example.com", From: "tag owner"},
		Detailed: true, TrailRead: true, OwnershipRead: true, Verdict: sunset.Verdict{Eligible: true},
	}
	e.Evidence = []sunset.Evidence{{
		Source: "iam:GetAccessKeyLastUsed", About: "AKIAIOSFODNN7EXAMPLE", Read: made, Last: ago(400), Use: sunset.Unused,
		Detail: "its access key AKIAIOSFODNN7EXAMPLE was last used 2025-01-26 with s3",
	}}
	for i, region := range regions {
		e.Evidence = append(e.Evidence, sunset.Evidence{
			Source: "cloudtrail:LookupEvents", About: name, Region: region, Read: made.Add(time.Duration(i) * time.Second), Use: sunset.Unused, Detail: "nothing since 2025-12-02",
		})
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func keep(code sunset.ReasonCode, text string) func(*sunset.Entry) {
	return func(e *sunset.Entry) {
		e.Verdict.Eligible = false
		e.Verdict.Reasons = append(e.Verdict.Reasons, sunset.Reason{Code: code, Text: text})
	}
}

func plan(entries ...sunset.Entry) sunset.Plan {
	s := sunset.DefaultSettings()
	s.CapPercent = 100
	return sunset.Plan{
		CleanupID: "scan-1", Account: "123456789012", Made: made, ReportMade: made.Add(-time.Hour), SettingsDigest: "abc", Settings: s,
		Regions: regions, ClassRules: sunset.ClassRules(), Entries: entries,
	}
}

// crowd is an account as big as AWS lets one be: two users of five look unused.
func crowd(users int) sunset.Plan {
	p := plan()
	p.Regions = nil
	for i := range 17 {
		p.Regions = append(p.Regions, fmt.Sprintf("xx-region-%d", i))
	}
	for i := range users {
		e := entry(fmt.Sprintf("some.service-user-%04d", i))
		e.Owner.Email = fmt.Sprintf("owner-%d@example.com", i%300)
		e.Evidence = e.Evidence[:1]
		switch i % 5 {
		case 0, 1:
			for _, region := range p.Regions {
				e.Evidence = append(e.Evidence, sunset.Evidence{Source: "cloudtrail:LookupEvents", About: e.User.Name, Region: region, Read: made, Use: sunset.Unused, Detail: "nothing since 2025-12-02"})
			}
		default:
			keep(sunset.IsActive, "its access key AKIAIOSFODNN7EXAMPLE was used 2026-03-01")(&e)
		}
		p.Entries = append(p.Entries, e)
	}
	return p
}

func report(t *testing.T, p sunset.Plan) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, planreport.WriteHTML(&b, p, "v1.2.3"))
	return b.String()
}

// says and lacks don't print the whole page where it is not as it should be.
func says(t *testing.T, page, words string) {
	t.Helper()
	require.True(t, strings.Contains(page, words), "the page does not say %q", words)
}

func lacks(t *testing.T, page, words string) {
	t.Helper()
	at := strings.Index(page, words)
	require.Negative(t, at, "the page says %q", words)
}
