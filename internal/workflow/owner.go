package workflow

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// ownerOf is whom to tell about a case's user: whoever it was handed over to, or the owner that its plan found, as far as
// today's settings let them be told. Its address is empty where the team is told instead.
//
// That a case was handed over says a row, which is looked at like any other input: it leads to addresses of the domains
// that settings name, and nowhere else.
func (w *Workflow) ownerOf(ctx context.Context, c sunset.Case, file caseFile, s sunset.Settings) (sunset.Owner, error) {
	word, err := w.Desk.OwnerWord(ctx, c.ID)
	if err != nil {
		return sunset.Owner{}, err
	}
	if word.Owner.Email != "" && s.MayHandOver(word.Owner.Email) {
		return word.Owner, nil
	}
	owner := file.Entry.Owner
	if !s.MayOwn(owner.Email) {
		owner.Email = ""
	}
	return owner, nil
}

// ownersAddress is where ownerOf is told: the team, where it has no address.
func (w *Workflow) ownersAddress(ctx context.Context, c sunset.Case, file caseFile, s sunset.Settings) (string, error) {
	owner, err := w.ownerOf(ctx, c, file, s)
	if err != nil || owner.Email == "" {
		return approval.Team, err
	}
	return owner.Email, nil
}

// tellOwner tells a case's owner something, with a link of its own, or the team without one, and puts on record whom it
// told. again tells apart what is told more than once in a case. A message that can't be sent never fails the case: it
// goes on record too, and reconcile tries it again, with another link.
func (w *Workflow) tellOwner(ctx context.Context, c sunset.Case, file caseFile, s sunset.Settings, kind sunset.MessageKind, again string, values map[string]string) error {
	owner, err := w.ownerOf(ctx, c, file, s)
	if err != nil {
		return err
	}
	u := w.ownersLetter(c, file, s, kind, owner, values)
	u.Told = string(kind) + again
	if err := w.send(ctx, u); err != nil {
		u.Why = err.Error()
		w.keepUnsent(ctx, u)
		return w.recordCase(ctx, c, "message-failed", "iam-sunset", "", fmt.Sprintf("The message %q to %s could not be sent; it is tried again every hour.", u.Message.Subject, u.Message.To),
			map[string]any{"to": u.Message.To, "subject": u.Message.Subject, "error": err.Error()})
	}
	return w.recordOwnerTold(ctx, u)
}

// ownersLetter words a message to owner, or to the team where it has no address.
func (w *Workflow) ownersLetter(c sunset.Case, file caseFile, s sunset.Settings, kind sunset.MessageKind, owner sunset.Owner, values map[string]string) unsent {
	to, link := owner.Email, "yes"
	if to == "" {
		to, link = approval.Team, ""
	}
	all := aboutCase(c, file)
	maps.Copy(all, values)
	all["owner"], all["link"] = orName(owner), link
	letter := letters.Write(kind, s.Messages, all)
	return unsent{
		Message: &approval.Message{To: to, Subject: letter.Subject, Text: letter.Text}, Owner: link != "",
		Case: sunset.Case{ID: c.ID, CleanupID: c.CleanupID, UserID: c.UserID, UserName: c.UserName},
	}
}

func orName(o sunset.Owner) string {
	if o.Email != "" {
		return o.Email
	}
	return o.Name
}

// aboutCase are the fields that every message about a case may use.
func aboutCase(c sunset.Case, file caseFile) map[string]string {
	class := string(file.Entry.Class)
	return map[string]string{
		"user": c.UserName, "user_id": c.UserID, "account": c.Account, "class": class, "keep_tag": sunset.TagKeep,
		"last_use": letters.Day(file.Entry.User.LastUse()), "owner": orName(file.Entry.Owner),
	}
}

// send sends the message of u, an owner's with a link that is made for this try alone. The link is in no error.
func (w *Workflow) send(ctx context.Context, u unsent) error {
	message := *u.Message
	if u.Owner {
		secret, err := w.Desk.NewOwnerLink(ctx, u.Case.ID, u.Case.UserID, message.To)
		if err != nil {
			return err
		}
		message.Link = approval.OwnerLinkURL(w.PagesURL, secret)
	}
	err := w.Messenger.Send(ctx, message)
	if err != nil && message.Link != "" {
		// The messenger's error could repeat the message, and with it the link.
		return sunset.Faultf(sunset.KindOf(err), "the message to %s was not taken", message.To)
	}
	return err
}

// recordOwnerTold puts on record that somebody was told of a case, once a message.
func (w *Workflow) recordOwnerTold(ctx context.Context, u unsent) error {
	kind, _, _ := strings.Cut(u.Told, "/")
	text := fmt.Sprintf("%s was told: %s", u.Message.To, u.Message.Subject)
	if u.Message.To == approval.Team {
		text = fmt.Sprintf("A message to the team, because no owner can be told: %s", u.Message.Subject)
	}
	return w.recordCase(ctx, u.Case, "owner-told", "iam-sunset", "owner-told/"+u.Told, text, map[string]any{"to": u.Message.To, "message": kind})
}

// passwordLoss is what a message says of a user's console password, where it has one: what disabling by method takes of
// it, or deleting, where method is empty.
func passwordLoss(u sunset.User, method sunset.Method, done bool) string {
	switch {
	case len(u.Of(sunset.Password)) == 0:
		return ""
	case method == "":
		return "Its console password goes with it for good."
	case method != sunset.Deactivation:
		return ""
	case done:
		return "Its console password was removed, and nobody can put the same one back: if you keep the user, it needs a new one from your security team."
	}
	return "Its console password will be removed when it is disabled, and nobody can put the same one back: after that it would need a new one."
}
