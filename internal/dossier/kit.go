package dossier

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Kit makes a user again as its snapshot has it, credentials excepted, in either of two ways.
type Kit struct {
	// Terraform is a file main.tf, in the form of terraform fmt.
	Terraform string
	// Script is for a POSIX shell with the AWS CLI.
	Script string
	// Readme says what neither of them can do, and who has to do it.
	Readme string
	// Warnings are sentences for whoever asked for the kit.
	Warnings []string
}

// KitOf makes the kit for the dossier's user, which Archive.User gives. It is a Conflict fault where the snapshot is missing or
// its bytes or records were changed: a kit of somebody else's making could give rights away. It is an Invalid one where no
// snapshot was ever written, because nothing was changed.
func KitOf(d Dossier) (Kit, error) {
	if len(d.Cases) == 0 || d.Cases[0].Snapshot == nil {
		return Kit{}, sunset.Faultf(sunset.Invalid, "there is no snapshot of %s on record: nothing about the user was changed, so that there is nothing to make again", d.name())
	}
	c := d.Cases[0]
	if len(c.Problems) > 0 {
		p := c.Problems[0]
		return Kit{}, sunset.Faultf(sunset.Conflict, "the records of %s do not hold (%s: %s): a kit made of them could give rights that the user never had", c.UserName, p.File, p.Text)
	}
	if c.Was == nil {
		return Kit{}, sunset.Faultf(sunset.Conflict, "the snapshot of %s can't be used: %s", c.UserName, c.Snapshot.Wrong)
	}
	r := recipeOf(d, c)
	k := Kit{Terraform: r.terraform(), Script: r.script(), Readme: r.readme(), Warnings: r.warnings}
	if !d.Proof.Holds() {
		p := d.Proof.Problems[0]
		k.Warnings = append(k.Warnings, fmt.Sprintf("the evidence as a whole does not hold (%s: %s); the records of this user do, and its snapshot is the one that they name", p.File, p.Text))
	}
	return k, nil
}

func (d Dossier) name() string {
	switch {
	case len(d.Cases) > 0:
		return d.Cases[0].UserName
	case len(d.Kept) > 0:
		return d.Kept[0].User.Name
	}
	return "the user"
}

// recipe is what both ways of a kit make.
type recipe struct {
	snap     sunset.Snapshot
	from     Case
	vouched  string // who stands for what it was made of
	tags     []pair
	inline   []pair // name and document
	warnings []string
	// byHand is what neither way makes, a sentence each.
	byHand []string
	// names say what named the old user, by its id or otherwise.
	names []string
}

type pair struct{ key, value string }

func recipeOf(d Dossier, c Case) recipe {
	snap := *c.Was
	r := recipe{snap: snap, from: c, vouched: d.Proof.vouched()}
	if !d.Proof.Named {
		r.vouched += " Whoever made it up could give any rights by this kit: read what it grants before you use it, or make it again with --key."
	}
	for _, key := range sortedKeys(snap.User.Tags) {
		if strings.HasPrefix(strings.ToLower(key), "aws:") || key == sunset.TagCase {
			r.byHand = append(r.byHand, fmt.Sprintf("The tag %s is not set: it is AWS's own, or a case's.", key))
			continue
		}
		r.tags = append(r.tags, pair{key, snap.User.Tags[key]})
	}
	for _, name := range snap.User.Inline {
		r.inline = append(r.inline, pair{name, snap.InlineDocuments[name]})
	}
	for _, cred := range snap.User.Credentials {
		r.byHand = append(r.byHand, byHand(cred, snap.PasswordResetRequired))
	}
	for _, m := range snap.User.MFA {
		r.byHand = append(r.byHand, fmt.Sprintf("MFA device %s (%s): its secret was never readable. Whoever has the user enrols a new one: aws iam create-virtual-mfa-device and enable-mfa-device, or the console.", m.Serial, m.Kind))
	}
	if c.Outcome != sunset.Deleted {
		r.warnings = append(r.warnings, fmt.Sprintf("%s was not deleted as far as the records go, so that its name may be taken: iam-sunset rescue puts back a user that is only disabled", c.UserName))
	}
	for _, ref := range c.references() {
		hit := fmt.Sprintf("%s names it by %s", ref.Resource, ref.How)
		if ref.Detail != "" {
			hit += ": " + ref.Detail
		}
		r.names = append(r.names, hit)
	}
	return r
}

