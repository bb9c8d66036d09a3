package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// requestFlags narrow and tighten what the settings say. They can't loosen anything.
type requestFlags struct {
	users                        []string
	usersFrom                    string
	unused, minAge, soak, notice string
	capPercent, batch            int
	account                      string
}

// addNarrowing is for every command that makes a plan.
func (r *requestFlags) addNarrowing(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&r.users, "user", nil, "look at these users only")
	f.StringVar(&r.usersFrom, "users-from", "", "look at the users named in this file, one a line")
	f.StringVar(&r.unused, "unused", "", "idle for longer is unused, such as 180d; not less than the settings say")
}

// addTightening is for commands that start what the plan says.
func (r *requestFlags) addTightening(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.minAge, "min-age", "", "keep users that are younger, such as 60d; not less than the settings say")
	f.StringVar(&r.soak, "soak", "", "listen to disabled users for so long, such as 21d; not less than the settings say")
	f.StringVar(&r.notice, "notice", "", "time between telling the owner and disabling, such as 7d; not less than the settings say")
	f.IntVar(&r.capPercent, "cap-percent", 0, "refuse where more of all users are eligible; not more than the settings say")
	f.IntVar(&r.batch, "batch", 0, "users disabled a day; not more than the settings say")
	f.StringVar(&r.account, "account", "", "account to clean up, of those that the settings name; without it the deployment's own")
}

func (r requestFlags) request() (sunset.Request, error) {
	out := sunset.Request{Users: r.users, Account: r.account}
	for _, d := range []struct {
		flag, value string
		into        **sunset.Duration
	}{{"unused", r.unused, &out.Unused}, {"min-age", r.minAge, &out.MinAge}, {"soak", r.soak, &out.Soak}, {"notice", r.notice, &out.Notice}} {
		if d.value == "" {
			continue
		}
		parsed, err := sunset.ParseDuration(d.value)
		if err != nil {
			return out, fmt.Errorf("--%s: %w", d.flag, err)
		}
		*d.into = &parsed
	}
	if r.capPercent != 0 {
		out.CapPercent = &r.capPercent
	}
	if r.batch != 0 {
		out.Batch = &r.batch
	}
	named, err := r.namedIn()
	out.Users = append(out.Users, named...)
	return out, err
}

// namedIn reads the users of --users-from.
func (r requestFlags) namedIn() ([]string, error) {
	if r.usersFrom == "" {
		return nil, nil
	}
	f, err := os.Open(r.usersFrom)
	if err != nil {
		return nil, fmt.Errorf("--users-from: %w", err)
	}
	defer f.Close()
	var named []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name := strings.TrimSpace(lines.Text()); name != "" && !strings.HasPrefix(name, "#") {
			named = append(named, name)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("--users-from: reading %s: %w", r.usersFrom, err)
	}
	if len(named) == 0 {
		return nil, fmt.Errorf("--users-from: %s names no user", r.usersFrom)
	}
	return named, nil
}
