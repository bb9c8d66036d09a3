package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// story is what a case's records say where its row alone should not be believed: rows can be overwritten, records can't.
type story struct {
	// listening is since when the user has been listened to: when it was disabled, or when a soak began again.
	listening time.Time
	// heard is what was heard since then, less what was unread and may have been read later.
	heard []sunset.Signal
	// again is when approvers last had the soak begin again, which forgives last uses of before; zero: they never did.
	again time.Time
	// lifted says that the last that the case did to its deny was to take it off, or to try.
	lifted bool
	// unproven says that a deletion was tried last and refused because nobody knows who started the cleanup.
	unproven bool
	// rescue is what a person asked for, whatever has become of the row since; nil if nobody did.
	rescue *sunset.Rescue
}

func (w *Workflow) storyOf(ctx context.Context, c sunset.Case) (story, error) {
	records, err := w.Records.Chain(ctx, sunset.ChainOf(c.ID))
	if err != nil {
		return story{}, err
	}
	var s story
	for _, r := range records {
		switch r.Kind {
		case "disabled", "soak-again":
			s.listening, s.unproven, s.heard = r.At, false, nil
			if r.Kind == "soak-again" {
				s.again = r.At
			}
		case "listened", "facts-moved":
			var listened struct {
				Signals []sunset.Signal `json:"signals"`
			}
			if err := json.Unmarshal(r.Data, &listened); err != nil {
				return story{}, sunset.Faultf(sunset.Internal, "reading record %d of case %s: %w", r.Seq, c.ID, err)
			}
			s.heard = sunset.MergeSignals(s.heard, slices.DeleteFunc(listened.Signals, func(sig sunset.Signal) bool { return sig.Kind == sunset.NotHeard }))
		case "rescue":
			var asked struct {
				Reason string `json:"reason"`
			}
			if err := json.Unmarshal(r.Data, &asked); err != nil {
				asked.Reason = r.Text // whatever it says, it was asked for
			}
			s.rescue = &sunset.Rescue{By: r.By, Reason: asked.Reason, At: r.At}
		case "deletion-refused":
			var refused struct {
				Refusals []sunset.Refusal `json:"refusals"`
			}
			if err := json.Unmarshal(r.Data, &refused); err != nil {
				return story{}, sunset.Faultf(sunset.Internal, "reading record %d of case %s: %w", r.Seq, c.ID, err)
			}
			s.unproven = len(refused.Refusals) > 0 && refused.Refusals[0].Then == sunset.ThenRestore && refused.Refusals[0].Text == sunset.UnprovenStarter
		case "intent", "outcome":
			var done struct {
				Action string `json:"action"`
				Target string `json:"target"`
				Failed bool   `json:"failed"`
			}
			if err := json.Unmarshal(r.Data, &done); err != nil {
				return story{}, sunset.Faultf(sunset.Internal, "reading record %d of case %s: %w", r.Seq, c.ID, err)
			}
			if !strings.Contains(done.Target, sunset.DenyPolicyName) && !strings.Contains(done.Target, sunset.ManagedDenyARN) {
				continue
			}
			switch {
			case strings.HasPrefix(done.Action, "iam:De"): // DeleteUserPolicy, DetachUserPolicy; also one that failed may have been done
				s.lifted = true
			case r.Kind == "outcome" && !done.Failed:
				s.lifted = false
			}
		}
	}
	return s, nil
}

// forgiven is what the case's row forgives, as far as approvers had it begin again after that.
func (s story) forgiven(row map[string]time.Time) map[string]time.Time {
	out := map[string]time.Time{}
	for about, at := range row {
		if !at.After(s.again) {
			out[about] = at
		}
	}
	return out
}

// fits reports as a fault that a case's row does not say what was written, once, when the case was opened.
func (f caseFile) fits(c sunset.Case) error {
	if f.CaseID != c.ID || f.CleanupID != c.CleanupID || f.Account != c.Account || f.Entry.User.ID != c.UserID || f.Starter != c.Starter {
		return sunset.Faultf(sunset.Internal, "the row of case %s does not say what was written down when it was opened; somebody has changed one of the two", c.ID)
	}
	return nil
}
