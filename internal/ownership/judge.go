package ownership

import (
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// where is what a policy belongs to.
type where struct {
	service, region, resource string
}

// references are what was found, by UserId.
type references map[string][]sunset.Reference

func (r references) add(id string, ref sunset.Reference) { r[id] = append(r[id], ref) }

// policy finds whom a policy names and what deleting them would do to it.
func (w *world) policy(at where, text string, into references) error {
	p, err := ParsePolicy(text)
	if err != nil {
		return err
	}
	access := w.accessLeft(p)
	manage := at.service != "kms" || slices.ContainsFunc(p.Statements, func(s Statement) bool {
		return s.allow() && s.covers("kms:PutKeyPolicy") && w.reaches(s)
	})
	for _, s := range p.Statements {
		add := func(candidate int, how string, weight sunset.Weight, detail string) {
			into.add(w.candidates[candidate].UserID, sunset.Reference{
				Service: at.service, Region: at.region, Resource: at.resource, How: how, Weight: weight, Detail: detail,
			})
		}
		weight, detail := sunset.Informing, "it is allowed there, and so are others who stay"
		switch {
		case !s.allow():
			detail = "a Deny there is meant for it"
		case !s.resourceBased():
			detail = "the policy allows something to it alone or together with others"
		case !access:
			weight, detail = sunset.Blocking, "nobody else whom it allows will still be there"
		case !manage && s.covers("kms:PutKeyPolicy"):
			weight, detail = sunset.Blocking, "nobody else who may change the key's policy will still be there, and the key would become unmanageable"
		}
		for _, principal := range s.Principals {
			if i, how, ok := w.named(principal); ok {
				add(i, how, weight, detail)
			}
		}
		exemptWeight, exemptDetail := sunset.Informing, "it is left out of what is allowed to others there"
		switch {
		case s.deny() && w.exemptsOnlyTheDead(s):
			exemptWeight, exemptDetail = sunset.Blocking, "a Deny there exempts nobody else who will still be there, and would lock everybody out"
		case s.deny():
			exemptDetail = "a Deny there exempts it, and others who stay"
			if !s.everybody() {
				exemptDetail = "a Deny there, on others, exempts it"
			}
		}
		for _, principal := range s.NotPrincipals {
			if i, how, ok := w.named(principal); ok {
				add(i, how, exemptWeight, exemptDetail)
			}
		}
		for _, c := range s.Conditions {
			for _, i := range w.namedBy(c) {
				if c.negative() {
					add(i, "condition", exemptWeight, exemptDetail)
				} else {
					add(i, "condition", weight, detail)
				}
			}
		}
		for _, r := range slices.Concat(s.Resources, s.NotResources) {
			if i, ok := w.byARN[r]; ok {
				add(i, "arn", sunset.Informing, "it is the resource that the policy is about")
			}
		}
	}
	return nil
}

func (s Statement) allow() bool { return strings.EqualFold(s.Effect, "Allow") }

func (s Statement) deny() bool { return strings.EqualFold(s.Effect, "Deny") }

// resourceBased reports whether the statement says for whom it is. Those of identity policies don't.
func (s Statement) resourceBased() bool { return len(s.Principals)+len(s.NotPrincipals) > 0 }

// everybody reports whether the statement is for everybody before its conditions: NotPrincipal, "*", a whole account,
// or whomever an identity policy is attached to.
func (s Statement) everybody() bool {
	return !s.resourceBased() || len(s.NotPrincipals) > 0 || slices.ContainsFunc(s.Principals, func(p Principal) bool {
		return p.Value == "*" || isAccount(p.Value) || strings.HasSuffix(p.Value, ":root")
	})
}

func (s Statement) covers(action string) bool {
	fits := func(pattern string) bool { return wildcard(strings.ToLower(pattern), strings.ToLower(action)) }
	if len(s.NotActions) > 0 {
		return !slices.ContainsFunc(s.NotActions, fits)
	}
	return slices.ContainsFunc(s.Actions, fits)
}

// accessLeft reports whether anybody who will still be there is allowed anything.
func (w *world) accessLeft(p Policy) bool {
	return slices.ContainsFunc(p.Statements, func(s Statement) bool { return s.allow() && w.reaches(s) })
}

// reaches reports whether a statement is for somebody who will still be there: a principal lives, and each condition on
// who calls leaves somebody.
func (w *world) reaches(s Statement) bool {
	if len(s.NotPrincipals) == 0 && !slices.ContainsFunc(s.Principals, w.alive) {
		return false
	}
	for _, c := range s.Conditions {
		if _, about := c.about(); about && c.compares() && !c.negative() && !w.aliveBy(c, false) {
			return false
		}
	}
	return true
}

// exemptsOnlyTheDead reports whether a Deny on everybody leaves out nobody who will still be there. Conditions of other
// kinds are not weighed: a Deny that might lock everybody out counts as one that does. The account's own root in such
// an exemption is the root user alone, and does not count either.
func (w *world) exemptsOnlyTheDead(s Statement) bool {
	if !s.everybody() {
		return false
	}
	exempts := false
	for _, p := range s.NotPrincipals {
		exempts = true
		if w.alive(p) && !w.ownRoot(p.Value) {
			return false
		}
	}
	for _, c := range s.Conditions {
		if _, about := c.about(); !about || !c.compares() || !c.negative() {
			continue
		}
		exempts = true
		if w.aliveBy(c, true) {
			return false
		}
	}
	return exempts
}

// toldBefore judges what needs no call: policies that were read already, groups and inline policies.
func (w *world) toldBefore(q Query) (references, []sunset.Gap) {
	into := references{}
	var gaps []sunset.Gap
	for _, d := range q.Trust {
		if err := w.policy(where{service: "iam", resource: d.ARN}, d.JSON, into); err != nil {
			gaps = append(gaps, unreadablePolicy("iam:GetAccountAuthorizationDetails", "", d.ARN))
		}
	}
	for _, c := range q.Candidates {
		for _, g := range q.GroupsOf[c.UserID] {
			into.add(c.UserID, sunset.Reference{Service: "iam", Resource: g, How: "group", Weight: sunset.Informing, Detail: "it is a member"})
		}
		for _, p := range q.InlineOf[c.UserID] {
			into.add(c.UserID, sunset.Reference{Service: "iam", Resource: p, How: "inline-policy", Weight: sunset.Informing, Detail: "it goes with the user"})
		}
	}
	return into, gaps
}

func unreadablePolicy(action, region, resource string) sunset.Gap {
	return sunset.Gap{Action: action, Region: region, Why: "the policy of " + resource + " is not JSON as policies are"}
}

func gapOn(err error, action, region, resource string) sunset.Gap {
	g := awsfault.Gap(err, action, region)
	if resource != "" {
		g.Why += ": " + resource
	}
	return g
}
