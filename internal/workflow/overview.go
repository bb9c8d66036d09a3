package workflow

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Overview is how everything stands.
type Overview struct {
	At time.Time `json:"at"`
	// Paused is why everything is paused, with who and when, or empty.
	Paused string `json:"paused,omitempty"`
	// Starting are executions of cleanups that have no row yet.
	Starting []string        `json:"starting,omitempty"`
	Cleanups []CleanupStands `json:"cleanups"` // the newest first
	// Open are all open cases, in order of what comes next.
	Open []CaseStands `json:"open"`
	// Left are cases that have ended and left their user disabled, with nobody to decide any more.
	Left []CaseStands `json:"left,omitempty"`
}

// CleanupStands is one cleanup and where its cases stand.
type CleanupStands struct {
	sunset.Cleanup
	State string `json:"state"` // CleanupPlanning and so on
	// Stages counts the open cases, and Closed the ended ones by outcome, as far as their rows are still there.
	Stages map[sunset.Stage]int   `json:"stages,omitempty"`
	Closed map[sunset.Outcome]int `json:"closed,omitempty"`
	// HeldBy are the cases that keep its later turns waiting until somebody resumes.
	HeldBy []CaseStands `json:"held_by,omitempty"`
}

// The states of a cleanup.
const (
	CleanupPlanning = "planning" // reading the account
	CleanupOpening  = "opening"  // claiming users and starting their cases
	CleanupRunning  = "running"  // cases are open
	CleanupEnding   = "ending"   // no case is open; reconcile closes it within the hour
	CleanupEnded    = "ended"
)

