package iamaccount

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// reportSource is the source of evidence that comes from the credential report.
const reportSource = "credential-report"

// rootRow is the name under which the report lists the account's root.
const rootRow = "<root_account>"

// ReportRow is one line of the credential report.
type ReportRow struct {
	Name      string
	ARN       string
	Created   time.Time
	MFAActive bool
	// Credentials have no ids: the report does not tell them.
	Credentials []sunset.Credential
	// PasswordLastUsed is what the report says. Of a password that is gone it says nothing.
	PasswordLastUsed *time.Time
	Evidence         []sunset.Evidence
}

var reportColumns = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

// AWS records use since these days. Sign-ins of 3 to 23 May 2018 are missing too: until passwordGapTo a password may
// have been used later than is said. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
var (
	passwordsRecorded = time.Date(2014, 10, 20, 0, 0, 0, 0, time.UTC)
	passwordGapTo     = time.Date(2018, 5, 24, 0, 0, 0, 0, time.UTC)
	keysRecorded      = time.Date(2015, 4, 22, 0, 0, 0, 0, time.UTC)
)

// ParseReport reads a credential report made at made. Columns are found by name and may be more than are known; the
// root's line is left out. A missing column, one that is there twice, a line with too few fields, or a time or answer that
// can't be read is an Invalid fault that names column and row.
func ParseReport(content []byte, made time.Time) ([]ReportRow, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "credential report: it is no CSV: %w", err)
	}
	if len(lines) == 0 {
		return nil, sunset.Faultf(sunset.Invalid, "credential report: it is empty")
	}
	at, times := map[string]int{}, map[string]int{}
	for i, name := range lines[0] {
		at[strings.TrimSpace(name)] = i
		times[strings.TrimSpace(name)]++
	}
	for _, name := range reportColumns {
		switch _, ok := at[name]; {
		case !ok:
			return nil, sunset.Faultf(sunset.Invalid, "credential report: the column %s is missing", name)
		case times[name] > 1:
			return nil, sunset.Faultf(sunset.Invalid, "credential report: the column %s is there %d times", name, times[name])
		}
	}
	var rows []ReportRow
	for i, fields := range lines[1:] {
		if len(fields) < len(lines[0]) {
			return nil, sunset.Faultf(sunset.Invalid, "credential report: row %d has %d fields, not %d", i+2, len(fields), len(lines[0]))
		}
		l := reportLine{at: at, fields: fields, number: i + 2, made: made}
		if l.text("user") == rootRow {
			continue
		}
		row := l.row()
		if l.err != nil {
			return nil, l.err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// reportLine reads one line's fields and keeps the first error.
type reportLine struct {
	at     map[string]int
	fields []string
	number int
	made   time.Time
	err    error
}

func (l *reportLine) text(column string) string { return strings.TrimSpace(l.fields[l.at[column]]) }

func (l *reportLine) wrong(column, want string) {
	if l.err == nil {
		l.err = sunset.Faultf(sunset.Invalid, "credential report: column %s of row %d (%s): %q is not %s",
			column, l.number, l.text("user"), l.text(column), want)
	}
}

// yes reads an answer. not_supported is what the report says of things that can't be had.
func (l *reportLine) yes(column string) bool {
	switch strings.ToLower(l.text(column)) {
	case "true":
		return true
	case "false", "not_supported", "n/a":
		return false
	}
	l.wrong(column, "true or false")
	return false
}

// time reads a time, nil for the words that say that there is none. No information about a use is no use.
func (l *reportLine) time(column string) *time.Time {
	s := l.text(column)
	if slices.Contains([]string{"n/a", "no_information", "not_supported"}, strings.ToLower(s)) {
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		l.wrong(column, "a time such as 2026-01-31T12:00:00+00:00")
		return nil
	}
	t = t.UTC()
	return &t
}

func (l *reportLine) row() ReportRow {
	row := ReportRow{Name: l.text("user"), ARN: l.text("arn"), MFAActive: l.yes("mfa_active")}
	if row.Name == "" {
		l.wrong("user", "a user name")
	}
	if t := l.time("user_creation_time"); t != nil {
		row.Created = *t
	} else {
		l.wrong("user_creation_time", "a time such as 2026-01-31T12:00:00+00:00")
	}
	l.password(&row)
	for _, n := range []string{"1", "2"} {
		l.accessKey(&row, "access_key_"+n)
		l.certificate(&row, "cert_"+n)
	}
	return row
}

func (l *reportLine) password(row *ReportRow) {
	used, changed := l.time("password_last_used"), l.time("password_last_changed")
	row.PasswordLastUsed = used
	if !l.yes("password_enabled") {
		return
	}
	c := sunset.Credential{Kind: sunset.Password, Status: sunset.Active, LastUsed: used}
	if changed != nil {
		c.Created = *changed
	}
	row.Credentials = append(row.Credentials, c)
	row.Evidence = append(row.Evidence, useEvidence(reportSource, "password", c, l.made))
}

func (l *reportLine) accessKey(row *ReportRow, column string) {
	rotated, used := l.time(column+"_last_rotated"), l.time(column+"_last_used_date")
	active := l.yes(column + "_active")
	if !active && rotated == nil && used == nil {
		return
	}
	c := sunset.Credential{Kind: sunset.AccessKey, Status: statusOf(active), LastUsed: used}
	if rotated != nil {
		c.Created = *rotated
	}
	if used != nil {
		c.Region, c.Service = known(l.text(column+"_last_used_region")), known(l.text(column+"_last_used_service"))
	}
	row.Credentials = append(row.Credentials, c)
	row.Evidence = append(row.Evidence, useEvidence(reportSource, strings.ReplaceAll(column, "_", " "), c, l.made))
}

func (l *reportLine) certificate(row *ReportRow, column string) {
	rotated, active := l.time(column+"_last_rotated"), l.yes(column+"_active")
	if !active && rotated == nil {
		return
	}
	c := sunset.Credential{Kind: sunset.SigningCertificate, Status: statusOf(active)}
	if rotated != nil {
		c.Created = *rotated
	}
	row.Credentials = append(row.Credentials, c)
}

func statusOf(active bool) sunset.Status {
	if active {
		return sunset.Active
	}
	return sunset.Inactive
}

// known is s, or empty where AWS writes that there is nothing to say.
func known(s string) string {
	if strings.EqualFold(s, "N/A") {
		return ""
	}
	return s
}

// useEvidence is what source says of the use of a password or access key. AWS keeps no use from before it began to
// record any, and none of passwords for three weeks of 2018, which the sentence for people says where it matters.
func useEvidence(source, about string, c sunset.Credential, read time.Time) sunset.Evidence {
	e := sunset.Evidence{Source: source, About: about, Read: read, Last: c.LastUsed, Use: sunset.Unused}
	if c.LastUsed != nil {
		e.Use = sunset.Used
		e.Detail = fmt.Sprintf("its %s was last used %s", label(about), c.LastUsed.UTC().Format(time.DateOnly))
		if c.Service != "" {
			e.Detail += " with " + c.Service
		}
	} else {
		e.Detail = fmt.Sprintf("its %s was never used", label(about))
	}
	last := c.Created
	if c.LastUsed != nil {
		last = *c.LastUsed
	}
	switch {
	case c.Kind == sunset.Password && c.LastUsed == nil && c.Created.Before(passwordsRecorded):
		e.Detail += ", or not since October 2014"
	case c.Kind == sunset.AccessKey && c.LastUsed == nil && c.Created.Before(keysRecorded):
		e.Detail += ", or not since April 2015"
	case c.Kind == sunset.Password && last.Before(passwordGapTo):
		e.Detail += "; AWS recorded no sign-ins from 3 to 23 May 2018"
	}
	return e
}

// label writes what an evidence is about for people: a bare key id is an access key.
func label(about string) string {
	if strings.HasPrefix(about, "AKIA") {
		return "access key " + about
	}
	return about
}
