package rehearsal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// try is a call that the decoy's key makes, and what is heard of it.
type try struct {
	action string // as in a policy
	event  string // CloudTrail's name of it
	region string // where CloudTrail has it
	call   func(context.Context) error

	denied time.Time // when AWS denied it; zero: it did not
	heard  bool
}

// triesOf are the calls: one to IAM, which is global, and one to a service in the caller's own region.
func (r *Rehearsal) triesOf() []*try {
	cfg := r.AWS.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(r.key.AccessKeyID, r.key.SecretAccessKey, "")
	global := "us-east-1"
	switch {
	case strings.HasPrefix(cfg.Region, "cn-"):
		global = "cn-north-1"
	case strings.HasPrefix(cfg.Region, "us-gov-"):
		global = "us-gov-west-1"
	}
	own, buckets := iam.NewFromConfig(cfg), s3.NewFromConfig(cfg)
	return []*try{
		{action: "iam:ListAccountAliases", event: "ListAccountAliases", region: global, call: func(ctx context.Context) error {
			_, err := own.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{})
			return err
		}},
		{action: "s3:ListAllMyBuckets", event: "ListBuckets", region: cfg.Region, call: func(ctx context.Context) error {
			_, err := buckets.ListBuckets(ctx, &s3.ListBucketsInput{})
			return err
		}},
	}
}

// notYet reports whether a key is so new that AWS does not know it everywhere.
func notYet(err error) bool {
	switch awsfault.Code(err) {
	case "InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException":
		return true
	}
	return false
}

// afterDeny is how long the deny gets to reach every part of AWS before the key is used at all. A call that got through
// would move last-used, and then nobody could tell what a denied one does.
const afterDeny = 20 * time.Second

// makeDeniedCalls makes each call until it is denied.
func (r *Rehearsal) makeDeniedCalls(ctx context.Context) error {
	if err := r.Clock.Sleep(ctx, afterDeny); err != nil {
		return err
	}
	r.tries = r.triesOf()
	for _, t := range r.tries {
		for end := r.Clock.Now().Add(settleWithin); r.Clock.Now().Before(end); {
			at := r.Clock.Now().UTC()
			err := t.call(ctx)
			if awsfault.IsDenied(err) && !notYet(err) {
				t.denied = at
				break
			}
			if err != nil && !notYet(err) && (ctx.Err() != nil || !awsfault.KindOf(err).Passing()) {
				return awsfault.Wrap(err, t.action, "calling AWS with the key of the decoy user %s", r.name)
			}
			if err == nil {
				r.found.GotThrough++
			}
			if err := r.Clock.Sleep(ctx, lookEvery); err != nil {
				return err
			}
		}
	}
	f := Finding{About: Denying, OK: !slices.ContainsFunc(r.tries, func(t *try) bool { return t.denied.IsZero() })}
	switch {
	case !f.OK:
		f.Text = fmt.Sprintf("Its key was not kept from everything within %s: %s", words(settleWithin), r.actions(func(t *try) bool { return t.denied.IsZero() }))
	case r.found.GotThrough > 0:
		f.Took = sunset.Duration(r.lastDenied().Sub(r.q.At))
		f.Text = fmt.Sprintf("Denied with its key Active: %s, but only after %s; calls that got through before: %d", r.actions(nil), words(f.Took.Std()), r.found.GotThrough)
	default:
		f.Text = "Denied with its key Active: " + r.actions(nil)
	}
	r.found.add(f)
	return r.record(ctx, "rehearsal-denied", f.Text+".", map[string]any{"got_through": r.found.GotThrough})
}

func (r *Rehearsal) lastDenied() time.Time {
	var last time.Time
	for _, t := range r.tries {
		if t.denied.After(last) {
			last = t.denied
		}
	}
	return last
}

// actions names the tries that which chooses; nil: all.
func (r *Rehearsal) actions(which func(*try) bool) string {
	var names []string
	for _, t := range r.tries {
		if which == nil || which(t) {
			names = append(names, t.action)
		}
	}
	return strings.Join(names, ", ")
}

// listenEvery is how often last-used and CloudTrail are asked.
const listenEvery = time.Minute

