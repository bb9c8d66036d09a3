package trail

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Rename is one change of a user's name. CloudTrail doesn't tell the UserId.
type Rename struct {
	At       time.Time
	From, To string
}

// Renames lists the account's renames, oldest first: one UpdateUser look-up where IAM's events are. An event that can't
// be read is a fault: a name that was missed would hide its user's acts.
func (t *Trail) Renames(ctx context.Context, since, until time.Time) ([]Rename, error) {
	var out []Rename
	err := t.named(ctx, "UpdateUser", since, until, func(e event) error {
		var p struct{ UserName, NewUserName string }
		if err := json.Unmarshal(e.RequestParameters, &p); err != nil {
			return &sunset.Fault{Kind: sunset.Internal, Action: lookupAction, Err: fmt.Errorf("reading a rename of %s: %w", e.EventTime, err)}
		}
		if p.UserName != "" && p.NewUserName != "" && p.UserName != p.NewUserName {
			out = append(out, Rename{At: e.EventTime, From: p.UserName, To: p.NewUserName})
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b Rename) int { return a.At.Compare(b.At) })
	return out, err
}

// Creators says who made the users that were made since, by UserId: ARNs, one CreateUser look-up where IAM's events
// are. It tells people whom to ask and decides nothing, so that an event that does not say is passed over.
func (t *Trail) Creators(ctx context.Context, since, until time.Time) (map[string]string, error) {
	out := map[string]string{}
	err := t.named(ctx, "CreateUser", since, until, func(e event) error {
		var made struct {
			User struct {
				UserID string `json:"userId"`
			} `json:"user"`
		}
		if json.Unmarshal(e.ResponseElements, &made) == nil && made.User.UserID != "" && e.UserIdentity != nil {
			out[made.User.UserID] = e.UserIdentity.ARN
		}
		return nil
	})
	return out, err
}

// named reads all successful events of a name where IAM's events are.
func (t *Trail) named(ctx context.Context, name string, since, until time.Time, f func(event) error) error {
	l := t.lane(t.iamRegion())
	q := lookup{key: types.LookupAttributeKeyEventName, value: name, since: since, until: until}
	for {
		page, err := l.page(ctx, q, time.Time{})
		if awsfault.IsNotOffered(err) {
			// Nobody to ask is as good as a refusal, and as lasting.
			return &sunset.Fault{Kind: sunset.AccessDenied, Action: lookupAction, Err: l.fault(err)}
		}
		if err != nil {
			return l.fault(err)
		}
		for _, raw := range page.Events {
			e, err := readEvent(raw)
			if err != nil {
				return l.fault(err)
			}
			if e.ErrorCode != "" {
				continue
			}
			if err := f(e); err != nil {
				return err
			}
		}
		if q.token = aws.ToString(page.NextToken); q.token == "" {
			return nil
		}
	}
}

// FormerNamesOf walks back from the name that a user has now, newest first. A name may have been another user's before;
// whoever looks it up has to match the UserId.
func FormerNamesOf(name string, renames []Rename) []string {
	var former []string
	var before time.Time
	current := name
	left := slices.Clone(renames)
	for {
		last := -1
		for i, r := range left {
			if r.To == current && (before.IsZero() || !r.At.After(before)) && (last < 0 || !r.At.Before(left[last].At)) {
				last = i
			}
		}
		if last < 0 {
			return former
		}
		r := left[last]
		left = slices.Delete(left, last, last+1) // each is gone over once: names can go in a circle
		current, before = r.From, r.At
		if current != name && !slices.Contains(former, current) {
			former = append(former, current)
		}
	}
}
