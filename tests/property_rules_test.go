package tests

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// judge holds the run against the rules. It goes by the account's events and calls, and by what people themselves did
// and were told; of the product's own word it takes outcomes alone, to hold them against what became of the users.
func (w *trial) judge(ended bool) {
	l := w.ledgerOf()
	w.judgeCalls()
	taken := map[string]bool{} // by id: something irrevocable was done
	for _, id := range slices.Sorted(maps.Keys(w.first)) {
		w.judgeUser(l, id, taken)
	}
	for _, e := range l.entries {
		if _, known := w.first[e.id]; e.product && e.name != "" && !known && !w.justReused(e.at) {
			w.breaks(1, e, "it was no user of the beginning: whoever has the name now was changed")
		}
	}
	w.judgeTurns(l)
	w.judgeCap(l)
	w.judgeOutcomes(l, ended)
	w.judgeEvidence()
	w.judgeSecrets()
}

// justReused says that a name got a new owner within the seconds for which a name counts as looked up: IAM has no
// conditional write.
func (w *trial) justReused(t time.Time) bool {
	return slices.ContainsFunc(w.deeds, func(d act) bool { return d.what == "name reused" && t.Sub(d.at) >= 0 && t.Sub(d.at) <= 6*time.Second })
}

func (w *trial) breaks(rule int, e entry, format string, args ...any) {
	w.t.Errorf("rule %d: %s %s of %s (%s) at %s: %s", rule, e.action, e.about, e.name, w.lives[e.id].Life, e.at.Format(time.RFC3339), fmt.Sprintf(format, args...))
}

// judgeCalls: rule 6 for the names, and the world knew every call.
func (w *trial) judgeCalls() {
	for _, c := range w.account.Calls() {
		_, named := c.Params["UserName"]
		aboutUser := strings.Contains(c.Action, "User") && c.Action != "ListUsers" || slices.Contains([]string{
			"ListAccessKeys", "ListMFADevices", "ListSSHPublicKeys", "ListSigningCertificates", "GetLoginProfile", "DeleteLoginProfile", "CreateLoginProfile",
			"DeleteAccessKey", "UpdateAccessKey", "ListGroupsForUser", "DeactivateMFADevice", "DeleteSigningCertificate", "UpdateSigningCertificate",
			"DeleteSSHPublicKey", "UpdateSSHPublicKey", "DeleteServiceSpecificCredential", "UpdateServiceSpecificCredential",
		}, c.Action)
		if c.Service == "iam" && (named || aboutUser) && strings.TrimSpace(c.Params["UserName"]) == "" {
			w.t.Errorf("rule 6: %s was called without a user name", c.Action)
		}
	}
	if unknown := w.account.UnknownCalls(); len(unknown) > 0 {
		w.t.Errorf("the account doesn't know %v", unknown)
	}
}

// judgeUser walks through what was done to one user.
func (w *trial) judgeUser(l *ledger, id string, taken map[string]bool) {
	var (
		life     = w.lives[id]
		on       bool      // the deny
		since    time.Time // from when it has been on, but for the product's own tries to delete the user
		lifted   bool      // the product took it off, and nothing followed yet
		tag      string
		began    time.Time // when the product first changed the user
		disabled bool
		offBy    time.Time // when somebody else last took it off
	)
	for _, e := range l.of(id) {
		if !e.product {
			if _, off := e.deny(); off {
				on, offBy = false, e.at
			}
			continue
		}
		if began.IsZero() {
			began = e.at
			w.judgeFirstChange(l, e, life)
		}
		switch e.action {
		case "TagUser":
			if tag != "" && tag != e.value {
				w.breaks(9, e, "it is marked for case %s while %s has it", e.value, tag)
			}
			tag = e.value
		case "UntagUser":
			tag = ""
			since, lifted = time.Time{}, false
		}
		puts, off := e.deny()
		switch {
		case puts:
			if !on && since.IsZero() {
				since = e.at
			}
			on, lifted, disabled = true, false, true
		case off:
			on, lifted = false, true
		case e.takesAway():
			removesPassword := e.action == "DeleteLoginProfile" && w.is.Settings.Disable == sunset.ByDeactivation
			if removesPassword && !w.deleting(id, e.at) {
				break
			}
			taken[id] = true
			w.judgeDeletion(l, e, id, since, disabled)
			if call, _ := w.lastCall("delete-all-artifacts", id, e.at); !offBy.Before(call.at.Truncate(time.Second)) {
				break // while it is being deleted, and nobody can hear that
			}
			if e.action == "DeleteUser" {
				if on || !lifted {
					w.breaks(10, e, "the deny was not taken off just before")
				}
			} else if !on {
				w.breaks(10, e, "the deny is not on")
			}
		}
	}
	if lifted && !on && taken[id] && tag != "" && !w.anyFault() {
		if _, there := w.nameNow(id); there {
			w.t.Errorf("rule 10: %s stays half deleted and its deny is off", life.Name)
		}
	}
}

