package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func serveCommand(around surroundings) *cobra.Command {
	o := serveOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run cleanups of the account from this machine, without a deployment",
		Long: "Runs the workflow on this machine, for the account that the standard AWS configuration names, until it is interrupted.\n" +
			"Everything that it has is in one directory: it may be stopped or killed at any time, and goes on where it was at the next start.\n" +
			"Other commands reach it with --engine; the AWS CLI does, as if it were Step Functions.\n\n" +
			"Nothing is done before you have seen the account, the caller and the settings, and have said yes.",
		Example: "  iam-sunset serve --data ~/iam-sunset\n" +
			"  iam-sunset serve --data /var/lib/iam-sunset --yes --pages 127.0.0.1:8080 --pages-url https://sunset.example.com\n" +
			"  iam-sunset start --engine http://127.0.0.1:8765 --wait      # in another terminal: a dry run",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.serve(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "", "directory for everything that is kept; made where there is none")
	f.StringVar(&o.settings, "settings", "", "file with settings (JSON), read anew at each use; without it DIR/settings.json")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8765", "loopback address for commands and the AWS CLI; port 0 takes a free one")
	f.StringVar(&o.pages, "pages", "127.0.0.1:8766", "address for the approval pages: on loopback, unless --pages-url is given")
	f.StringVar(&o.pagesURL, "pages-url", "", "https address that approvers' links begin with, where a proxy stands before the pages")
	f.BoolVar(&o.newJournal, "new-journal", false, "go on although DIR/journal.db is lost: open cases end as failed, and their users can be rescued")
	f.BoolVar(&o.yes, "yes", false, "don't ask before it begins")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagFilename("settings", "json") // both flags are there
	return cmd
}

type serveOptions struct {
	operator
	data, settings, listen, pages, pagesURL string
	yes, newJournal                         bool
}

// stopWithin is how long functions under way may take to their end when somebody stops the process. What is not done then is
// done again at the next start.
const stopWithin = 8 * time.Second

func (o serveOptions) serve(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	bound, found, err := datadir.Find(o.data)
	if err != nil {
		return hinted{err, "nothing was changed in it; choose another --data, or put it right"}
	}
	if o.settings == "" {
		o.settings = datadir.Settings(o.data)
	}
	settings, err := o.readSettings()
	if err != nil {
		return err
	}
	to, err := o.reachAccount(ctx, bound)
	if err != nil {
		return err
	}
	at := datadir.Binding{Account: to.caller.Account, Region: to.aws.Region}
	var dir *datadir.Dir
	// A directory that is there is opened before anybody is asked: what is open in it is part of the question.
	if found {
		if dir, err = openDir(o.data, at, o.around.clock.Now()); err != nil {
			return err
		}
		defer dir.Close() // a leftover of engine.json harms nobody
		if dir.LostJournal() && !o.newJournal {
			return hinted{fmt.Errorf("the data directory %s has lost journal.db", dir.Path()), "put it back from a backup; without one --new-journal begins anew: open cases end as failed, and their users can be rescued"}
		}
	}
	if err := o.introduce(ctx, to, dir, settings); err != nil {
		return err
	}
	if err := o.confirm(ctx, o.yes, fmt.Sprintf("Serve account %s from this machine?", to.caller.Account)); err != nil {
		return err
	}
	if dir == nil {
		if dir, err = openDir(o.data, at, o.around.clock.Now()); err != nil {
			return err
		}
		defer dir.Close()
	}
	return o.run(ctx, to, dir)
}

// check refuses flags that would let others in.
func (o serveOptions) check() error {
	if o.data == "" {
		return hinted{errors.New("--data is missing"), "name a directory for everything that is kept, such as --data ~/iam-sunset"}
	}
	if _, err := loopbackAddress(o.listen); err != nil {
		return hinted{fmt.Errorf("--listen: %w", err), "choose a port on 127.0.0.1, such as --listen 127.0.0.1:8765; ssh -L leads to it from elsewhere"}
	}
	if o.pagesURL != "" {
		u, err := url.Parse(o.pagesURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return hinted{fmt.Errorf("--pages-url: %q is not an https address", o.pagesURL), "approvers' links must not be read on their way: --pages-url https://sunset.example.com"}
		}
		if _, _, err := net.SplitHostPort(o.pages); err != nil {
			return hinted{fmt.Errorf("--pages: %w", err), "choose an address such as --pages 127.0.0.1:8766"}
		}
		return nil
	}
	if _, err := loopbackAddress(o.pages); err != nil {
		return hinted{fmt.Errorf("--pages: %w", err), "put a proxy with TLS before the pages, and say where it is: --pages-url https://…"}
	}
	return nil
}

// loopbackAddress refuses an address that other machines reach.
func loopbackAddress(addr string) (host string, err error) {
	host, _, err = net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("%s is not a loopback address", addr)
	}
	return host, nil
}

// settingsToBegin is as little as one can write; example.com is nobody's.
const settingsToBegin = `{"approvers": [{"email": "you@example.com"}], "exemptions": [{"tag": "break-glass", "reason": "emergency access"}]}`

// readSettings reads the settings for the first time.
func (o serveOptions) readSettings() (sunset.Settings, error) {
	s, err := deployed.SettingsFile(o.settings)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return s, hinted{
			fmt.Errorf("there are no settings at %s", o.settings),
			fmt.Sprintf("write them, such as %s; docs/settings.md names all fields. A new directory: mkdir -m 700 %s", settingsToBegin, o.data),
		}
	case err != nil:
		return s, hinted{err, "correct the file; nothing has begun"}
	}
	return s, nil
}

func openDir(path string, b datadir.Binding, now time.Time) (*datadir.Dir, error) {
	dir, err := datadir.Open(path, b, now)
	switch {
	case err == nil:
		return dir, nil
	case sunset.KindOf(err) == sunset.Conflict:
		return nil, hinted{err, "stop that one first, or reach it with --engine; engine.json in the directory says where it is"}
	case strings.Contains(err.Error(), "but the credentials are of account"):
		return nil, hinted{err, "choose the right AWS_PROFILE, or a directory of its own for the other account"}
	}
	return nil, err
}

// run serves until somebody stops it, or it can't go on.
func (o serveOptions) run(ctx context.Context, to account, dir *datadir.Dir) error {
	s := newServing(o, to, dir)
	defer s.end()
	// Whoever was asked may have thought for long: what is overdue goes on at once, by a clock that has to be right.
	if err := to.clock.Check(ctx, s.askAWS); err != nil {
		return err
	}
	machine, err := s.begin()
	if err != nil {
		return err
	}
	if err := dir.Announce(datadir.Addresses{Engine: machine.EngineURL, Pages: machine.PagesURL}); err != nil {
		machine.Close()
		return err
	}
	if err := s.welcome(machine, dir); err != nil {
		machine.Close()
		return err
	}
	return s.wait(ctx, machine)
}

// wait ends the machine in order where somebody stops it, and at once where it must not go on.
func (s *serving) wait(ctx context.Context, machine *onemachine.Machine) error {
	select {
	case why := <-s.ended:
		machine.Close()
		return verdictNo{"iam-sunset: " + printable(why.Error()) + ". Nothing more is sent to AWS, and nothing is lost: put it right, then start again."}
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	s.release()
	machine.Shutdown(within)
	fmt.Fprintln(s.around.stderr, "Stopped. Everything goes on at the next start; users who are disabled stay so.")
	return nil
}
