package iamaccount

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Leftovers lists what still exists of the snapshot's user: the user itself under whatever name, with all that it has,
// virtual MFA devices of it that nobody has, service-specific credentials. None proves that nothing is left: the other
// kinds can't outlive their user. What is found is looked for again a few times, because IAM's reads are late.
func (a *Account) Leftovers(ctx context.Context, snap sunset.Snapshot) ([]sunset.Artifact, error) {
	for try := 0; ; try++ {
		left, err := a.leftovers(ctx, snap)
		if err != nil || len(left) == 0 || try == 3 {
			return left, err
		}
		if err := a.clock.Sleep(ctx, pauses[try]); err != nil {
			return left, sunset.Faultf(sunset.Unavailable, "waiting to look again for what is left of user %s: %w", snap.User.Name, err)
		}
	}
}

func (a *Account) leftovers(ctx context.Context, snap sunset.Snapshot) ([]sunset.Artifact, error) {
	was := snap.User
	live, found, err := a.Find(ctx, was.ID, was.Name)
	if err != nil {
		return nil, err
	}
	var left []sunset.Artifact
	if found {
		left = append(left, sunset.Artifact{Kind: "user", ID: live.ID})
		left = append(left, live.Artifacts()...)
	}
	unassigned, err := a.unassigned(ctx)
	if err != nil {
		return nil, err
	}
	ours := slices.Clone(snap.SpareMFA)
	for _, d := range was.MFA {
		ours = append(ours, d.Serial)
	}
	for _, serial := range unassigned {
		if slices.Contains(ours, serial) || found && isSpareOf(serial, live.Name) {
			left = append(left, sunset.Artifact{Kind: "spare-mfa", ID: serial})
		}
	}
	if found || len(was.Of(sunset.ServiceCredential)) == 0 {
		return left, nil
	}
	more, err := a.remaining(ctx, was.Of(sunset.ServiceCredential))
	return append(left, more...), err
}

// unassigned gives the serials of all virtual devices that nobody has.
func (a *Account) unassigned(ctx context.Context) ([]string, error) {
	devices, err := a.virtualMFA(ctx, types.AssignmentStatusTypeUnassigned)
	var serials []string
	for _, d := range devices {
		// Said twice: an emulator that forgets the filter must not make an assigned device look spare.
		if d.User == nil {
			serials = append(serials, aws.ToString(d.SerialNumber))
		}
	}
	slices.Sort(serials)
	return serials, err
}

// remaining gives those of the credentials that anybody in the account still has.
func (a *Account) remaining(ctx context.Context, credentials []sunset.Credential) ([]sunset.Artifact, error) {
	var left []sunset.Artifact
	err := readPages(bulkCredentials, "service-specific credentials of all users", func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{
			AllUsers: aws.Bool(true), Marker: marker, MaxItems: aws.Int32(1000),
		})
		if err != nil {
			return false, nil, err
		}
		for _, m := range out.ServiceSpecificCredentials {
			id := aws.ToString(m.ServiceSpecificCredentialId)
			if slices.ContainsFunc(credentials, func(c sunset.Credential) bool { return c.ID == id }) {
				left = append(left, sunset.Artifact{Kind: string(sunset.ServiceCredential), ID: id, Status: string(m.Status)})
			}
		}
		return out.IsTruncated, out.Marker, nil
	})
	return left, err
}