// earlier says that it happened before the second cleanup looked, and so concerns no case of that one.
func (w *trial) earlier(i invocation, t time.Time) bool {
	return strings.HasPrefix(i.name, "again-") && t.Before(begin().Add(time.Duration(w.is.Second)*time.Hour))
}

// did says that somebody did such a thing to a user.
func (w *trial) did(what, id string) bool {
	return slices.ContainsFunc(w.deeds, func(d act) bool { return d.what == what && d.userID == id })
}

func (w *trial) anyFault() bool { return len(w.is.Faults) > 0 }

// lastCall is when a function was last called for a user at or before t.
func (w *trial) lastCall(function, id string, t time.Time) (last invocation, ok bool) {
	for _, i := range w.invoked {
		if i.function == function && strings.HasSuffix(i.name, "-"+id) && !i.at.After(t) {
			last, ok = i, true
		}
	}
	return last, ok
}

// deleting says that of the two functions that take something from a user the one that deletes was called last before t.
func (w *trial) deleting(id string, t time.Time) bool {
	disabled, _ := w.lastCall("disable", id, t)
	at, ok := w.lastCall("delete-all-artifacts", id, t)
	return ok && at.seq > disabled.seq
}

// judgeFirstChange: nobody is touched of whom anything says that it is used, unknown, kept or protected.
func (w *trial) judgeFirstChange(l *ledger, e entry, c character) {
	call, ok := w.lastCall("disable", e.id, e.at)
	if !ok {
		w.breaks(2, e, "it was changed before its turn")
		return
	}
	at, s := call.at, w.settingsAt(call.seq)
	w.judgeKept(e, c, s, call)
	if w.is.Request.DryRun {
		w.breaks(3, e, "the request is a dry run")
	}
	if !w.shelf.has("snapshots/", "-"+e.id+".json") {
		w.breaks(2, e, "there is no snapshot of it")
	}
	if at.Before(begin().Add(s.Notice.Std())) && at.Before(begin().Add(w.is.Settings.Notice.Std())) {
		w.breaks(3, e, "its notice of %s had not passed", s.Notice)
	}
	for _, u := range l.uses {
		if u.id == e.id && u.shows(s) && u.at.After(at.Add(-90*day)) && (u.live || u.at.Before(begin().Add(-30*time.Minute))) && u.at.Before(at.Add(-time.Minute)) {
			w.breaks(3, e, "it was used at %s: %s", u.at.Format(time.RFC3339), u.what)
		}
	}
	for _, region := range w.account.Regions() {
		if _, closed := s.RegionClosed(region); !closed && !w.askedTrail(region, c.Name, e.at) {
			w.breaks(3, e, "CloudTrail has never told of it in %s", region)
		}
	}
}

