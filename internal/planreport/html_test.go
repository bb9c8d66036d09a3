package planreport_test

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var (
	active  = keep(sunset.IsActive, "its access key was used 2026-03-01")
	unknown = keep(sunset.IsUnknown, "AWS does not report when its SSH key was used")
	blocked = keep(sunset.Blocked, "a key's policy names it")
)

func TestHeadlineSaysWhatItComesTo(t *testing.T) {
	for want, p := range map[string]sunset.Plan{
		"2 of 3 IAM users have not been used for 90 days, and nothing that could be read depends on them.":        plan(entry("a"), entry("b"), entry("c", active)),
		"1 of 2 IAM users has not been used for 90 days, and nothing that could be read depends on it.":           plan(entry("a"), entry("c", active)),
		"Of 1 IAM user, none can go: each was used within 90 days, or something speaks for keeping it.":           plan(entry("c", active)),
		"1 of 1 IAM user asked about has not been used for 90 days":                                               plan(entry("a"), entry("b", keep(sunset.NotRequested, "the request names other users"))),
		"2 more show no use either, but that is not proven or something would break without them: they are kept.": plan(entry("a", unknown), entry("b", blocked), entry("c")),
		"1 more shows no use either, but that is not proven or something would break without it: it is kept.":     plan(entry("a", unknown), entry("b", unknown, active), entry("c")),
		"2 of them show no use, but that is not proven or something would break without them: they are kept.":     plan(entry("a", unknown), entry("b", blocked)),
	} {
		says(t, report(t, p), want)
	}
	lacks(t, report(t, plan(entry("a"), entry("b", active))), " no use, but")
}

// figure reads the number that stands above a figure's words.
func figure(t *testing.T, page, words string) string {
	t.Helper()
	found := regexp.MustCompile(`<dt>` + regexp.QuoteMeta(words) + `</dt><dd>([^\n]*)</dd>`).FindStringSubmatch(page)
	require.NotNil(t, found, words)
	return found[1]
}

func TestFiguresCount(t *testing.T) {
	password := func(e *sunset.Entry) {
		e.User.Credentials = []sunset.Credential{{Kind: sunset.Password, Status: sunset.Active, Created: *ago(500)}}
	}
	page := report(t, plan(
		entry("a"),
		entry("b", func(e *sunset.Entry) {
			e.User.Credentials[0].Created, e.User.Credentials[0].Status = *ago(100), sunset.Inactive
			e.Owner, e.CodeManaged = sunset.Owner{}, "Terraform"
		}),
		entry("c", active, func(e *sunset.Entry) { e.User.Credentials[0].Created = *ago(200) }),
		entry("d", password),
		entry("e", password, func(e *sunset.Entry) { e.User.MFA = []sunset.MFADevice{{Serial: "GAHT1", Kind: sunset.HardwareMFA}} }),
		entry("f", active, password, func(e *sunset.Entry) { e.Detailed = false }),
		entry("g", unknown, func(e *sunset.Entry) { e.User.Credentials[0].Kind = sunset.SSHKey }),
	))
	for words, want := range map[string]string{
		"eligible": "4", "unclear, kept": "1", "all users": "7", "active access keys": "2",
		"active access keys made more than 90 days ago": "2", "active access keys made more than a year ago": "1",
		"users with a password": "3", "users with a password and no MFA": "1 <small>and 1 not known</small>",
		"users with a credential whose use AWS does not report": "1", "eligible users without a known owner": "1", "eligible users that code has made": "1",
	} {
		require.Equal(t, want, figure(t, page, words), words)
	}
}

