package tests

import (
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// entry is one change of a user, as the account's own event log has it, in its order.
type entry struct {
	at      time.Time
	product bool // it came over the wire, and so from the product; else a person did it
	action  string
	id      string // whose it was: by the name as it was at that time
	name    string
	about   string // the policy, key, group or device
	value   string // of the tag that the product set
}

// ledger is the account's own account of what was changed, and of who used what.
type ledger struct {
	entries []entry
	uses    []use
}

// use is a sign of life that AWS has of a user itself.
type use struct {
	at       time.Time
	id, what string
	region   string
	// live: a last use shows it at once; else CloudTrail alone has it, later.
	live bool
}

// shows says that somebody who heeds the settings could see it.
func (u use) shows(s sunset.Settings) bool {
	_, closed := s.RegionClosed(u.region)
	return u.live || !closed
}

// ledgerOf reads the account's events. The product's records have no part in it.
func (w *trial) ledgerOf() *ledger {
	calls := map[string]fakeaws.Call{}
	for _, c := range w.account.Calls() {
		calls[c.RequestID] = c
	}
	names := map[string]string{}
	for id, u := range w.first {
		names[u.Name] = id
	}
	l := &ledger{}
	var events []fakeaws.Event
	for _, region := range w.account.Regions() {
		events = append(events, w.account.Events(region)...)
	}
	slices.SortFunc(events, func(a, b fakeaws.Event) int { return a.Order - b.Order })
	{
		for _, ev := range events {
			id := ev.UserIdentity.PrincipalID
			if s := ev.UserIdentity.SessionContext; ev.UserIdentity.Type == "FederatedUser" && s != nil && s.SessionIssuer != nil {
				id = s.SessionIssuer.PrincipalID
			}
			if _, ours := w.first[id]; ours && ev.Management && ev.ResponseElements["ConsoleLogin"] != "Failure" {
				l.uses = append(l.uses, use{ev.Time, id, ev.Name, ev.Region, strings.HasPrefix(ev.UserIdentity.AccessKeyID, "AKIA") || ev.Source == "signin.amazonaws.com"})
			}
			if ev.Source != "iam.amazonaws.com" || ev.ErrorCode != "" || ev.ReadOnly || ev.Time.Before(begin()) {
				continue
			}
			call, product := calls[ev.RequestID]
			text := func(key string) string { s, _ := ev.RequestParameters[key].(string); return s }
			e := entry{at: ev.Time, product: product, action: ev.Name, name: text("userName")}
			if product {
				e.at, e.value = call.At, call.Params["Tags.member.1.Value"]
			}
			e.id = names[e.name]
			if e.id == "" && e.name != "" {
				e.id = "a stranger called " + e.name
			}
			for _, key := range []string{"policyName", "policyArn", "accessKeyId", "groupName", "serialNumber", "newUserName"} {
				if v := text(key); v != "" {
					e.about = v
				}
			}
			switch ev.Name {
			case "DeleteUser":
				delete(names, e.name)
			case "UpdateUser":
				if now := text("newUserName"); now != "" {
					delete(names, e.name)
					names[now] = e.id
				}
			}
			l.entries = append(l.entries, e)
		}
	}
	return l
}

// of are the entries about one user.
func (l *ledger) of(id string) []entry {
	var out []entry
	for _, e := range l.entries {
		if e.id == id {
			out = append(out, e)
		}
	}
	return out
}

// deny says what an entry does to the case's deny: puts it on, takes it off, or neither.
func (e entry) deny() (on, off bool) {
	ours := e.about == sunset.DenyPolicyName || e.about == sunset.ManagedDenyARN
	switch e.action {
	case "PutUserPolicy", "AttachUserPolicy":
		return ours, false
	case "DeleteUserPolicy", "DetachUserPolicy":
		return false, ours
	}
	return false, false
}

// takesAway says that the entry can't be given back.
func (e entry) takesAway() bool {
	if _, off := e.deny(); off {
		return false
	}
	return slices.ContainsFunc([]string{"Delete", "Detach", "RemoveUser", "DeactivateMFA"}, func(p string) bool { return strings.HasPrefix(e.action, p) })
}

// drifts says that a soak listens for it, other than for use: whoever did it has plans with the user.
func (d act) drifts() bool {
	return !slices.Contains([]string{"use key", "use session", "sign in"}, d.what)
}
