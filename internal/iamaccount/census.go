package iamaccount

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Census is what bulk reads know of an account, without a call per user.
type Census struct {
	// ReportMade is when AWS made the credential report that was read.
	ReportMade time.Time
	// Entries are all users that exist, by name. Key ids, SSH keys and devices other than virtual MFA are not in them:
	// see Detail.
	Entries []sunset.Entry
	// Gaps are bulk reads that were refused. Every user has Unknown evidence for each that may hide use.
	Gaps     []sunset.Gap
	Roles    []Role
	Groups   []Group
	Policies []Policy
}

// Role is a role with its trust policy, which may name users.
type Role struct {
	Name  string `json:"name"`
	ARN   string `json:"arn"`
	ID    string `json:"id"` // RoleId, AROA…
	Path  string `json:"path"`
	Trust string `json:"trust"` // the document, decoded
}

// Group is a group with the policies that its members have from it.
type Group struct {
	Name     string   `json:"name"`
	ARN      string   `json:"arn"`
	Attached []string `json:"attached,omitempty"` // ARNs
	Inline   []string `json:"inline,omitempty"`   // names
}

// Policy is a customer-managed policy.
type Policy struct {
	ARN      string `json:"arn"`
	Name     string `json:"name"`
	Document string `json:"document"` // of the default version, decoded
}

// Census reads the account in bulk. progress, which may be nil, is told what has been read.
//
// Report and details are joined by ARN and creation date, because the report is up to four hours old and names are
// reused: a user in the report alone is gone and left out; one in the details alone is newer than the report, and its
// password and keys are Unknown until Detail reads them.
func (a *Account) Census(ctx context.Context, progress func(done string)) (Census, error) {
	if progress == nil {
		progress = func(string) {}
	}
	rows, made, err := a.report(ctx)
	if err != nil {
		return Census{}, err
	}
	progress(fmt.Sprintf("read the credential report: %d users", len(rows)))
	c := Census{ReportMade: made}
	users, err := a.details(ctx, &c)
	if err != nil {
		return Census{}, err
	}
	progress(fmt.Sprintf("read users, groups, roles and policies: %d users", len(users)))
	byARN := map[string]ReportRow{}
	for _, r := range rows {
		byARN[r.ARN] = r
	}
	now := a.clock.Now()
	for _, u := range users {
		c.Entries = append(c.Entries, join(u, byARN, now))
	}
	slices.SortFunc(c.Entries, func(x, y sunset.Entry) int { return cmp.Compare(x.User.Name, y.User.Name) })
	if err := a.censusServiceCredentials(ctx, &c); err != nil {
		return Census{}, err
	}
	progress("read the service-specific credentials of all users")
	if err := a.censusMFA(ctx, &c); err != nil {
		return Census{}, err
	}
	progress("read the virtual MFA devices")
	return c, nil
}

func join(u sunset.User, rows map[string]ReportRow, now time.Time) sunset.Entry {
	e := sunset.Entry{User: u}
	row, ok := rows[u.ARN]
	if !ok || !row.Created.Equal(u.Created) {
		e.Evidence = append(e.Evidence, sunset.Evidence{
			Source: reportSource, About: u.Name, Read: now, Use: sunset.Unknown,
			Detail: "the credential report does not have it: it was made, renamed or moved since",
		})
		return e
	}
	e.User.Credentials, e.User.PasswordLastUsed, e.Evidence = row.Credentials, row.PasswordLastUsed, row.Evidence
	return e
}

