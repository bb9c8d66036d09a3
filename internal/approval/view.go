package approval

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

//go:embed page/*.html
var pages embed.FS

// parsedPages is made where pages are served: the programs of functions that serve none link no templates.
func parsedPages() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"plain":  CleanReason,
		"when":   when,
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"word":   word,
		"choice": choiceLabel,
		"way":    WayLabel,
		"day":    func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
		"join":   func(all []string) string { return strings.Join(all, ", ") },
	}).ParseFS(pages, "page/*.html"))
}

// page renders aside, so that an error half-way shows no half page.
func (w *web) page(rw http.ResponseWriter, r *http.Request, status int, name string, view any) {
	var b bytes.Buffer
	if err := w.templates.ExecuteTemplate(&b, name, view); err != nil {
		w.log.ErrorContext(r.Context(), "a page can't be rendered", "page", name, "error", err)
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8") // http.Error would take away that nothing may be kept
		rw.WriteHeader(http.StatusInternalServerError)
		_, _ = rw.Write([]byte(wentWrong + "\n"))
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = b.WriteTo(rw) // the browser may be gone
}

type messagePage struct {
	place
	Title, Text string
	Case        string // where the case is, if the message is about one
	SignOut     string // where to sign out, if that helps
}

func (w *web) message(rw http.ResponseWriter, r *http.Request, status int, text string) {
	title := map[int]string{
		http.StatusNotFound: "Not found", http.StatusForbidden: "Not allowed", http.StatusConflict: "Not possible any more",
		http.StatusServiceUnavailable: "Please try again", http.StatusInternalServerError: "An error",
	}[status]
	if title == "" {
		title = "Please check the form"
	}
	at := w.place(r)
	if status == http.StatusNotFound {
		at.Inbox = "" // a wrong link leads nowhere
	}
	page := messagePage{place: at, Title: title, Text: text}
	if id := r.PathValue("request"); status == http.StatusConflict && id != "" {
		page.Case = at.Inbox + "/" + url.PathEscape(id)
	}
	w.page(rw, r, status, "message", page)
}

// standing says in a few words how a request stands for one approver.
func standing(item Item, now time.Time) (status, mood string) {
	r := item.Request
	switch {
	case r.State == sunset.RequestDecided:
		return "Decided: " + choiceLabel(outcome(item.decisions())), "quiet"
	case r.State == sunset.RequestExpired || r.State == sunset.RequestOpen && !now.Before(r.Expires):
		return "Not decided in time; the user stays disabled", "quiet"
	case r.State != sunset.RequestOpen:
		return "The facts have changed; a newer request takes its place", "quiet"
	case item.Mine != nil:
		return "You have decided; more approvals are needed", "quiet"
	case item.Barred != "":
		return "Not yours to decide: " + item.Barred, "quiet"
	case r.Disturbed:
		return sentence(obstacle(r)), "alarm"
	}
	return "Waits for your decision", "ask"
}

// outcome is what stored decisions on a decided request came to, as sunset.Tally ranks them.
func outcome(all []sunset.Decision) sunset.Choice {
	out := sunset.Choice("by whom is not known here")
	for _, d := range all {
		switch {
		case d.Choice == sunset.ChooseKeep:
			return d.Choice
		case d.Choice == sunset.ChooseSoakAgain, out != sunset.ChooseSoakAgain:
			out = d.Choice
		}
	}
	return out
}

func when(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// choiceLabel names a choice for people.
func choiceLabel(c sunset.Choice) string {
	switch c {
	case sunset.ChooseDelete:
		return "delete"
	case sunset.ChooseKeep:
		return "keep"
	case sunset.ChooseSoakAgain:
		return "soak again"
	}
	return string(c)
}

// word names a kind of artifact, as AWS's console does.
func word(kind string) string {
	names := map[string]string{
		"password": "Console password", "access-key": "Access key", "ssh-key": "SSH public key", "service-credential": "Service-specific credential",
		"signing-certificate": "Signing certificate", "mfa-virtual": "Virtual MFA device", "mfa-fido": "FIDO key or passkey",
		"mfa-hardware": "Hardware MFA token", "spare-mfa": "Virtual MFA device (unassigned)", "group": "Membership of group",
		"inline-policy": "Inline policy", "attached-policy": "Attached policy (detached, not deleted)",
	}
	if name, ok := names[kind]; ok {
		return name
	}
	return sentence(strings.ReplaceAll(kind, "-", " "))
}

// sentence begins with a capital, unless it begins with an address or a name.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if head, _, _ := strings.Cut(s, " "); strings.ContainsAny(head, "@-_0123456789") || size == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
