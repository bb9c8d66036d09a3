package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// demoApprover decides in the demo.
const demoApprover = "you@example.com"

const demoCleanup = "spring-cleaning"

func demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a whole cleanup of a made-up company, three weeks in seconds",
		Long: "Runs the shipped workflow on a made-up AWS account in virtual time: unused users are found, disabled, listened to for two weeks,\n" +
			"decided on by you in a browser, and deleted with everything they had. Time stands still while a decision waits for you.\n" +
			"Without a terminal, or with --auto, it decides by itself.",
		Example: "  iam-sunset demo\n" +
			"  iam-sunset demo --auto --out out/demo",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.auto = o.auto || !isTerminal(os.Stdin) || !isTerminal(cmd.OutOrStdout())
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&o.auto, "auto", false, "decide without a person: one user is kept, the others are deleted")
	cmd.Flags().StringVar(&o.out, "out", "", "directory for summary.json, evidence/ and what that names (must be empty or new); without it they go with the demo")
	cmd.Flags().StringVar(&o.pages, "pages", "127.0.0.1:0", "loopback address for the approval pages; port 0 takes a free one")
	return cmd
}

type demoOptions struct {
	auto       bool
	out, pages string
}

// summary is what DIR/summary.json holds. The outcomes add up to Discovered.
type summary struct {
	Discovered int                    `json:"discovered"`
	Outcomes   map[sunset.Outcome]int `json:"outcomes"`
}

func (o demoOptions) run(ctx context.Context, out io.Writer) error {
	if err := onLoopback(o.pages); err != nil {
		return hinted{fmt.Errorf("--pages: %w", err), "choose a free port on 127.0.0.1, such as --pages 127.0.0.1:8080"}
	}
	data, cleanUp, err := o.dataDir()
	if err != nil {
		return err
	}
	defer cleanUp()
	dir, err := store.OpenDir(data, store.NoSync())
	if err != nil {
		return err
	}
	signer, err := approval.OpenKeyFile(filepath.Join(data, "decisions.key"))
	if err != nil {
		return err
	}

	time0 := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) // a Monday
	now := clock.NewVirtual(time0)
	account := fakeaws.New(fakeaws.Config{Now: now.Now})
	if _, err := account.Demo(); err != nil {
		return err
	}
	aws, err := account.Serve("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer aws.Close()

	settings := sunset.DefaultSettings()
	settings.Approvers = []sunset.Approver{{Email: demoApprover}}
	settings.Exemptions = []sunset.Exemption{{Tag: "break-glass", Reason: "emergency access, used only when all else fails"}}
	settings.CapPercent = 60 // a small company with a lot of old users
	settings.OfficeHours = []sunset.Window{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "17:00"}}
	settings.Team = "security@example.com"

	told := &story{out: out, live: !o.auto}
	person := &demoPerson{story: told, auto: o.auto, clock: now}
	machine, err := onemachine.Start(onemachine.Config{
		AWS: aws.Config("us-east-1"), AccountID: account.ID(), Region: "us-east-1", Time: now,
		Objects: recorded{dir.Objects(), told}, Rows: dir.Rows(), Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: person,
		Settings: func(context.Context) (sunset.Settings, error) { return settings, nil },
		Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), PagesAddr: o.pages, OnPage: person.afterPage,
	})
	if err != nil {
		return err
	}
	defer machine.Close()
	person.desk = machine.Desk

	told.say("A made-up company has %d IAM users in account %s. It is %s, and a cleanup begins.\n\n",
		len(account.Users()), account.ID(), time0.Format("Monday, 2 January 2006"))
	if _, err := machine.StartCleanup(ctx, demoCleanup, sunset.Request{Starter: "arn:aws:iam::" + account.ID() + ":user/demo-starter"}); err != nil {
		return err
	}
	var cleanup sunset.Cleanup
	if err := now.RunUntil(ctx, func() bool {
		c, err := machine.Cases.Cleanup(ctx, demoCleanup)
		cleanup = c
		return err == nil && !c.Ended.IsZero()
	}); err != nil {
		return fmt.Errorf("running the demo: %w", err)
	}
	if person.err != nil {
		return person.err
	}
	return o.report(ctx, told, cleanup, machine, data)
}

// onLoopback refuses addresses that others reach: whoever has the demo's link decides.
func onLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not a loopback address", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// dataDir is where the demo keeps everything: beside what it leaves, or in a place that goes with it.
func (o demoOptions) dataDir() (dir string, cleanUp func(), err error) {
	if o.out != "" {
		entries, err := os.ReadDir(o.out)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", nil, hinted{fmt.Errorf("--out: %s can't be a directory: %w", o.out, err), "name a new directory"}
		}
		if len(entries) > 0 {
			return "", nil, hinted{fmt.Errorf("--out: %s is not empty", o.out), "name a new directory, so that no evidence is mixed with another's"}
		}
		if err := os.MkdirAll(o.out, 0o700); err != nil {
			return "", nil, hinted{fmt.Errorf("--out: %w", err), "name a directory that can be made"}
		}
	}
	dir, err = os.MkdirTemp("", "iam-sunset-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("making a place for the demo: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil // a leftover in the temporary directory harms nobody
}
