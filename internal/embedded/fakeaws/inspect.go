package fakeaws

import (
	"maps"
	"slices"
	"time"
)

// UserState is a full copy of a user: everything that DeleteUser wants gone, and everything that a restored user must
// have back.
type UserState struct {
	Name, ID, Path, ARN string
	CreatedAt           time.Time
	Tags                map[string]string
	HasPassword         bool
	PasswordLastUsed    time.Time
	Keys                []KeyState
	SSHKeys             []ItemState
	Certificates        []ItemState
	ServiceCredentials  []ItemState
	// MFA are serial numbers.
	MFA      []string
	Groups   []string
	Inline   map[string]string
	Attached []string
	Boundary string
}

// KeyState is an access key.
type KeyState struct {
	ID, Status string
	CreatedAt  time.Time
	LastUsed   LastUsed
}

// ItemState is a credential that has a status; Service is set for service-specific ones.
type ItemState struct{ ID, Status, Service string }

// DeletedUser is a user that was there.
type DeletedUser struct {
	Name, ID  string
	CreatedAt time.Time
	DeletedAt time.Time
}

// User is a copy of the user's state now, whatever IAMLag says.
func (a *Account) User(name string) (UserState, bool) {
	defer a.enter()()
	u, ok := a.state.iam.users[name]
	if !ok {
		return UserState{}, false
	}
	return u.state(), true
}

// Users are all users, by name.
func (a *Account) Users() []UserState {
	defer a.enter()()
	var all []UserState
	for _, name := range a.state.iam.userNames() {
		all = append(all, a.state.iam.users[name].state())
	}
	return all
}

func (u *user) state() UserState {
	s := UserState{
		Name: u.name, ID: u.id, Path: u.path, ARN: u.arn, CreatedAt: u.created, Tags: map[string]string{},
		HasPassword: u.password != nil, PasswordLastUsed: u.passwordLastUsed, Groups: slices.Clone(u.groups),
		Inline: maps.Clone(u.inline), Attached: slices.Clone(u.attached), Boundary: u.boundary,
	}
	for _, t := range u.tags {
		s.Tags[t.Key] = t.Value
	}
	for _, k := range u.keys {
		s.Keys = append(s.Keys, KeyState{ID: k.id, Status: k.status, CreatedAt: k.created, LastUsed: k.lastUsed})
	}
	for _, k := range u.sshKeys {
		s.SSHKeys = append(s.SSHKeys, ItemState{ID: k.id, Status: k.status})
	}
	for _, c := range u.certificates {
		s.Certificates = append(s.Certificates, ItemState{ID: c.id, Status: c.status})
	}
	for _, c := range u.serviceCredentials {
		s.ServiceCredentials = append(s.ServiceCredentials, ItemState{ID: c.id, Status: c.status, Service: c.service})
	}
	for _, d := range u.mfa {
		s.MFA = append(s.MFA, d.serial)
	}
	slices.Sort(s.Groups)
	return s
}

// DeletedUsers are those deleted since the start, in order.
func (a *Account) DeletedUsers() []DeletedUser {
	defer a.enter()()
	return slices.Clone(a.state.iam.deleted)
}

// VirtualMFADevices are the serial numbers of all virtual devices, assigned or not.
func (a *Account) VirtualMFADevices() []string {
	defer a.enter()()
	return slices.Sorted(maps.Keys(a.state.iam.virtual))
}
