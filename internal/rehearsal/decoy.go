package rehearsal

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// policyName and harmless are what the decoy may do while nothing denies it: read two names. Without it the calls would be
// denied whether or not the quarantine works.
const (
	policyName = "IAMSunsetRehearsal"
	harmless   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:ListAccountAliases","s3:ListAllMyBuckets"],"Resource":"*"}}`
)

// settleWithin is how long IAM may take until what was written shows everywhere. AWS names no bound.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
const settleWithin = 3 * time.Minute

// lookEvery is how often it is looked whether something that was written shows.
const lookEvery = 5 * time.Second

// makeDecoy makes the user, its policy and its key, and reads back that all of it is there.
func (r *Rehearsal) makeDecoy(ctx context.Context) error {
	r.name = r.Decoy()
	err := r.make(ctx, "iam:CreateUser", r.name, "making the decoy user", func() error {
		out, err := r.iam.CreateUser(ctx, &iam.CreateUserInput{
			UserName: &r.name, Path: aws.String(Path), Tags: []types.Tag{{Key: aws.String(Tag), Value: &r.id}},
		})
		if err == nil && out.User != nil {
			r.user = known(out.User)
			r.user.Tags = map[string]string{Tag: r.id}
		}
		return err
	})
	if err != nil {
		return err
	}
	r.found.User, r.found.UserID = r.name, r.user.ID
	err = r.make(ctx, "iam:PutUserPolicy", "inline policy "+policyName+" of "+r.name, "giving its policy to", func() error {
		_, err := r.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &r.name, PolicyName: aws.String(policyName), PolicyDocument: aws.String(harmless)})
		return err
	})
	if err != nil {
		return err
	}
	err = r.make(ctx, "iam:CreateAccessKey", "an access key of "+r.name, "making a key of", func() error {
		out, err := r.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &r.name})
		if err == nil && out.AccessKey != nil {
			r.key = aws.Credentials{AccessKeyID: aws.ToString(out.AccessKey.AccessKeyId), SecretAccessKey: aws.ToString(out.AccessKey.SecretAccessKey)}
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.takeSnapshot(ctx)
}

// takeSnapshot waits until the decoy shows whole: what a snapshot misses could not be put back.
func (r *Rehearsal) takeSnapshot(ctx context.Context) error {
	whole := func() (bool, error) {
		snap, err := r.IAM.Snapshot(ctx, "rehearsal-"+r.id, r.Account, r.user.ID, r.name)
		if sunset.KindOf(err) == sunset.Conflict {
			return false, nil // it does not show yet
		}
		if err != nil {
			return false, err
		}
		r.snap = snap
		// A second key is one whose answer was lost before AWS was asked again. It goes with the user.
		ours := slices.ContainsFunc(snap.User.Of(sunset.AccessKey), func(c sunset.Credential) bool { return c.ID == r.key.AccessKeyID })
		return ours && snap.InlineDocuments[policyName] != "" && isDecoy(snap.User), nil
	}
	if err := r.until(ctx, settleWithin, "it does not show whole", whole); err != nil {
		return err
	}
	return r.record(ctx, "snapshot", "The decoy user as it was made.", r.snap)
}

// quarantine disables the decoy as a case would.
func (r *Rehearsal) quarantine(ctx context.Context) (err error) {
	r.q, err = r.IAM.Quarantine(ctx, r.snap, sunset.ByQuarantine, r.change)
	return err
}

// restore puts the decoy back by its snapshot, and has its key make the calls that were denied.
func (r *Rehearsal) restore(ctx context.Context) error {
	back, err := r.IAM.Restore(ctx, r.snap, &r.q, r.change)
	if err != nil {
		return err
	}
	f := Finding{About: Restoring, OK: len(back.Differences) == 0 && back.Lost == ""}
	if !f.OK {
		f.Text = "Restored, but not as it was: " + strings.Join(append(back.Differences, back.Lost), "; ")
		r.found.add(f)
		return nil
	}
	took, err := r.wakes(ctx)
	switch {
	case err != nil:
		return err
	case took < 0:
		f.OK, f.Text = false, "Restored as it was, but its key was still denied after "+words(settleWithin)
	default:
		f.Took, f.Text = sunset.Duration(took), "Restored as it was: its key works again after "+words(took)
	}
	r.found.add(f)
	return nil
}