// details reads users into its result, and everything else into c.
func (a *Account) details(ctx context.Context, c *Census) ([]sunset.User, error) {
	const action, what = "iam:GetAccountAuthorizationDetails", "users, groups, roles and policies"
	var users []sunset.User
	err := readPages(action, what, func(marker *string) (bool, *string, error) {
		out, err := a.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{
			Filter: []types.EntityType{types.EntityTypeUser, types.EntityTypeRole, types.EntityTypeGroup, types.EntityTypeLocalManagedPolicy},
			Marker: marker, MaxItems: aws.Int32(1000),
		})
		if err != nil {
			return false, nil, err
		}
		for _, u := range out.UserDetailList {
			user, err := detailedUser(u)
			if err != nil {
				return false, nil, err
			}
			users = append(users, user)
		}
		for _, r := range out.RoleDetailList {
			trust, err := decoded(r.AssumeRolePolicyDocument, action, "the trust policy of role "+aws.ToString(r.RoleName))
			if err != nil {
				return false, nil, err
			}
			c.Roles = append(c.Roles, Role{
				Name: aws.ToString(r.RoleName), ARN: aws.ToString(r.Arn), ID: aws.ToString(r.RoleId), Path: aws.ToString(r.Path), Trust: trust,
			})
		}
		for _, g := range out.GroupDetailList {
			group := Group{Name: aws.ToString(g.GroupName), ARN: aws.ToString(g.Arn), Attached: arnsOf(g.AttachedManagedPolicies), Inline: namesOf(g.GroupPolicyList)}
			c.Groups = append(c.Groups, group)
		}
		for _, p := range out.Policies {
			document, err := defaultVersion(p)
			if err != nil {
				return false, nil, err
			}
			c.Policies = append(c.Policies, Policy{ARN: aws.ToString(p.Arn), Name: aws.ToString(p.PolicyName), Document: document})
		}
		return out.IsTruncated, out.Marker, nil
	})
	return users, err
}

func detailedUser(u types.UserDetail) (sunset.User, error) {
	out := sunset.User{
		ID: aws.ToString(u.UserId), Name: aws.ToString(u.UserName), ARN: aws.ToString(u.Arn), Path: aws.ToString(u.Path),
		Created: aws.ToTime(u.CreateDate).UTC(), Tags: tagsOf(u.Tags), Groups: slices.Sorted(slices.Values(u.GroupList)),
		Inline: namesOf(u.UserPolicyList), Attached: arnsOf(u.AttachedManagedPolicies),
	}
	if u.PermissionsBoundary != nil {
		out.Boundary = aws.ToString(u.PermissionsBoundary.PermissionsBoundaryArn)
	}
	if out.ID == "" || out.Name == "" || out.ARN == "" || u.CreateDate == nil {
		return sunset.User{}, lacking("iam:GetAccountAuthorizationDetails", "user "+out.Name, "UserId, UserName, Arn or CreateDate")
	}
	return out, nil
}

func defaultVersion(p types.ManagedPolicyDetail) (string, error) {
	const action = "iam:GetAccountAuthorizationDetails"
	what := "policy " + aws.ToString(p.Arn)
	for _, v := range p.PolicyVersionList {
		if v.IsDefaultVersion {
			return decoded(v.Document, action, what)
		}
	}
	return "", lacking(action, what, "default version")
}

func arnsOf(policies []types.AttachedPolicy) []string {
	var arns []string
	for _, p := range policies {
		arns = append(arns, aws.ToString(p.PolicyArn))
	}
	slices.Sort(arns)
	return arns
}

func namesOf(policies []types.PolicyDetail) []string {
	var names []string
	for _, p := range policies {
		names = append(names, aws.ToString(p.PolicyName))
	}
	slices.Sort(names)
	return names
}

// bulkCredentials is the read of everybody's service-specific credentials, and of one user's.
const bulkCredentials = "iam:ListServiceSpecificCredentials"

// censusServiceCredentials adds the credentials that neither report nor details have and whose owners look unused
// without them: API keys for Bedrock, CloudWatch and others.
func (a *Account) censusServiceCredentials(ctx context.Context, c *Census) error {
	byUser := map[string][]sunset.Credential{}
	err := readPages(bulkCredentials, "service-specific credentials of all users", func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{
			AllUsers: aws.Bool(true), Marker: marker, MaxItems: aws.Int32(1000),
		})
		if err != nil {
			return false, nil, err
		}
		for _, m := range out.ServiceSpecificCredentials {
			name := aws.ToString(m.UserName)
			byUser[name] = append(byUser[name], serviceCredential(m))
		}
		return out.IsTruncated, out.Marker, nil
	})
	if err != nil {
		return c.gap(err, bulkCredentials, a.clock.Now(), "whether it has service-specific credentials was not read")
	}
	for i := range c.Entries {
		u := &c.Entries[i].User
		u.Credentials = append(u.Credentials, sorted(byUser[u.Name])...)
	}
	return nil
}

