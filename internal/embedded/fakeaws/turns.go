package fakeaws

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// The lives in this file turn at a time: something happens to, or by, a user who looked settled.

// TriesItsKey calls S3 with the user's first Active key at that time. Under deny-all it shows as AccessDenied and moves
// last-used; with the key Inactive it leaves no trace. A user without a key gets an old one.
func TriesItsKey(at time.Time) Life {
	return func(p *person) {
		if len(p.spec.Keys) == 0 {
			OldKey()(p)
		}
		p.attach("PowerUserAccess")
		p.then(func() {
			p.at(at, func() {
				p.call(0, "s3", "ListBuckets", "eu-west-1", actOptions{sourceIP: "203.0.113.40", userAgent: "aws-cli/1.29.4 Jenkins"})
			})
		})
	}
}

// TriesToSignIn signs in to the console at that time. A deny-all doesn't keep anybody out of the console; a login
// profile that is gone does, and then the attempt shows as a failure.
func TriesToSignIn(at time.Time) Life {
	return func(p *person) {
		if p.spec.Password == nil {
			NeverSignedIn()(p)
		}
		p.then(func() { p.at(at, func() { p.signIn("us-east-2") }) })
	}
}

// TaggedLater has the owner put a tag on the user at that time, such as the one that keeps it.
func TaggedLater(at time.Time, key, value string) Life {
	return func(p *person) {
		p.then(func() {
			p.at(at, func() { p.administer("TagUser", "Tags.member.1.Key", key, "Tags.member.1.Value", value) })
		})
	}
}

// DenyDetached has somebody take every policy that denies all from the user at that time, inline or AWS's own.
func DenyDetached(at time.Time) Life {
	return func(p *person) {
		p.then(func() {
			p.at(at, func() {
				for _, name := range slices.Sorted(maps.Keys(p.user.inline)) {
					if p.account.deniesAll(p.user.inline[name]) {
						p.administer("DeleteUserPolicy", "PolicyName", name)
					}
				}
				for _, arn := range p.user.clone().attached {
					if text, ok := p.account.policyText(arn); ok && p.account.deniesAll(text) {
						p.administer("DetachUserPolicy", "PolicyArn", arn)
					}
				}
			})
		})
	}
}

func (a *Account) deniesAll(text string) bool {
	for _, s := range a.document(text).Statement {
		if s.Effect == "Deny" && anyMatches(s.Action, "any:thing", true, nil) {
			return true
		}
	}
	return false
}

// NewKeyLater has somebody make the user another access key at that time; the quota of two holds.
func NewKeyLater(at time.Time) Life {
	return func(p *person) {
		p.then(func() { p.at(at, func() { p.administer("CreateAccessKey") }) })
	}
}

// KeySwitchedOn has somebody set all of the user's keys Active at that time.
func KeySwitchedOn(at time.Time) Life {
	return func(p *person) {
		p.then(func() {
			p.at(at, func() {
				for _, k := range p.user.keys {
					p.administer("UpdateAccessKey", "AccessKeyId", k.id, "Status", active)
				}
			})
		})
	}
}

// RenamedLater has somebody rename the user at that time: an UpdateUser event with newUserName, the UserId stays.
func RenamedLater(at time.Time, name string) Life {
	return func(p *person) {
		p.then(func() { p.at(at, func() { p.administer("UpdateUser", "NewUserName", name) }) })
	}
}

// RenamedFrom says that the user bore another name until that long ago, and used its first key under it, each of
// usesBefore ago: those events bear the earlier name, and one UpdateUser event tells of the change.
func RenamedFrom(earlier string, ago time.Duration, usesBefore ...time.Duration) Life {
	return func(p *person) {
		p.then(func() {
			u, today := p.user, p.user.name
			p.account.state.iam.remove(u)
			u.name, u.arn = earlier, p.account.iamARN("user", u.path, earlier)
			p.account.state.iam.add(u)
			for _, use := range usesBefore {
				p.account.at = p.ago(use)
				p.call(0, "ec2", "DescribeInstances", "eu-west-1", actOptions{})
			}
			p.account.at = p.ago(ago)
			p.administer("UpdateUser", "NewUserName", today)
			p.account.at = p.now
		})
	}
}

// UsedBefore has the user call EC2 once with its first key, that long ago: an event, and last-used.
func UsedBefore(ago time.Duration) Life {
	return func(p *person) {
		p.attach("PowerUserAccess")
		p.then(func() {
			p.account.at = p.ago(ago)
			p.call(0, "ec2", "DescribeInstances", "eu-west-1", actOptions{})
			p.account.at = p.now
		})
	}
}

// NameReused has somebody delete the user with all that it has at that time, and make one of the same name a minute
// later: another UserId, no credentials.
func NameReused(at time.Time) Life {
	return func(p *person) {
		p.then(func() {
			p.at(at, func() {
				p.strip()
				p.administer("DeleteUser")
				p.account.schedule(at.Add(time.Minute), func() { p.administer("CreateUser") })
			})
		})
	}
}

// strip removes everything that DeleteUser wants gone, call by call.
func (p *person) strip() {
	u := p.user.clone()
	if u.password != nil {
		p.administer("DeleteLoginProfile")
	}
	for _, k := range u.keys {
		p.administer("DeleteAccessKey", "AccessKeyId", k.id)
	}
	for _, d := range u.mfa {
		p.administer("DeactivateMFADevice", "SerialNumber", d.serial)
		if strings.Contains(d.serial, ":mfa/") {
			p.administer("DeleteVirtualMFADevice", "SerialNumber", d.serial)
		}
	}
	for _, k := range u.sshKeys {
		p.administer("DeleteSSHPublicKey", "SSHPublicKeyId", k.id)
	}
	for _, c := range u.certificates {
		p.administer("DeleteSigningCertificate", "CertificateId", c.id)
	}
	for _, c := range u.serviceCredentials {
		p.administer("DeleteServiceSpecificCredential", "ServiceSpecificCredentialId", c.id)
	}
	for _, name := range slices.Sorted(maps.Keys(u.inline)) {
		p.administer("DeleteUserPolicy", "PolicyName", name)
	}
	for _, arn := range u.attached {
		p.administer("DetachUserPolicy", "PolicyArn", arn)
	}
	for _, g := range u.groups {
		p.administer("RemoveUserFromGroup", "GroupName", g)
	}
}
