package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// people are attacks by those who have a link, and no right to decide this.
func people() []attack {
	barred := func(name, who string, before, after func(*trial, *sunset.Settings)) attack {
		return attack{name: name, has: aLink, try: func(t *trial) {
			link := t.linkOf(who, "")
			t.set(func(s *sunset.Settings) { before(t, s) })
			for _, choice := range []string{"delete", "keep", "soak-again"} {
				t.refused(t.post(t.at(link, target), t.ballot(target, choice)), http.StatusForbidden)
				r := t.asked(target)
				a := t.post(link+"/decide", url.Values{"digest." + r.ID: {r.Digest}, "choice." + r.ID: {choice}, "reason": {"x"}})
				t.refused(a, http.StatusOK, http.StatusForbidden)
			}
			t.set(func(s *sunset.Settings) { after(t, s) })
		}}
	}
	nobody := func(*trial, *sunset.Settings) {}
	closed := func(name string, end func(*trial, string) error, again int) attack {
		var who string
		return attack{name: name, has: aLink, try: func(t *trial) {
			who = t.next()
			t.must(end(t, who) == nil, "%s can't be ended", who)
			t.refused(t.post(t.at(t.linkOf(ada, ""), who), t.ballot(who, "delete")), again)
			t.refused(t.post(t.at(t.linkOf(ben, ""), who), t.ballot(who, "delete")), again)
		}, end: stays(&who)}
	}
	var forged, replayed, alone string
	return []attack{
		barred("the starter of a cleanup decides in it", olga, nobody, nobody),
		barred("the subject of a case decides on it", sam, func(t *trial, s *sunset.Settings) {
			s.Approvers = append([]sunset.Approver(nil), s.Approvers...)
			for i := range s.Approvers {
				if s.Approvers[i].Email == sam {
					s.Approvers[i].Principals = []string{t.users[target].ARN}
				}
			}
		}, func(_ *trial, s *sunset.Settings) {
			for i := range s.Approvers {
				if s.Approvers[i].Email == sam {
					s.Approvers[i].Principals = nil
				}
			}
		}),
		{name: "an approver who was removed", has: aLink, try: func(t *trial) {
			link, r := t.linkOf(dora, ""), t.asked(target)
			for _, a := range []answer{t.get(link), t.get(t.at(link, target)), t.post(t.at(link, target), t.ballot(target, "delete")), t.post(link+"/decide", url.Values{"digest." + r.ID: {r.Digest}, "choice." + r.ID: {"delete"}, "reason": {"x"}}), t.get(t.at(link, decided) + "/receipt")} {
				t.refused(a, http.StatusForbidden)
				t.must(!strings.Contains(a.body, target) && !strings.Contains(a.body, ada), "%s tells of cases", a.asked)
			}
		}},
		closed("a decision after the request's end", func(t *trial, who string) error { return t.machine.Desk.Expire(t.t.Context(), t.asked(who).ID) }, http.StatusConflict),
		closed("a decision on facts that have moved", func(t *trial, who string) error {
			return t.machine.Desk.Supersede(t.t.Context(), t.caseOf(who).ID, "")
		}, http.StatusConflict),
		{name: "another word after the first", has: aLink, try: func(t *trial) {
			for _, choice := range []string{"keep", "soak-again", "delete"} {
				t.refused(t.post(t.at(t.linkOf(ada, ""), decided), url.Values{"choice": {choice}, "reason": {"I have changed my mind"}, "digest": {t.asked(decided).Digest}}), http.StatusConflict)
			}
		}},
		{name: "the receipt of a decision that somebody else made, or nobody", has: aLink, try: func(t *trial) {
			for _, at := range []string{t.at(t.linkOf(ada, ""), target), t.at(t.linkOf(olga, ""), decided)} {
				t.refused(t.get(at+"/receipt"), 404, 409)
				t.refused(t.get(at+"/receipt.txt"), 404, 409)
			}
		}},
		{name: "fields that name another approver", has: aLink, try: func(t *trial) {
			forged = t.next()
			form := t.ballot(forged, "delete")
			for _, field := range []string{"approver", "Approver", "email", "by", "who", "way", "principal", "mac", "case_id", "user_id", "request", "link"} {
				form.Set(field, ada)
			}
			t.refused(t.post(t.at(t.linkOf(ben, ""), forged)+"?approver="+url.QueryEscape(ada), form, header("X-Forwarded-User", ada), header("X-Remote-User", ada), header("Authorization", "Basic YTpi")), http.StatusSeeOther)
			for _, d := range t.decisions(forged) {
				t.must(d.Approver == ben && d.Way == sunset.WayLink && d.Principal == "" && d.UserID == t.users[forged].ID, "the decision is %+v", d)
			}
			t.must(len(t.decisions(forged)) == 1, "%d decisions are stored", len(t.decisions(forged)))
		}, end: func(t *trial) { stays(&forged)(t) }},
		{name: "the same POST twice, and once more when all is decided", has: aLink, try: func(t *trial) {
			replayed = t.next()
			for _, who := range []string{ada, ada, ada, ben, ada, ben} {
				t.refused(t.post(t.at(t.linkOf(who, ""), replayed), t.ballot(replayed, "delete")), http.StatusSeeOther)
			}
			t.must(len(t.decisions(replayed)) == 2 && t.recorded(replayed, "decision") == 2, "%d decisions, %d on record", len(t.decisions(replayed)), t.recorded(replayed, "decision"))
		}, end: func(t *trial) { t.must(t.recorded(replayed, "decision") == 2, "the decisions are on record again") }},
		{name: "one approver for two, by two links and names of another case", has: aLink, try: func(t *trial) {
			alone = t.next()
			for _, who := range []string{ada, strings.ToUpper(ada), "Ada" + ada[3:]} {
				secret, err := t.machine.Desk.NewLink(t.t.Context(), who, t.clock.Now().Add(day))
				t.must(err == nil, "making a link for %s: %v", who, err)
				t.dropped = append(t.dropped, secret)
				t.refused(t.post(t.at(t.machine.PagesURL+"/a/"+secret, alone), t.ballot(alone, "delete")), http.StatusSeeOther)
			}
			t.must(len(t.decisions(alone)) == 1 && t.asked(alone).State == sunset.RequestOpen, "%d decisions are stored, and the request is %s", len(t.decisions(alone)), t.asked(alone).State)
		}, end: func(t *trial) { stays(&alone)(t) }},
	}
}

