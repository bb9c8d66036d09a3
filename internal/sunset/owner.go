package sunset

import (
	"fmt"
	"net/mail"
	"path"
	"slices"
	"strings"
	"time"
)

// OwnerRule names the owner of the users that it fits. Name is a glob, Path a prefix, Tag a key or key=value, as in an
// Exemption; all that are set must fit.
type OwnerRule struct {
	Name  string `json:"name,omitempty"`
	Path  string `json:"path,omitempty"`
	Tag   string `json:"tag,omitempty"`
	Email string `json:"email"`
}

func (r OwnerRule) fits(u User) bool {
	fits := r.Name != "" || r.Path != "" || r.Tag != ""
	if r.Name != "" {
		ok, err := path.Match(r.Name, u.Name)
		fits = fits && ok && err == nil
	}
	if r.Path != "" {
		fits = fits && strings.HasPrefix(u.Path, r.Path)
	}
	if key, want, valued := strings.Cut(r.Tag, "="); r.Tag != "" {
		have, ok := u.Tags[key]
		fits = fits && ok && (!valued || have == want)
	}
	return fits
}

// OwnerOf is whose u is: by the settings' rules, by its tags, or by its name where that is an address. Whoever made it is
// asked where all of these say nothing: see CreatorOf.
func (s Settings) OwnerOf(u User) Owner {
	for i, r := range s.Owners {
		if r.fits(u) {
			return Owner{Email: r.Email, Name: r.Email, From: fmt.Sprintf("settings, owners[%d]", i)}
		}
	}
	return OwnerOf(u)
}

// MayOwn reports whether owners are told at this address: one of an allowed domain, or any where none is named.
func (s Settings) MayOwn(email string) bool {
	return plainAddress(email) && (len(s.OwnerDomains) == 0 || s.mayHandOver(email))
}

// MayHandOver reports whether a user may be handed over to this address: only to one of a domain that is named.
func (s Settings) MayHandOver(email string) bool { return plainAddress(email) && s.mayHandOver(email) }

func (s Settings) mayHandOver(email string) bool {
	domain := strings.ToLower(email[strings.LastIndexByte(email, '@')+1:])
	return slices.ContainsFunc(s.OwnerDomains, func(d string) bool { return strings.ToLower(d) == domain })
}

// longestAddress is what mail systems take: https://www.rfc-editor.org/errata/eid1690
const longestAddress = 254

// plainAddress reports whether an address is one that every mail server takes, and that reads as what it is: letters that
// look like others, or turn round what follows, lead to somebody else than people see. SES takes no others either:
// https://docs.aws.amazon.com/ses/latest/APIReference/API_Destination.html
func plainAddress(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email && len(email) <= longestAddress && !strings.ContainsFunc(email, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' })
}

func (s Settings) validateOwners() (field string, err error) {
	for i, r := range s.Owners {
		field := fmt.Sprintf("owners[%d]", i)
		switch _, err := path.Match(r.Name, ""); {
		case r.Name == "" && r.Path == "" && r.Tag == "":
			return field, fmt.Errorf("it must say name, path or tag")
		case err != nil:
			return field + ".name", fmt.Errorf("%q is not a glob", r.Name)
		case r.Path != "" && !strings.HasPrefix(r.Path, "/"):
			return field + ".path", fmt.Errorf("%q is no path; it must begin with a slash", r.Path)
		case strings.HasPrefix(r.Tag, "="):
			return field + ".tag", fmt.Errorf("%q has no key; write key or key=value", r.Tag)
		case !plainAddress(r.Email):
			return field + ".email", fmt.Errorf("%q is not a plain e-mail address", r.Email)
		}
	}
	for i, d := range s.OwnerDomains {
		if !plainAddress("somebody@" + d) {
			return fmt.Sprintf("owner_domains[%d]", i), fmt.Errorf("%q is no domain such as example.com", d)
		}
	}
	return "", nil
}

// OwnerWord is what a user's owner has said of its case, beside asking to keep it, which is a Rescue. It decides nothing;
// approvers are shown it.
type OwnerWord struct {
	// Agreed is when the owner agreed that the user goes; zero: it has not.
	Agreed   time.Time `json:"agreed,omitzero"`
	AgreedBy string    `json:"agreed_by,omitempty"`
	Way      Way       `json:"way,omitempty"`
	// Owner is whom the case was last handed over to, and zero where it was not.
	Owner    Owner     `json:"owner,omitzero"`
	HandedBy string    `json:"handed_by,omitempty"`
	HandedAt time.Time `json:"handed_at,omitzero"`
}

// Former reports whether email has handed the case over, so that somebody else is its owner now.
func (w OwnerWord) Former(email string) bool {
	return w.Owner.Email != "" && !strings.EqualFold(w.Owner.Email, email)
}
