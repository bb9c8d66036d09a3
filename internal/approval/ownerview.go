package approval

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type ownerPage struct {
	place
	Title, Email string
	Address      string // where the forms go
	OwnedCase
	said
	Receipt  string // what came of the form that was sent last
	Status   string // how the user stands, in a few words
	Mood     string // a class of the stylesheet
	Means    string // what that means and what comes next
	Password string // what is lost with it
	Course   []ownerMoment
	Ways     []wayIn
	Evidence []sunset.Evidence
	Answers  string // the evidence in one line
	Again    bool   // a keep is stored that was not carried out yet: the form only tries again
	Former   bool   // it was handed over to somebody else

	CanKeep, CanHandOver, CanAgree bool
	Domains                        string // of addresses that it may be handed over to
}

// ownerMoment is a line of the timeline. Coming says that it has not happened yet.
type ownerMoment struct {
	At     time.Time
	Text   string
	Alarm  bool
	Coming bool
}

type wayIn struct {
	Name, Status, Used string
	Created            time.Time
}

// back reports whether nothing is left to do for whoever wants to keep the user.
func (c OwnedCase) back() bool {
	if c.Over || !c.Case.Open() {
		return !c.Over && (c.Case.Outcome == sunset.Rescued || c.Case.Outcome == sunset.Restored)
	}
	return c.Case.Rescue != nil && !c.Case.Changed
}

// keepable reports whether asking to keep the user may still do anything.
func (c OwnedCase) keepable() bool {
	x := c.Case
	switch {
	case c.Over || c.back():
		return false
	case x.Open():
		return x.Stage != sunset.Deleting && (x.Stage != sunset.Restoring || x.Rescue != nil)
	}
	return x.LeftDisabled() && x.Outcome != sunset.Retained && (x.Outcome != sunset.Failed || x.DeletingSince.IsZero())
}

func ownerView(at place, address, email string, c OwnedCase, s said, now time.Time) ownerPage {
	p := ownerPage{place: at, Title: CleanReason(c.Case.UserName), Email: email, Address: address, OwnedCase: c, said: s}
	p.Former = c.Word.Former(email)
	p.CanKeep, p.Again = c.keepable(), c.Case.Rescue != nil
	open := p.CanKeep && !p.Again && c.Case.Open() && !p.Former
	p.CanHandOver = open && len(c.Settings.OwnerDomains) > 0
	p.CanAgree = open && c.Word.Agreed.IsZero()
	p.Domains = strings.Join(c.Settings.OwnerDomains, ", ")
	p.Status, p.Mood, p.Means = ownerStanding(c)
	p.Receipt = receiptOf(c, s.Done)
	if c.Over {
		return p
	}
	p.Password = passwordLoss(c)
	p.Course = ownerCourse(c, now)
	p.Ways = waysIn(c.Entry.User)
	p.Evidence, p.Answers = evidence(c.Entry.Evidence)
	return p
}

// ownerStanding says how the user stands, and what comes next.
func ownerStanding(c OwnedCase) (status, mood, means string) {
	x := c.Case
	gone := "deleted with all that it has, and nobody can bring it back"
	if c.Settings.Final == sunset.FinalRetain {
		gone = "stripped of all that it can sign in with, and nobody can bring that back"
	}
	switch {
	case c.Over:
		return "This case is over", "quiet", "The user has been looked at again since. The newest message about it has the link that counts."
	case x.Rescue != nil && x.Open() && x.Changed:
		return "Kept, and being put back", "ask", "The wish is stored, and nothing deletes the user any more. It is not back yet: its case does that by itself, within a day at the latest, or the button below tries it again now."
	case x.Rescue != nil && x.Open():
		return "Kept", "quiet", "It will not be disabled. Nothing was changed."
	case x.Rescue != nil && x.LeftDisabled():
		return "Kept, but still disabled", "alarm", "The wish is stored. Putting the user back has not worked yet: try again, or ask the security team."
	case x.Stage == sunset.Waiting:
		return "Nothing has been changed yet", "ask", fmt.Sprintf("On %s it will be disabled, which can be undone. Whatever tries to use it after that is noticed. Only then, and only if an approver agrees, it is %s.", when(x.Turn), gone)
	case x.Stage == sunset.Disabling:
		return "It is being disabled", "ask", "That can be undone: keep it, and it is put back."
	case x.Stage == sunset.Soaking:
		return "It is disabled", "ask", fmt.Sprintf("Until %s whatever tries to use it is noticed. After that approvers are asked, and if they agree it is %s.", when(x.SoakUntil), gone)
	case x.Stage == sunset.Requesting:
		return "It is disabled, and may go any time now", "alarm", "The approvers are asked. Once they agree it is " + gone + "."
	case x.Stage == sunset.Deleting:
		return "Too late: its deletion has begun", "alarm", "It can't be stopped or undone. The security team can tell what is left, and how to make a user like it."
	case x.Stage == sunset.Restoring:
		return "It is being put back", "quiet", "There is nothing to do."
	}
	return endedStanding(c)
}

