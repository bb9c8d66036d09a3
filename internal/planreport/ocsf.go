package planreport

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/mail"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// rule is what a finding says of a user. Its name is part of the finding's uid and never changes.
type rule struct {
	Name, Title, Desc, Risk, Remedy string
	Code                            string // FAIL, or MANUAL where a person has to find out
}

var (
	unusedUser = rule{
		Name: "iam-user-unused", Code: "FAIL", Title: "IAM user is unused",
		Desc:   "No credential of the IAM user was used for as long as the settings say, CloudTrail's event history shows nothing of it in any open region, and nothing that was read depends on it.",
		Risk:   "Whoever gets hold of a forgotten credential works with the user's rights, and nobody expects to see it used.",
		Remedy: "Ask its owner, then let a cleanup disable it, listen to it, and delete it once approvers have agreed: iam-sunset start --open-cases. Or exempt it in the settings, with the reason.",
	}
	neededUser = rule{
		Name: "iam-user-unused-named", Code: "FAIL", Title: "IAM user is unused, and something names it",
		Desc:   "No credential of the IAM user was used for as long as the settings say, but a policy names it in a way that deleting it would break for good.",
		Risk:   "Whoever gets hold of a forgotten credential works with the user's rights; deleting the user would break what names it.",
		Remedy: "Have whatever names the user name a role instead, then scan again. Until then remove or deactivate credentials that nobody needs.",
	}
	unclearUser = rule{
		Name: "iam-user-use-unknown", Code: "MANUAL", Title: "IAM user's use can't be told",
		Desc:   "The IAM user shows no use, but AWS does not report it for one of its credentials, or something that may show it was not read.",
		Risk:   "A credential whose use nobody can see may be forgotten, or be in use by whoever found it.",
		Remedy: "Read what was not read, or ask the owner; then accept the user's unreported credentials in the settings (accept_unknown), or replace them by a role.",
	}
)

// references are AWS's own words on the matter.
var references = []string{
	"https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#remove-credentials",
	"https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_finding-unused.html",
}

// ruleFor says which finding a user makes. Users that are active, too young, exempt, in a case or not asked about make none:
// of each it is known why it stays, and a tool that alerts should not.
func ruleFor(e sunset.Entry) (rule, bool) {
	switch standingOf(e) {
	case eligible:
		return unusedUser, true
	case unclear:
		if e.Verdict.Has(sunset.Blocked) && !e.Verdict.Has(sunset.IsUnknown) {
			return neededUser, true
		}
		return unclearUser, true
	}
	return rule{}, false
}

// severity weighs what a stranger could do: nothing without an Active credential, everything with one and an administrator's policy.
// A finding that a person has first to look into is one step lower.
func severity(r rule, e sunset.Entry) severityID {
	s := severityLow
	if slices.ContainsFunc(e.User.Credentials, func(c sunset.Credential) bool { return c.Status == sunset.Active }) {
		s = severityMedium
		if slices.ContainsFunc(e.User.Attached, func(arn string) bool {
			return strings.HasSuffix(arn, ":aws:policy/AdministratorAccess") || strings.HasSuffix(arn, ":aws:policy/IAMFullAccess")
		}) {
			s = severityHigh
		}
	}
	if r.Code == "MANUAL" {
		s--
	}
	return s
}

// WriteOCSF writes a JSON array of OCSF Detection Findings, one a line. Their uids are the same in every scan, so that a tool that
// has one already takes it for the same. version names the product's build.
func WriteOCSF(w io.Writer, p sunset.Plan, version string) error {
	var b bytes.Buffer // half an array is none
	b.WriteString("[")
	separator := "\n"
	for _, e := range byAttention(p) {
		r, ok := ruleFor(e)
		if !ok {
			continue
		}
		line, err := json.Marshal(findingOf(p, e, r, version))
		if err != nil {
			return fmt.Errorf("writing the finding on %s: %w", e.User.Name, err)
		}
		b.WriteString(separator)
		b.Write(line)
		separator = ",\n"
	}
	b.WriteString("\n]\n")
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	return nil
}

