// Package attacks tries to have the product do what it must not, over HTTP against its real handlers: decide or rescue
// without the right to, by a look alone, by another site, with rows, tokens and keys that are not enough, and tell what it
// must keep to itself. Every attack is counted, and each has a name that says what is tried.
package attacks

import (
	"slices"
	"testing"
	"time"
)

// floor is how many attacks there are at least: one that is taken out is missed.
const floor = 124

// power is what the attacker has.
type power string

const (
	nothing    power = "nothing"
	aLink      power = "a link of their own"
	anOwners   power = "an owner's link"
	anotherWeb power = "a site that an approver visits"
	aSession   power = "a sign-in"
	anIdentity power = "an AWS identity"
	rowWrites  power = "the right to write rows"
	objWrites  power = "the right to write objects"
	engineKey  power = "the engine's key"
	aToken     power = "a task token"
	userRights power = "the right to name and tag users"
	allReads   power = "everything that was ever told"
)

// attack is one attempt.
type attack struct {
	name string
	has  power
	try  func(*trial)
	// end, where set, is asked once the cleanup is over. Without it nothing at all may have changed.
	end func(*trial)
}

// stays is the end of most attacks that may be answered by doing something: the user is still there.
func stays(name *string) func(*trial) {
	return func(t *trial) {
		t.must(t.there(*name), "%s was deleted", *name)
	}
}

func TestAttacks(t *testing.T) {
	w := newWorld(t, 32)
	w.agree()
	attacks := slices.Concat(
		links(), looks(), otherSites(), forms(), bodies(), paths(), people(), signIns(), owners(), identities(), engines(), dashboards(), storedRows(), crowds(), injections(),
	)
	trials := make([]*trial, len(attacks))
	before := w.state()
	for i, a := range attacks {
		trials[i] = &trial{world: w, has: a.has}
		a.try(trials[i])
		after := w.state()
		if a.end == nil {
			trials[i].must(before == after, "it changed something:\n%.400s\n%.400s", before, after)
		}
		before = after
	}
	w.pass(30 * time.Hour)
	last := secrets()
	attacks = append(attacks, last...)
	for i, a := range attacks[:len(trials)] {
		if a.end != nil {
			a.end(trials[i])
		}
	}
	for _, a := range last {
		x := &trial{world: w, has: a.has}
		a.try(x)
		trials = append(trials, x)
	}
	held, names := 0, map[string]bool{}
	for i, a := range attacks {
		if names[a.name] {
			t.Errorf("two attacks are called %q", a.name)
		}
		names[a.name] = true
		if len(trials[i].problems) == 0 {
			held++
		}
		for _, p := range trials[i].problems {
			t.Errorf("%s, by %s: %s", a.name, a.has, p)
		}
	}
	// Whatever was tried, what two approvers had decided was done: a product that refuses everything would hold as well.
	if w.there(decided) {
		t.Errorf("%s, on whom two had decided, is still there: %+v", decided, w.caseOf(decided))
	}
	t.Logf("attacks: %d tried, %d held", len(attacks), held)
	if len(attacks) < floor {
		t.Errorf("only %d attacks were tried, not %d", len(attacks), floor)
	}
}

// agree has two approvers decide to delete one user, as they are meant to.
func (w *world) agree() {
	t := &trial{world: w, has: aLink}
	for _, who := range []string{ada, ben} {
		link := w.linkOf(who, "")
		t.refused(t.post(t.at(link, decided), t.ballot(decided, "delete")), 303)
	}
	if len(t.problems) > 0 {
		w.t.Fatalf("deciding as one should: %v", t.problems)
	}
}