func endedStanding(c OwnedCase) (status, mood, means string) {
	x := c.Case
	why := sentence(strings.TrimSuffix(CleanReason(x.Reason), "."))
	if why != "" {
		why += "."
	}
	switch x.Outcome {
	case sunset.Rescued, sunset.Restored:
		status = "It is back as it was"
		if !x.Changed {
			status = "It stays as it is"
		}
		return status, "quiet", why
	case sunset.Deleted:
		return "It was deleted", "quiet", why
	case sunset.Retained:
		return "It was emptied and kept", "quiet", "What it could sign in with is gone for good. The empty user stays."
	case sunset.Skipped:
		return "It was left as it is", "quiet", why
	case sunset.Lapsed:
		return "It stays disabled", "ask", "Nobody decided in time. It is not deleted, and can still be put back."
	case sunset.Failed:
		switch {
		case !x.DeletingSince.IsZero():
			return "Its deletion began and then failed", "alarm", "It can't be put back from here. Please ask the security team."
		case x.Changed:
			return "Its case failed; it stays disabled", "alarm", "It can still be put back."
		}
		return "Its case failed before anything was changed", "quiet", "There is nothing to do."
	}
	return "Its case is over", "quiet", why
}

// receiptOf says what came of the form that was sent last, by how the case stands now: an address that somebody made up
// says nothing that isn't so.
func receiptOf(c OwnedCase, done string) string {
	switch {
	case done == "keep" && c.back() && c.Case.Changed:
		return "Thank you. The user was put back as it was and works again."
	case done == "keep" && c.back():
		return "Thank you. The user stays as it is and will not be disabled."
	case done == "keep" && c.Case.Rescue != nil:
		return "Thank you. Your wish is stored, and nothing deletes the user any more."
	case done == "hand-over" && c.Word.Owner.Email != "":
		return "Thank you. It was handed over to " + CleanReason(c.Word.Owner.Email) + ", who gets a message with a link of their own within the hour."
	case done == "agree" && !c.Word.Agreed.IsZero():
		return "Thank you. It is on record that you don't need the user. Until it is deleted you can still keep it here."
	}
	return ""
}

// passwordLoss says what becomes of the console password, where the user has one.
func passwordLoss(c OwnedCase) string {
	q := c.Case.Quarantine
	switch {
	case !c.Case.Open() && !c.Case.LeftDisabled(), len(c.Entry.User.Of(sunset.Password)) == 0:
		return ""
	case q != nil && q.Method == sunset.Deactivation:
		return "Its console password was removed when it was disabled. Nobody can put the same one back: if you keep the user, ask the security team for a new one."
	case q != nil:
		return "Its console password is still there and comes back with it. Once the user is deleted the password is gone for good."
	case c.Settings.Disable == sunset.ByDeactivation:
		return "Its console password is removed when it is disabled. Nobody can put the same one back: after that it would need a new one."
	}
	return "Its console password stays until the user is deleted, and is gone for good then."
}

// ownerCourse is what happened and what comes, in order of time.
func ownerCourse(c OwnedCase, now time.Time) []ownerMoment {
	x := c.Case
	var all []ownerMoment
	add := func(at time.Time, alarm bool, format string, args ...any) {
		if !at.IsZero() {
			all = append(all, ownerMoment{At: at, Text: CleanReason(fmt.Sprintf(format, args...)), Alarm: alarm, Coming: at.After(now)})
		}
	}
	goesOn := x.Open() && x.Rescue == nil
	add(c.Entry.User.Created, false, "The user was made")
	for _, k := range c.Entry.User.Credentials {
		if k.LastUsed != nil {
			add(*k.LastUsed, false, "Its %s was last used", k.Label())
		}
	}
	if a := c.Entry.LastSeen; a != nil {
		add(a.At, false, "Last seen by CloudTrail: %s %s", a.Service, a.Call)
	}
	add(x.Claimed, false, "It was found to be unused")
	switch {
	case x.Quarantine != nil:
		add(x.Quarantine.At, false, "It was disabled: %s", methodLabel(x.Quarantine.Method))
	case goesOn:
		add(x.Turn, false, "It is to be disabled")
	}
	for _, sig := range x.Signals {
		add(sig.At, true, "Somebody or something tried to use it: %s", sig.Detail)
	}
	if goesOn {
		add(x.SoakUntil, false, "Approvers are asked from here on")
		if c.Request.State == sunset.RequestOpen {
			add(c.Request.Issued, false, "The approvers were asked")
			add(c.Request.Expires, false, "The approvers' last moment to decide; without a decision it stays disabled")
		}
	}
	add(c.Word.HandedAt, false, "%s handed it over to %s", c.Word.HandedBy, c.Word.Owner.Email)
	add(c.Word.Agreed, false, "%s agreed that it goes", c.Word.AgreedBy)
	if x.Rescue != nil {
		add(x.Rescue.At, false, "%s asked to keep it: %s", x.Rescue.By, x.Rescue.Reason)
	}
	add(x.DeletingSince, true, "Its deletion began")
	add(x.Ended, false, "Its case ended")
	slices.SortStableFunc(all, func(a, b ownerMoment) int { return a.At.Compare(b.At) })
	return all
}

// waysIn lists what the user can sign in with, as the plan found it.
func waysIn(u sunset.User) []wayIn {
	var out []wayIn
	for _, c := range u.Credentials {
		line := wayIn{Name: sentence(c.Label()), Status: string(c.Status), Used: "never", Created: c.Created}
		switch {
		case c.LastUsed != nil:
			line.Used = when(*c.LastUsed)
			if c.Service != "" {
				line.Used += ", " + c.Service
			}
		case !c.Kind.UseReported():
			line.Used = "AWS does not report it"
		}
		out = append(out, line)
	}
	return out
}