// CaseStands is one case and what it waits for.
type CaseStands struct {
	Case     string         `json:"case"`
	Cleanup  string         `json:"cleanup"`
	Account  string         `json:"account"`
	UserID   string         `json:"user_id"`
	User     string         `json:"user"`
	Stage    sunset.Stage   `json:"stage"`
	Outcome  sunset.Outcome `json:"outcome,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Signals  int            `json:"signals,omitempty"`
	Disabled bool           `json:"disabled"`
	// Next says in a few words what comes next, and At when, where that is known.
	Next string    `json:"next,omitempty"`
	At   time.Time `json:"at,omitzero"`
	// Waits says what the case waits for beside the time, and For are the approvers whose word it needs.
	Waits string   `json:"waits,omitempty"`
	For   []string `json:"for,omitempty"`
	// Holds says that later turns wait until somebody has looked at this case.
	Holds bool `json:"holds,omitempty"`
}

// ToBeDecided is what comes next for a case that people can decide on.
const ToBeDecided = "to be decided until then"

// Overview reads how everything stands. It changes nothing.
func (w *Workflow) Overview(ctx context.Context) (Overview, error) {
	out, err := w.Watch(ctx)
	return out.Overview, err
}

// Watch is an Overview with what a picture of it needs beside.
type Watch struct {
	Overview
	// Settings are today's, and Cases the rows that the overview was made of, ended ones too.
	Settings sunset.Settings
	Cases    []sunset.Case
}

// Watch reads how everything stands. It changes nothing, and asks nothing of the account.
func (w *Workflow) Watch(ctx context.Context) (Watch, error) {
	out := Watch{Overview: Overview{At: w.Clock.Now(), Cleanups: []CleanupStands{}, Open: []CaseStands{}}}
	s, err := w.Settings(ctx)
	if err != nil {
		return out, err
	}
	out.Settings = s
	if out.Paused, err = w.Cases.Paused(ctx); err != nil {
		return out, err
	}
	cleanups, err := w.Cases.Cleanups(ctx)
	if err != nil {
		return out, err
	}
	cases, err := w.Cases.Cases(ctx)
	if err != nil {
		return out, err
	}
	out.Cases = cases
	pending, err := w.Desk.Pending(ctx)
	if err != nil {
		return out, err
	}
	asked := map[string]approval.Pending{}
	for _, p := range pending {
		asked[p.Request.ID] = p
	}
	heldBy := map[string][]CaseStands{}
	for _, c := range cases {
		if c.Holds {
			heldBy[c.CleanupID] = append(heldBy[c.CleanupID], stands(c))
		}
	}
	look := looking{now: out.At, settings: s, paused: out.Paused, asked: asked, heldBy: heldBy}
	stages, closed := map[string]map[sunset.Stage]int{}, map[string]map[sunset.Outcome]int{}
	for _, c := range cases {
		switch {
		case c.Open():
			out.Open = append(out.Open, look.ahead(c))
			count(stages, c.CleanupID, c.Stage)
			continue
		case c.LeftDisabled() && c.Outcome != sunset.Retained:
			left := stands(c)
			left.Next, left.Waits = "nothing", "somebody to look at it, and to rescue it"
			if !c.DeletingSince.IsZero() {
				left.Waits = "somebody to put right what its record names, and to redrive its execution: its deletion has begun"
			}
			out.Left = append(out.Left, left)
		}
		count(closed, c.CleanupID, c.Outcome)
	}
	for _, c := range cleanups {
		out.Cleanups = append(out.Cleanups, CleanupStands{
			Cleanup: c, State: stateOf(c, len(stages[c.ID]) > 0), Stages: stages[c.ID], Closed: closed[c.ID], HeldBy: heldBy[c.ID],
		})
	}
	slices.SortStableFunc(out.Cleanups, func(a, b CleanupStands) int { return b.Began.Compare(a.Began) })
	for _, list := range [][]CaseStands{out.Open, out.Left} {
		slices.SortStableFunc(list, func(a, b CaseStands) int {
			return cmp.Or(a.At.Compare(b.At), strings.Compare(a.User, b.User), strings.Compare(a.UserID, b.UserID))
		})
	}
	out.Starting, err = w.starting(ctx, cleanups)
	return out, err
}

func count[K comparable](counts map[string]map[K]int, of string, what K) {
	if counts[of] == nil {
		counts[of] = map[K]int{}
	}
	counts[of][what]++
}

func stateOf(c sunset.Cleanup, open bool) string {
	switch {
	case !c.Ended.IsZero():
		return CleanupEnded
	case open && c.Settled:
		return CleanupRunning
	case c.Settled:
		return CleanupEnding
	case c.PlanKey != "":
		return CleanupOpening
	}
	return CleanupPlanning
}

func stands(c sunset.Case) CaseStands {
	return CaseStands{
		Case: c.ID, Cleanup: c.CleanupID, Account: c.Account, UserID: c.UserID, User: c.UserName, Stage: c.Stage, Outcome: c.Outcome,
		Reason: c.Reason, Signals: len(c.Signals), Holds: c.Holds, Disabled: c.Changed && (c.Open() || c.LeftDisabled()),
	}
}

// looking is what telling a case's next step needs beside its row.
type looking struct {
	now      time.Time
	settings sunset.Settings
	paused   string
	asked    map[string]approval.Pending
	heldBy   map[string][]CaseStands
}

func (l looking) ahead(c sunset.Case) CaseStands {
	out := stands(c)
	switch c.Stage {
	case sunset.Waiting:
		out.Next, out.At = "to be disabled", c.Turn
		out.Waits = l.holdsTurn(c)
	case sunset.Disabling:
		out.Next, out.At = "being disabled", l.now
	case sunset.Soaking:
		out.Next, out.At = "listened to until then", c.SoakUntil
		if len(c.Signals) > 0 {
			out.Waits = "something was heard: " + c.Signals[len(c.Signals)-1].Detail
		} else if !c.SoakFrom.IsZero() {
			out.Waits = "the next check is " + sunset.NextCheck(c.UserID, c.SoakFrom, c.SoakUntil, l.now).UTC().Format("2006-01-02 15:04")
		}
	case sunset.Requesting:
		l.requesting(c, &out)
	case sunset.Deleting:
		out.Next, out.At = "being deleted", l.now
	case sunset.Restoring:
		out.Next, out.At = "being put back", l.now
	}
	if c.Rescue != nil && c.Stage != sunset.Waiting && c.Stage != sunset.Deleting {
		out.Next, out.Waits, out.For = "to be put back", c.Rescue.By+" asked to have it back", nil
	}
	return out
}

// holdsTurn says why a turn would not be taken if it came now, or is empty.
func (l looking) holdsTurn(c sunset.Case) string {
	if c.Rescue != nil {
		return "nothing: " + c.Rescue.By + " asked to keep it, and its turn leaves it alone"
	}
	for _, h := range l.heldBy[c.CleanupID] {
		if h.Case != c.ID {
			return fmt.Sprintf("somebody to look at %s, which holds the turns that follow", h.User)
		}
	}
	if l.paused != "" {
		return "the end of the pause"
	}
	if open := sunset.NextOpen(l.settings.Windows, l.now); !c.Turn.After(l.now) && open.After(l.now) {
		return "the next window, " + open.UTC().Format("2006-01-02 15:04")
	}
	return ""
}

func (l looking) requesting(c sunset.Case, out *CaseStands) {
	p, open := l.asked[c.RequestID]
	switch {
	case !open:
		out.Next, out.At = "its decision is carried out", l.now
		if l.paused != "" {
			out.Waits = "the end of the pause"
		} else if at := sunset.NextOpen(l.settings.Windows, l.now); at.After(l.now) {
			out.At, out.Waits = at, "the next window"
		}
		return
	case !l.now.Before(p.Request.Expires):
		out.Next, out.At, out.Waits = "it ends undecided, and stays disabled", p.Request.Expires, ""
		return
	}
	out.Next, out.At, out.For = ToBeDecided, p.Request.Expires, p.Asked
	switch needed := max(p.Request.Needed, l.settings.ApprovalsNeeded); {
	case len(p.Asked) == 0:
		out.Waits = "an approver: nobody who may decide is left, see the settings"
	case p.Told.IsZero():
		out.Waits = "approvers, who are told in the next office hours"
	case needed > 1:
		out.Waits = fmt.Sprintf("approvers: %d of %d have decided", p.Stored, needed)
	default:
		out.Waits = "an approver"
	}
	if p.Request.Disturbed {
		out.Waits += "; its soak was disturbed"
	}
}

// starting are the running executions that are neither a case nor a cleanup with a row: those that were started a moment
// ago.
func (w *Workflow) starting(ctx context.Context, known []sunset.Cleanup) ([]string, error) {
	var out []string
	pages := sfn.NewListExecutionsPaginator(w.Executions, &sfn.ListExecutionsInput{
		StateMachineArn: &w.StateMachine, StatusFilter: types.ExecutionStatusRunning, MaxResults: 1000,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, awsfault.Wrap(err, "states:ListExecutions", "listing the executions that run")
		}
		for _, x := range page.Executions {
			name := aws.ToString(x.Name)
			if !slices.ContainsFunc(known, func(c sunset.Cleanup) bool { return c.ID == name || c.ID == sunset.CleanupOf(name) }) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}
