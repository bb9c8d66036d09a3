package dashboard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// endsSoon is how long before its end an undecided request is somebody's business beside the approvers'.
const endsSoon = 72 * time.Hour

// need is one thing that wants a person, and what that person can do.
type need struct {
	Title string
	// Case and User, or Cleanup, are what it is about.
	Case, User, Cleanup string
	Why                 string
	At                  time.Time
	AtIs                string // what At is
	Do                  []step
	Urgent              bool
}

// step is one thing to do: a sentence, and a command to run or a page of the dashboard.
type step struct {
	Text, Command, Page string
}

// commands writes what to run, for one engine.
type commands struct {
	engine, credentials, region string
}

func (c commands) sunset(line string) string { return "iam-sunset " + line + " --engine " + c.engine }

// redrive goes on with a failed case. The key of the engine is named by its file alone.
func (c commands) redrive(execution string) string {
	return fmt.Sprintf("AWS_SHARED_CREDENTIALS_FILE=%s aws --profile default stepfunctions redrive-execution --endpoint-url %s --region %s --execution-arn %s",
		quoted(c.credentials), c.engine, c.region, execution)
}

// quoted is one word to a shell.
func quoted(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (c commands) history(id string) step {
	return step{Text: "Read what happened", Command: c.sunset("history " + id)}
}

func (c commands) rescue(userID string) step {
	return step{Text: "Give the user back as it was", Command: c.sunset("rescue "+userID) + ` --reason "…"`}
}

// needs are all of them, the most pressing first.
func needs(now workflow.Watch, c commands, settingsFile string) []need {
	rows := map[string]sunset.Case{}
	for _, row := range now.Cases {
		rows[row.ID] = row
	}
	var out []need
	told := map[string]bool{}
	for _, left := range now.Left {
		told[left.Case] = true
		out = append(out, leftDisabled(left, rows[left.Case], c))
	}
	for _, cleanup := range now.Cleanups {
		for _, h := range cleanup.HeldBy {
			if told[h.Case] {
				continue
			}
			told[h.Case] = true
			out = append(out, holding(h, rows[h.Case], c))
		}
	}
	for _, open := range now.Open {
		if n, ok := undecided(now, open, c, settingsFile); ok {
			out = append(out, n)
		}
	}
	out = append(out, refused(now, c)...)
	slices.SortStableFunc(out, func(a, b need) int {
		switch {
		case a.Urgent != b.Urgent && a.Urgent:
			return -1
		case a.Urgent != b.Urgent:
			return 1
		case !a.Urgent: // what ends first
			return a.At.Compare(b.At)
		}
		return cmp.Compare(b.At.Unix(), a.At.Unix())
	})
	return out
}

// leftDisabled is a case that has ended with its user disabled, and with nobody to decide any more.
func leftDisabled(left workflow.CaseStands, row sunset.Case, c commands) need {
	n := need{Title: "ended undecided and is still disabled", Case: left.Case, User: left.User, Why: left.Reason, At: row.Ended, AtIs: "ended", Urgent: true}
	n.Do = []step{c.history(left.Case)}
	redrive := step{Text: "Once that is put right, go on with it (within 14 days)", Command: c.redrive(row.Execution)}
	switch {
	case left.Outcome == sunset.Failed && !row.DeletingSince.IsZero():
		n.Title = "failed after its deletion had begun"
		redrive.Text = "Put right what its record names, then go on with the deletion (within 14 days)"
		n.Do = append(n.Do, redrive)
	case left.Outcome == sunset.Failed:
		n.Title = "failed and was left disabled"
		if row.SoakFrom.IsZero() { // its deny may never have been put
			n.Title = "failed while it was being disabled, and may not be disabled yet"
		}
		n.Do = append(n.Do, redrive, c.rescue(left.UserID))
	default:
		n.Do = append(n.Do, c.rescue(left.UserID))
	}
	if left.Holds {
		n.Do = append(n.Do, goOn(left.Cleanup))
	}
	return n
}

func goOn(cleanup string) step {
	return step{Text: "It holds the later turns of " + cleanup + ": once you have looked", Page: root + "cleanup/" + cleanup + "/turns"}
}

// holding is a case whose trouble keeps later turns waiting.
func holding(h workflow.CaseStands, row sunset.Case, c commands) need {
	n := need{Title: "holds the later turns of " + h.Cleanup, Case: h.Case, User: h.User, Why: whyHeld(row), Urgent: true, At: row.Ended, AtIs: "ended"}
	if k := len(row.Signals); k > 0 && row.Open() {
		n.Title = "was heard of in its soak, and holds the later turns of " + h.Cleanup
		n.At, n.AtIs = row.Signals[k-1].At, "heard"
	} else if row.Outcome == sunset.Failed {
		n.Title = "failed before anything was changed, and holds the later turns of " + h.Cleanup
	}
	n.Do = []step{c.history(h.Case)}
	if row.Open() && h.Disabled {
		rescue := c.rescue(h.UserID)
		rescue.Text = "If something needs the user, give it back as it was"
		n.Do = append(n.Do, rescue)
	}
	n.Do = append(n.Do, goOn(h.Cleanup))
	return n
}

// undecided is a case that nobody may decide on, or whose time to be decided is nearly over.
func undecided(now workflow.Watch, open workflow.CaseStands, c commands, settingsFile string) (need, bool) {
	if open.Stage != sunset.Requesting || open.Next != workflow.ToBeDecided {
		return need{}, false
	}
	n := need{Case: open.Case, User: open.User, At: open.At, AtIs: "ends"}
	switch {
	case len(open.For) == 0:
		n.Title, n.Urgent = "has nobody left who may decide", true
		n.Why = "Undecided it ends as expired and stays disabled. Approvers who started the cleanup, or have decided already, don't count."
		n.Do = []step{{Text: "Name another approver in the settings, " + settingsFile}, c.history(open.Case)}
	case open.At.Sub(now.At) <= endsSoon:
		n.Title = "is still undecided"
		n.Why = "Undecided it ends as expired and stays disabled. It waits for " + strings.Join(open.For, ", ") + "."
		n.Do = []step{{Text: "Call them; an approver with an AWS identity decides with", Command: c.sunset("approve " + open.UserID)}}
	default:
		return need{}, false
	}
	return n, true
}

// refused are cleanups that came to nothing, until another one of their account was started.
func refused(now workflow.Watch, c commands) []need {
	var out []need
	later := map[string]bool{}
	for _, cleanup := range now.Cleanups { // the newest first
		if cleanup.Refusal != "" && len(cleanup.Stages) == 0 && !later[cleanup.Account] {
			out = append(out, need{
				Title: "was refused or failed", Cleanup: cleanup.ID, Why: cleanup.Refusal, At: cleanup.Began, AtIs: "began", Urgent: true,
				Do: []step{c.history(cleanup.ID), {Text: "Put it right, then start another one", Command: c.sunset("start")}},
			})
		}
		later[cleanup.Account] = true
	}
	return out
}
