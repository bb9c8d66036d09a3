package fakeaws

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Tag is a key and its value.
type Tag struct {
	Key   string
	Value string
}

// LastUsed is the last use of an access key or a role; a zero At means never.
type LastUsed struct {
	At              time.Time
	Service, Region string
}

// RootSpec is the root user as the credential report shows it.
type RootSpec struct {
	CreatedAt, PasswordLastUsed time.Time
	MFA                         bool
}

// UserSpec is a user written straight into the account, in the past if need be, as no call over the wire can.
type UserSpec struct {
	// Path is "/" where empty; CreatedAt is now where zero.
	Name, Path string
	CreatedAt  time.Time
	Tags       []Tag
	Password   *PasswordSpec
	Keys       []AccessKeySpec
	MFA        []MFASpec
	SSHKeys    []SSHKeySpec
	// Certificates are signing certificates.
	Certificates       []CertificateSpec
	ServiceCredentials []ServiceCredentialSpec
	// Groups are names of groups that exist; Attached and Boundary ARNs of managed policies; Inline name → document.
	Groups   []string
	Inline   map[string]string
	Attached []string
	Boundary string
}

// PasswordSpec is a login profile. Its LastUsed is what GetUser goes on showing after the profile is gone.
type PasswordSpec struct {
	LastUsed, LastRotated time.Time
	// Removed leaves LastUsed behind without a login profile.
	Removed bool
}

// AccessKeySpec is an access key; Active where Status is empty.
type AccessKeySpec struct {
	Status    string
	CreatedAt time.Time
	LastUsed  LastUsed
}

// MFASpec is an MFA device: "virtual", "hardware" or "u2f".
type MFASpec struct {
	Kind      string
	EnabledAt time.Time
	// Unassigned leaves a virtual device of the user's name behind that nobody has enabled.
	Unassigned bool
}

// SSHKeySpec is an SSH public key for CodeCommit.
type SSHKeySpec struct {
	Status     string
	UploadedAt time.Time
}

// CertificateSpec is a signing certificate.
type CertificateSpec struct {
	Status     string
	UploadedAt time.Time
}

// ServiceCredentialSpec is a service-specific credential, such as of bedrock.amazonaws.com.
type ServiceCredentialSpec struct {
	ServiceName, Status string
	CreatedAt           time.Time
	// ExpiresAt is zero for ever.
	ExpiresAt time.Time
}

// NewUser is what AddUser made, secrets included.
type NewUser struct {
	Name, ID, ARN string
	// Keys are in the order of the spec.
	Keys                                  []Credentials
	MFASerials, SSHKeyIDs, CertificateIDs []string
	ServiceCredentialIDs                  []string
}

// AddUser writes a user. It returns an error where IAM would never hold such a user: a taken name, a group or a policy
// that isn't there, too many of a kind.
func (a *Account) AddUser(s UserSpec) (NewUser, error) {
	defer a.enter()()
	return a.addUser(s)
}

func (a *Account) addUser(s UserSpec) (NewUser, error) {
	fail := func(format string, args ...any) (NewUser, error) {
		return NewUser{}, fmt.Errorf("adding user %q: "+format, append([]any{s.Name}, args...)...)
	}
	i := a.state.iam
	if s.Path == "" {
		s.Path = "/"
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = a.now()
	}
	if e := checkName("userName", s.Name, 64); e != nil {
		return fail("%w", e)
	}
	if i.users[s.Name] != nil {
		return fail("the name is taken")
	}
	if len(s.Keys) > maxKeys || len(s.Groups) > maxGroups || len(s.Attached) > maxAttached || len(s.MFA) > maxMFA || len(s.SSHKeys) > maxSSHKeys || len(s.Certificates) > maxCertificates {
		return fail("more of a kind than IAM's quotas allow")
	}
	for _, g := range s.Groups {
		if i.groups[g] == nil {
			return fail("there is no group %q", g)
		}
	}
	for _, arn := range append(slices.Clone(s.Attached), s.Boundary) {
		if _, ok := a.policyText(arn); arn != "" && !ok {
			return fail("there is no policy %s", arn)
		}
	}
	size := 0
	for name, text := range s.Inline {
		if e := checkIdentityPolicy(text); e != nil {
			return fail("inline policy %q: %w", name, e)
		}
		size += policySize(text)
	}
	if size > maxInlineCharacters {
		return fail("inline policies of %d characters", size)
	}
	u := a.newUser(s.Name, s.Path, s.CreatedAt)
	u.tags, u.groups, u.attached, u.boundary = slices.Clone(s.Tags), slices.Clone(s.Groups), slices.Clone(s.Attached), s.Boundary
	maps.Copy(u.inline, s.Inline)
	i.add(u)
	return a.addCredentials(u, s), nil
}

