package attacks

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// secret is something that nobody is told, but whom it is made for.
type secret struct {
	what, text string
	link       bool // it is on the pages that it leads to, and in its own message
	row        string
}

// kept collects everything that the product keeps to itself.
func (t *trial) kept() []secret {
	var all []secret
	add := func(what, text string) {
		t.must(len(text) >= 16, "%s is too short to be looked for", what)
		all = append(all, secret{what: what, text: text})
	}
	add("the engine's key", t.key.Secret)
	add("the client's secret", clientSecret)
	for _, name := range []string{"decisions", "links", "owners"} {
		b, err := os.ReadFile(filepath.Join(t.dir, name+".key"))
		t.must(err == nil, "reading the key: %v", err)
		text := strings.TrimSpace(string(b))
		raw, err := hex.DecodeString(text)
		t.must(err == nil, "reading the key: %v", err)
		add("the key of "+name, text)
		add("the key of "+name, base64.StdEncoding.EncodeToString(raw))
	}
	for _, m := range t.mail {
		if l := linkIn(m); l != "" {
			all = append(all, secret{what: "a link of " + m.To, text: l, link: true})
		}
	}
	for _, d := range t.dropped {
		all = append(all, secret{what: "a secret of the way", text: d, link: true})
	}
	for _, u := range t.users {
		for _, k := range u.Keys {
			add("a secret access key", k.SecretAccessKey)
		}
	}
	rows, err := t.store.Rows().List(t.t.Context(), "")
	t.must(err == nil, "listing rows: %v", err)
	for _, row := range rows {
		var body struct {
			Token string `json:"token"`
			MAC   string `json:"mac"`
		}
		if json.Unmarshal(row.Body, &body) != nil {
			continue
		}
		if strings.HasPrefix(row.Key, "token/") {
			all = append(all, secret{what: "a task token", text: body.Token, row: "token/"})
		}
		if len(body.MAC) > 16 && body.MAC != base64.StdEncoding.EncodeToString(make([]byte, 32)) {
			kind, _, _ := strings.Cut(row.Key, "/")
			all = append(all, secret{what: "the code of a " + kind, text: body.MAC, row: kind + "/"})
		}
	}
	return all
}

// secrets looks for all of them in all that was ever said or written.
func secrets() []attack {
	look := func(name string, where func(t *trial, all []secret)) attack {
		return attack{name: name, has: allReads, try: func(t *trial) {
			all := t.kept()
			t.must(len(all) > 60, "only %d secrets are known", len(all))
			where(t, all)
		}}
	}
	// The last one of all, since nothing that is read after it holds.
	rewritten := attack{name: "a decision's record that was rewritten", has: objWrites, try: func(t *trial) {
		t.must(t.archive().Proof.Holds(), "the evidence does not hold before")
		files, err := filepath.Glob(filepath.Join(t.store.Path(), "objects", "evidence", "case", t.caseOf(decided).ID, "*.json"))
		t.must(err == nil && len(files) > 5, "%d records, %v", len(files), err)
		for _, file := range files {
			b, err := os.ReadFile(file)
			t.must(err == nil, "reading %s: %v", file, err)
			if strings.Contains(string(b), `"kind":"decision"`) {
				err = os.WriteFile(file, []byte(strings.Replace(string(b), "nobody needs it", "somebody needs it", 1)), 0o600)
				t.must(err == nil, "writing %s: %v", file, err)
				break
			}
		}
		t.must(!t.archive().Proof.Holds(), "nobody finds it")
	}}
	return []attack{
		look("secrets in answers", func(t *trial, all []secret) {
			t.must(len(t.answers) > 1000, "only %d answers were kept", len(t.answers))
			for _, s := range all {
				for _, a := range t.answers {
					// A page holds its own address, and the provider's page and the sign-in's cookie lead back to it.
					if s.link && (strings.Contains(a.asked, s.text) || a.header.Get("Set-Cookie") != "") {
						continue
					}
					if s.what == "the code of a decision" && strings.Contains(a.asked, "/office/") {
						continue
					}
					t.must(!strings.Contains(a.body, s.text), "%s is in the answer to %s", s.what, a.asked)
				}
			}
		}),
		look("secrets in the log", func(t *trial, all []secret) {
			text := t.log.String()
			for _, s := range all {
				t.must(!strings.Contains(text, s.text), "%s is in the log", s.what)
			}
		}),
		look("secrets in records, snapshots and plans", func(t *trial, all []secret) {
			keys, err := t.store.Objects().List(t.t.Context(), "")
			t.must(err == nil && len(keys) > 200, "%d objects, %v", len(keys), err)
			var text strings.Builder
			for _, key := range keys {
				b, err := t.store.Objects().Get(t.t.Context(), key)
				t.must(err == nil, "reading %s: %v", key, err)
				text.WriteString(key)
				text.Write(b)
			}
			for _, s := range all {
				// A decision is on record with the code that was made over it: it proves it, and opens nothing.
				t.must(s.row == "decision/" || !strings.Contains(text.String(), s.text), "%s is in an object", s.what)
			}
		}),
		look("secrets in rows", func(t *trial, all []secret) {
			rows, err := t.store.Rows().List(t.t.Context(), "")
			t.must(err == nil, "listing rows: %v", err)
			for _, row := range rows {
				text := row.Key + string(row.Body)
				for _, s := range all {
					t.must(s.row != "" && strings.HasPrefix(row.Key, s.row) || s.row == "link/" || s.row == "decision/" || !strings.Contains(text, s.text), "%s is in row %s", s.what, row.Key)
				}
			}
		}),
		look("secrets in events", func(t *trial, all []secret) {
			text := strings.Join(t.events, "\n")
			t.must(len(t.events) > 100, "only %d events were kept", len(t.events))
			for _, s := range all {
				t.must(s.row == "decision/" || !strings.Contains(text, s.text), "%s is in an event", s.what)
			}
		}),
		look("secrets in messages, and links in anybody else's", func(t *trial, all []secret) {
			seen := map[string]string{}
			for _, m := range t.mail {
				for _, s := range all {
					t.must(!strings.Contains(m.Subject+m.Text, s.text), "%s is in the words of %q to %s", s.what, m.Subject, m.To)
					t.must(!s.link || linkIn(m) != s.text || s.what == "a link of "+m.To, "%s went to %s", s.what, m.To)
				}
				if l := linkIn(m); l != "" {
					t.must(seen[l] == "", "a link went out twice, to %s and %s", seen[l], m.To)
					seen[l] = m.To
				}
			}
		}),
		look("secrets in what executions have said", func(t *trial, all []secret) {
			for name := range t.users {
				c, err := t.machine.Cases.Get(t.t.Context(), t.users[name].ID)
				if err != nil {
					continue // it never had a case
				}
				for _, e := range t.machine.Engine.History(c.Execution) {
					b, err := json.Marshal(e)
					t.must(err == nil, "writing an event: %v", err)
					for _, s := range all {
						// A task's token is in the event that hands it to its function, as on AWS.
						t.must(s.row == "token/" || !strings.Contains(string(b), s.text), "%s is in the history of %s", s.what, name)
					}
				}
			}
		}),
		rewritten,
	}
}
