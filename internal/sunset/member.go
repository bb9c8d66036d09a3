package sunset

import (
	"fmt"
	"regexp"
	"strings"
)

// MemberAccount is an account, beside the deployment's own, that may be cleaned up through roles in it.
type MemberAccount struct {
	ID string `json:"id"` // 12 digits
	// ExternalID is what the roles' trust asks for, so that nobody else can have the deployment act in the account.
	// It is no secret: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
	ExternalID string      `json:"external_id"`
	Roles      MemberRoles `json:"roles"`
}

// MemberRoles are the ARNs of a member account's roles, one for each access that functions need.
type MemberRoles struct {
	Read   string `json:"read"`
	Change string `json:"change"`
	Delete string `json:"delete"`
}

// Access is what a function does to an account, and so which of a member's roles it assumes.
type Access string

// The accesses. Change disables and restores; Delete deletes, and puts a deny back.
const (
	AccessRead   Access = "read"
	AccessChange Access = "change"
	AccessDelete Access = "delete"
)

// For gives the ARN of the role for an access, or is empty where there is none of the name.
func (r MemberRoles) For(a Access) string {
	switch a {
	case AccessRead:
		return r.Read
	case AccessChange:
		return r.Change
	case AccessDelete:
		return r.Delete
	}
	return ""
}

// Member finds a member account by its id.
func (s Settings) Member(account string) (MemberAccount, bool) {
	for _, m := range s.Accounts {
		if m.ID == account {
			return m, true
		}
	}
	return MemberAccount{}, false
}

var (
	accountID  = regexp.MustCompile(`^[0-9]{12}$`)
	externalID = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	roleARN    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/[\x21-\x7e]+$`)
)

// validateAccounts gives the field that is wrong and what is wrong with it.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html has the external id's alphabet.
func validateAccounts(members []MemberAccount) (field string, err error) {
	seen := map[string]bool{}
	for i, m := range members {
		field := fmt.Sprintf("accounts[%d]", i)
		switch {
		case !accountID.MatchString(m.ID):
			return field + ".id", fmt.Errorf("%q is not the twelve digits of an account", m.ID)
		case seen[m.ID]:
			return field + ".id", fmt.Errorf("account %s is named twice", m.ID)
		case len(m.ExternalID) < 2, len(m.ExternalID) > 1224, !externalID.MatchString(m.ExternalID):
			return field + ".external_id", fmt.Errorf("%q is not 2 to 1224 letters, digits and +=,.@:/_-", m.ExternalID)
		}
		seen[m.ID] = true
		for _, a := range []Access{AccessRead, AccessChange, AccessDelete} {
			role := m.Roles.For(a)
			parts := roleARN.FindStringSubmatch(role)
			switch {
			case parts == nil:
				return field + ".roles." + string(a), fmt.Errorf("%q is not the ARN of a role", role)
			case parts[1] != m.ID:
				return field + ".roles." + string(a), fmt.Errorf("%s is a role of account %s, not of %s", role, parts[1], m.ID)
			}
		}
	}
	return "", nil
}

// knowsAccount refuses a request for an account that the settings don't have.
func (r Request) knowsAccount(s Settings) error {
	if r.Account == "" {
		return nil
	}
	if _, ok := s.Member(r.Account); ok {
		return nil
	}
	var known []string
	for _, m := range s.Accounts {
		known = append(known, m.ID)
	}
	if len(known) == 0 {
		return Faultf(Invalid, "request: account: the settings know no other account; leave it out for the deployment's own")
	}
	return Faultf(Invalid, "request: account: %q is none of the accounts in the settings (%s); leave it out for the deployment's own",
		r.Account, strings.Join(known, ", "))
}