// askedTrail says that CloudTrail has answered about a name in a region.
func (w *trial) askedTrail(region, name string, until time.Time) bool {
	return slices.ContainsFunc(w.account.Calls(), func(c fakeaws.Call) bool {
		return c.Action == "LookupEvents" && c.Region == region && c.Error == "" && !c.At.After(until) && strings.Contains(c.Params["LookupAttributes"], `"`+name+`"`)
	})
}

// judgeKept is what keeps a user at any time, before a change and before a deletion.
func (w *trial) judgeKept(e entry, c character, s sunset.Settings, call invocation) {
	was := w.first[e.id]
	_, unasked := s.RegionClosed("eu-central-1") // settings say that nothing can happen where alone it was seen
	switch {
	case c.Name == ownUser:
		w.breaks(6, e, "it is the product's own user")
	case !w.did("renamed", e.id) && slices.ContainsFunc(s.Approvers, func(a sunset.Approver) bool { return slices.Contains(a.Principals, was.ARN) }):
		w.breaks(6, e, "it is an approver's own user")
	case lives[c.Life].unknown && !slices.Contains(s.AcceptUnknown, c.Name):
		w.breaks(3, e, "whether it is used is not known")
	case !lives[c.Life].mayGo && !lives[c.Life].unknown && !(unasked && c.Life == "aws login") &&
		// AWS keeps a principal by its id and shows today's ARN of it (inferred); the fake account keeps the policy's words.
		!(strings.HasPrefix(c.Life, "sole in ") && w.did("renamed", e.id)):
		w.breaks(3, e, "a user that is %s must be kept", c.Life)
	case len(w.is.Request.Users) > 0 && !slices.Contains(w.is.Request.Users, c.Name):
		w.breaks(3, e, "the request names other users")
	}
	if _, tagged := was.Tags[sunset.TagKeep]; tagged {
		w.breaks(1, e, "it bore the tag that keeps it")
	}
	for _, x := range s.Exemptions {
		if x.Expires == "" && (strings.EqualFold(strings.TrimSuffix(x.Name, "*"), c.Name) || x.Path != "" && x.Path == was.Path || x.Tag == "owner="+was.Tags["owner"]) {
			w.breaks(1, e, "it is exempt: %s", x)
		}
	}
	if s.Windows != nil && !open(s.Windows, call.at) && !open(s.Windows, e.at) {
		w.breaks(1, e, "no window is open")
	}
	for _, p := range w.paused {
		if p.from.Before(call.at) && p.to.After(e.at) {
			w.breaks(1, e, "everything is paused")
		}
	}
	for _, d := range w.deeds {
		if d.userID == e.id && d.what == "keep tag" && d.seq < call.seq {
			w.breaks(1, e, "somebody tagged it at %s to keep it", d.at.Format(time.RFC3339))
		}
	}
	for _, r := range w.rescues {
		if r.userID == e.id && r.stored && (r.seq < call.seq || r.at.Before(e.at)) && !w.earlier(call, r.at) {
			w.breaks(1, e, "it was rescued at %s", r.at.Format(time.RFC3339))
		}
	}
}

// open says whether one of the windows that scenarios have is open: a reading of its own.
func open(windows []sunset.Window, t time.Time) bool {
	for _, x := range windows {
		local := t
		if x.Zone == "Europe/Berlin" {
			local = t.Add(time.Hour) // winter: runs are over before the clocks change
		}
		days := len(x.Days) == 0 || slices.Contains(x.Days, strings.ToLower(local.Weekday().String()[:3]))
		if wall := local.Format("15:04"); days && wall >= x.From && wall < x.To {
			return true
		}
	}
	return false
}

