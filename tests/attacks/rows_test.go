package attacks

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// storedRows are attacks by whoever may write the table, and has no key.
func storedRows() []attack {
	put := func(t *trial, name, who string, d map[string]any) {
		t.row("decision/"+t.asked(name).ID+"/"+hashOf(who), func(map[string]any) map[string]any { return d })
	}
	made := func(t *trial, name, who, choice string, mac any) map[string]any {
		r := t.asked(name)
		return map[string]any{
			"request_id": r.ID, "case_id": r.CaseID, "user_id": r.UserID, "digest": r.Digest, "approver": who, "choice": choice, "reason": "x", "at": t.clock.Now(), "way": "link", "mac": mac,
		}
	}
	says := func(t *trial, who, name, choice string) {
		t.refused(t.post(t.at(t.linkOf(who, ""), name), t.ballot(name, choice)), http.StatusSeeOther)
	}
	// on tries something on a user of its own, who must stay, and for whom no deletion may begin.
	on := func(name string, try func(t *trial, who string)) attack {
		var who string
		return attack{name: name, has: rowWrites, try: func(t *trial) {
			who = t.next()
			try(t, who)
		}, end: func(t *trial) {
			stays(&who)(t)
			t.must(t.recorded(who, "deleting") == 0, "a deletion began")
		}}
	}
	altered := func(f func(t *trial, who string, r map[string]any)) func(*trial, string) {
		return func(t *trial, who string) {
			t.row("request/"+t.asked(who).ID, func(r map[string]any) map[string]any { f(t, who, r); return r })
		}
	}
	recorded := on("decisions that are on record, and that nobody made", func(t *trial, who string) {
		for _, approver := range []string{ada, ben} {
			d, err := json.Marshal(made(t, who, approver, "delete", "AAAA"))
			t.must(err == nil, "writing a decision: %v", err)
			_, err = t.machine.Records.Append(t.t.Context(), audit.Record{Chain: sunset.ChainOf(t.caseOf(who).ID), Kind: "decision", By: approver, Text: approver + " decided on " + who + ": delete.", Data: d})
			t.must(err == nil, "writing a record: %v", err)
		}
		t.refused(t.calls("SendTaskSuccess", map[string]string{"taskToken": t.token(who), "output": `{"choice":"delete"}`}), http.StatusOK)
	})
	recorded.has = objWrites
	return []attack{
		recorded,
		on("decisions that were put in without the key", func(t *trial, who string) {
			for _, approver := range []string{ada, ben, sam} {
				put(t, who, approver, made(t, who, approver, "delete", nil))
			}
			t.row("request/"+t.asked(who).ID, func(r map[string]any) map[string]any { r["state"] = "decided"; return r })
		}),
		on("decisions with codes that were guessed", func(t *trial, who string) {
			put(t, who, ada, made(t, who, ada, "delete", base64.StdEncoding.EncodeToString(make([]byte, 32))))
			put(t, who, ben, made(t, who, ben, "delete", "AA=="))
			put(t, who, sam, made(t, who, sam, "delete", t.stored("link/" + hashOf(secretOf(t.linkOf(sam, ""))))["mac"]))
			t.must(len(t.decisions(who)) == 0, "one of them counts")
		}),
		on("a decision that was changed from soak again to delete", func(t *trial, who string) {
			says(t, ada, who, "delete")
			says(t, ben, who, "soak-again")
			t.row("decision/"+t.asked(who).ID+"/"+hashOf(ben), func(d map[string]any) map[string]any { d["choice"] = "delete"; return d })
		}),
		on("a decision whose code was taken off", func(t *trial, who string) {
			says(t, ada, who, "delete")
			d := t.stored("decision/" + t.asked(who).ID + "/" + hashOf(ada))
			d["approver"], d["mac"] = ben, nil
			put(t, who, ben, d)
		}),
		on("a decision that was copied to another approver's place", func(t *trial, who string) {
			says(t, ada, who, "delete")
			d := t.stored("decision/" + t.asked(who).ID + "/" + hashOf(ada))
			put(t, who, ben, d)
			d["approver"] = sam
			put(t, who, sam, d)
			t.must(len(t.decisions(who)) == 1, "%d decisions count", len(t.decisions(who)))
		}),
		on("decisions that were copied from another case", func(t *trial, who string) {
			for _, approver := range []string{ada, ben} {
				d := t.stored("decision/" + t.asked(decided).ID + "/" + hashOf(approver))
				put(t, who, approver, d)
			}
			t.must(len(t.decisions(who)) == 0, "one of them counts")
			for _, approver := range []string{ada, ben} {
				d := t.stored("decision/" + t.asked(decided).ID + "/" + hashOf(approver))
				d["request_id"], d["case_id"], d["user_id"], d["digest"] = t.asked(who).ID, t.asked(who).CaseID, t.asked(who).UserID, t.asked(who).Digest
				put(t, who, approver, d)
			}
			t.must(len(t.decisions(who)) == 0, "one of them counts")
		}),
		on("facts that were changed below their digest", func(t *trial, who string) {
			altered(func(_ *trial, _ string, r map[string]any) { r["facts"].(map[string]any)["user_name"] = "somebody-else" })(t, who)
			facts := func(r map[string]any) map[string]any { f, _ := r["facts"].(map[string]any); return f }
			t.row("request/"+t.asked(who).ID, func(r map[string]any) map[string]any { facts(r)["artifacts"] = []any{}; return r })
			for _, approver := range []string{ada, ben} {
				t.refused(t.post(t.at(t.linkOf(approver, ""), who), t.ballot(who, "delete")), http.StatusConflict)
			}
		}),
		on("facts and a digest that were changed together", func(t *trial, who string) {
			r := t.asked(who)
			r.Facts.Artifacts = nil
			t.row("request/"+r.ID, func(row map[string]any) map[string]any {
				f, _ := row["facts"].(map[string]any)
				delete(f, "artifacts")
				row["digest"] = r.Facts.Digest()
				return row
			})
			for _, approver := range []string{ada, ben} {
				t.post(t.at(t.linkOf(approver, ""), who), t.ballot(who, "delete")) // either answer will do
			}
		}),
		on("a request that needs fewer approvers", func(t *trial, who string) {
			altered(func(_ *trial, _ string, r map[string]any) { r["needed"] = -5 })(t, who)
			says(t, ada, who, "delete")
			altered(func(_ *trial, _ string, r map[string]any) { r["state"] = "decided" })(t, who)
		}),
		on("a request whose starter was taken out", func(t *trial, who string) {
			altered(func(_ *trial, _ string, r map[string]any) { r["starter"], r["proven"] = "", "" })(t, who)
			says(t, olga, who, "delete")
			says(t, ada, who, "delete")
		}),
		{name: "a disturbed request that was made a quiet one", has: rowWrites, try: func(t *trial) {
			altered(func(_ *trial, _ string, r map[string]any) { r["disturbed"] = false })(t, tried)
			t.row("case/"+t.users[tried].ID, func(c map[string]any) map[string]any { delete(c, "signals"); return c })
			for _, approver := range []string{ada, ben} {
				t.post(t.at(t.linkOf(approver, ""), tried), t.ballot(tried, "delete")) // either answer will do
			}
		}, end: func(t *trial) {
			t.must(t.there(tried), "%s was deleted, whose key somebody tried", tried)
		}},
		on("a task token in another request's place", func(t *trial, who string) {
			another := t.next()
			token := t.token(who)
			t.row("token/"+t.asked(another).ID, func(r map[string]any) map[string]any { r["token"] = token; return r })
			says(t, ada, another, "delete")
			says(t, ben, another, "delete")
		}),
		on("a case's row that says its deletion has begun", func(t *trial, who string) {
			t.row("case/"+t.users[who].ID, func(c map[string]any) map[string]any { c["stage"] = string(sunset.Deleting); return c })
			t.refused(t.calls("SendTaskSuccess", map[string]string{"taskToken": t.token(who), "output": `{"choice":"delete"}`}), http.StatusOK)
		}),
	}
}