func TestChartsCountEveryUserOnce(t *testing.T) {
	var entries []sunset.Entry
	for _, owner := range strings.Split("abcdefghijkl", "") {
		entries = append(entries, entry(owner, func(e *sunset.Entry) { e.Owner.Email = owner + "@example.com" }))
	}
	entries = append(entries, entry("m", active, func(e *sunset.Entry) { e.User.Credentials[0].LastUsed = ago(1) }), entry("n", unknown, func(e *sunset.Entry) { e.User.Credentials[0].LastUsed = nil }))
	page := report(t, plan(entries...))
	row := func(label, parts string) {
		t.Helper()
		require.Regexp(t, `<th scope="row">`+regexp.QuoteMeta(label)+`</th><td class="chart-bar"[^\n]*</td>`+parts+`</tr>`, page)
	}
	number := func(ns ...string) string {
		return `<td class="number">` + strings.Join(ns, `</td><td class="number">`) + `</td>`
	}
	row("eligible: unused, and nothing speaks against", number("12"))
	row("unknown: whether it is used can&#39;t be told", number("1"))
	row("up to 30 days", number("0", "0", "1"))
	row("one to two years", number("12", "0", "0"))
	row("never", number("0", "1", "0"))
	row("programmatic", number("12", "1", "1"))
	row("ada@example.com", number("0", "1", "1"))
	row("3 others", number("3", "0", "0"))
}

// The users that ask for attention come first, and a name leads to its evidence.
func TestUsersAreOrderedByVerdictThenLastUse(t *testing.T) {
	older := func(e *sunset.Entry) { e.User.Credentials[0].LastUsed = ago(700) }
	page := report(t, plan(entry("busy", active), entry("young", keep(sunset.TooYoung, "it is 3 days old")), entry("odd", unknown), entry("late"), entry("early", older)))
	at := -1
	for i, name := range []string{"early", "late", "odd", "young", "busy"} {
		next := strings.Index(page, `<th scope="row"><a href="#user-`+string(rune('1'+i))+`">`+name+`</a></th>`)
		require.Greater(t, next, at, name)
		at = next
		says(t, page, `<div id="user-`+string(rune('1'+i))+`" class="inside">`)
	}
}

func TestEvidenceIsToldInFull(t *testing.T) {
	page := report(t, plan(entry("a", func(e *sunset.Entry) {
		e.FormerNames, e.CodeManaged = []string{"old-a"}, "Terraform"
		e.References = []sunset.Reference{{Service: "s3", Resource: "arn:aws:s3:::bucket", How: "arn", Weight: sunset.Informing, Detail: "its policy names it"}}
		e.LastSeen = &sunset.Activity{At: made.AddDate(0, 0, -95), Service: "s3.amazonaws.com", Call: "ListBuckets", Region: "eu-west-1", Address: "198.51.100.7", Agent: "aws-cli"}
	})))
	for _, want := range []string{
		"old-a", "Terraform: remove it there, or it comes back", "arn:aws:s3:::bucket (informing, by arn): its policy names it",
		"ListBuckets (s3.amazonaws.com) on 27 Nov 2025, 09:30 UTC in eu-west-1, from 198.51.100.7, with aws-cli",
		`<th scope="row">access key AKIA…MPLE</th><td>Active</td><td>2023-12-23</td><td>2025-01-26, 400 days ago, s3</td>`,
		`<th scope="row">cloudtrail:LookupEvents<small>a</small></th><td class="use-unused">unused</td><td>nothing since 2025-12-02</td><td>all 4 regions</td><td>2 Mar 2026, 09:30 UTC</td>`,
		"its access key AKIA…MPLE was last used 2025-01-26 with s3", "has key", "tag owner", "IAM Sunset v1.2.3",
	} {
		says(t, page, want)
	}
}

// A report is passed on: whoever finds it can't look up keys by it.
func TestReportMasksKeyIDs(t *testing.T) {
	page := report(t, plan(
		entry("a", keep(sunset.IsUnknown, "AWS does not report when its service-specific credential ACCA6WOS5PZWEYHZ2OTGS was used"), func(e *sunset.Entry) {
			e.User.Credentials = append(e.User.Credentials, sunset.Credential{Kind: sunset.SigningCertificate, ID: "TA7SMP42TDN5Z26OBPJE7EXAMPLE", Status: sunset.Active, Created: *ago(9)})
			e.Verdict.Reasons = append(e.Verdict.Reasons, sunset.Reason{Code: sunset.IsUnknown, Text: "AWS does not report when its signing certificate TA7SMP42TDN5Z26OBPJE7EXAMPLE was used"})
		}),
	))
	lacks(t, page, "AKIAIOSFODNN7EXAMPLE")
	lacks(t, page, "ACCA6WOS5PZWEYHZ2OTGS")
	lacks(t, page, "TA7SMP42TDN5Z26OBPJE7EXAMPLE")
	says(t, page, "signing certificate TA7S…MPLE was used")
}

