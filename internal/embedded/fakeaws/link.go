package fakeaws

import (
	"net/http"
	"strings"
)

// Link lets callers of this account assume roles of member, where their trust allows it, and answers what is signed with
// member's credentials as member does: on AWS too, an endpoint tells accounts by their credentials. The two need
// different ids and seeds. A link goes one way. The call of AssumeRole is in this account's CloudTrail only.
func (a *Account) Link(member *Account) {
	defer a.enter()()
	a.linked = append(a.linked, member)
}

// answering is the account whose credentials a request is signed with, this one where nobody knows them. It takes the
// locks itself.
func (a *Account) answering(h *http.Request) *Account {
	scope, err := parseAuthorization(h)
	if err != nil {
		return a
	}
	a.mu.Lock()
	linked := a.linked
	a.mu.Unlock()
	for _, member := range linked {
		if member.issued(scope.accessKeyID) {
			return member
		}
	}
	return a
}

// issued reports whether an access key id is of this account, whatever became of it. It takes the lock itself.
func (a *Account) issued(accessKeyID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, isSession := a.sessions[accessKeyID]
	return isSession || a.state.iam.keys[accessKeyID] != nil
}

// ownerOf is the account that a role's ARN names: this one, a linked one, or nil.
func (a *Account) ownerOf(roleARN string) *Account {
	parts := strings.SplitN(roleARN, ":", 6)
	if len(parts) < 6 {
		return nil
	}
	if parts[4] == a.id {
		return a
	}
	for _, member := range a.linked {
		if member.id == parts[4] {
			return member
		}
	}
	return nil
}
