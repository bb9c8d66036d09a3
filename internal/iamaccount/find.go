package iamaccount

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// locate finds the user with the id, which had the name when it was last seen, as it is called now. It is nil where no
// user has the id; a user who merely has the name is never given.
func (a *Account) locate(ctx context.Context, userID, name string) (*types.User, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	if userID == "" {
		return nil, sunset.Faultf(sunset.Invalid, "refusing to look for user %s without its UserId: names are reused", name)
	}
	// Between being listed and being read it may be renamed again.
	for range 3 {
		u, err := a.getUser(ctx, name)
		switch {
		case err == nil && aws.ToString(u.UserId) == userID:
			return u, nil
		case err != nil && !awsfault.IsNotFound(err):
			return nil, err
		}
		name, err = a.nameOf(ctx, userID)
		if err != nil || name == "" {
			return nil, err
		}
	}
	return nil, sunset.Faultf(sunset.Conflict, "iam:GetUser knows no user of the name that iam:ListUsers gives for the id %s: it is being renamed again and again; try later", userID)
}

// nameOf looks through all users for the id. It is empty where none has it.
func (a *Account) nameOf(ctx context.Context, userID string) (string, error) {
	name := ""
	err := readPages("iam:ListUsers", "all users to find "+userID, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListUsers(ctx, &iam.ListUsersInput{Marker: marker, MaxItems: aws.Int32(1000)})
		if err != nil {
			return false, nil, err
		}
		for _, u := range out.Users {
			if aws.ToString(u.UserId) == userID {
				name = aws.ToString(u.UserName)
				return false, nil, nil
			}
		}
		return out.IsTruncated, out.Marker, nil
	})
	return name, err
}

// NameNow is what the user with the id is called now; empty where no user has it.
func (a *Account) NameNow(ctx context.Context, userID, name string) (string, error) {
	u, err := a.locate(ctx, userID, name)
	if u == nil || err != nil {
		return "", err
	}
	return aws.ToString(u.UserName), nil
}

// Find reads the user with the id live and whole: credentials with their last use, MFA devices, groups, policies,
// boundary and tags, in at most 12 calls. name is what it was called when last seen; where it was renamed, all users
// are looked through. found is false where no user has the id: one who merely has the name is never given.
func (a *Account) Find(ctx context.Context, userID, name string) (u sunset.User, found bool, err error) {
	l, err := a.find(ctx, userID, name)
	if l == nil || err != nil {
		return sunset.User{}, false, err
	}
	return l.user, true, nil
}

// living is a user read live, with the parts that only a snapshot needs.
type living struct {
	user          sunset.User
	bodies        map[string]string // of signing certificates, by id
	resetRequired bool
}

func (a *Account) find(ctx context.Context, userID, name string) (*living, error) {
	found, err := a.locate(ctx, userID, name)
	if found == nil || err != nil {
		return nil, err
	}
	l := &living{user: userOf(found)}
	u := &l.user
	keys, err := a.accessKeys(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if err := a.lastUsed(ctx, u.Name, &keys[i]); err != nil {
			return nil, err
		}
	}
	profile, err := a.loginProfile(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	ssh, err := a.sshKeys(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	certificates, bodies, err := a.certificates(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	service, err := a.serviceCredentials(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	if profile != nil {
		l.resetRequired = profile.PasswordResetRequired
		u.Credentials = append(u.Credentials, passwordOf(profile, u.PasswordLastUsed))
	}
	l.bodies = bodies
	u.Credentials = slices.Concat(u.Credentials, keys, ssh, certificates, service)
	if u.MFA, err = a.mfaDevices(ctx, u.Name); err != nil {
		return nil, err
	}
	if u.Groups, err = a.groups(ctx, u.Name); err != nil {
		return nil, err
	}
	if u.Inline, err = a.inlinePolicies(ctx, u.Name); err != nil {
		return nil, err
	}
	if u.Attached, err = a.attachedPolicies(ctx, u.Name); err != nil {
		return nil, err
	}
	return l, nil
}

// userOf takes what GetUser tells, tags and boundary included.
func userOf(u *types.User) sunset.User {
	out := sunset.User{
		ID: aws.ToString(u.UserId), Name: aws.ToString(u.UserName), ARN: aws.ToString(u.Arn), Path: aws.ToString(u.Path),
		Created: aws.ToTime(u.CreateDate).UTC(), Tags: tagsOf(u.Tags), PasswordLastUsed: utc(u.PasswordLastUsed),
	}
	if u.PermissionsBoundary != nil {
		out.Boundary = aws.ToString(u.PermissionsBoundary.PermissionsBoundaryArn)
	}
	return out
}

func passwordOf(p *types.LoginProfile, used *time.Time) sunset.Credential {
	return sunset.Credential{Kind: sunset.Password, Status: sunset.Active, Created: aws.ToTime(p.CreateDate).UTC(), LastUsed: used}
}

func tagsOf(tags []types.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, t := range tags {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// Snapshot reads everything that putting the user back needs. A read that fails for any reason is a fault, because an
// incomplete snapshot is none; a user who is gone is a Conflict.
func (a *Account) Snapshot(ctx context.Context, caseID, account, userID, name string) (sunset.Snapshot, error) {
	l, err := a.find(ctx, userID, name)
	if err != nil {
		return sunset.Snapshot{}, err
	}
	if l == nil {
		return sunset.Snapshot{}, gone(userID, name)
	}
	s := sunset.Snapshot{
		CaseID: caseID, Account: account, Taken: a.clock.Now(), User: l.user, PasswordResetRequired: l.resetRequired,
		InlineDocuments: map[string]string{}, Bodies: l.bodies,
	}
	name = l.user.Name
	for _, policy := range l.user.Inline {
		document, found, err := a.inlineDocument(ctx, name, policy)
		if err != nil {
			return sunset.Snapshot{}, err
		}
		if !found {
			return sunset.Snapshot{}, sunset.Faultf(sunset.Conflict, "the inline policy %s of user %s went while it was being read: iam:GetUserPolicy does not find it; read the user again", policy, name)
		}
		s.InlineDocuments[policy] = document
	}
	for _, key := range l.user.Of(sunset.SSHKey) {
		out, err := a.iam.GetSSHPublicKey(ctx, &iam.GetSSHPublicKeyInput{UserName: &name, SSHPublicKeyId: &key.ID, Encoding: types.EncodingTypeSsh})
		if err != nil {
			return sunset.Snapshot{}, awsfault.Wrap(err, "iam:GetSSHPublicKey", "reading SSH key %s of user %s", key.ID, name)
		}
		if out.SSHPublicKey == nil {
			return sunset.Snapshot{}, lacking("iam:GetSSHPublicKey", "SSH key "+key.ID+" of user "+name, "SSHPublicKey")
		}
		s.Bodies[key.ID] = aws.ToString(out.SSHPublicKey.SSHPublicKeyBody)
	}
	if s.SpareMFA, err = a.spareMFA(ctx, name); err != nil {
		return sunset.Snapshot{}, err
	}
	return s, nil
}

func gone(userID, name string) error {
	return sunset.Faultf(sunset.Conflict, "no user has the id %s any more, under which %s was known", userID, name)
}