// judgeDeletion: rule 1, at the moment at which the function that deletes was called.
func (w *trial) judgeDeletion(l *ledger, e entry, id string, since time.Time, disabled bool) {
	call, ok := w.lastCall("delete-all-artifacts", id, e.at)
	if !ok || !w.deleting(id, e.at) {
		w.breaks(2, e, "nothing irrevocable may happen outside the deletion")
		return
	}
	at, s := call.at, w.settingsAt(call.seq)
	if w.is.Request.Soak != nil {
		s.Soak = max(s.Soak, *w.is.Request.Soak)
	}
	w.judgeKept(e, w.lives[id], s, call)
	if !disabled || since.IsZero() || at.Sub(since) < s.Soak.Std() {
		w.breaks(1, e, "its deny was on since %s, and the soak is %s", since.Format(time.RFC3339), s.Soak)
	}
	for i, u := range l.uses {
		heard := u.at.Before(at.Add(-sunset.Settle - 30*time.Minute))
		again := slices.ContainsFunc(l.uses[:i], func(earlier use) bool { return earlier.id == id && u.at.Sub(earlier.at) < 16*time.Minute })
		if u.id == id && u.shows(s) && u.at.After(at.Add(-s.Soak.Std())) && (heard || u.live && !again && u.at.Before(at)) {
			w.breaks(1, e, "it was used in the soak, at %s: %s", u.at.Format(time.RFC3339), u.what)
		}
	}
	for _, d := range w.deeds {
		if d.userID == id && d.drifts() && d.at.After(since) && d.seq < call.seq {
			w.breaks(1, e, "somebody changed it at %s: %s", d.at.Format(time.RFC3339), d.what)
		}
	}
	for _, d := range w.denied {
		if _, closed := s.RegionClosed("eu-central-1"); !closed && d.from.Before(at) && d.to.After(e.at) {
			w.breaks(3, e, "eu-central-1 can't be read")
		}
	}
	if w.is.Proven == "" {
		w.breaks(1, e, "nobody knows who started the cleanup")
	}
	w.judgeVotes(e, id, s, call)
}

// judgeVotes: enough approvers said delete on one request, and none of them anything else.
func (w *trial) judgeVotes(e entry, id string, s sunset.Settings, call invocation) {
	said := map[string][]string{}
	var last string
	for _, v := range w.cast {
		if v.userID != id || v.status != http.StatusSeeOther || v.seq > call.seq || !slices.ContainsFunc(s.Approvers, func(a sunset.Approver) bool { return a.Email == v.email }) {
			continue
		}
		if w.startedIt(v.email) {
			w.breaks(1, e, "%s started the cleanup and could decide", v.email)
			continue
		}
		last = v.request
		if v.choice != sunset.ChooseDelete {
			said[v.request] = append(said[v.request], "against")
		} else if !slices.Contains(said[v.request], v.email) {
			said[v.request] = append(said[v.request], v.email)
		}
	}
	if slices.Contains(said[last], "against") || len(said[last]) < s.ApprovalsNeeded {
		w.breaks(1, e, "%v decided on it, and %d are needed", said[last], s.ApprovalsNeeded)
	}
}

// startedIt says whether an approver is whoever started the cleanup, by claim or proof.
func (w *trial) startedIt(email string) bool {
	for _, who := range []string{w.is.Starter, w.is.Proven} {
		if strings.EqualFold(who, email) || strings.HasSuffix(who, "/"+email) || email == approver && strings.Contains(who, "assumed-role/approvers-a/") {
			return true
		}
	}
	return false
}

// judgeTurns: no more users a day are disabled than the batch of that day.
func (w *trial) judgeTurns(l *ledger) {
	// Nobody changes the batch on the way.
	perDay, seen := map[string]int{}, map[string]bool{}
	for _, e := range l.entries {
		if on, _ := e.deny(); on && e.product && !seen[e.id] {
			seen[e.id] = true
			day := e.at.Format(time.DateOnly)
			if perDay[day]++; perDay[day] > w.is.Settings.Batch {
				w.breaks(1, e, "it is number %d of its day", perDay[day])
			}
		}
	}
}