func byHand(c sunset.Credential, reset bool) string {
	state := strings.ToLower(string(c.Status))
	switch c.Kind {
	case sunset.Password:
		text := "Password: nobody can read one. Make a new one if the user still signs in: aws iam create-login-profile --password-reset-required."
		if reset {
			text += " It had to be changed at the next sign-in."
		}
		return text
	case sunset.AccessKey:
		return fmt.Sprintf("%s (%s): its secret can't be made again. Make a new key only where something needs one, and put it there: aws iam create-access-key.", c.Label(), state)
	case sunset.ServiceCredential:
		return fmt.Sprintf("%s (%s): its password can't be made again: aws iam create-service-specific-credential --service-name %s.", c.Label(), state, c.Service)
	}
	// Whoever has kept the private half would be let in again by whoever runs a script.
	upload := "upload-ssh-public-key"
	if c.Kind == sunset.SigningCertificate {
		upload = "upload-signing-certificate"
	}
	return fmt.Sprintf("%s (%s): whoever has the private half could use it at once. Where that is wanted they upload a new one: aws iam %s.", c.Label(), state, upload)
}

// references are what the newest reading of ownership found, with the details that only the plan's has.
func (c Case) references() []sunset.Reference {
	var known []sunset.Reference
	if c.Entry != nil {
		known = slices.Clone(c.Entry.References)
	}
	if n := len(c.Requests); n > 0 {
		for _, ref := range c.Requests[n-1].Facts.References {
			if !slices.ContainsFunc(known, func(k sunset.Reference) bool {
				return k.Resource == ref.Resource && k.How == ref.How && k.Region == ref.Region
			}) {
				known = append(known, ref)
			}
		}
	}
	return known
}

func (r recipe) readme() string {
	u := r.snap.User
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	items := func(title string, list []string) {
		if len(list) == 0 {
			return
		}
		say("\n## %s\n", title)
		for _, s := range list {
			say("- %s", oneLine(s))
		}
	}
	say("# %s, made again", oneLine(u.Name))
	say("\nThe IAM user %s of account %s as it was on %s, before case %s changed anything. The snapshot's SHA-256 is", oneLine(u.ARN), r.snap.Account, when(r.snap.Taken), r.from.ID)
	say("%s, as the case's records say.", r.from.Snapshot.SHA256)
	say("\n%s", oneLine(r.vouched))
	say("\nUse **one** of the two, with credentials of account %s that may make users:\n", r.snap.Account)
	say("- `main.tf`: `terraform init && terraform plan`, read it, then `terraform apply`.")
	say("- `recreate.sh`: read it, then `sh recreate.sh`. It makes a new user or none: where the name is taken it stops before it changes anything.")
	say("  Where it stops later, what it says it could not do is missing, and the rest of its commands can be run by hand.")
	say("\nGroups and managed policies are used, not made: where one of them is gone, that step fails.")
	items("Not made", r.byHand)
	say("\n## It is another user all the same\n")
	say("Its UserId will not be %s, and %s will be a new user's ARN. A policy that named the old one shows its id now instead of the ARN,", u.ID, u.ARN)
	say("and does not mean the new user until somebody writes the ARN into it again. Conditions on `aws:userid` have to be written anew.")
	items("What named the old user", r.names)
	if len(r.names) == 0 {
		say("Nothing that named it was found.")
	}
	return b.String()
}