// recorded counts the records of a kind in a user's case.
func (w *world) recorded(name, kind string) (n int) {
	w.t.Helper()
	records, err := w.machine.Records.Chain(w.t.Context(), sunset.ChainOf(w.caseOf(name).ID))
	if err != nil {
		w.t.Errorf("reading the records of %s: %v", name, err)
	}
	for _, r := range records {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

// together sends all at once, and counts the answers by status.
func (t *trial) together(sends ...func(*trial) int) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := map[int]int{}
	start := make(chan struct{})
	for _, send := range sends {
		all.Go(func() {
			<-start
			x := &trial{world: t.world, has: t.has}
			status := send(x)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
			t.problems = append(t.problems, x.problems...)
		})
	}
	close(start)
	all.Wait()
	return statuses
}

func times(n int, f func(*trial) int) []func(*trial) int {
	out := make([]func(*trial) int, n)
	for i := range out {
		out[i] = f
	}
	return out
}

// crowds are attacks by many who come at once.
func crowds() []attack {
	var twenty, keeps, contrary, rescued, clicked string
	var kept int // the answer to a keep
	decide := func(who string, name *string, choice string) func(*trial) int {
		return func(t *trial) int { return t.post(t.at(t.linkOf(who, ""), *name), t.ballot(*name, choice)).status }
	}
	keep := func(name *string) func(*trial) int {
		return func(t *trial) int {
			return t.post(t.linkOf(maria, *name), url.Values{"act": {"keep"}, "reason": {"needed"}}).status
		}
	}
	return []attack{
		{name: "twenty of the same decision at once", has: aLink, try: func(t *trial) {
			twenty = t.next()
			got := t.together(append(times(20, decide(ada, &twenty, "delete")), times(20, decide(ben, &twenty, "delete"))...)...)
			t.must(got[http.StatusSeeOther] == 40, "the answers are %v", got)
			t.must(len(t.decisions(twenty)) == 2 && t.recorded(twenty, "decision") == 2, "%d decisions, %d on record", len(t.decisions(twenty)), t.recorded(twenty, "decision"))
		}, end: func(t *trial) {
			t.must(!t.there(twenty) && t.recorded(twenty, "deleted") == 1, "it was deleted %d times", t.recorded(twenty, "deleted"))
		}},
		{name: "one approver's delete and keep at once", has: aLink, try: func(t *trial) {
			contrary = t.next()
			got := t.together(append(times(10, decide(ada, &contrary, "delete")), times(10, decide(ada, &contrary, "keep"))...)...)
			t.must(got[http.StatusSeeOther] == 10 && got[http.StatusConflict] == 10, "the answers are %v", got)
			t.must(len(t.decisions(contrary)) == 1, "%d decisions are stored", len(t.decisions(contrary)))
		}, end: func(t *trial) { stays(&contrary)(t) }},
		{name: "two who say delete, and one who says keep, at once", has: aLink, try: func(t *trial) {
			keeps = t.next()
			got := t.together(decide(ada, &keeps, "delete"), decide(ben, &keeps, "delete"), func(x *trial) int {
				kept = decide(sam, &keeps, "keep")(x)
				return kept
			})
			t.must(got[http.StatusSeeOther]+got[http.StatusConflict] == 3, "the answers are %v", got)
			t.must(len(t.decisions(keeps)) == got[http.StatusSeeOther], "%d decisions are stored, the answers were %v", len(t.decisions(keeps)), got)
		}, end: func(t *trial) {
			t.must(kept != http.StatusSeeOther || t.there(keeps), "a keep was taken, and the user deleted")
		}},
		{name: "its owner's keep and the last approval at once", has: anOwners, try: func(t *trial) {
			rescued = t.next()
			t.refused(t.post(t.at(t.linkOf(ada, ""), rescued), t.ballot(rescued, "delete")), http.StatusSeeOther)
			var answered int
			t.together(decide(ben, &rescued, "delete"), func(x *trial) int { answered = keep(&rescued)(x); return answered })
			t.must(answered == http.StatusSeeOther, "the keep was answered %d", answered)
		}, end: func(t *trial) {
			stays(&rescued)(t)
			t.must(t.caseOf(rescued).Outcome == sunset.Rescued, "it is %s", t.caseOf(rescued).Outcome)
		}},
		{name: "twenty clicks of an owner at once", has: anOwners, try: func(t *trial) {
			clicked = t.next()
			got := t.together(times(20, keep(&clicked))...)
			t.must(got[http.StatusSeeOther] == 20, "the answers are %v", got)
		}, end: func(t *trial) {
			stays(&clicked)(t)
			t.must(t.recorded(clicked, "rescue") == 1 && t.recorded(clicked, "restored") == 1, "%d rescues and %d restores are on record", t.recorded(clicked, "rescue"), t.recorded(clicked, "restored"))
		}},
	}
}

// owners are attacks by owners' links.
func owners() []attack {
	var own, handed string
	return []attack{
		{name: "GET and HEAD of an owner's page, with all that its forms would say", has: anOwners, try: func(t *trial) {
			link := t.linkOf(maria, target)
			for _, act := range []string{"keep", "hand-over", "agree"} {
				for _, m := range []string{http.MethodGet, http.MethodHead} {
					t.refused(t.do(m, link+"?"+url.Values{"act": {act}, "reason": {"x"}, "to": {paula}, "done": {act}}.Encode(), nil, header("Sec-Purpose", "prefetch")), http.StatusOK)
				}
			}
		}},
		{name: "a user is handed over to addresses outside, or to none", has: anOwners, try: func(t *trial) {
			for _, to := range []string{
				"eve@evil.example", "eve@evil.example.", "eve@meadowlark.example.evil.example", "eve@evil.example@meadowlark.example", "eve@evil.example,paula@meadowlark.example", "eve@evil.example;x@meadowlark.example", `"eve@evil.example" <x@meadowlark.example>`, "<x@meadowlark.example>",
				"x@meadowlark.example\r\nBcc: eve@evil.example", "x@meadowlark.example\nBcc: eve@evil.example@meadowlark.example", "x\x00@meadowlark.example", "eve%40evil.example@evil.example", "x@mеadowlark.example", "x@meadowlark.example\u200b", "\u202ex@meadowlark.example", "x@[127.0.0.1]", "@meadowlark.example", "x", "", " ", maria,
				strings.Repeat("x", 100_00) + "@evil.example", "team", "x@sub.meadowlark.example", "x@ＭＥＡＤＯＷＬＡＲＫ.example", "(comment)x@meadowlark.example", "mailto:x@meadowlark.example",
			} {
				a := t.post(t.linkOf(maria, target), url.Values{"act": {"hand-over"}, "to": {to}})
				t.must(a.status == http.StatusBadRequest, "%q was answered %d", to, a.status)
			}
		}},
		{name: "acts that no owner's page has", has: anOwners, try: func(t *trial) {
			link := t.linkOf(maria, target)
			for _, form := range []url.Values{
				{},
				{"act": {""}},
				{"act": {"delete"}},
				{"act": {"KEEP"}, "reason": {"x"}},
				{"act": {"keep", "agree"}, "reason": {"x"}},
				{"act": {"keep"}, "reason": {"x", "y"}},
				{"act": {"keep"}},
				{"act": {"keep"}, "reason": {"\u202e \x00"}},
				{"act": {"keep"}, "reason": {strings.Repeat("x", 1001)}},
				{"act": {"hand-over"}, "to": {paula, paula}},
				{"choice": {"delete"}, "reason": {"x"}},
				{"act[]": {"keep"}, "reason": {"x"}},
			} {
				t.refused(t.post(link, form), http.StatusBadRequest)
			}
			t.refused(t.post(link+"/"+t.asked(target).ID, t.ballot(target, "delete")), 404, 405)
			t.refused(t.post(link+"/decide", url.Values{}), 404, 405)
		}},
		{name: "an owner keeps somebody else's user", has: anOwners, try: func(t *trial) {
			own = t.next()
			o := t.caseOf(other)
			form := url.Values{"act": {"keep"}, "reason": {"x"}, "case_id": {o.ID}, "user_id": {o.UserID}, "CaseID": {o.ID}, "user": {other}, "by": {paula}}
			t.refused(t.post(t.linkOf(maria, own)+"?user_id="+o.UserID+"&case_id="+o.ID, form), http.StatusSeeOther)
			t.must(t.caseOf(other).Rescue == nil, "the other user is rescued")
			r := t.caseOf(own).Rescue
			t.must(r != nil && r.By == maria, "the rescue is %+v", r)
		}, end: func(t *trial) { t.must(t.caseOf(other).Rescue == nil, "the other user was rescued") }},
		{name: "an owner says more after the case was handed over", has: anOwners, try: func(t *trial) {
			handed = t.next()
			link := t.linkOf(maria, handed)
			t.refused(t.post(link, url.Values{"act": {"hand-over"}, "to": {paula}}), http.StatusSeeOther)
			t.refused(t.post(link, url.Values{"act": {"agree"}}), http.StatusConflict)
			t.refused(t.post(link, url.Values{"act": {"hand-over"}, "to": {"eva@meadowlark.example"}}), http.StatusConflict)
			word, err := t.machine.Desk.OwnerWord(t.t.Context(), t.caseOf(handed).ID)
			t.must(err == nil && word.Owner.Email == paula && word.Agreed.IsZero(), "the word is %+v, %v", word, err)
		}, end: func(t *trial) {
			stays(&handed)(t)
			for _, m := range t.mail {
				t.must(m.To != "eva@meadowlark.example" && !strings.Contains(m.To, "evil"), "%s was told %q", m.To, m.Subject)
			}
		}},
	}
}