// judgeCap: of all users no more go than the cap allows.
func (w *trial) judgeCap(l *ledger) {
	gone := map[string]bool{}
	for _, e := range l.entries {
		if _, off := e.deny(); e.product && e.takesAway() && !off && w.deleting(e.id, e.at) && e.id != "" {
			gone[e.id] = true
		}
	}
	if least := w.is.Settings.CapPercent; len(gone)*100 > least*len(w.first) {
		w.t.Errorf("rule 1: %d of %d users went, and the cap is %d %%", len(gone), len(w.first), least)
	}
}

// judgeOutcomes: everybody has an end, the ends add up, and whoever is back is as before.
func (w *trial) judgeOutcomes(l *ledger, ended bool) {
	removed := map[string]bool{}
	for _, e := range l.entries {
		// Who has got the name a moment ago may be hit: justReused. Nobody counts that one among the outcomes.
		if _, early := w.first[e.id]; e.action == "DeleteUser" && e.product && (early || !w.justReused(e.at)) {
			removed[e.id] = true
		}
	}
	rows := map[string]sunset.Case{}
	cases, err := w.machine.Cases.Cases(context.Background())
	if err != nil {
		w.t.Fatalf("reading the cases: %v", err)
	}
	for _, c := range cases {
		if !ended || !c.Open() {
			rows[c.UserID] = c
		} else {
			w.t.Errorf("rule 4: every cleanup has ended, and %s is %s", c.UserName, c.Stage)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.first)) {
		c, had := rows[id]
		if c.Outcome == sunset.Deleted && !removed[id] && (w.did("deleted", id) || w.did("name reused", id)) {
			removed[id] = true // somebody was faster, while it was being deleted
		}
		if removed[id] != (c.Outcome == sunset.Deleted) && !(removed[id] && (c.Open() || c.Outcome == sunset.Failed)) {
			w.t.Errorf("rule 1: %s: deleted by the product is %v, and its case says %q", w.lives[id].Name, removed[id], c.Outcome)
		}
		if had && !c.Open() {
			w.saw["outcome "+string(c.Outcome)]++
			if c.Outcome == sunset.Failed && len(w.is.Faults) == 0 && w.saw["person: stop execution"] == 0 && len(w.is.Dying) == 0 && w.saw["person: region closed"] == 0 && w.saw["person: deleted"]+w.saw["person: name reused"] == 0 {
				w.t.Errorf("rule 8: %s failed, and nothing was wrong: %s", w.lives[id].Name, c.Reason)
			}
		}
		if !had {
			w.saw["outcome kept"]++
		}
		w.judgeBack(l, id, had, c)
	}
	if ended {
		w.judgeSums(removed)
	}
}

// judgeBack: whoever is there without a case's deny is as people would have it.
func (w *trial) judgeBack(l *ledger, id string, had bool, c sunset.Case) {
	var now *fakeaws.UserState
	for _, u := range w.account.Users() {
		if u.ID == id {
			now = &u
		}
	}
	over := had && slices.Contains([]sunset.Outcome{sunset.Restored, sunset.Rescued, sunset.Skipped}, c.Outcome)
	if now == nil || had && !over {
		return
	}
	want := w.was[id]
	if want == nil {
		return
	}
	have, deactivated, lost := timeless(*now), false, had && w.is.Settings.Disable == sunset.ByDeactivation
	for _, e := range l.of(id) {
		if e.product && e.action == "DeleteLoginProfile" {
			deactivated = true
		}
		if e.product && e.takesAway() && w.deleting(id, e.at) {
			return // a deletion that was turned back half-way gives back what is left
		}
	}
	expected := timeless(*want)
	if lost && deactivated {
		expected.HasPassword = have.HasPassword
	}
	expected.ARN = have.ARN // follows name and path
	have.Keys = slices.DeleteFunc(slices.Clone(have.Keys), func(k fakeaws.KeyState) bool {
		return !slices.ContainsFunc(w.first[id].Keys, func(f fakeaws.KeyState) bool { return f.ID == k.ID })
	})
	expected.Keys = slices.Clone(expected.Keys)
	slices.Sort(have.Attached)
	expected.Attached = slices.Sorted(slices.Values(expected.Attached))
	if a, b := fmt.Sprintf("%+v", expected), fmt.Sprintf("%+v", have); a != b {
		w.t.Errorf("rule 2: %s (%s, %s) is not as it was:\n was %s\n is  %s", w.lives[id].Name, w.lives[id].Life, c.Outcome, a, b)
	}
}

