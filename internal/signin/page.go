package signin

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"log/slog"
	"net/http"

	"github.com/iam-sunset/iam-sunset/internal/approval"
)

//go:embed page.html
var pageText string

// page is what somebody sees who isn't led on.
type page struct {
	Status      int
	Title, Text string
	Style       string
	Out         string // where the form that signs out is sent; empty: there is none
}

func (d *door) show(rw http.ResponseWriter, r *http.Request, p page) {
	p.Style = d.prefix + "/style.css"
	var b bytes.Buffer
	// Parsed here, so that programs that serve no pages link no templates.
	t := template.Must(template.New("page").Funcs(template.FuncMap{"plain": approval.CleanReason}).Parse(pageText))
	if err := t.Execute(&b, p); err != nil {
		slog.ErrorContext(r.Context(), "the page of sign-ins can't be rendered", "error", err)
		http.Error(rw, "Something went wrong on our side. Please tell the security team.", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(p.Status)
	_, _ = b.WriteTo(rw) // the browser may be gone
}

// unavailable is for whatever keeps people from signing in that is not theirs.
func (d *door) unavailable(rw http.ResponseWriter, r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "nobody can sign in", "method", r.Method, "error", err)
	d.show(rw, r, page{
		Status: http.StatusServiceUnavailable, Title: "Please try again",
		Text: "Nobody can sign in right now, and so nothing was decided or changed. Please try again in a few minutes, or tell the security team.",
	})
}
