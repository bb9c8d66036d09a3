package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

func scanCommand(c clock.Clock) *cobra.Command {
	o := scanOptions{clock: c}
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Read an account and print the plan: who is unused, who is kept, and why",
		Long: "Reads the account that the standard AWS configuration names (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL …) and prints a verdict\n" +
			"on every IAM user. It only reads: it can neither disable nor delete anybody.",
		Example: "  iam-sunset scan\n" +
			"  iam-sunset scan --output html > report.html          # to forward\n" +
			"  iam-sunset scan --output csv > users.csv\n" +
			"  iam-sunset scan --output ocsf > findings.ocsf.json   # for security tools\n" +
			"  iam-sunset scan --skip cloudtrail,ownership        # a quick census\n" +
			"  iam-sunset scan --users-from leavers.txt --search ~/src/infrastructure",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.scan(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.settings, "settings", "", "file with settings (JSON); without it the defaults hold")
	f.StringVar(&o.output, "output", "table", inWords(planForms))
	f.StringSliceVar(&o.skip, "skip", nil, "leave out cloudtrail, ownership or both; the users then read not-cross-checked")
	o.addNarrowing(cmd)
	f.StringVar(&o.search, "search", "", "directory with code to search for names and key ids of unused users")
	f.BoolVar(&o.all, "all", false, "list the kept users in the table as well")
	for flag, words := range map[string][]string{"output": planForms, "skip": {"cloudtrail", "ownership"}} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // both flags are there
	}
	_ = cmd.MarkFlagFilename("settings", "json")
	_ = cmd.MarkFlagDirname("search")
	return cmd
}

type scanOptions struct {
	requestFlags
	clock                    clock.Clock
	settings, output, search string
	skip                     []string
	all                      bool
}

func (o scanOptions) scan(ctx context.Context, stdout, stderr io.Writer) error {
	write, err := planWriter(o.output, o.all)
	if err != nil {
		return err
	}
	request, err := o.request()
	if err != nil {
		return err
	}
	settings := func(context.Context) (sunset.Settings, error) { return sunset.DefaultSettings(), nil }
	if o.settings != "" {
		settings = func(context.Context) (sunset.Settings, error) { return deployed.SettingsFile(o.settings) }
	}
	if s, err := settings(ctx); err != nil {
		return hinted{fmt.Errorf("--settings: %w", err), "correct the file, or leave --settings out for the defaults"}
	} else if _, err := request.Apply(s); err != nil {
		return hinted{err, "flags may only tighten what the settings say"}
	}
	if o.search != "" {
		if info, err := os.Stat(o.search); err != nil || !info.IsDir() {
			return hinted{fmt.Errorf("--search: %s is not a directory that can be read", o.search), "name a directory with code"}
		}
	}
	cfg, err := awsConfig(ctx)
	if err != nil {
		return err
	}

	// The plan in the making is kept where the handlers keep theirs, and goes with the scan.
	tmp, err := os.MkdirTemp("", "iam-sunset-scan-")
	if err != nil {
		return fmt.Errorf("making a place for the plan: %w", err)
	}
	defer os.RemoveAll(tmp)
	dir, err := store.OpenDir(tmp, store.NoSync())
	if err != nil {
		return err
	}
	progress := newProgress(stderr)
	defer progress.stop()
	w := workflow.New(workflow.World{
		AWS: cfg, Objects: dir.Objects(), Rows: dir.Rows(), Settings: settings, Clock: o.clock,
		Log: slog.New(slog.DiscardHandler), Messenger: nobody{}, Progress: progress.say,
	})
	plan, err := w.Scan(ctx, "scan-"+o.clock.Now().Format("20060102t150405"), request)
	if err != nil {
		return err
	}
	if o.search != "" {
		progress.say("searching " + o.search)
		if err := addSearch(&plan, o.search); err != nil {
			return err
		}
	}
	progress.stop()
	return write(stdout, stderr, plan)
}

// nobody is a Messenger for a scan, which has nothing to say to anybody.
type nobody struct{}

func (nobody) Send(context.Context, approval.Message) error {
	return errors.New("a scan sends no messages")
}

func (o scanOptions) request() (sunset.Request, error) {
	for _, s := range o.skip {
		if s != "cloudtrail" && s != "ownership" {
			return sunset.Request{}, hinted{fmt.Errorf("--skip: %q can't be left out", s), "leave out cloudtrail, ownership or both: --skip cloudtrail,ownership"}
		}
	}
	r, err := o.requestFlags.request()
	r.Skip = o.skip
	return r, err
}

// addSearch puts into the plan where code names the users that are not active.
func addSearch(plan *sunset.Plan, dir string) error {
	var candidates []ownership.Candidate
	for _, e := range plan.Entries {
		if !e.Verdict.Has(sunset.IsActive) {
			c := ownership.Candidate{UserID: e.User.ID, Name: e.User.Name, ARN: e.User.ARN}
			for _, k := range e.User.Of(sunset.AccessKey) {
				c.KeyIDs = append(c.KeyIDs, k.ID)
			}
			candidates = append(candidates, c)
		}
	}
	found, err := ownership.Search(dir, candidates)
	if err != nil {
		return fmt.Errorf("--search: %w", err)
	}
	for i := range plan.Entries {
		e := &plan.Entries[i]
		e.References = append(e.References, found[e.User.ID]...)
	}
	return nil
}