// judgeSums: the outcomes of a cleanup add up to the users that it found, and say of deletions what is true.
func (w *trial) judgeSums(removed map[string]bool) {
	deleted := 0
	for _, name := range []string{cleanup, "again"} {
		row, err := w.machine.Cases.Cleanup(context.Background(), name)
		if err != nil {
			continue // there was one cleanup only
		}
		sum := 0
		for _, n := range row.Outcomes {
			sum += n
		}
		if sum != row.Users || name == cleanup && row.Refusal == "" && sum != len(w.first) && w.saw["person: deleted"]+w.saw["person: name reused"] == 0 {
			w.t.Errorf("rule 4: the outcomes of %s are %v, of %d discovered and %d that were there", name, row.Outcomes, row.Users, len(w.first))
		}
		deleted += row.Outcomes[sunset.Deleted]
	}
	if deleted != len(removed) {
		w.t.Errorf("rule 4: %d outcomes are deleted, and the product deleted %d users", deleted, len(removed))
	}
}

// judgeEvidence: rule 7, untouched and then spoiled.
func (w *trial) judgeEvidence() {
	files := w.shelf.evidence()
	report, err := audit.Verify(files)
	if err != nil || len(report.Problems) > 0 {
		w.t.Errorf("rule 7: the evidence does not verify: %v %v", err, report.Problems)
	}
	var chained []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		next := fmt.Sprintf("%s/%06d.json", name[:strings.LastIndexByte(name, '/')], numberOf(name)+1)
		if _, more := files[next]; more && !strings.HasPrefix(name, "key/") {
			chained = append(chained, name)
		}
	}
	if len(chained) == 0 {
		return
	}
	name := chained[(w.is.Tamper*7919+len(files))%len(chained)]
	next := fmt.Sprintf("%s/%06d.json", name[:strings.LastIndexByte(name, '/')], numberOf(name)+1)
	spoiled := cloned(files)
	switch w.is.Tamper {
	case 0: // a digit or letter is changed
		b := spoiled[name].Data
		i := len(b) / 2
		b[i] ^= 1
	case 1: // a record is taken out
		delete(spoiled, name)
	case 2: // two change places
		spoiled[name], spoiled[next] = spoiled[next], spoiled[name]
	case 3: // a record is cut short
		spoiled[name].Data = spoiled[name].Data[:len(spoiled[name].Data)-2]
	}
	if report, err := audit.Verify(spoiled); err == nil && len(report.Problems) == 0 {
		w.t.Errorf("rule 7: %s was spoiled (way %d), and the evidence verifies", name, w.is.Tamper)
	}
}

func numberOf(name string) int {
	n := 0
	_, _ = fmt.Sscanf(lastPart(name), "%06d.json", &n) // what has no number has 0
	return n
}

// judgeSecrets: links, task tokens and secrets of keys are nowhere but where they have to be.
func (w *trial) judgeSecrets() {
	text := w.shelf.text("") + w.log.String() + w.mail
	for _, link := range w.links {
		if strings.Contains(text, lastPart(link.url)) {
			w.t.Errorf("a link of %s was written down", link.email)
		}
	}
	for _, token := range w.stolenTokens() {
		if strings.Contains(text, token) {
			w.t.Errorf("a task token was written down")
		}
	}
	for _, u := range w.users {
		for _, k := range u.Keys {
			if strings.Contains(text, k.SecretAccessKey) {
				w.t.Errorf("the secret of a key of %s was written down", u.Name)
			}
		}
	}
}
