package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/casebook"
	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// introduce says everything that a careful person wants to know before it begins. dir is nil where there is none yet.
func (o serveOptions) introduce(ctx context.Context, to account, dir *datadir.Dir, s sunset.Settings) error {
	lines := []string{
		"Account    " + to.String(),
		"Runs as    " + printable(to.caller.ARN),
	}
	if strings.HasSuffix(to.caller.ARN, ":root") {
		lines = append(lines, "           warning: the root user's credentials do far more than this needs; make a role for it")
	}
	if to.passing {
		lines = append(lines, "           warning: these credentials end within hours and can't be renewed from here; a soak takes longer")
	}
	if dir == nil {
		path, err := filepath.Abs(o.data)
		if err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		lines = append(lines, fmt.Sprintf("Directory  %s, new: it will be for this account alone", path))
	} else {
		open, err := o.openIn(ctx, dir)
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("Directory  %s, made on %s", dir.Path(), dir.Made.Format(time.DateOnly)), "In it      "+open)
	}
	lines = append(lines, fmt.Sprintf("Settings   %s (%.12s)", o.settings, s.Digest()))
	for _, said := range settingsInWords(s, o.around.clock.Now()) {
		lines = append(lines, "           "+said)
	}
	lines = append(lines, fmt.Sprintf("Commands   at %s; pages at %s", o.listen, o.pages))
	if o.pagesURL != "" {
		lines = append(lines, "Links      begin with "+o.pagesURL)
	}
	return writeLines(o.around.stderr, lines)
}

// settingsInWords are the settings that decide what happens to whom, and what is odd about them.
func settingsInWords(s sunset.Settings, now time.Time) []string {
	lines := []string{
		fmt.Sprintf("unused after %s, at least %s old; owners told %s before; %d a day; refused above %d %% of all users", s.Unused, s.MinAge, s.Notice, s.Batch, s.CapPercent),
		fmt.Sprintf("disabled by %s, soak %s, approvers have %s, in the end %s; changes %s", s.Disable, s.Soak, s.ApprovalOpen, s.Final, windowsText(s.Windows)),
	}
	var approvers []string
	for _, a := range s.Approvers {
		approvers = append(approvers, printable(a.Email))
	}
	if len(approvers) == 0 {
		lines = append(lines, "warning: no approver is named, so that nobody is ever deleted")
	} else {
		lines = append(lines, fmt.Sprintf("approvers %s; %d needed", strings.Join(approvers, ", "), s.ApprovalsNeeded))
	}
	if len(s.Exemptions) == 0 {
		lines = append(lines, "warning: nobody is exempt, not even for emergencies")
	} else {
		lines = append(lines, "exempt by "+counted(len(s.Exemptions), "rule"))
	}
	for _, e := range s.Exemptions {
		if e.Over(now) {
			lines = append(lines, fmt.Sprintf("warning: the exemption by %s ended on %s", printable(e.String()), e.Expires))
		}
	}
	if s.SMTP == nil {
		return append(lines, "messages are written to the directory's outbox, and not sent: no mail server is named")
	}
	return append(lines, fmt.Sprintf("messages are sent by %s:%d, TLS %s", s.SMTP.Server, s.SMTP.PortNumber(), s.SMTP.Encryption()))
}

// openIn counts what goes on as soon as it begins.
func (o serveOptions) openIn(ctx context.Context, dir *datadir.Dir) (string, error) {
	kept, err := store.OpenDir(dir.In(storeDir))
	if err != nil {
		return "", err
	}
	book := casebook.New(kept.Rows(), o.around.clock)
	cleanups, err := book.Cleanups(ctx)
	if err != nil {
		return "", err
	}
	cases, err := book.Cases(ctx)
	if err != nil {
		return "", err
	}
	running, open := 0, 0
	for _, c := range cleanups {
		if c.Ended.IsZero() {
			running++
		}
	}
	for _, c := range cases {
		if c.Open() {
			open++
		}
	}
	text := fmt.Sprintf("%s of %d, %s of %d", counted(running, "open cleanup"), len(cleanups), counted(open, "open case"), len(cases))
	paused, err := book.Paused(ctx)
	if err == nil && paused != "" {
		text += "; PAUSED: " + printable(paused)
	}
	return text, err
}

// welcome says where everything is, now that it runs.
func (o serveOptions) welcome(m *onemachine.Machine, dir *datadir.Dir) error {
	return writeLines(o.around.stderr, []string{
		"Serving. Interrupt it to stop; everything goes on at the next start.",
		"  iam-sunset status --engine " + m.EngineURL,
		"  iam-sunset dashboard --engine " + m.EngineURL,
		fmt.Sprintf("  AWS_SHARED_CREDENTIALS_FILE=%s aws --profile default stepfunctions list-executions --endpoint-url %s --region %s --state-machine-arn %s",
			dir.In("credentials"), m.EngineURL, dir.Region, m.Engine.StateMachineARN()),
		"  approvers' links begin with " + m.PagesURL,
	})
}
