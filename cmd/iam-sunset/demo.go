package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
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
	cmd.Flags().StringVar(&o.out, "out", "", "directory for summary.json and evidence/ (must be empty or new); without it they go with the demo")
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

	person := &demoPerson{out: out, auto: o.auto, clock: now}
	machine, err := onemachine.Start(onemachine.Config{
		AWS: aws.Config("us-east-1"), AccountID: account.ID(), Region: "us-east-1", Time: now,
		Objects: narrator{Objects: dir.Objects(), out: out}, Rows: dir.Rows(), Signer: signer, Messenger: person,
		Settings: func(context.Context) (sunset.Settings, error) { return settings, nil },
		Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), PagesAddr: o.pages, OnPage: person.afterPage,
	})
	if err != nil {
		return err
	}
	defer machine.Close()
	person.desk = machine.Desk

	fmt.Fprintf(out, "A made-up company has %d IAM users in account %s. It is %s, and a cleanup begins.\n\n",
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
	return o.report(ctx, out, cleanup, machine, data)
}

// report shows what came of it, and proves the evidence.
func (o demoOptions) report(ctx context.Context, out io.Writer, cleanup sunset.Cleanup, machine *onemachine.Machine, data string) error {
	if cleanup.Refusal != "" {
		return fmt.Errorf("the cleanup was refused: %s", cleanup.Refusal)
	}
	fmt.Fprintf(out, "\nIt is %s, %d days later.\n\n", cleanup.Ended.Format("Monday, 2 January 2006"), int(cleanup.Ended.Sub(cleanup.Began).Hours()/24))
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Outcome", "Users", "Who"})
	cases, err := machine.Cases.Cases(ctx)
	if err != nil {
		return err
	}
	who := map[sunset.Outcome][]string{}
	for _, c := range cases {
		who[c.Outcome] = append(who[c.Outcome], c.UserName)
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: 90, WidthMaxEnforcer: text.WrapSoft}})
	for _, outcome := range sunset.Outcomes() {
		if n := cleanup.Outcomes[outcome]; n > 0 {
			t.AppendRow(table.Row{string(outcome), n, strings.Join(who[outcome], ", ")})
		}
	}
	t.AppendFooter(table.Row{"discovered", cleanup.Users, ""})
	fmt.Fprintln(out, t.Render())

	evidence := filepath.Join(data, "objects", "evidence")
	if o.out != "" {
		target := filepath.Join(o.out, "evidence")
		if err := copyPrivately(evidence, target); err != nil {
			return fmt.Errorf("copying the evidence: %w", err)
		}
		evidence = target
		body, err := json.MarshalIndent(summary{Discovered: cleanup.Users, Outcomes: cleanup.Outcomes}, "", "  ")
		if err != nil {
			return fmt.Errorf("writing the summary: %w", err)
		}
		if err := os.WriteFile(filepath.Join(o.out, "summary.json"), append(body, '\n'), 0o600); err != nil {
			return fmt.Errorf("writing the summary: %w", err)
		}
	}
	proof, err := audit.Verify(os.DirFS(evidence))
	if err != nil {
		return fmt.Errorf("verifying the evidence: %w", err)
	}
	if len(proof.Problems) > 0 {
		return fmt.Errorf("the evidence does not hold: %s: %s", proof.Problems[0].File, proof.Problems[0].Text)
	}
	fmt.Fprintf(out, "\nThe evidence holds: %d records in %d chains.", proof.Records, proof.Chains)
	if o.out != "" {
		fmt.Fprintf(out, " Check it yourself: iam-sunset audit verify %s", evidence)
	}
	fmt.Fprintln(out)
	return nil
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

func copyPrivately(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}