// remove deletes the decoy as a case would, and looks whether anything is left.
func (r *Rehearsal) remove(ctx context.Context) error {
	if err := r.removeUser(ctx, r.user, r.change); err != nil {
		return err
	}
	err := r.until(ctx, settleWithin, "it was deleted, and something of it is still to be seen", func() (bool, error) {
		left, err := r.IAM.Leftovers(ctx, r.snap)
		return len(left) == 0, err
	})
	if err != nil {
		return err
	}
	r.found.add(Finding{About: Deleting, OK: true, Text: "Deleted with everything it had: nothing is left of it"})
	return nil
}

// removeUser deletes a user that a rehearsal made, after it has looked once more that this one did.
func (r *Rehearsal) removeUser(ctx context.Context, u sunset.User, rec iamaccount.Recorder) error {
	if !isDecoy(u) {
		return sunset.Faultf(sunset.Internal, "refusing to delete user %s (%s): %w", u.Name, u.ID, errNoDecoy)
	}
	live, err := r.decoyNamed(ctx, u.Name)
	// One that was made a moment ago may not show yet, and would be taken for gone.
	for awsfault.IsNotFound(err) && r.Clock.Now().Sub(u.Created) < settleWithin {
		if err := r.Clock.Sleep(ctx, lookEvery); err != nil {
			return err
		}
		live, err = r.decoyNamed(ctx, u.Name)
	}
	switch {
	case awsfault.IsNotFound(err):
		// Gone, or renamed: Delete looks for the UserId by itself.
	case err != nil:
		return err
	case live.ID != u.ID || !isDecoy(live):
		return sunset.Faultf(sunset.Conflict, "refusing to delete user %s: %w", u.Name, errNoDecoy)
	}
	snap := sunset.Snapshot{CaseID: "rehearsal-" + r.id, Account: r.Account, Taken: r.Clock.Now().UTC(), User: u}
	return r.IAM.Delete(ctx, snap, sunset.Quarantine{Method: sunset.InlineDeny}, rec)
}

// isDecoy reports whether a rehearsal made the user: by its path, its name and its tag, all of them.
func isDecoy(u sunset.User) bool {
	id := u.Tags[Tag]
	return u.ID != "" && u.Path == Path && id != "" && u.Name == prefix+id
}

// decoyNamed reads one user live.
func (r *Rehearsal) decoyNamed(ctx context.Context, name string) (sunset.User, error) {
	if !strings.HasPrefix(name, prefix) {
		return sunset.User{}, sunset.Faultf(sunset.Internal, "refusing to read user %q: %w", name, errNoDecoy)
	}
	out, err := r.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	if err != nil {
		return sunset.User{}, awsfault.Wrap(err, "iam:GetUser", "reading the decoy user %s", name)
	}
	if out.User == nil {
		return sunset.User{}, sunset.Faultf(sunset.Unavailable, "reading the decoy user %s: iam:GetUser: the answer has no user", name)
	}
	return known(out.User), nil
}

func known(u *types.User) sunset.User {
	out := sunset.User{
		ID: aws.ToString(u.UserId), Name: aws.ToString(u.UserName), ARN: aws.ToString(u.Arn), Path: aws.ToString(u.Path),
		Created: aws.ToTime(u.CreateDate).UTC(), Tags: map[string]string{},
	}
	for _, t := range u.Tags {
		out.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// until asks look again until it says yes, for so long; what says what is so as long as it doesn't.
func (r *Rehearsal) until(ctx context.Context, long time.Duration, what string, look func() (bool, error)) error {
	for end := r.Clock.Now().Add(long); ; {
		ok, err := look()
		if ok || err != nil {
			return err
		}
		if !r.Clock.Now().Before(end) {
			return sunset.Faultf(sunset.Unavailable, "waiting for IAM to show the decoy user %s as it is: after %s %s", r.name, words(long), what)
		}
		if err := r.Clock.Sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}
