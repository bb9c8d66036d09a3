package approval

import (
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// inboxRows is how many open cases a page of the inbox holds.
const inboxRows = 200

type inboxPage struct {
	place
	Title, Email string
	Done         *Item // the decision that was just taken
	Query        inboxQuery
	Shows, Sorts []pick
	Classes      []pick
	Total        int // open cases, before any search
	Found        int // cases that fit the search
	First, Last  int // which of them are on this page, from 1
	Open, Closed []row
	Choosable    map[string]int // how many of those shown may be decided so
	Before, Next string         // addresses, or empty
}

// row is a line of the inbox.
type row struct {
	Item
	Address  string
	Status   string // what became of it, or what it waits for
	Mood     string // a class of the stylesheet: ask, quiet, alarm
	LastUse  string
	Named    string // what names it, in a few words
	Approved int    // how many have said delete
	Picture  template.HTML
	Choices  []sunset.Choice // what may be chosen here
}

// inboxQuery is what is looked for, all of it by the address.
type inboxQuery struct {
	Text, Show, Class, Sort string
	From                    int
}

// pick is one of several, in a list to choose from.
type pick struct {
	Value, Label string
	Count        int
	Chosen       bool
}

const (
	showOpen      = "open"
	showWaiting   = "waiting"
	showDisturbed = "disturbed"
	showDecided   = "decided"
)

var (
	shows = []pick{
		{Value: showOpen, Label: "Everything open"},
		{Value: showWaiting, Label: "Waiting for me"},
		{Value: showDisturbed, Label: "Disturbed"},
		{Value: showDecided, Label: "Decided or ended"},
	}
	sorts = []pick{
		{Value: "decide-by", Label: "Decide by"},
		{Value: "name", Label: "Name"},
		{Value: "owner", Label: "Owner"},
		{Value: "waiting", Label: "Waiting since"},
		{Value: "soak", Label: "Soak"},
	}
)

// known reports a value that is among those to choose from, and the first of them otherwise.
func known(all []pick, value string) string {
	for _, p := range all {
		if p.Value == value {
			return value
		}
	}
	return all[0].Value
}

func queryOf(q url.Values) inboxQuery {
	from, err := strconv.Atoi(q.Get("from"))
	if err != nil || from < 0 {
		from = 0
	}
	return inboxQuery{
		Text: CleanReason(q.Get("q")), Class: q.Get("class"), Show: known(shows, q.Get("show")), Sort: known(sorts, q.Get("sort")), From: from,
	}
}

// address is where the same search, from another case on, is found.
func (q inboxQuery) address(inbox string, from int) string {
	v := url.Values{}
	for _, p := range [][2]string{{"q", q.Text}, {"show", q.Show}, {"class", q.Class}, {"sort", q.Sort}} {
		if p[1] != "" {
			v.Set(p[0], p[1])
		}
	}
	v.Set("from", strconv.Itoa(from))
	return inbox + "?" + v.Encode()
}

func inboxView(at place, email string, items []Item, query url.Values, now time.Time) inboxPage {
	p := inboxPage{place: at, Title: "Your decisions", Email: email, Query: queryOf(query), Choosable: map[string]int{}}
	var found []row
	shown, classes := map[string]int{}, map[string]int{}
	for _, item := range items {
		if item.Request.ID == query.Get("done") && item.Mine != nil {
			p.Done = &item
		}
		line := row{Item: item, Address: at.Inbox + "/" + item.Request.ID}
		line.Status, line.Mood = standing(item, now)
		fits := p.Query.finds(item.Request)
		for _, show := range shows {
			if line.among(show.Value, now) && fits && p.Query.isOf(item.Request) {
				shown[show.Value]++
			}
		}
		if item.Request.State == sunset.RequestOpen {
			p.Total++
		}
		if p.Query.Show == showOpen && p.Query.From == 0 && line.among(showDecided, now) && fits && p.Query.isOf(item.Request) {
			p.Closed = append(p.Closed, line) // below what is open
		}
		if line.among(p.Query.Show, now) && fits {
			classes[classOf(item.Request)]++
			if p.Query.isOf(item.Request) {
				found = append(found, line)
			}
		}
	}
	p.Shows, p.Sorts = picks(shows, p.Query.Show, shown), picks(sorts, p.Query.Sort, nil)
	p.Classes = []pick{{Label: "All classes"}}
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		p.Classes = append(p.Classes, pick{Value: class, Label: class, Count: classes[class], Chosen: class == p.Query.Class})
	}
	p.Found = len(found)
	p.Query.sort(found)
	p.lay(found, now)
	return p
}