func findingOf(p sunset.Plan, e sunset.Entry, r rule, version string) finding {
	s := severity(r, e)
	partition := "aws"
	if parts := strings.Split(e.User.ARN, ":"); len(parts) > 1 && parts[0] == "arn" {
		partition = parts[1]
	}
	made := p.Made.UTC()
	f := finding{
		ActivityID: 1, ActivityName: "Create", CategoryUID: 2, CategoryName: "Findings", ClassUID: 2004, ClassName: "Detection Finding",
		TypeUID: 200401, TypeName: "Detection Finding: Create",
		Time: made.UnixMilli(), TimeDT: made,
		SeverityID: s, Severity: severityNames[s], StatusID: 1, Status: "New", StatusCode: r.Code,
		StatusDetail: clean(Why(p, brief(e))), Message: fmt.Sprintf("%s: %s", clean(e.User.Name), clean(Why(p, brief(e)))), RiskDetails: r.Risk,
		Metadata: metadata{
			Version: ocsfVersion, Profiles: []string{"cloud", "datetime"}, EventCode: r.Name,
			Product: product{Name: "IAM Sunset", UID: "iam-sunset", VendorName: "IAM Sunset", Version: version},
		},
		// IAM is in no region: this is what AWS calls where such a service is.
		Cloud: cloud{Provider: "AWS", Region: partition + "-global", Partition: partition, Account: account{Name: p.Account, UID: p.Account, Type: "AWS Account", TypeID: 10}},
		FindingInfo: findingInfo{
			UID:   strings.Join([]string{"iam-sunset", p.Account, cmp.Or(e.User.ID, e.User.ARN), r.Name}, "/"),
			Title: r.Title, Desc: r.Desc, Types: []string{"Software and Configuration Checks/AWS Security Best Practices"},
			Analytic: analytic{UID: r.Name, Name: r.Title, Type: "Rule", TypeID: 1}, LastSeen: made.UnixMilli(), LastSeenDT: made,
		},
		Remediation: remediation{Desc: r.Remedy, References: references},
		Resources: []resource{{
			UID: cmp.Or(e.User.ARN, e.User.ID), UIDAlt: e.User.ID, Name: clean(e.User.Name), Type: "AwsIamUser", Region: partition + "-global", Partition: partition,
			Group: group{Name: "iam"}, Owner: ownerUser(e.Owner),
		}},
		Unmapped: unmapped{
			Verdict: e.Verdict, Class: e.Class, ClassRule: e.ClassRule, CodeManaged: e.CodeManaged, MFA: hasMFA(e), LastUse: LastUse(e),
			Credentials: e.User.Credentials, NamedBy: e.References, LastSeen: e.LastSeen, Unused: p.Settings.Unused.String(), Scan: p.CleanupID,
		},
	}
	for _, k := range slices.Sorted(maps.Keys(e.User.Tags)) {
		f.Resources[0].Labels = append(f.Resources[0].Labels, clean(k+":"+e.User.Tags[k]))
	}
	if !e.User.Created.IsZero() {
		created := e.User.Created.UTC()
		f.Resources[0].Created, f.Resources[0].CreatedDT = created.UnixMilli(), &created
	}
	for _, a := range answers(e) {
		if !slices.Contains(f.FindingInfo.Sources, a.Source) {
			f.FindingInfo.Sources = append(f.FindingInfo.Sources, a.Source)
		}
		f.Evidences = append(f.Evidences, evidence{Name: a.Source, Data: a})
	}
	return f
}

// ownerUser is nil where no owner is known: an empty object would be none that the schema allows.
func ownerUser(o sunset.Owner) *owner {
	name := clean(cmp.Or(o.Name, o.Email))
	if name == "" {
		return nil
	}
	out := &owner{Name: name, TypeID: 1, Type: "User"}
	if a, err := mail.ParseAddress(o.Email); err == nil && a.Address == o.Email {
		out.Email = o.Email
	}
	return out
}
