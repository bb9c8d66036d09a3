package rehearsal

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Leftovers are the decoys that the account has: what a rehearsal left that died, or the decoy of one that is under way,
// which can't be told apart. Users that merely look like decoys are never among them.
func (r *Rehearsal) Leftovers(ctx context.Context) ([]sunset.User, error) {
	var decoys []sunset.User
	pages := iam.NewListUsersPaginator(r.iam, &iam.ListUsersInput{PathPrefix: aws.String(Path)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, awsfault.Wrap(err, "iam:ListUsers", "looking for decoys of earlier rehearsals")
		}
		for _, listed := range page.Users {
			name := aws.ToString(listed.UserName)
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			u, err := r.decoyNamed(ctx, name) // a list has no tags
			if awsfault.IsNotFound(err) {
				continue // it went meanwhile
			}
			if err != nil {
				return nil, err
			}
			if u.ID == aws.ToString(listed.UserId) && isDecoy(u) {
				decoys = append(decoys, u)
			}
		}
	}
	return decoys, nil
}

// removeLeftovers removes what earlier rehearsals left behind.
func (r *Rehearsal) removeLeftovers(ctx context.Context) error {
	r.Say("looking for decoys of earlier rehearsals")
	decoys, err := r.Leftovers(ctx)
	if err != nil {
		return err
	}
	for _, u := range decoys {
		r.Say("removing the decoy of an earlier rehearsal, " + u.Name)
		if err := r.removeUser(ctx, u, r.change); err != nil {
			return fmt.Errorf("removing what an earlier rehearsal left: %w", err)
		}
		r.found.Removed = append(r.found.Removed, u.Name)
	}
	return nil
}
