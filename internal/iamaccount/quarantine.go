package iamaccount

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// errNoFit says that a quota leaves no room for a deny.
var errNoFit = errors.New("no room")

// Quarantine disables the snapshot's user and marks it with the case's tag. It attaches the inline deny; where that
// does not fit, AWS's managed one; where that does not either, it deactivates at once and says in Lost what can't be
// put back. By deactivation it does both: sessions from GetSessionToken outlive their switched-off key, but not a deny.
//
// Run again, also after dying in between, it comes to the same end. An inline policy of the deny's name with another
// document is a Conflict and stays as it is.
func (a *Account) Quarantine(ctx context.Context, snap sunset.Snapshot, how sunset.DisableHow, rec Recorder) (sunset.Quarantine, error) {
	h, err := a.mustHand(ctx, snap, rec)
	if err != nil {
		return sunset.Quarantine{}, err
	}
	q, err := h.quarantine(ctx, snap, how)
	return q, h.fault(err)
}

func (h *hand) quarantine(ctx context.Context, snap sunset.Snapshot, how sunset.DisableHow) (sunset.Quarantine, error) {
	none := func(err error) (sunset.Quarantine, error) { return sunset.Quarantine{}, err }
	inPlace, err := h.ownDeny(ctx)
	if err != nil {
		return none(err)
	}
	if err := h.tag(ctx, snap.CaseID); err != nil {
		return none(err)
	}
	method, err := h.deny(ctx, inPlace)
	if err != nil && !errors.Is(err, errNoFit) {
		return none(err)
	}
	deny := method
	if how == sunset.ByDeactivation || method == "" {
		if err := h.deactivate(ctx, snap); err != nil {
			return none(err)
		}
		method = sunset.Deactivation
		err := h.until(ctx, "the deactivation", func() (bool, error) {
			return h.DenyInPlace(ctx, sunset.User{ID: h.id, Name: h.name}, sunset.Quarantine{Method: method, Deny: deny})
		})
		if err != nil {
			return none(err)
		}
	}
	q := sunset.Quarantine{Method: method, Deny: deny, At: h.clock.Now()}
	if method == sunset.Deactivation && len(snap.User.Of(sunset.Password)) > 0 {
		q.Lost = lostPassword
	}
	return q, nil
}

// PutDenyBack puts on again the deny with which a case has disabled the snapshot's user, where a deletion that died has
// left it off, and reads it back. A user who is gone is a Conflict.
func (a *Account) PutDenyBack(ctx context.Context, snap sunset.Snapshot, q sunset.Quarantine, rec Recorder) error {
	deny := q.DenyBy()
	if deny == "" {
		return nil
	}
	h, err := a.mustHand(ctx, snap, rec)
	if err != nil {
		return err
	}
	there := func() (bool, error) {
		return h.DenyInPlace(ctx, sunset.User{ID: h.id, Name: h.name}, sunset.Quarantine{Method: deny})
	}
	if ok, err := there(); ok || err != nil {
		return err
	}
	if err := h.put(ctx, deny); err != nil {
		return h.fault(err)
	}
	return h.fault(h.until(ctx, "the deny that was put back", there))
}

const lostPassword = "The login profile was deleted, and its password can't be put back; an operator's rescue can give a new one."

// ownDeny reports whether the inline deny is there already. Another policy of its name is a Conflict: it is the user's.
func (h *hand) ownDeny(ctx context.Context) (bool, error) {
	document, found, err := h.inlineDocument(ctx, h.name, sunset.DenyPolicyName)
	if err != nil {
		return false, err
	}
	if found && !IsDenyAll(document) {
		return false, &sunset.Fault{
			Kind: sunset.Conflict, Action: "iam:PutUserPolicy",
			Err: errors.New(h.String() + " has an inline policy " + sunset.DenyPolicyName + " of its own, which is left as it is; rename or remove it"),
		}
	}
	return found, nil
}

// tag marks the user with the case. A full set of tags only costs the mark.
func (h *hand) tag(ctx context.Context, caseID string) error {
	if h.tags[sunset.TagCase] == caseID {
		return nil
	}
	err := h.change(ctx, "iam:TagUser", h.name, "tagging", func(ctx context.Context) error {
		_, err := h.iam.TagUser(ctx, &iam.TagUserInput{
			UserName: &h.name, Tags: []types.Tag{{Key: aws.String(sunset.TagCase), Value: &caseID}},
		})
		return err
	})
	if isFull(err) {
		return nil
	}
	return err
}

