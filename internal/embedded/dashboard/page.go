package dashboard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

//go:embed page/*.html
var pages embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"plain":   approval.CleanReason,
	"when":    when,
	"day":     func(t time.Time) string { return t.UTC().Format("Mon 2 Jan 2006") },
	"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"stage":   stageWord,
	"counted": counted,
}).ParseFS(pages, "page/*.html"))

// frame is what every page has around it.
type frame struct {
	Title, Who, Account string
	// At is when the page was made, and Self its own address, to ask again.
	At   time.Time
	Self string
}

func (d *Dashboard) frame(r *http.Request, title string) frame {
	self := r.URL.EscapedPath()
	if n := r.URL.Query().Get("page"); n != "" {
		self += "?page=" + template.URLQueryEscaper(n)
	}
	return frame{title, who(r), d.cfg.Account, d.cfg.Workflow.Clock.Now(), self}
}

// page renders aside, so that an error half-way shows no half page.
func (d *Dashboard) page(rw http.ResponseWriter, r *http.Request, status int, name string, view any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, view); err != nil {
		d.cfg.Log.ErrorContext(r.Context(), "a page of the dashboard can't be rendered", "page", name, "error", err)
		http.Error(rw, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = b.WriteTo(rw) // the browser may be gone
}

type messagePage struct {
	frame
	Text string
}

func (d *Dashboard) message(rw http.ResponseWriter, r *http.Request, status int, title, text string) {
	d.page(rw, r, status, "message", messagePage{d.frame(r, title), text})
}

// when is a time as people read it, in UTC.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006 15:04")
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// stages are those of open cases, in the order in which a case passes them.
func stages() []sunset.Stage {
	return []sunset.Stage{sunset.Waiting, sunset.Disabling, sunset.Soaking, sunset.Requesting, sunset.Deleting, sunset.Restoring}
}

func stageWord(s sunset.Stage) string {
	switch s {
	case sunset.Waiting:
		return "waiting for a turn"
	case sunset.Disabling:
		return "being disabled"
	case sunset.Soaking:
		return "in the soak"
	case sunset.Requesting:
		return "with approvers"
	case sunset.Deleting:
		return "being deleted"
	case sunset.Restoring:
		return "being put back"
	}
	return string(s)
}

func stateWord(c workflow.CleanupStands) string {
	if c.Refusal != "" && len(c.Stages) == 0 {
		return "refused or failed"
	}
	state := map[string]string{
		workflow.CleanupPlanning: "reading the account", workflow.CleanupOpening: "opening cases", workflow.CleanupRunning: "cases are open",
		workflow.CleanupEnding: "its end is being written down", workflow.CleanupEnded: "ended",
	}[c.State]
	if c.DryRun {
		return "dry run, " + state
	}
	return state
}