// listen asks last-used and CloudTrail until both have heard of the denied calls, or wait is over since the last of them.
func (r *Rehearsal) listen(ctx context.Context, wait time.Duration) error {
	if r.lastDenied().IsZero() {
		return nil // there is nothing to be heard
	}
	used, told := Finding{About: LastUsed}, Finding{About: CloudTrail}
	deaf := map[About]string{} // why a source can't be heard
	for end := r.lastDenied().Add(wait); ; {
		now := r.Clock.Now().UTC()
		if !used.OK && deaf[LastUsed] == "" {
			if err := r.askLastUsed(ctx, now, &used, deaf); err != nil {
				return err
			}
		}
		if !told.OK && deaf[CloudTrail] == "" {
			if err := r.askTrail(ctx, now, &told, deaf); err != nil {
				return err
			}
		}
		if (used.OK || deaf[LastUsed] != "") && (told.OK || deaf[CloudTrail] != "") || !now.Before(end) {
			break
		}
		if err := r.Clock.Sleep(ctx, min(listenEvery, end.Sub(now))); err != nil {
			return err
		}
	}
	for _, f := range []*Finding{&used, &told} {
		if f.OK {
			continue
		}
		name := map[About]string{LastUsed: "Last-used", CloudTrail: "CloudTrail"}[f.About]
		switch {
		case deaf[f.About] != "":
			f.Text = name + " could not be asked: " + deaf[f.About]
		case f.Text == "":
			f.Text = fmt.Sprintf("%s did not hear of the denied calls within %s", name, words(wait))
		default:
			f.Text += fmt.Sprintf(" within %s", words(wait))
		}
	}
	r.found.add(used)
	r.found.add(told)
	return r.record(ctx, "rehearsal-listened", used.Text+". "+told.Text+".", nil)
}

// later reports whether a source that could not be read is worth asking again, and says why it is not.
func later(ctx context.Context, err error, about About, deaf map[About]string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !awsfault.KindOf(err).Passing() {
		deaf[about] = err.Error()
	}
	return nil
}

func (r *Rehearsal) askLastUsed(ctx context.Context, now time.Time, f *Finding, deaf map[About]string) error {
	out, err := r.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &r.key.AccessKeyID})
	if err != nil {
		return later(ctx, awsfault.Wrap(err, "iam:GetAccessKeyLastUsed", "asking when the decoy's key was used"), LastUsed, deaf)
	}
	if out.AccessKeyLastUsed == nil || out.AccessKeyLastUsed.LastUsedDate == nil {
		return nil
	}
	at := aws.ToTime(out.AccessKeyLastUsed.LastUsedDate).UTC()
	if r.found.GotThrough > 0 && at.Before(r.lastDenied()) {
		f.Text = "Last-used moved for calls that got through, and not beyond them"
		return nil
	}
	f.OK, f.Took = true, sunset.Duration(now.Sub(r.firstDenied()))
	f.Text = fmt.Sprintf("Last-used moved for a denied call: seen after %s", words(f.Took.Std()))
	return nil
}

func (r *Rehearsal) firstDenied() time.Time {
	first := r.lastDenied()
	for _, t := range r.tries {
		if !t.denied.IsZero() && t.denied.Before(first) {
			first = t.denied
		}
	}
	return first
}

func (r *Rehearsal) askTrail(ctx context.Context, now time.Time, f *Finding, deaf map[About]string) error {
	regions := []string{}
	for _, t := range r.tries {
		if !slices.Contains(regions, t.region) {
			regions = append(regions, t.region)
		}
	}
	who := trail.Candidate{UserID: r.user.ID, Name: r.name}
	signals, gaps, _, err := r.Trail.Heard(ctx, who, regions, r.q.At.Add(-time.Minute), now)
	if err != nil {
		return later(ctx, err, CloudTrail, deaf)
	}
	for _, s := range signals {
		for _, t := range r.tries {
			if s.Kind == sunset.DeniedCall && s.About == t.event && s.Region == t.region && !t.denied.IsZero() && !t.heard {
				t.heard = true
				took := now.Sub(t.denied)
				r.found.Heard = append(r.found.Heard, Heard{Action: t.action, Region: t.region, Took: sunset.Duration(took)})
				f.Took = max(f.Took, sunset.Duration(took))
			}
		}
	}
	missing := func(t *try) bool { return !t.denied.IsZero() && !t.heard }
	switch {
	case !slices.ContainsFunc(r.tries, missing):
		f.OK, f.Text = true, fmt.Sprintf("CloudTrail tells of the denied calls: seen after %s", words(f.Took.Std()))
	case len(gaps) > 0:
		deaf[CloudTrail] = fmt.Sprintf("%s in %s: %s", gaps[0].Action, gaps[0].Region, gaps[0].Why)
	case len(r.found.Heard) > 0:
		f.Text = "CloudTrail did not tell of " + r.actions(missing)
	}
	return nil
}

// wakes makes the calls until they are let through, and gives how long that took; negative: they were not.
func (r *Rehearsal) wakes(ctx context.Context) (time.Duration, error) {
	began := r.Clock.Now()
	for _, t := range r.tries {
		for {
			err := t.call(ctx)
			if err == nil {
				break
			}
			if ctx.Err() != nil || !awsfault.IsDenied(err) && !awsfault.KindOf(err).Passing() {
				return 0, awsfault.Wrap(err, t.action, "calling AWS with the key of the restored decoy user %s", r.name)
			}
			if r.Clock.Now().Sub(began) >= settleWithin {
				return -1, nil
			}
			if err := r.Clock.Sleep(ctx, lookEvery); err != nil {
				return 0, err
			}
		}
	}
	return r.Clock.Now().Sub(began), nil
}
