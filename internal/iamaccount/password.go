package iamaccount

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// GiveNewPassword gives a user whose login profile was deleted a new one with a random password, to be changed at the
// first sign-in. The password is returned and kept nowhere. A user who has a login profile, or who is gone, is a
// Conflict; one who had none in the snapshot is Invalid.
func (a *Account) GiveNewPassword(ctx context.Context, snap sunset.Snapshot, rec Recorder) (password string, err error) {
	h, err := a.mustHand(ctx, snap, rec)
	if err != nil {
		return "", err
	}
	if len(snap.User.Of(sunset.Password)) == 0 {
		return "", sunset.Faultf(sunset.Invalid, "%s had no password before it was disabled, and gets none", h)
	}
	switch profile, err := a.loginProfile(ctx, h.name); {
	case err != nil:
		return "", err
	case profile != nil:
		return "", sunset.Faultf(sunset.Conflict, "%s has a login profile; if nobody knows its password, reset it with iam:UpdateLoginProfile", h)
	}
	password, err = oneTimePassword()
	if err != nil {
		return "", sunset.Faultf(sunset.Internal, "making a password for %s: %w", h, err)
	}
	err = h.change(ctx, "iam:CreateLoginProfile", "login profile", "making a login profile for", func(ctx context.Context) error {
		_, err := h.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &h.name, Password: &password, PasswordResetRequired: true})
		return err
	})
	if err != nil {
		return "", err
	}
	return password, nil
}

// passwordClasses are the four that a password policy may ask for, without letters that people mistake for others.
var passwordClasses = [...]string{"abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "!@#%^*_+-="}

// oneTimePassword is 24 random characters with some of each class.
func oneTimePassword() (string, error) {
	const length = 24
	alphabet := ""
	for _, class := range passwordClasses {
		alphabet += class
	}
	out := make([]byte, length)
	for i := range out {
		from := alphabet
		if i < len(passwordClasses) {
			from = passwordClasses[i]
		}
		n, err := random(len(from))
		if err != nil {
			return "", err
		}
		out[i] = from[n]
	}
	for i := len(out) - 1; i > 0; i-- {
		n, err := random(i + 1)
		if err != nil {
			return "", err
		}
		out[i], out[n] = out[n], out[i]
	}
	return string(out), nil
}

func random(n int) (int, error) {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0, fmt.Errorf("reading randomness: %w", err)
	}
	return int(v.Int64()), nil
}
