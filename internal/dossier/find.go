package dossier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// sighting is a user in one cleanup.
type sighting struct {
	cleanup, userID, name string
	at                    time.Time // what the cleanup last has on record of the user
}

// User tells of one user, in the cleanup that has the latest on record of it; elsewhere are the others. who is a UserId, a
// case's id, an ARN, or a name that the user had. A name that fits several users is a Conflict that names their UserIds, and
// one that fits none an Invalid fault.
func (a *Archive) User(ctx context.Context, who string) (d Dossier, elsewhere []string, err error) {
	var found []sighting
	dossiers := map[string]Dossier{}
	for _, id := range a.Cleanups() {
		d, err := a.Cleanup(ctx, id)
		if err != nil {
			return Dossier{}, nil, err
		}
		dossiers[id] = d
		found = append(found, d.sightings(who)...)
	}
	if len(found) == 0 {
		why := ""
		for _, id := range a.Cleanups() {
			if dossiers[id].Cleanup.Plan == nil {
				why = "; a plan is missing from what was read, and a user without a case is in its plan alone"
			}
		}
		return Dossier{}, nil, sunset.Faultf(sunset.Invalid, "there is no record of a user %q%s", who, why)
	}
	slices.SortStableFunc(found, func(x, y sighting) int { return y.at.Compare(x.at) })
	var users []string
	for _, s := range found {
		if line := fmt.Sprintf("%s (%s)", s.userID, cmp.Or(s.name, "name not known")); !slices.ContainsFunc(users, func(u string) bool { return strings.HasPrefix(u, s.userID+" ") }) {
			users = append(users, line)
		}
	}
	if len(users) > 1 {
		slices.Sort(users)
		return Dossier{}, nil, sunset.Faultf(sunset.Conflict, "%q fits several users: %s; name the UserId of the one that is meant", who, strings.Join(users, ", "))
	}
	for _, s := range found[1:] {
		elsewhere = append(elsewhere, s.cleanup)
	}
	return dossiers[found[0].cleanup].only(found[0].userID), elsewhere, nil
}

func (d Dossier) sightings(who string) []sighting {
	var out []sighting
	for _, c := range d.Cases {
		named := c.UserName == who || c.UserID == who || c.ID == who
		if c.Entry != nil {
			named = named || fits(*c.Entry, who)
		}
		if named {
			out = append(out, sighting{d.Cleanup.ID, c.UserID, c.UserName, c.last})
		}
	}
	for _, e := range d.Kept {
		if fits(e, who) {
			out = append(out, sighting{d.Cleanup.ID, e.User.ID, e.User.Name, d.Cleanup.Plan.Made})
		}
	}
	return out
}

func fits(e sunset.Entry, who string) bool {
	return who != "" && (e.User.ID == who || e.User.ARN == who || e.User.Name == who || slices.Contains(e.FormerNames, who))
}
