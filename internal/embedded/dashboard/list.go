package dashboard

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// aPage is how much of a list is on one page: some ten kilobytes.
const aPage = 100

// pager leads through a list.
type pager struct {
	Page, Pages, All int
	From, To         int // of All, counted from one
	Before, After    string
}

// paged gives the part of a list that an address asks for. A page that there isn't is the nearest.
func paged[T any](r *http.Request, all []T) ([]T, pager) {
	p := pager{Pages: max(1, (len(all)+aPage-1)/aPage), All: len(all)}
	p.Page, _ = strconv.Atoi(r.URL.Query().Get("page")) // no number is the first page
	p.Page = max(1, min(p.Page, p.Pages))
	from, to := (p.Page-1)*aPage, min(p.Page*aPage, len(all))
	p.From, p.To = from+1, to
	at := func(n int) string {
		q := url.Values{"page": {strconv.Itoa(n)}}
		if c := r.URL.Query().Get("cleanup"); c != "" {
			q.Set("cleanup", c)
		}
		return r.URL.EscapedPath() + "?" + q.Encode()
	}
	if p.Page > 1 {
		p.Before = at(p.Page - 1)
	}
	if p.Page < p.Pages {
		p.After = at(p.Page + 1)
	}
	return all[from:to], p
}

type listPage struct {
	frame
	pager
	Cleanup  string
	Which    string
	Open     []workflow.CaseStands
	Ended    []ended
	Signals  []heardSignal
	Needs    []need
	Cleanups []cleanupRow
}

// list is one whole list, a page at a time.
func (d *Dashboard) list(rw http.ResponseWriter, r *http.Request) {
	now, err := d.cfg.Workflow.Watch(r.Context())
	if err != nil {
		d.fail(rw, r, err)
		return
	}
	p := listPage{Which: r.PathValue("which"), Cleanup: r.URL.Query().Get("cleanup")}
	title := ""
	switch p.Which {
	case "open":
		title = "Open cases"
		p.Open, p.pager = paged(r, openOf(now.Open, p.Cleanup))
	case "ended":
		title = "Ended cases"
		p.Ended, p.pager = paged(r, endingsOf(now.Cases, p.Cleanup))
	case "signals":
		title = "Signals"
		p.Signals, p.pager = paged(r, signalsOf(now.Cases))
	case "needs":
		title = "What needs somebody"
		p.Needs, p.pager = paged(r, needs(now, d.commands(r), d.cfg.SettingsFile))
	case "cleanups":
		title = "Cleanups"
		var all []cleanupRow
		for _, c := range now.Cleanups {
			all = append(all, cleanupRow{c, stateWord(c), standing(c)})
		}
		p.Cleanups, p.pager = paged(r, all)
	default:
		d.nothing(rw, r)
		return
	}
	p.frame = d.frame(r, title)
	p.At = now.At
	d.page(rw, r, http.StatusOK, "list", p)
}

// openOf are the open cases of one cleanup, or of all.
func openOf(open []workflow.CaseStands, cleanup string) []workflow.CaseStands {
	if cleanup == "" {
		return open
	}
	var out []workflow.CaseStands
	for _, c := range open {
		if c.Cleanup == cleanup {
			out = append(out, c)
		}
	}
	return out
}
