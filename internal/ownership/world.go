package ownership

import (
	"slices"
	"strings"
)

// world knows who is there, and who will be.
type world struct {
	account    string
	candidates []Candidate
	byARN      map[string]int // index of a candidate
	byID       map[string]int
	// livingARN and livingID are users that stay, and roles.
	livingARN, livingID map[string]bool
	// living are the same, to be matched by pattern.
	living []Known
	users  map[string]bool // names of users that stay
	names  *words
}

func newWorld(q Query) *world {
	w := &world{
		account: q.Account, candidates: q.Candidates,
		byARN: map[string]int{}, byID: map[string]int{}, livingARN: map[string]bool{}, livingID: map[string]bool{}, users: map[string]bool{},
		names: newWords(q.Candidates),
	}
	for i, c := range q.Candidates {
		w.byARN[c.ARN], w.byID[c.UserID] = i, i
	}
	delete(w.byARN, "")
	delete(w.byID, "")
	stays := func(k Known) {
		w.livingARN[k.ARN], w.livingID[k.ID] = true, true
		w.living = append(w.living, k)
	}
	for _, u := range q.Users {
		if _, candidate := w.byID[u.ID]; !candidate && !q.Going[u.ID] {
			stays(u)
			w.users[u.Name] = true
		}
	}
	for _, r := range q.Roles {
		stays(r)
	}
	delete(w.livingARN, "")
	delete(w.livingID, "")
	return w
}

// named gives the candidate that a principal is, and how it is named.
func (w *world) named(p Principal) (candidate int, how string, ok bool) {
	if p.Kind != "AWS" {
		return 0, "", false
	}
	if i, ok := w.byARN[p.Value]; ok {
		return i, "arn", true
	}
	if i, ok := w.byID[p.Value]; ok {
		return i, "user-id", true
	}
	return 0, "", false
}

// alive reports whether a principal will still be there: a user that stays, a role, an account, a service, a provider,
// or everybody.
func (w *world) alive(p Principal) bool {
	if p.Kind != "AWS" || p.Value == "*" {
		return p.Value != ""
	}
	return w.aliveARN(p.Value)
}

func (w *world) aliveARN(v string) bool {
	if w.livingARN[v] || w.livingID[v] {
		return true
	}
	parts := strings.SplitN(v, ":", 6)
	if len(parts) < 6 {
		return isAccount(v) // else an id of somebody who is gone, or going
	}
	service, account, resource := parts[2], parts[4], parts[5]
	switch {
	case strings.ContainsAny(account, "*?"):
		return false // whoever else fits such a pattern is not known
	case account != w.account || resource == "root":
		return true
	case service == "sts" && strings.HasPrefix(resource, "assumed-role/"):
		// A session's ARN leaves out the role's path.
		role := strings.Split(resource, "/")[1]
		return slices.ContainsFunc(w.living, func(k Known) bool {
			return strings.Contains(k.ARN, ":role/") && strings.HasSuffix(k.ARN, "/"+role)
		})
	}
	return false
}

// ownRoot reports whether a principal is this account's root. In an exemption from a Deny that is the root user alone,
// not everybody in the account.
func (w *world) ownRoot(v string) bool {
	return v == w.account || strings.HasPrefix(v, "arn:") && strings.HasSuffix(v, ":iam::"+w.account+":root")
}

func isAccount(v string) bool {
	return len(v) == 12 && strings.Trim(v, "0123456789") == ""
}

// values gives what a key of conditions has for a user or role.
func (key principalKey) value(id, arn, name string) string {
	switch key {
	case byARN:
		return arn
	case byID:
		return id
	default:
		return name
	}
}

// namedBy lists the candidates that a condition names. A pattern that fits every user names none of them.
func (w *world) namedBy(c Condition) []int {
	key, ok := c.about()
	if !ok || !c.compares() {
		return nil
	}
	var out []int
	for i, who := range w.candidates {
		v := key.value(who.UserID, who.ARN, who.Name)
		anybody := key.value("AIDA\x00", strings.TrimSuffix(who.ARN, who.Name)+"\x00", "\x00")
		if slices.ContainsFunc(c.Values, func(p string) bool { return c.matches(p, v) && !c.matches(p, anybody) }) {
			out = append(out, i)
		}
	}
	return out
}

// aliveBy reports whether somebody who will still be there fits one of a condition's values. exempting leaves out the
// account's own root.
func (w *world) aliveBy(c Condition, exempting bool) bool {
	key, _ := c.about()
	return slices.ContainsFunc(c.Values, func(v string) bool {
		if slices.ContainsFunc(w.living, func(k Known) bool { return c.matches(v, w.valueOf(key, k)) }) {
			return true
		}
		if key != byARN || exempting && w.ownRoot(v) {
			// A role's aws:userid is its id and the session's name.
			return key == byID && slices.ContainsFunc(w.living, func(k Known) bool { return strings.HasPrefix(v, k.ID+":") })
		}
		return w.aliveARN(v) || v == "*"
	})
}

func (w *world) valueOf(key principalKey, k Known) string {
	if key == byName && !w.users[k.Name] {
		return "\x00" // roles have no aws:username
	}
	return key.value(k.ID, k.ARN, k.Name)
}
