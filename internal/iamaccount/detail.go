package iamaccount

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Detail makes the reads that only a user itself can be asked for: its keys with their exact last use, login profile,
// SSH keys, certificates, service-specific credentials and MFA devices. It replaces what the census knew of them and
// adds evidence for password and keys. Of the other kinds AWS reports no use, so that their being there is the fact.
//
// A part that may not be read, or that the endpoint doesn't offer, leaves what the census knew and adds Unknown evidence that names the action. A user who
// is gone, or another one under the name, is a Conflict; what may pass by itself is the fault it is. Then e is as it
// was.
func (a *Account) Detail(ctx context.Context, e *sunset.Entry) error {
	d := detail{account: a, entry: *e}
	if err := d.read(ctx); err != nil {
		return err
	}
	*e = d.entry
	return nil
}

// detail works on a copy of the entry, so that half of it is never left behind.
type detail struct {
	account *Account
	entry   sunset.Entry
	added   []sunset.Evidence
	// denied are the actions that could not be read.
	denied []string
}

// part takes the error of one read. It reports whether the answer can be used, and passes on what is no mere refusal.
func (d *detail) part(err error, action, hides string) (ok bool, _ error) {
	switch {
	case err == nil:
		return true, nil
	case !awsfault.IsDenied(err) && !awsfault.IsNotOffered(err):
		return false, err
	}
	d.denied = append(d.denied, action)
	d.added = append(d.added, sunset.Evidence{
		Source: action, About: d.entry.User.Name, Read: d.account.clock.Now(), Use: sunset.Unknown,
		Detail: hides + ": " + action + ": " + awsfault.Gap(err, action, "").Why,
	})
	return false, nil
}

func (d *detail) read(ctx context.Context) error {
	if err := d.user(ctx); err != nil {
		return err
	}
	a, name := d.account, d.entry.User.Name
	was := d.entry.User
	var now []sunset.Credential
	for _, read := range []struct {
		kind   sunset.CredentialKind
		action string
		hides  string
		read   func() ([]sunset.Credential, error)
	}{
		{sunset.Password, "iam:GetLoginProfile", "whether it has a password was not read", func() ([]sunset.Credential, error) { return d.password(ctx) }},
		{sunset.AccessKey, "iam:ListAccessKeys", "its access keys were not read", func() ([]sunset.Credential, error) { return a.accessKeys(ctx, name) }},
		{sunset.SSHKey, "iam:ListSSHPublicKeys", "its SSH keys were not read", func() ([]sunset.Credential, error) { return a.sshKeys(ctx, name) }},
		{sunset.SigningCertificate, "iam:ListSigningCertificates", "its signing certificates were not read", func() ([]sunset.Credential, error) {
			certificates, _, err := a.certificates(ctx, name)
			return certificates, err
		}},
		{sunset.ServiceCredential, bulkCredentials, "its service-specific credentials were not read", func() ([]sunset.Credential, error) { return a.serviceCredentials(ctx, name) }},
	} {
		found, err := read.read()
		ok, err := d.part(err, read.action, read.hides)
		switch {
		case err != nil:
			return err
		case !ok:
			now = append(now, was.Of(read.kind)...)
			continue
		}
		if read.kind == sunset.AccessKey {
			if err := d.keys(ctx, found); err != nil {
				return err
			}
		}
		now = append(now, found...)
	}
	d.entry.User.Credentials = now
	devices, err := a.mfaDevices(ctx, name)
	ok, err := d.part(err, "iam:ListMFADevices", "its MFA devices were not read")
	if err != nil {
		return err
	}
	if ok {
		d.entry.User.MFA = devices
	}
	d.close()
	return nil
}

// user pins the name to the UserId and takes what GetUser alone knows.
func (d *detail) user(ctx context.Context) error {
	u := &d.entry.User
	if u.ID == "" {
		return sunset.Faultf(sunset.Invalid, "refusing to read user %s without its UserId: names are reused", u.Name)
	}
	live, err := d.account.getUser(ctx, u.Name)
	if awsfault.IsNotFound(err) {
		return gone(u.ID, u.Name)
	}
	ok, err := d.part(err, "iam:GetUser", "whether its password was used was not read")
	if err != nil || !ok {
		return err
	}
	if id := aws.ToString(live.UserId); id != u.ID {
		return sunset.Faultf(sunset.Conflict, "the name %s now belongs to another user, %s instead of %s", u.Name, id, u.ID)
	}
	u.PasswordLastUsed = utc(live.PasswordLastUsed)
	if fresh := userOf(live); len(fresh.Tags) > 0 {
		u.Tags = fresh.Tags
	}
	return nil
}

func (d *detail) password(ctx context.Context) ([]sunset.Credential, error) {
	profile, err := d.account.loginProfile(ctx, d.entry.User.Name)
	if profile == nil || err != nil {
		return nil, err
	}
	c := passwordOf(profile, d.entry.User.PasswordLastUsed)
	for _, old := range d.entry.User.Of(sunset.Password) {
		// The login profile tells when it was made, the report when the password was last changed.
		if old.Created.After(c.Created) {
			c.Created = old.Created
		}
	}
	// Where GetUser was refused, its Unknown evidence stands already.
	if !slices.Contains(d.denied, "iam:GetUser") {
		d.added = append(d.added, useEvidence("iam:GetUser", "password", c, d.account.clock.Now()))
	}
	return []sunset.Credential{c}, nil
}

// keys completes each key by its last use.
func (d *detail) keys(ctx context.Context, keys []sunset.Credential) error {
	const action = "iam:GetAccessKeyLastUsed"
	for i := range keys {
		err := d.account.lastUsed(ctx, d.entry.User.Name, &keys[i])
		ok, err := d.part(err, action, "when its access key "+keys[i].ID+" was used was not read")
		if err != nil {
			return err
		}
		if ok {
			d.added = append(d.added, useEvidence(action, keys[i].ID, keys[i], d.account.clock.Now()))
		}
	}
	return nil
}

// close drops what the census did not know and is known now, and what an earlier Detail said.
func (d *detail) close() {
	e := &d.entry
	fresh := func(ev sunset.Evidence) bool {
		return slices.ContainsFunc(d.added, func(n sunset.Evidence) bool { return n.Source == ev.Source && n.About == ev.About })
	}
	answered := func(ev sunset.Evidence) bool {
		if ev.Use != sunset.Unknown {
			return false
		}
		switch ev.Source {
		case reportSource:
			return !slices.ContainsFunc(d.denied, func(action string) bool { return action != bulkCredentials && action != "iam:ListMFADevices" })
		case bulkCredentials:
			return !slices.Contains(d.denied, bulkCredentials)
		}
		return false
	}
	e.Evidence = slices.DeleteFunc(slices.Clone(e.Evidence), func(ev sunset.Evidence) bool { return fresh(ev) || answered(ev) })
	e.Evidence = append(e.Evidence, d.added...)
	e.Detailed = true
}