func isFull(err error) bool {
	code := awsfault.Code(err)
	return code == "LimitExceeded" || code == "LimitExceededException"
}

// deny attaches what fits and reads it back. errNoFit says that neither does.
func (h *hand) deny(ctx context.Context, inPlace bool) (sunset.Method, error) {
	if inPlace {
		return sunset.InlineDeny, nil
	}
	err := h.putDeny(ctx)
	if err == nil {
		return sunset.InlineDeny, h.until(ctx, "the deny policy", func() (bool, error) {
			document, found, err := h.inlineDocument(ctx, h.name, sunset.DenyPolicyName)
			return found && IsDenyAll(document), err
		})
	}
	if !isFull(err) {
		return "", err
	}
	err = h.attachDeny(ctx)
	if err == nil {
		return sunset.ManagedDeny, h.until(ctx, "the attached deny policy", func() (bool, error) {
			arns, err := h.attachedPolicies(ctx, h.name)
			return slices.Contains(arns, sunset.ManagedDenyARN), err
		})
	}
	if !isFull(err) {
		return "", err
	}
	return "", errNoFit
}

func (h *hand) putDeny(ctx context.Context) error {
	return h.change(ctx, "iam:PutUserPolicy", "inline policy "+sunset.DenyPolicyName, "putting the deny policy on", func(ctx context.Context) error {
		_, err := h.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
			UserName: &h.name, PolicyName: aws.String(sunset.DenyPolicyName), PolicyDocument: aws.String(sunset.DenyDocument),
		})
		return err
	})
}

func (h *hand) attachDeny(ctx context.Context) error {
	return h.change(ctx, "iam:AttachUserPolicy", sunset.ManagedDenyARN, "attaching the deny policy to", func(ctx context.Context) error {
		_, err := h.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &h.name, PolicyArn: aws.String(sunset.ManagedDenyARN)})
		return err
	})
}

// DenyInPlace reads live whether what disabled the user is still there: the inline deny with nothing but the deny in
// it, the managed one attached, or, by deactivation, no credential Active and no login profile, beside the deny if one
// was put on as well. u is what Find has just given.
func (a *Account) DenyInPlace(ctx context.Context, u sunset.User, q sunset.Quarantine) (bool, error) {
	switch q.Method {
	case sunset.InlineDeny:
		document, found, err := a.inlineDocument(ctx, u.Name, sunset.DenyPolicyName)
		return found && IsDenyAll(document), err
	case sunset.ManagedDeny:
		arns, err := a.attachedPolicies(ctx, u.Name)
		return slices.Contains(arns, sunset.ManagedDenyARN), err
	case sunset.Deactivation:
		live, err := a.switchable(ctx, u.Name)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(live, func(c sunset.Credential) bool { return c.Status == sunset.Active }) {
			return false, nil
		}
		profile, err := a.loginProfile(ctx, u.Name)
		if profile != nil || err != nil || q.DenyBy() == "" {
			return profile == nil && err == nil, err
		}
		return a.DenyInPlace(ctx, u, sunset.Quarantine{Method: q.DenyBy()})
	}
	return false, sunset.Faultf(sunset.Invalid, "user %s was disabled by %q, which is no known method", u.Name, q.Method)
}

// IsDenyAll reports whether a policy document says the same as sunset.DenyDocument, however it is written: one
// statement that denies every action on everything under no condition.
func IsDenyAll(document string) bool {
	var d struct {
		Statement json.RawMessage
	}
	if json.Unmarshal([]byte(document), &d) != nil {
		return false
	}
	var statements []map[string]json.RawMessage
	if json.Unmarshal(d.Statement, &statements) != nil {
		var one map[string]json.RawMessage
		if json.Unmarshal(d.Statement, &one) != nil {
			return false
		}
		statements = append(statements, one)
	}
	if len(statements) != 1 {
		return false
	}
	for key, raw := range statements[0] {
		var ok bool
		switch key {
		case "Sid":
			ok = true
		case "Effect":
			ok = all(raw, "Deny")
		case "Action":
			ok = all(raw, "*") || all(raw, "*:*")
		case "Resource":
			ok = all(raw, "*")
		}
		if !ok {
			return false
		}
	}
	s := statements[0]
	return s["Effect"] != nil && s["Action"] != nil && s["Resource"] != nil
}

// all reports whether raw is want, or a list of nothing else.
func all(raw json.RawMessage, want string) bool {
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		var one string
		return json.Unmarshal(raw, &one) == nil && strings.TrimSpace(one) == want
	}
	return len(many) > 0 && !slices.ContainsFunc(many, func(s string) bool { return s != want })
}
