package approval

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// longestWhy is how many characters a reason to keep a user may have.
const longestWhy = 1000

// Owners is what the owners' pages work with. Where OfCase is nil there are no such pages.
type Owners struct {
	// OfCase reads the case of a link as it stands now.
	OfCase func(ctx context.Context, caseID, userID string) (OwnedCase, error)
	// Keep has the user back, or not disabled at all, and returns once that is done: a Conflict where it is too late. Whatever
	// it fails with, OfCase tells whether the wish is stored.
	Keep func(context.Context, OwnerAct) error
	// HandOver and Agree store what the owner says and put it on record. Their Invalid and Conflict faults are sentences for
	// the owner.
	HandOver func(context.Context, OwnerAct) error
	Agree    func(context.Context, OwnerAct) error
}

// OwnedCase is a case as its owner is shown it.
type OwnedCase struct {
	Case sunset.Case
	// Entry is what the plan knew of the user.
	Entry sunset.Entry
	// Settings are today's, as the case's cleanup narrows them.
	Settings sunset.Settings
	Word     sunset.OwnerWord
	// Request is the one that the approvers are asked by; its zero value while they aren't.
	Request sunset.ApprovalRequest
	// Over says that the user has a newer case, so that of this one nothing more is known but that it ended.
	Over bool
}

// OwnerAct is what somebody asks for on an owner's page. By is the address that the link was made for, also where the case
// was handed over since: whoever once owned a user may know best what breaks without it, and to keep it is the safe
// side, so that a former owner loses all but that.
type OwnerAct struct {
	CaseID, UserID string
	By             string
	Way            sunset.Way
	Principal      string
	Reason         string // to keep it
	To             string // to hand it over
}

// ownerRoutes serves the owners' pages: a case at /o/{owner}, whose three forms are posted back to it with the field act
// (keep, hand-over, agree) and reason or to. GET and HEAD change nothing.
func (w *web) ownerRoutes(mux *http.ServeMux, owners Owners) {
	if owners.OfCase == nil {
		return
	}
	o := &ownerWeb{web: w, owners: owners}
	mux.HandleFunc("GET "+ownerPath+"{owner}", o.show)
	mux.HandleFunc("POST "+ownerPath+"{owner}", o.act)
}

type ownerWeb struct {
	*web
	owners Owners
}

// comes tells who came, to which case. Where ok is false everything has been answered. The link is looked up first, so that a
// wrong one sends nobody to sign in.
func (o *ownerWeb) comes(rw http.ResponseWriter, r *http.Request) (act OwnerAct, ok bool) {
	link, err := o.desk.OwnerLink(r.Context(), r.PathValue("owner"))
	if err != nil {
		o.fail(rw, r, err)
		return OwnerAct{}, false
	}
	act = OwnerAct{CaseID: link.CaseID, UserID: link.UserID, By: link.Email, Way: sunset.WayLink}
	if o.signIn == nil {
		return act, true
	}
	who, answered := o.signIn(rw, r)
	switch {
	case answered:
		return OwnerAct{}, false
	case who.Email != "" && !strings.EqualFold(who.Email, link.Email):
		o.message(rw, r, http.StatusForbidden, "You are signed in as somebody else than this link was made for. Nothing was changed. Sign in as yourself, or open the link that was sent to you.")
		return OwnerAct{}, false
	case who.Email != "":
		act.Way, act.Principal = sunset.WaySignIn, who.Principal
	}
	return act, true
}

func (o *ownerWeb) show(rw http.ResponseWriter, r *http.Request) {
	act, ok := o.comes(rw, r)
	if !ok {
		return
	}
	o.render(rw, r, http.StatusOK, act, said{Done: r.URL.Query().Get("done")})
}

// said is what the page says beside the case, and what was written into its forms.
type said struct {
	Done    string // the act that brought the owner here
	Problem string
	Reason  string
	To      string
}

func (o *ownerWeb) render(rw http.ResponseWriter, r *http.Request, status int, act OwnerAct, s said) {
	c, err := o.owners.OfCase(r.Context(), act.CaseID, act.UserID)
	if err != nil {
		o.fail(rw, r, err)
		return
	}
	o.page(rw, r, status, "owner", ownerView(o.place(r), o.address(r), act.By, c, s, o.desk.clock.Now()))
}