// lay puts the rows of one page on it.
func (p *inboxPage) lay(found []row, now time.Time) {
	from := p.Query.From
	if from >= len(found) {
		from = 0
	}
	to := min(from+inboxRows, len(found))
	if from > 0 {
		p.Before = p.Query.address(p.Inbox, max(from-inboxRows, 0))
	}
	if to < len(found) {
		p.Next = p.Query.address(p.Inbox, to)
	}
	p.First, p.Last = from+1, to
	for _, line := range found[from:to] {
		if line.Request.State != sunset.RequestOpen {
			p.Closed = append(p.Closed, line)
			continue
		}
		line.tell(now)
		for _, c := range line.Choices {
			p.Choosable[string(c)]++
		}
		p.Open = append(p.Open, line)
	}
}

func picks(all []pick, chosen string, counts map[string]int) []pick {
	out := slices.Clone(all)
	for i := range out {
		out[i].Chosen, out[i].Count = out[i].Value == chosen, counts[out[i].Value]
	}
	return out
}

// among reports whether a row is one of those that a list shows.
func (line row) among(show string, now time.Time) bool {
	open := line.Request.State == sunset.RequestOpen
	switch show {
	case showWaiting:
		return decidable(line.Item, now)
	case showDisturbed:
		return open && line.Request.Disturbed
	case showDecided:
		return !open
	}
	return open
}

// finds reports whether the text that is searched for is in who the user is or whose.
func (q inboxQuery) finds(r sunset.ApprovalRequest) bool {
	o := r.Shown.Owner
	return q.Text == "" || strings.Contains(strings.ToLower(strings.Join([]string{r.UserName, r.UserARN, r.UserID, o.Name, o.Email}, "\n")), strings.ToLower(q.Text))
}

func (q inboxQuery) isOf(r sunset.ApprovalRequest) bool {
	return q.Class == "" || q.Class == classOf(r)
}

func classOf(r sunset.ApprovalRequest) string {
	if r.Shown.Class == "" {
		return "unexplained"
	}
	return string(r.Shown.Class)
}

func (q inboxQuery) sort(rows []row) {
	slices.SortStableFunc(rows, func(a, b row) int {
		var c int
		switch x, y := a.Request, b.Request; q.Sort {
		case "name":
		case "owner":
			c = strings.Compare(ownerKeyOf(x), ownerKeyOf(y))
		case "waiting":
			c = x.Issued.Compare(y.Issued)
		case "soak": // what was disturbed first, then the longest
			if x.Disturbed != y.Disturbed {
				c = 1
				if x.Disturbed {
					c = -1
				}
				break
			}
			c = x.Shown.SoakFrom.Compare(y.Shown.SoakFrom)
		default:
			c = x.Expires.Compare(y.Expires)
		}
		if c == 0 {
			c = strings.Compare(strings.ToLower(a.Request.UserName), strings.ToLower(b.Request.UserName))
		}
		return c
	})
}

// ownerKeyOf puts those without an owner last.
func ownerKeyOf(r sunset.ApprovalRequest) string {
	if r.Shown.Owner.Name == "" {
		return "\U0010ffff"
	}
	return strings.ToLower(r.Shown.Owner.Name)
}
