package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const (
	maxForm   = 1 << 20 // a form names every case that holds turns
	maxReason = 1000    // characters
)

// action is something that can be done here: a page that names what will happen, and a POST to the same address.
type action struct {
	path string
	// done is the word by which the page that follows knows what was done.
	done string
	// ask makes the page. Its Nothing says that there is nothing to do, and why.
	ask func(r *http.Request) (reviewPage, error)
	do  func(r *http.Request, by, reason string) error
}

// reviewPage names what will happen.
type reviewPage struct {
	frame
	Lead    string
	Happens []string
	Held    []held
	Button  string
	Nothing string
	// Reason is what was typed, and Wrong what is wrong with it.
	Reason, Wrong string
	Action        string
	Alarming      bool
	MaxReason     int
}

// held is a case that keeps turns waiting.
type held struct{ ID, User, Why string }

func (d *Dashboard) actions() []action {
	return []action{
		{"pause", "paused", d.askPause, func(r *http.Request, by, reason string) error {
			was, err := d.cfg.Workflow.Pause(r.Context(), by, reason)
			if err == nil && was != "" {
				err = sunset.Faultf(sunset.Conflict, "everything was paused before: %s; that stands", was)
			}
			return err
		}},
		{"resume", "resumed", d.askResume, func(r *http.Request, by, reason string) error {
			was, err := d.cfg.Workflow.Resume(r.Context(), by, reason)
			if err == nil && was == "" {
				err = sunset.Faultf(sunset.Conflict, "nothing is paused any more, so that nothing was done")
			}
			return err
		}},
		{"cleanup/{id}/turns", "turns", d.askTurns, func(r *http.Request, by, reason string) error {
			done, err := d.cfg.Workflow.ResumeTurnsOf(r.Context(), r.PathValue("id"), by, reason, r.PostForm["seen"])
			if err == nil && !done {
				err = sunset.Faultf(sunset.Conflict, "no case holds turns of cleanup %s any more, so that nothing was done", r.PathValue("id"))
			}
			return err
		}},
	}
}

func (d *Dashboard) askPause(r *http.Request) (reviewPage, error) {
	p := reviewPage{
		frame: d.frame(r, "Pause everything?"), Lead: "Nothing will be disabled or deleted in any cleanup until somebody resumes.", Button: "Pause everything", Alarming: true,
		Happens: []string{
			"Users that are disabled stay disabled, and are listened to. iam-sunset rescue gives one back.",
			"Approvers can still decide. What they decide is carried out after the pause.",
			"A deletion that has begun goes on to its end.",
			"It is put on record, with your name and the reason.",
		},
	}
	was, err := d.cfg.Workflow.Cases.Paused(r.Context())
	if was != "" {
		p.Nothing = "Everything is paused already: " + was
	}
	return p, err
}

func (d *Dashboard) askResume(r *http.Request) (reviewPage, error) {
	p := reviewPage{frame: d.frame(r, "Resume everything?"), Lead: "The pause ends, and cases go on.", Button: "Resume everything"}
	now, err := d.cfg.Workflow.Watch(r.Context())
	if err != nil {
		return p, err
	}
	if now.Paused == "" {
		p.Nothing = "Nothing is paused: everything runs."
		return p, nil
	}
	due, decided := 0, 0
	for _, c := range now.Open {
		switch {
		case c.Stage == sunset.Waiting && !c.At.After(now.At):
			due++
		case c.Stage == sunset.Requesting && c.Next != workflow.ToBeDecided:
			decided++
		}
	}
	p.Happens = []string{"It had been paused: " + now.Paused + "."}
	if due > 0 {
		p.Happens = append(p.Happens, fmt.Sprintf("%s to be disabled whose turn has come, at most %d a day.", counted(due, "user is", "users are"), now.Settings.Batch))
	}
	if decided > 0 {
		p.Happens = append(p.Happens, fmt.Sprintf("%s carried out in the next window.", counted(decided, "decision is", "decisions are")))
	}
	p.Happens = append(p.Happens, "Cases look again within the next hours.", "Turns that a case of trouble holds stay held: look at that case first.", "It is put on record, with your name and the reason.")
	return p, nil
}

func (d *Dashboard) askTurns(r *http.Request) (reviewPage, error) {
	id := r.PathValue("id")
	p := reviewPage{
		frame: d.frame(r, "Let the turns of "+id+" go on?"), Lead: "The next users of this cleanup are disabled again, so many a day as the settings say.", Button: "I have looked: let them go on",
		Happens: []string{
			"Held turns come due within the next hours.",
			"Only a new trouble holds them again. The cases below stay as they are.",
			"It is put on record, with your name and the reason.",
		},
	}
	if _, err := d.cfg.Workflow.Cases.Cleanup(r.Context(), id); err != nil {
		return p, err
	}
	holding, err := d.cfg.Workflow.Holding(r.Context())
	for _, c := range holding {
		if c.CleanupID == id {
			p.Held = append(p.Held, held{c.ID, c.UserName, whyHeld(c)})
		}
	}
	if err == nil && len(p.Held) == 0 {
		p.Nothing = "No case holds turns of this cleanup."
	}
	return p, err
}

// whyHeld is the trouble of a case that holds turns.
func whyHeld(c sunset.Case) string {
	if n := len(c.Signals); c.Reason == "" && n > 0 {
		return c.Signals[n-1].Detail
	}
	return c.Reason
}

// review shows what will happen.
func (d *Dashboard) review(rw http.ResponseWriter, r *http.Request, a action, status int, wrong string) {
	p, err := a.ask(r)
	if err != nil {
		d.fail(rw, r, err)
		return
	}
	p.Wrong, p.Action, p.MaxReason = wrong, r.URL.EscapedPath(), maxReason
	if r.PostForm != nil {
		p.Reason = approval.CleanReason(r.PostForm.Get("reason"))
	}
	d.page(rw, r, status, "review", p)
}

// act does it, once somebody has said why. Whoever hangs up meanwhile has asked all the same.
func (d *Dashboard) act(rw http.ResponseWriter, r *http.Request, a action) {
	r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		d.message(rw, r, http.StatusBadRequest, "Please try again", "The form can't be read. Nothing was done.")
		return
	}
	reason := approval.CleanReason(r.PostForm.Get("reason"))
	switch {
	case reason == "":
		d.review(rw, r, a, http.StatusBadRequest, "Say why, in a few words. Nothing was done yet.")
		return
	case utf8.RuneCountInString(reason) > maxReason:
		d.review(rw, r, a, http.StatusBadRequest, fmt.Sprintf("Say it in %d characters at most. Nothing was done yet.", maxReason))
		return
	}
	if err := a.do(r.WithContext(context.WithoutCancel(r.Context())), who(r), reason); err != nil {
		if sunset.KindOf(err) == sunset.Conflict {
			d.review(rw, r, a, http.StatusConflict, "This has moved meanwhile: "+err.Error()+".")
			return
		}
		d.fail(rw, r, err)
		return
	}
	http.Redirect(rw, r, root+"?"+url.Values{"done": {a.done}}.Encode(), http.StatusSeeOther)
}

// receipt says what was done. Any other word in the address says nothing.
func receipt(done string) string {
	switch done {
	case "paused":
		return "Everything is paused: nobody is disabled or deleted until somebody resumes."
	case "resumed":
		return "The pause has ended. Cases look again within the next hours."
	case "turns":
		return "Turns go on: held ones come due within the next hours, still only so many a day."
	}
	return ""
}
