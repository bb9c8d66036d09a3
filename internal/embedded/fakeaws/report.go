package fakeaws

import (
	"encoding/base64"
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"time"
)

// reportLife is how long a credential report is current: AWS makes at most one in that time.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html.
const reportLife = 4 * time.Hour

// credentialReport shows the account as it was when generation started.
type credentialReport struct {
	started, ready time.Time
	content        string
}

func (a *Account) reportOperations() map[string]operation {
	return map[string]operation{
		"GenerateCredentialReport": {handle: a.generateReport},
		"GetCredentialReport":      {handle: a.getReport},
	}
}

func (a *Account) generateReport(*request) (any, error) {
	type stateXML struct {
		State       string
		Description string `xml:",omitempty"`
	}
	i := a.state.iam
	if r := i.report; r != nil {
		switch {
		case a.now().Before(r.ready):
			return stateXML{State: "INPROGRESS"}, nil
		case a.now().Before(r.ready.Add(reportLife)):
			return stateXML{State: "COMPLETE"}, nil
		}
	}
	i.report = &credentialReport{started: a.now(), ready: a.now().Add(a.config.ReportDelay), content: a.reportCSV()}
	return stateXML{"STARTED", "No report exists. Starting a new report generation task"}, nil
}

func (a *Account) getReport(*request) (any, error) {
	r := a.state.iam.report
	switch {
	case r == nil:
		return nil, refuse(http.StatusGone, "ReportNotPresent", "No report exists. Call GenerateCredentialReport to generate one.")
	case a.now().Before(r.ready):
		return nil, refuse(http.StatusNotFound, "ReportInProgress", "The credential report is still being generated.")
	case !a.now().Before(r.ready.Add(reportLife)):
		return nil, refuse(http.StatusGone, "ReportExpired", "The most recent credential report has expired. Call GenerateCredentialReport to generate a new one.")
	}
	return struct {
		Content, ReportFormat string
		GeneratedTime         *stamp
	}{base64.StdEncoding.EncodeToString([]byte(r.content)), "text/csv", stampOf(r.ready)}, nil
}

const (
	notAvailable  = "N/A"
	noInformation = "no_information"
	notSupported  = "not_supported"
)

func reportTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// or is the time as the report writes it, or what stands for none.
func or(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return reportTime(t)
}

func (a *Account) reportCSV() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	header := []string{
		"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
		"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
		"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
		"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
	}
	rows := [][]string{header, a.rootRow()}
	for _, name := range a.state.iam.userNames() {
		rows = append(rows, a.state.iam.users[name].reportRow())
	}
	for i, row := range rows {
		if a.config.ReportExtraColumn {
			extra := notAvailable
			if i == 0 {
				extra = "additional_credentials_info"
			}
			row = append(row, extra)
		}
		// A strings.Builder takes every write.
		_ = w.Write(row)
	}
	w.Flush()
	return b.String()
}

func (a *Account) rootRow() []string {
	root := a.state.iam.root
	if root.CreatedAt.IsZero() {
		root.CreatedAt = a.state.iam.roles["Administrator"].created
	}
	return append([]string{
		"<root_account>", a.arn("iam", "root"), reportTime(root.CreatedAt), notSupported, or(root.PasswordLastUsed, noInformation),
		notSupported, notSupported, boolText(root.MFA),
	}, slices.Concat((*accessKey)(nil).columns(), (*accessKey)(nil).columns(), (*certificate)(nil).columns(), (*certificate)(nil).columns())...)
}

func (u *user) reportRow() []string {
	row := []string{u.name, u.arn, reportTime(u.created)}
	if u.password == nil {
		row = append(row, "false", notAvailable, notAvailable, notAvailable)
	} else {
		row = append(row, "true", or(u.passwordLastUsed, noInformation), reportTime(u.password.created), notAvailable)
	}
	row = append(row, boolText(len(u.mfa) > 0))
	keys, certificates := make([]*accessKey, maxKeys), make([]*certificate, maxCertificates)
	copy(keys, u.keys)
	copy(certificates, u.certificates)
	for _, k := range keys {
		row = append(row, k.columns()...)
	}
	for _, c := range certificates {
		row = append(row, c.columns()...)
	}
	return row
}

func (k *accessKey) columns() []string {
	if k == nil {
		return []string{"false", notAvailable, notAvailable, notAvailable, notAvailable}
	}
	if k.lastUsed.At.IsZero() {
		return []string{boolText(k.status == active), reportTime(k.created), notAvailable, notAvailable, notAvailable}
	}
	return []string{boolText(k.status == active), reportTime(k.created), reportTime(k.lastUsed.At), k.lastUsed.Region, k.lastUsed.Service}
}

func (c *certificate) columns() []string {
	if c == nil {
		return []string{"false", notAvailable}
	}
	return []string{boolText(c.status == active), reportTime(c.uploaded)}
}
