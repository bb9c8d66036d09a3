package approval

import (
	"context"
	"fmt"
	"html/template"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type casePage struct {
	place
	Title, Email string
	Item
	Status, Mood string
	Retain       bool // the settings strip the user and keep it, instead of deleting it
	Needed       int
	Approvals    int
	Timeline     []moment
	Credentials  []credential
	Evidence     []answer
	Answers      string // the evidence in one line
	Heard        string // the soak in one line
	Groups       []removed
	Irreversible []string
	Options      []option // empty where nothing is to be decided here
	Obstacle     string   // why delete is not among the choices, or empty
	Address      string   // of this page
	Picture      template.HTML
	Key          template.HTML
	Owner        sunset.OwnerWord
	OwnerUnread  bool     // what its owner said could not be read
	Newer        string   // where the request is that took this one's place, if there is one
	Moved        []string // what moved between the two
}

// moment is a line of the timeline.
type moment struct {
	At    time.Time
	Text  string
	Alarm bool
}

type credential struct {
	Name, Status, Used string
	Created            time.Time
}

// removed is what deletion takes away of one kind.
type removed struct {
	Kind string
	Each []sunset.Artifact
}

type option struct {
	Value       sunset.Choice
	Label, Does string
}

// caseOf gathers what the page of a case shows beside its request.
func (w *web) caseOf(ctx context.Context, at place, who visitor, item Item) casePage {
	p := caseView(at, who.Email, item, w.desk.clock.Now())
	var err error
	if p.Owner, err = w.desk.OwnerWord(ctx, item.Request.CaseID); err != nil {
		w.log.WarnContext(ctx, "what an owner said can't be read", "case", item.Request.CaseID, "error", err)
		p.OwnerUnread = true
	}
	if item.Request.State == sunset.RequestSuperseded {
		newer, changes, ok := w.newer(ctx, who, item)
		if p.Status = "Nobody has to decide on this any more"; ok {
			p.Status, p.Newer, p.Moved = "The facts have moved; a newer request takes its place", at.Inbox+"/"+newer.Request.ID, changes
		}
	}
	return p
}

func caseView(at place, email string, item Item, now time.Time) casePage {
	r := item.Request
	p := casePage{place: at, Title: CleanReason(r.UserName), Email: email, Item: item, Retain: r.Facts.Final == sunset.FinalRetain, Needed: max(r.Needed, 1)}
	p.Status, p.Mood = standing(item, now)
	for _, d := range item.decisions() {
		if d.Choice == sunset.ChooseDelete {
			p.Approvals++
		}
	}
	p.Timeline = timeline(item)
	p.Credentials = credentials(r)
	p.Address = at.Inbox + "/" + r.ID
	course := soakOf(item)
	p.Picture, p.Key = course.SVG(), course.Key()
	p.Evidence, p.Answers = answers(r)
	p.Heard = "Every check heard nothing."
	if n := len(r.Facts.Signals); n > 0 {
		p.Heard = "The checks heard " + counted(n, "signal.", "signals.")
	}
	p.Obstacle = obstacle(r)
	// What people wrote about a reference is not among the facts, and is put beside them.
	p.Request.Facts.References = slices.Clone(r.Facts.References)
	for i, ref := range p.Request.Facts.References {
		for _, told := range r.Shown.References {
			detail := told.Detail
			if told.Detail = ""; told == ref {
				p.Request.Facts.References[i].Detail = detail
			}
		}
	}
	p.Groups = groups(r.Facts.Artifacts)
	p.Irreversible = irreversible(r)
	if decidable(item, now) {
		p.Options = options(r)
	}
	return p
}

// obstacle says why r can't be decided with delete, or is empty.
func obstacle(r sunset.ApprovalRequest) string {
	if !r.Disturbed {
		return ""
	}
	if len(r.Facts.Signals) > 0 {
		return "something was heard while it was disabled"
	}
	for _, ref := range r.Facts.References {
		if ref.Weight == sunset.Blocking {
			return CleanReason(ref.Resource) + " would be left without anybody who can use it"
		}
	}
	return "its soak was disturbed"
}

func (i Item) decisions() []sunset.Decision {
	all := slices.Clone(i.Others)
	if i.Mine != nil {
		all = append(all, *i.Mine)
	}
	slices.SortStableFunc(all, func(a, b sunset.Decision) int { return a.At.Compare(b.At) })
	return all
}

// Decisions are everybody's, in order of time.
func (p casePage) Decisions() []sunset.Decision { return p.decisions() }

func methodLabel(m sunset.Method) string {
	switch m {
	case sunset.InlineDeny:
		return "an inline policy denies everything"
	case sunset.ManagedDeny:
		return "AWS's policy AWSDenyAll is attached"
	case sunset.Deactivation:
		return "credentials switched off, password removed"
	}
	return "method not known"
}

// MethodLabel says how the user was disabled.
func (p casePage) MethodLabel() string { return methodLabel(p.Request.Shown.Quarantine.Method) }

func options(r sunset.ApprovalRequest) []option {
	var out []option
	for _, c := range r.Choices() {
		o := option{Value: c}
		switch c {
		case sunset.ChooseDelete:
			o.Label, o.Does = "Delete", "The user and everything it has goes, for good."
			if r.Facts.Final == sunset.FinalRetain {
				o.Label, o.Does = "Strip", "All its credentials go, for good; the empty, tagged user stays."
			}
			if r.Needed > 1 {
				o.Does += fmt.Sprintf(" Needs %d approvers.", r.Needed)
			}
		case sunset.ChooseKeep:
			o.Label, o.Does = "Keep", "The user gets back what it had before it was disabled. One approver is enough."
		case sunset.ChooseSoakAgain:
			o.Label, o.Does = "Soak again", "The user stays disabled and is listened to for another round; then you are asked again."
		}
		out = append(out, o)
	}
	return out
}
