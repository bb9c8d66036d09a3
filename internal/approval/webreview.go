package approval

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// maxBallots is how many decisions one form may hold.
const maxBallots = 500

// ballot is what a form says of one request.
type ballot struct {
	ID, Digest, Reason string
	Choice             sunset.Choice // empty: nothing was chosen
}

// read reads a form of at most so many bytes. Where ok is false, everything has been answered.
func (w *web) read(rw http.ResponseWriter, r *http.Request, most int64) (form url.Values, ok bool) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		w.message(rw, r, http.StatusUnsupportedMediaType, "Only the forms on these pages decide. Nothing was decided.")
		return nil, false
	}
	r.Body = http.MaxBytesReader(rw, r.Body, most)
	if err := r.ParseForm(); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			w.message(rw, r, http.StatusRequestEntityTooLarge, "That was too long. Nothing was decided: go back and write less, or decide on fewer at a time.")
			return nil, false
		}
		w.message(rw, r, http.StatusBadRequest, "The form could not be read. Nothing was decided: go back and send it again.")
		return nil, false
	}
	return r.PostForm, true
}

// ballots are what a form on many requests says, in the order of ids. A reason for all stands where a request has none of its
// own. What is said twice is said by nobody's page.
func ballots(form url.Values) ([]ballot, error) {
	incomplete := sunset.Faultf(sunset.Invalid, "the form was not complete, and nothing was decided; go back to your list and begin there")
	var out []ballot
	for field, digests := range form {
		id, isDigest := strings.CutPrefix(field, "digest.")
		if !isDigest {
			if id, ok := strings.CutPrefix(field, "choice."); ok && form["digest."+id] == nil {
				return nil, incomplete
			}
			continue
		}
		choices, reasons := form["choice."+id], form["reason."+id]
		if id == "" || len(digests) != 1 || len(choices) > 1 || len(reasons) > 1 || len(form["reason"]) > 1 || len(form["all"]) > 1 {
			return nil, incomplete
		}
		b := ballot{ID: id, Digest: digests[0], Reason: CleanReason(form.Get("reason." + id))}
		if len(choices) == 1 {
			b.Choice = sunset.Choice(choices[0])
		}
		out = append(out, b)
	}
	if len(out) > maxBallots {
		return nil, sunset.Faultf(sunset.Invalid, "%d cases are too many for one form, and nothing was decided; decide on at most %d at a time", len(out), maxBallots)
	}
	slices.SortFunc(out, func(a, b ballot) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// review names the users and what was chosen for each, and asks why. It changes nothing.
func (w *web) review(rw http.ResponseWriter, r *http.Request) {
	who, ok := w.visitor(rw, r)
	if !ok {
		return
	}
	form, ok := w.read(rw, r, maxManyForm)
	if !ok {
		return
	}
	w.reviewForm(rw, r, who, form, http.StatusOK, "")
}

// reviewForm shows the review of a form, with what is wrong with it, if anything.
func (w *web) reviewForm(rw http.ResponseWriter, r *http.Request, who visitor, form url.Values, status int, wrong string) {
	said, err := ballots(form)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	items, err := w.desk.Items(r.Context(), who.Email, ids(said))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	page := reviewView(w.place(r), said, items, sunset.Choice(form.Get("all")), w.desk.clock.Now())
	page.Reason, page.Wrong = CleanReason(form.Get("reason")), wrong
	if page.Count == 0 && len(page.Left) == 0 {
		w.message(rw, r, http.StatusBadRequest, "Nothing was chosen, and so nothing was decided. Go back and choose what shall become of at least one user.")
		return
	}
	w.page(rw, r, status, "review", page)
}

func ids(all []ballot) []string {
	out := make([]string, len(all))
	for i, b := range all {
		out[i] = b.ID
	}
	return out
}