// address is where the page's forms go, as the browser sees it.
func (o *ownerWeb) address(r *http.Request) string {
	return o.prefix + ownerPath + url.PathEscape(r.PathValue("owner"))
}

func (o *ownerWeb) act(rw http.ResponseWriter, r *http.Request) {
	act, ok := o.comes(rw, r)
	if !ok || !o.readForm(rw, r) {
		return
	}
	for _, field := range []string{"act", "reason", "to"} {
		if n := len(r.PostForm[field]); n > 1 || field == "act" && n == 0 {
			o.message(rw, r, http.StatusBadRequest, "The form was not complete. Nothing was changed: go back and use one of the forms on the page.")
			return
		}
	}
	act.Reason, act.To = CleanReason(r.PostForm.Get("reason")), strings.TrimSpace(r.PostForm.Get("to"))
	s := said{Reason: act.Reason, To: CleanReason(act.To)}
	// Whoever closes the page now has asked for it all the same.
	ctx := context.WithoutCancel(r.Context())
	var err error
	switch r.PostForm.Get("act") {
	case "keep":
		switch n := utf8.RuneCountInString(act.Reason); {
		case n == 0:
			s.Problem = "Please say why it is needed. Nothing was changed yet."
		case n > longestWhy:
			s.Problem = "The reason is too long: 1,000 characters are enough. Nothing was changed yet."
		}
		if s.Problem != "" {
			o.render(rw, r, http.StatusBadRequest, act, s)
			return
		}
		err = o.keep(ctx, act)
	case "hand-over":
		err = o.owners.HandOver(ctx, act)
	case "agree":
		err = o.owners.Agree(ctx, act)
	default:
		o.message(rw, r, http.StatusBadRequest, "Nothing that this page knows was chosen. Nothing was changed.")
		return
	}
	if fault, isFault := err.(*sunset.Fault); isFault { //nolint:errorlint // one that is wrapped speaks of something deeper
		status := map[sunset.Kind]int{sunset.Conflict: http.StatusConflict, sunset.Invalid: http.StatusBadRequest}[fault.Kind]
		if status != 0 {
			s.Problem = sentence(strings.TrimSuffix(fault.Error(), ".")) + "."
			o.render(rw, r, status, act, s)
			return
		}
	}
	if err != nil {
		o.fail(rw, r, err)
		return
	}
	http.Redirect(rw, r, o.address(r)+"?done="+url.QueryEscape(r.PostForm.Get("act")), http.StatusSeeOther)
}

// keep asks for the user, and makes of an error what it means to the owner: once the wish is stored nothing deletes the
// user any more, whatever else failed, and the page says how far it came.
func (o *ownerWeb) keep(ctx context.Context, act OwnerAct) error {
	before, err := o.owners.OfCase(ctx, act.CaseID, act.UserID)
	switch {
	case err != nil:
		return err
	case before.Over:
		return sunset.Faultf(sunset.Conflict, "this case is over; open the newest message about the user")
	case before.back():
		return nil // the same form again
	}
	failed := o.owners.Keep(ctx, act)
	if failed == nil {
		return nil
	}
	after, err := o.owners.OfCase(ctx, act.CaseID, act.UserID)
	switch {
	case err != nil:
		return errors.Join(failed, err)
	case after.Case.Rescue != nil:
		return nil
	case sunset.KindOf(failed) == sunset.Conflict && after.Case.Stage == sunset.Deleting:
		return sunset.Faultf(sunset.Conflict, "too late: its deletion has begun and can't be stopped")
	case sunset.KindOf(failed) == sunset.Conflict:
		return sunset.Faultf(sunset.Conflict, "that isn't possible any more; see how the user stands")
	}
	return fmt.Errorf("keeping %s for its owner: %w", before.Case.UserName, failed)
}

// readForm reads a form of the page. Where it gives false, everything has been answered.
func (o *ownerWeb) readForm(rw http.ResponseWriter, r *http.Request) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		o.message(rw, r, http.StatusUnsupportedMediaType, "Only the forms on the page change anything. Nothing was changed.")
		return false
	}
	r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			o.message(rw, r, http.StatusRequestEntityTooLarge, "That was too long. Nothing was changed: go back and write less.")
			return false
		}
		o.message(rw, r, http.StatusBadRequest, "The form could not be read. Nothing was changed: go back and send it again.")
		return false
	}
	return true
}