func TestWhatWasNotReadIsSaid(t *testing.T) {
	page := report(t, plan(entry("a")))
	says(t, page, "every source answered, in 4 regions")
	lacks(t, page, "This could not be read")

	p := plan(entry("a", keep(sunset.IsUnknown, "not read")))
	p.Gaps = []sunset.Gap{{Action: "kms:GetKeyPolicy", Region: "eu-west-1", Why: "AccessDenied"}}
	p.Request.Skip = []string{"cloudtrail"}
	p.UnknownNames = []string{"ghost"}
	page = report(t, p)
	says(t, page, "kms:GetKeyPolicy in eu-west-1: AccessDenied")
	says(t, page, "Left out on request: cloudtrail.")
	says(t, page, "There is no user named ghost.")
	lacks(t, page, "every source answered")
	require.Less(t, strings.Index(page, "kms:GetKeyPolicy"), strings.Index(page, `id="figures"`), "before all figures")

	p = plan(entry("a"), entry("b", active))
	p.Settings.CapPercent = 20
	says(t, report(t, p), "A cleanup of all these would be refused: cap_percent: 1 of 2 users are eligible")
}

// What other people wrote into names, tags and reasons is text and nothing else.
func TestForeignWordsAreEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>` + "\u202e\x1b[2J"
	p := plan(entry("a", keep(sunset.Exempt, evil), func(e *sunset.Entry) {
		e.User.Name, e.User.ARN, e.Owner = evil, evil, sunset.Owner{Name: evil, From: evil}
		e.Class, e.ClassRule, e.CodeManaged, e.FormerNames = sunset.Class(evil), evil, evil, []string{evil}
		e.References = []sunset.Reference{{Service: "code", Resource: evil, How: evil, Weight: sunset.Weight(evil), Detail: evil}}
		e.LastSeen = &sunset.Activity{At: made, Call: evil, Service: evil, Agent: evil, Error: evil, Address: evil, Region: evil}
		e.Evidence = append(e.Evidence, sunset.Evidence{Source: evil, About: evil, Detail: evil, Region: evil, Use: sunset.Use(evil)})
		e.User.Credentials[0].Service, e.User.Credentials[0].ID = evil, evil
	}))
	p.Account, p.Gaps, p.UnknownNames, p.Request.Skip = evil, []sunset.Gap{{Action: evil, Why: evil}}, []string{evil}, []string{evil}
	p.Settings.Exemptions = []sunset.Exemption{{Name: evil, Reason: evil}}
	page := report(t, p)
	lacks(t, page, "<script")
	lacks(t, page, "<img")
	lacks(t, page, "\u202e")
	lacks(t, page, "\x1b")
	require.Greater(t, strings.Count(page, "&lt;script&gt;"), 20, "the words themselves stand")
}

// One file: nothing is loaded from anywhere, nothing runs, and its policy says so.
func TestReportStandsAlone(t *testing.T) {
	page := report(t, plan(entry("a")))
	says(t, page, `http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-`)
	for _, load := range []string{"<script", "<link", "<img", "<iframe", "src=", "url(", "@import", "http://", "https://", "style=", " onclick"} {
		lacks(t, page, load)
	}
	for _, found := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		require.True(t, strings.HasPrefix(found[1], "#"), found[1])
		says(t, page, `id="`+found[1][1:]+`"`)
	}
}

// The biggest account that there can be makes a file that can be mailed, and says whose evidence is not in it.
func TestReportOnFiveThousandUsersIsBearable(t *testing.T) {
	p := crowd(5000)
	page := report(t, p)
	require.Less(t, len(page), 6_000_000)
	require.Equal(t, 1000, strings.Count(page, "<details>"))
	says(t, page, "it has the evidence of the first 1000 users")
	says(t, page, "4000 users at the end have none here")
	for _, e := range p.Entries {
		says(t, page, e.User.Name)
	}
	t.Logf("%d bytes", len(page))
}

func BenchmarkHTMLOfFiveThousandUsers(b *testing.B) {
	p := crowd(5000)
	for b.Loop() {
		if err := planreport.WriteHTML(io.Discard, p, "v1.2.3"); err != nil {
			b.Fatal(err)
		}
	}
}
