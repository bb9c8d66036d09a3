package letters

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// mostNamed is how many users a message names. Whoever has more to do reads a page and no mail.
const mostNamed = 50

// Asked is a request that waits for an approver.
type Asked struct {
	Request sunset.ApprovalRequest
	New     bool // the approver wasn't told of it yet
}

// Waiting words the one message that tells an approver of all that waits for them, given in order of ends. link says
// that the address of their page follows.
func Waiting(replaced map[sunset.MessageKind]sunset.Wording, asked []Asked, link bool) Letter {
	fresh := 0
	for _, a := range asked {
		if a.New {
			fresh++
		}
	}
	values := counted(len(asked), func(i int) string {
		r := asked[i].Request
		heard, mark := "nothing was heard", ""
		if r.Disturbed {
			heard = "something was heard"
		}
		if asked[i].New && fresh < len(asked) { // where all are new, marks say nothing
			mark = " (new)"
		}
		return fmt.Sprintf("%s%s: %s since %s; decide by %s", oneLine(r.UserName), mark, heard, Day(r.Shown.SoakFrom), When(r.Expires))
	})
	if fresh > 0 {
		values["new"] = strconv.Itoa(fresh)
	}
	if len(asked) > 0 {
		values["next_end"] = When(asked[0].Request.Expires)
	}
	if link {
		values["link"] = "yes"
	}
	return Write(sunset.WaitingMessage, replaced, values)
}

// Undecided is a request that ends before long, or that can't be decided.
type Undecided struct {
	Request sunset.ApprovalRequest
	Asked   []string // who may decide and has not
	Needed  int      // who must say delete; more than may say it where it can't be decided
	Allowed int      // who may decide, or has
}

// Escalation words what the team is told of requests that nobody has decided, given in order of ends.
func Escalation(replaced map[sunset.MessageKind]sunset.Wording, undecided []Undecided) Letter {
	values := counted(len(undecided), func(i int) string {
		u := undecided[i]
		who := "asked: " + strings.Join(u.Asked, ", ")
		switch {
		case u.Allowed == 0:
			who = "nobody may decide: none is named, or all are barred"
		case u.Allowed < u.Needed:
			who = fmt.Sprintf("%d must agree to delete it, and no more than %d may decide", u.Needed, u.Allowed)
		case len(u.Asked) == 0:
			who = "all have decided, and too few said delete"
		}
		return oneLine(fmt.Sprintf("%s: until %s; %s", approval.CleanReason(u.Request.UserName), When(u.Request.Expires), who))
	})
	if len(undecided) > 0 {
		values["next_end"] = When(undecided[0].Request.Expires)
	}
	return Write(sunset.EscalationMessage, replaced, values)
}

// counted are the values of a message that lists n users.
func counted(n int, line func(int) string) map[string]string {
	var users strings.Builder
	for i := range min(n, mostNamed) {
		fmt.Fprintf(&users, "- %s\n", line(i))
	}
	if n > mostNamed {
		fmt.Fprintf(&users, "- and %d more\n", n-mostNamed)
	}
	return map[string]string{"count": strconv.Itoa(n), "users": users.String()}
}
