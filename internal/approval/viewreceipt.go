package approval

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type receiptPage struct {
	place
	Title, Email string
	Item
	Address, File string
	Way           string // how the approver was known, in words
	Standing      string // what all decisions add up to so far
}

// WayLabel says in words how somebody was known.
func WayLabel(way sunset.Way) string {
	switch way {
	case sunset.WayLink:
		return "by the link that was sent to them"
	case sunset.WaySignIn:
		return "by the link that was sent to them, and a sign-in"
	case sunset.WayAWS:
		return "by a request that AWS checked the signature of"
	}
	return "in a way that is not on record"
}

// receiptOf is the receipt for an approver's own decision. Where ok is false, everything has been answered.
func (w *web) receiptOf(rw http.ResponseWriter, r *http.Request) (page receiptPage, ok bool) {
	who, ok := w.visitor(rw, r)
	if !ok {
		return page, false
	}
	item, err := w.desk.Item(r.Context(), who.Email, r.PathValue("request"))
	if err != nil {
		w.fail(rw, r, err)
		return page, false
	}
	if item.Mine == nil {
		w.nothing(rw, r) // others' words have no receipt here
		return page, false
	}
	page = receiptPage{place: w.place(r), Title: "Receipt", Email: who.Email, Item: item, Way: WayLabel(item.Mine.Way)}
	page.Address = page.Inbox + "/" + item.Request.ID
	page.File = page.Address + "/receipt.txt"
	page.Standing = tallied(item)
	return page, true
}

// tallied says what the decisions on a request add up to, and what that means.
func tallied(item Item) string {
	r := item.Request
	switch r.State {
	case sunset.RequestDecided:
		return "All decisions that were needed are there."
	case sunset.RequestExpired:
		return "The request ended before enough had decided; the user stays disabled."
	case sunset.RequestSuperseded:
		return "The request was taken back before enough had decided: the facts moved, or nobody has to decide any more."
	}
	deletes := 0
	for _, d := range item.decisions() {
		if d.Choice == sunset.ChooseDelete {
			deletes++
		}
	}
	return fmt.Sprintf("%d of %d approvals to delete are there.", deletes, max(r.Needed, 1))
}

func (w *web) receipt(rw http.ResponseWriter, r *http.Request) {
	if page, ok := w.receiptOf(rw, r); ok {
		w.page(rw, r, http.StatusOK, "receipt", page)
	}
}

func (w *web) receiptFile(rw http.ResponseWriter, r *http.Request) {
	page, ok := w.receiptOf(rw, r)
	if !ok {
		return
	}
	req, d := page.Request, page.Mine
	var b strings.Builder
	line := func(name, value string) {
		// A line that somebody typed must not look like one of ours.
		fmt.Fprintf(&b, "%-14s %s\n", name+":", strings.ReplaceAll(CleanReason(value), "\n", "\n"+strings.Repeat(" ", 15)))
	}
	b.WriteString("IAM Sunset: receipt for a decision\n\n")
	line("User", req.UserName)
	line("ARN", req.UserARN)
	line("User id", req.UserID)
	line("Decision", choiceLabel(d.Choice))
	line("Reason", d.Reason)
	line("Decided by", d.Approver)
	line("Known", WayLabel(d.Way))
	if d.Principal != "" {
		line("Signed in as", d.Principal)
	}
	line("When", when(d.At))
	line("Approvals", page.Standing)
	line("Case", req.CaseID)
	line("Request", req.ID)
	line("Facts", "SHA-256 "+d.Digest)
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Content-Disposition", `attachment; filename="iam-sunset-receipt-`+req.ID[:min(len(req.ID), 12)]+`.txt"`)
	_, _ = rw.Write([]byte(b.String())) // the browser may be gone
}
