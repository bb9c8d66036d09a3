package sunset

import (
	"slices"
	"strings"
	"time"
)

// CredentialKind is a kind of way in.
type CredentialKind string

// The kinds of credentials that an IAM user can hold.
const (
	Password           CredentialKind = "password"
	AccessKey          CredentialKind = "access-key"
	SSHKey             CredentialKind = "ssh-key"
	ServiceCredential  CredentialKind = "service-credential"
	SigningCertificate CredentialKind = "signing-certificate"
)

// UseReported says whether AWS tells anywhere when a credential of this kind was last used. It does for passwords and
// access keys only; all others are unknown whatever their age.
func (k CredentialKind) UseReported() bool { return k == Password || k == AccessKey }

// Status of a credential, as AWS writes it.
type Status string

// The statuses. A password has none of its own and counts as Active while the login profile exists.
const (
	Active   Status = "Active"
	Inactive Status = "Inactive"
	Expired  Status = "Expired"
)

// Credential is one way in.
type Credential struct {
	Kind   CredentialKind `json:"kind"`
	ID     string         `json:"id,omitempty"` // AKIA…, APKA…, ACCA…, certificate id; empty for a password
	Status Status         `json:"status"`
	// Created is when it was made or last rotated; a credential that was never used ages from here.
	Created time.Time `json:"created"`
	// LastUsed is nil where it was never used, or where AWS does not say: see CredentialKind.UseReported.
	LastUsed *time.Time `json:"last_used,omitempty"`
	// Service is the service last used by a key, or the one that a service-specific credential is for.
	Service string `json:"service,omitempty"`
	Region  string `json:"region,omitempty"`
}

// Label names the credential for people, secrets never included.
func (c Credential) Label() string {
	name := map[CredentialKind]string{
		Password: "password", AccessKey: "access key", SSHKey: "SSH key",
		ServiceCredential: "service-specific credential", SigningCertificate: "signing certificate",
	}[c.Kind]
	if c.ID != "" {
		name += " " + c.ID
	}
	if c.Kind == ServiceCredential && c.Service != "" {
		name += " (" + c.Service + ")"
	}
	return name
}

// MFAKind tells devices apart, because each is removed in its own way.
type MFAKind string

// The kinds of MFA device. Only a virtual one is deleted after it is deactivated.
const (
	VirtualMFA  MFAKind = "virtual"
	FIDO        MFAKind = "fido"
	HardwareMFA MFAKind = "hardware"
)

// MFADevice is a device assigned to a user.
type MFADevice struct {
	Serial  string    `json:"serial"`
	Kind    MFAKind   `json:"kind"`
	Enabled time.Time `json:"enabled,omitzero"`
}

// MFAKindOf tells a device's kind by its serial: …:mfa/… is virtual, …:u2f/… a FIDO key or passkey, and a bare serial
// a hardware TOTP token.
func MFAKindOf(serial string) MFAKind {
	switch {
	case strings.Contains(serial, ":u2f/"):
		return FIDO
	case strings.HasPrefix(serial, "arn:") && strings.Contains(serial, ":mfa/"):
		return VirtualMFA
	default:
		return HardwareMFA
	}
}

// User is what is known of an IAM user at one moment.
type User struct {
	ID      string    `json:"id"` // UserId, AIDA…; opaque, unique for ever
	Name    string    `json:"name"`
	ARN     string    `json:"arn"`
	Path    string    `json:"path"`
	Created time.Time `json:"created"`

	Tags        map[string]string `json:"tags,omitempty"`
	Groups      []string          `json:"groups,omitempty"`
	Inline      []string          `json:"inline,omitempty"`   // names of inline policies
	Attached    []string          `json:"attached,omitempty"` // ARNs of attached managed policies
	Boundary    string            `json:"boundary,omitempty"` // ARN of the permissions boundary
	Credentials []Credential      `json:"credentials,omitempty"`
	MFA         []MFADevice       `json:"mfa,omitempty"`
	// PasswordLastUsed is what GetUser says even after the login profile is gone.
	PasswordLastUsed *time.Time `json:"password_last_used,omitempty"`
}

// Of gives the user's credentials of one kind.
func (u User) Of(kind CredentialKind) []Credential {
	var out []Credential
	for _, c := range u.Credentials {
		if c.Kind == kind {
			out = append(out, c)
		}
	}
	return out
}

// Artifact is one thing that has to go before the user can.
type Artifact struct {
	Kind   string `json:"kind"`
	ID     string `json:"id,omitempty"`
	Status string `json:"status,omitempty"`
}

// Artifacts lists, in a fixed order, everything that DeleteUser wants gone first.
func (u User) Artifacts() []Artifact {
	var out []Artifact
	for _, c := range u.Credentials {
		out = append(out, Artifact{Kind: string(c.Kind), ID: c.ID, Status: string(c.Status)})
	}
	for _, m := range u.MFA {
		out = append(out, Artifact{Kind: "mfa-" + string(m.Kind), ID: m.Serial})
	}
	for kind, ids := range map[string][]string{"group": u.Groups, "inline-policy": u.Inline, "attached-policy": u.Attached} {
		for _, id := range ids {
			out = append(out, Artifact{Kind: kind, ID: id})
		}
	}
	slices.SortFunc(out, func(a, b Artifact) int {
		return strings.Compare(a.Kind+"\x00"+a.ID, b.Kind+"\x00"+b.ID)
	})
	return out
}