func (a *Account) censusMFA(ctx context.Context, c *Census) error {
	const action = "iam:ListVirtualMFADevices"
	devices, err := a.virtualMFA(ctx, types.AssignmentStatusTypeAny)
	if err != nil {
		return c.gap(err, action, a.clock.Now(), "")
	}
	assigned, spare := map[string][]sunset.MFADevice{}, map[string][]string{}
	for _, d := range devices {
		serial := aws.ToString(d.SerialNumber)
		if d.User != nil {
			id := aws.ToString(d.User.UserId)
			assigned[id] = append(assigned[id], mfaDevice(d.SerialNumber, d.EnableDate))
			continue
		}
		if _, name, ok := strings.Cut(serial, ":mfa/"); ok {
			spare[name] = append(spare[name], serial)
		}
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		e.User.MFA, e.SpareMFA = assigned[e.User.ID], spare[e.User.Name]
		slices.SortFunc(e.User.MFA, func(x, y sunset.MFADevice) int { return cmp.Compare(x.Serial, y.Serial) })
		slices.Sort(e.SpareMFA)
	}
	return nil
}

// gap notes a refused bulk read. hides says in a sentence what every user's use may hide behind it, or is empty. What
// may pass by itself is no gap but the fault it is.
func (c *Census) gap(err error, action string, now time.Time, hides string) error {
	if (awsfault.KindOf(err).Passing() && !awsfault.IsNotOffered(err)) || awsfault.IsExpired(err) {
		return err
	}
	gap := awsfault.Gap(err, action, "")
	c.Gaps = append(c.Gaps, gap)
	if hides == "" {
		return nil
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		e.Evidence = append(e.Evidence, sunset.Evidence{
			Source: action, About: e.User.Name, Read: now, Use: sunset.Unknown, Detail: hides + ": " + action + ": " + gap.Why,
		})
	}
	return nil
}

const (
	// reportAge is how old a report AWS hands out again instead of making a new one.
	reportAge = 4 * time.Hour
	// reportPatience is how long a report may take; longestPause between two looks.
	reportPatience = 10 * time.Minute
	longestPause   = 30 * time.Second
)

// report has AWS make the credential report and reads it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
func (a *Account) report(ctx context.Context) ([]ReportRow, time.Time, error) {
	began := a.clock.Now()
	for pause := 2 * time.Second; ; pause = min(2*pause, longestPause) {
		rows, made, err := a.readyReport(ctx)
		if err == nil || sunset.KindOf(err) != sunset.NotReady {
			return rows, made, err
		}
		waited := a.clock.Now().Sub(began)
		if waited+pause > reportPatience {
			return nil, time.Time{}, &sunset.Fault{
				Kind: sunset.NotReady, Action: "iam:GenerateCredentialReport",
				Err: fmt.Errorf("AWS did not finish the credential report within %s; scan again in some minutes: %w", waited.Round(time.Second), err),
			}
		}
		if err := a.clock.Sleep(ctx, pause); err != nil {
			return nil, time.Time{}, sunset.Faultf(sunset.Unavailable, "waiting for the credential report: %w", err)
		}
	}
}

// readyReport asks for a report and takes it if it is there. NotReady asks to come back.
func (a *Account) readyReport(ctx context.Context) ([]ReportRow, time.Time, error) {
	none := func(err error) ([]ReportRow, time.Time, error) { return nil, time.Time{}, err }
	asked, err := a.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{})
	if err != nil {
		return none(awsfault.Wrap(err, "iam:GenerateCredentialReport", "having the credential report made"))
	}
	if asked.State != types.ReportStateTypeComplete {
		return none(sunset.Faultf(sunset.NotReady, "the credential report is %s", asked.State))
	}
	out, err := a.iam.GetCredentialReport(ctx, &iam.GetCredentialReportInput{})
	if err != nil {
		return none(awsfault.Wrap(err, "iam:GetCredentialReport", "reading the credential report"))
	}
	if out.GeneratedTime == nil {
		return none(lacking("iam:GetCredentialReport", "the credential report", "GeneratedTime"))
	}
	made := out.GeneratedTime.UTC()
	if age := a.clock.Now().Sub(made); age > reportAge {
		return none(sunset.Faultf(sunset.NotReady, "the credential report is %s old", age.Round(time.Second)))
	}
	rows, err := ParseReport(out.Content, made)
	return rows, made, err
}
