package dossier

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func (p *paragraph) decided(c Case) {
	for _, d := range c.Decisions {
		choice := map[sunset.Choice]string{sunset.ChooseDelete: "delete it", sunset.ChooseKeep: "keep it", sunset.ChooseSoakAgain: "listen to it again"}[d.Choice]
		text := fmt.Sprintf("%s decided on %s to %s", d.Approver, when(d.At), cmp.Or(choice, string(d.Choice)))
		if d.Reason != "" {
			text += fmt.Sprintf(" (“%s”)", d.Reason)
		}
		p.say("%s, known by %s, on the facts with the digest %s", text, way(d.Way), short(d.Digest))
	}
	if n := len(c.Requests); n > 0 && len(c.Decisions) == 0 {
		p.say("The approvers were asked on %s, and no decision is on record", when(c.Requests[n-1].At))
	} else if n > 0 && c.Deleting != nil {
		p.say("It needed %s to delete it", number(max(c.Requests[n-1].Needed, 1), "approver"))
	}
}

func (p *paragraph) refused(c Case) {
	if n := len(c.Refusals); n > 0 {
		last := c.Refusals[n-1]
		why := last.Text
		if len(last.Refusals) > 0 {
			why = last.Refusals[0].Text
		}
		p.say("A deletion was tried and refused %s, the last time on %s: %s", times(n), when(last.At), why)
	}
}

// removed says what was deleted, in order, and what the silence before can't prove.
func (p *paragraph) removed(c Case) {
	if c.Deleting == nil {
		return
	}
	p.say("At the moment of its deletion, %s, everything that decides was read again, CloudTrail up to %s; its silence does not cover %s",
		when(c.Deleting.At), clock(c.Deleting.At, c.Deleting.Until), cmp.Or(c.Deleting.NotCovered, "what CloudTrail had not told yet"))
	var gone, failed []string
	for _, ch := range c.Deletion() {
		switch {
		case ch.Done.IsZero():
			failed = append(failed, ch.what(c.UserName)+" (nothing says whether it was done)")
		case ch.Failed:
			failed = append(failed, ch.what(c.UserName)+" ("+ch.Error+")")
		default:
			gone = append(gone, ch.what(c.UserName))
		}
	}
	if len(gone) > 0 {
		p.say("Removed, in this order: %s", list(gone))
	}
	if len(failed) > 0 {
		p.say("Not proven to be removed: %s", list(failed))
	}
}

// what names a change by what it was made to.
func (ch Change) what(user string) string {
	target := strings.TrimSuffix(ch.Target, " of "+user)
	switch {
	case ch.Action == "iam:DeleteUser":
		return "the user itself"
	case strings.Contains(target, sunset.DenyPolicyName):
		return "the policy that had denied it everything"
	case ch.Action == "iam:DetachUserPolicy":
		return "its attachment to the policy " + target
	case ch.Action == "iam:RemoveUserFromGroup":
		return "its membership of " + target
	case ch.Action == "iam:DeactivateMFADevice":
		return "its use of the MFA device " + target
	case ch.Action == "iam:DeleteVirtualMFADevice":
		return "the virtual MFA device " + target
	case target == user:
		return ch.Action
	}
	return "its " + target
}

func (p *paragraph) putBack(c Case) {
	if r := c.Rescue; r != nil {
		known := ""
		if r.Way != "" {
			known = ", known by " + way(r.Way)
		}
		p.say("%s asked for it back on %s%s: “%s”", r.By, when(r.At), known, r.Reason)
	}
	if c.Restored == nil {
		return
	}
	p.say("It was put back as its snapshot says on %s", when(c.Restored.At))
	if len(c.Restored.Differences) > 0 {
		p.say("Others had changed it meanwhile, which was left so: %s", list(c.Restored.Differences))
	}
	p.say("%s", c.Restored.Lost)
}
