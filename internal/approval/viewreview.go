package approval

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type reviewPage struct {
	place
	Title, Email string
	Groups       []reviewGroup
	Count        int    // of users in all groups
	One          string // the only request's id, or empty
	Left         []leftOut
	Reason       string
	Wrong        string // what has to be put right, or empty
}

// reviewGroup is the users for whom the same was chosen.
type reviewGroup struct {
	Choice      sunset.Choice
	Title, Does string
	Each        []reviewed
}

type reviewed struct {
	Item
	Address, Reason string
	Lost            []string // what deletion takes away for good
}

// leftOut is a user for whom something was chosen that can't be decided.
type leftOut struct {
	Name, Address, Why string
}

// reviewView puts what can't be taken back first. items are those of said that exist; all is chosen wherever nothing else was.
func reviewView(at place, said []ballot, items map[string]Item, all sunset.Choice, now time.Time) reviewPage {
	p := reviewPage{place: at, Title: "Review your decisions"}
	groups := map[sunset.Choice]*reviewGroup{}
	for _, b := range said {
		if b.Choice == "" {
			b.Choice = all
		}
		item, known := items[b.ID]
		if b.Choice == "" {
			continue
		}
		if !known {
			p.Left = append(p.Left, leftOut{Name: "A case that is not here any more", Why: "open your list again"})
			continue
		}
		address := at.Inbox + "/" + b.ID
		if why := hindrance(item, b, now); why != "" {
			p.Left = append(p.Left, leftOut{Name: item.Request.UserName, Address: address, Why: why})
			continue
		}
		g := groups[b.Choice]
		if g == nil {
			g = &reviewGroup{Choice: b.Choice}
			groups[b.Choice] = g
		}
		one := reviewed{Item: item, Address: address, Reason: b.Reason}
		if b.Choice == sunset.ChooseDelete {
			one.Lost = takenAway(item.Request)
		}
		g.Each = append(g.Each, one)
		p.Count++
		p.One = b.ID
	}
	if p.Count != 1 {
		p.One = ""
	}
	for _, c := range []sunset.Choice{sunset.ChooseDelete, sunset.ChooseSoakAgain, sunset.ChooseKeep} {
		g := groups[c]
		if g == nil {
			continue
		}
		slices.SortFunc(g.Each, func(a, b reviewed) int {
			return strings.Compare(strings.ToLower(a.Request.UserName)+a.Request.ID, strings.ToLower(b.Request.UserName)+b.Request.ID)
		})
		g.name()
		p.Groups = append(p.Groups, *g)
	}
	return p
}

func (g *reviewGroup) name() {
	users := counted(len(g.Each), "user", "users")
	strips := 0
	for _, one := range g.Each {
		if one.Request.Facts.Final == sunset.FinalRetain {
			strips++
		}
	}
	switch {
	case g.Choice == sunset.ChooseDelete && strips == len(g.Each):
		g.Title, g.Does = "Strip "+users+" for good", "All their credentials go. Nobody can bring them back."
	case g.Choice == sunset.ChooseDelete:
		g.Title, g.Does = "Delete "+users+" for good", "Each goes with everything it has. Nobody can bring them back."
	case g.Choice == sunset.ChooseKeep:
		g.Title, g.Does = "Keep "+users, "Each gets back what it had before it was disabled."
	default:
		g.Title, g.Does = "Soak "+users+" again", "Each stays disabled and is listened to for another round; then you are asked again."
	}
}

// hindrance says why a choice can't be decided now, as far as that can be seen beforehand, or is empty.
func hindrance(item Item, b ballot, now time.Time) string {
	r := item.Request
	switch status, _ := standing(item, now); {
	case item.Mine != nil && item.Mine.Choice == b.Choice:
		return "you decided this already"
	case item.Mine != nil:
		return "you decided already: " + choiceLabel(item.Mine.Choice) + "; a decision can't be changed"
	case r.State != sunset.RequestOpen || !now.Before(r.Expires) || item.Barred != "":
		return lowered(status)
	case b.Digest != r.Digest:
		return "the page that you chose on showed other facts; open the case and look again"
	case slices.Contains(r.Choices(), b.Choice):
		return ""
	case b.Choice == sunset.ChooseDelete:
		return "delete is not among the choices: " + obstacle(r)
	}
	return "that is not one of the choices"
}

// takenAway is what goes with a user, in a few words each.
func takenAway(r sunset.ApprovalRequest) []string {
	var out []string
	for _, g := range groups(r.Facts.Artifacts) {
		if g.Kind == "attached-policy" {
			continue
		}
		name := lowered(word(g.Kind))
		if n := len(g.Each); n > 1 {
			name = counted(n, name, cmp.Or(several[g.Kind], name+"s"))
		}
		out = append(out, name)
	}
	return out
}

// several are the kinds of artifact whose plural takes more than an s.
var several = map[string]string{
	"group": "memberships of groups", "inline-policy": "inline policies", "mfa-fido": "FIDO keys or passkeys", "spare-mfa": "virtual MFA devices (unassigned)",
}

func lowered(s string) string {
	if len(s) < 2 || s[1] >= 'A' && s[1] <= 'Z' {
		return s // an abbreviation
	}
	return strings.ToLower(s[:1]) + s[1:]
}