func (a *Account) addCredentials(u *user, s UserSpec) NewUser {
	out := NewUser{Name: u.name, ID: u.id, ARN: u.arn}
	or := func(t time.Time) time.Time {
		if t.IsZero() {
			return u.created
		}
		return t
	}
	if p := s.Password; p != nil {
		u.passwordLastUsed = p.LastUsed
		if !p.Removed {
			u.password = &password{created: or(p.LastRotated)}
		}
	}
	for _, spec := range s.Keys {
		k := a.newKey(u, or(spec.CreatedAt))
		k.lastUsed = spec.LastUsed
		u.access(spec.LastUsed.Service, spec.LastUsed.At)
		if spec.Status != "" {
			k.status = spec.Status
		}
		out.Keys = append(out.Keys, Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret})
	}
	for _, spec := range s.MFA {
		d := a.addMFA(u, spec, or(spec.EnabledAt))
		out.MFASerials = append(out.MFASerials, d.serial)
	}
	for _, spec := range s.SSHKeys {
		k := a.newSSHKey(u, "ssh-rsa "+a.letters(idAlphabet, 64)+" "+u.name, or(spec.UploadedAt))
		if spec.Status != "" {
			k.status = spec.Status
		}
		out.SSHKeyIDs = append(out.SSHKeyIDs, k.id)
	}
	for _, spec := range s.Certificates {
		c := a.newCertificate(u, "-----BEGIN CERTIFICATE-----\n"+a.letters(idAlphabet, 64)+"\n-----END CERTIFICATE-----", or(spec.UploadedAt))
		if spec.Status != "" {
			c.status = spec.Status
		}
		out.CertificateIDs = append(out.CertificateIDs, c.id)
	}
	for _, spec := range s.ServiceCredentials {
		c := a.newServiceCredential(u, spec.ServiceName, or(spec.CreatedAt))
		c.expires = spec.ExpiresAt
		if spec.Status != "" {
			c.status = spec.Status
		}
		out.ServiceCredentialIDs = append(out.ServiceCredentialIDs, c.id)
	}
	return out
}

func (a *Account) addMFA(u *user, spec MFASpec, at time.Time) *mfaDevice {
	d := &mfaDevice{enabled: at, owner: u.name}
	switch spec.Kind {
	case "hardware":
		d.serial = "GAHT" + a.letters("0123456789", 8)
	case "u2f":
		d.serial = a.arn("iam", "u2f/user/"+u.name+"/key-"+a.letters(idAlphabet, 26))
	default:
		d.serial = a.arn("iam", "mfa/"+u.name)
		for n := 2; a.state.iam.virtual[d.serial] != nil; n++ {
			d.serial = a.arn("iam", "mfa/"+u.name+"-"+itoa(n))
		}
		a.state.iam.virtual[d.serial] = d
	}
	if spec.Unassigned {
		d.owner, d.enabled = "", time.Time{}
		return d
	}
	u.mfa = append(u.mfa, d)
	return d
}

// GroupSpec is a group.
type GroupSpec struct {
	Name, Path string
	CreatedAt  time.Time
	Inline     map[string]string
	Attached   []string
}

// AddGroup writes a group and returns its ARN.
func (a *Account) AddGroup(s GroupSpec) string {
	defer a.enter()()
	return a.addGroup(s).arn
}

func (a *Account) addGroup(s GroupSpec) *group {
	if s.Path == "" {
		s.Path = "/"
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = a.now()
	}
	g := &group{
		id: a.uniqueID("AGPA"), name: s.Name, path: s.Path, arn: a.iamARN("group", s.Path, s.Name), created: s.CreatedAt,
		inline: map[string]string{}, attached: slices.Clone(s.Attached),
	}
	maps.Copy(g.inline, s.Inline)
	a.state.iam.groups[g.name] = g
	return g
}

// RoleSpec is a role.
type RoleSpec struct {
	Name, Path, Description string
	CreatedAt               time.Time
	// Trust is the trust policy; one for the account itself where empty.
	Trust    string
	Inline   map[string]string
	Attached []string
	Boundary string
	Tags     []Tag
	LastUsed LastUsed
}

// AddRole writes a role and returns its ARN.
func (a *Account) AddRole(s RoleSpec) string {
	defer a.enter()()
	return a.addRole(s).arn
}

func (a *Account) addRole(s RoleSpec) *role {
	if s.Path == "" {
		s.Path = "/"
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = a.now()
	}
	if s.Trust == "" {
		s.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + a.id + `:root"},"Action":"sts:AssumeRole"}]}`
	}
	r := &role{
		id: a.uniqueID("AROA"), name: s.Name, path: s.Path, arn: a.iamARN("role", s.Path, s.Name), description: s.Description,
		created: s.CreatedAt, trust: a.principalIDs(s.Trust), inline: map[string]string{}, attached: slices.Clone(s.Attached), boundary: s.Boundary,
		tags: slices.Clone(s.Tags), lastUsed: s.LastUsed,
	}
	maps.Copy(r.inline, s.Inline)
	a.state.iam.roles[r.name] = r
	return r
}

// AddPolicy writes a customer-managed policy and returns its ARN.
func (a *Account) AddPolicy(name, document string) string {
	defer a.enter()()
	return a.addPolicy(name, "/", document).arn
}

func (a *Account) addPolicy(name, path, document string) *managedPolicy {
	p := &managedPolicy{id: a.uniqueID("ANPA"), name: name, path: path, arn: a.iamARN("policy", path, name), document: document, created: a.now()}
	a.state.iam.policies[p.arn] = p
	return p
}

// SetRoot changes the root user's row in the credential report.
func (a *Account) SetRoot(r RootSpec) {
	defer a.enter()()
	a.state.iam.root = r
}

// SetAlias gives the account its alias.
func (a *Account) SetAlias(alias string) {
	defer a.enter()()
	a.state.iam.aliases = []string{alias}
}
