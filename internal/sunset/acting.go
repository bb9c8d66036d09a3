package sunset

import "strings"

// ActingAs gives the approver whom a principal proves to be: one whose principals name it. ok is false where none does.
//
// Unlike Is, which bars whoever might be the same person, it takes no name of a session for proof: whoever assumes a
// role chooses it. So the session of a role is an approver where the settings name that role, for all its sessions, or
// that very session.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html: RoleSessionName
func (s Settings) ActingAs(arn string) (Approver, bool) {
	for _, a := range s.Approvers {
		for _, p := range a.Principals {
			if proves(p, arn) {
				return a, true
			}
		}
	}
	return Approver{}, false
}

// proves reports whether a principal of the settings stands for who: as it is written, or as the role of a session.
func proves(principal, who string) bool {
	if principal == "" || who == "" {
		return false
	}
	if strings.Contains(principal, ":role/") {
		return samePrincipal(principal, who)
	}
	return principal == who
}
