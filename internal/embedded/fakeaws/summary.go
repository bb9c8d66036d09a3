package fakeaws

import (
	"encoding/xml"
	"maps"
	"slices"
)

func (a *Account) accountOperations() map[string]operation {
	return map[string]operation{
		"ListAccountAliases": {handle: a.listAccountAliases},
		"GetAccountSummary":  {handle: a.getAccountSummary},
	}
}

func (a *Account) listAccountAliases(r *request) (any, error) {
	page, cut, e := paged(r, a.view().aliases, func(s string) string { return s })
	if e != nil {
		return nil, e
	}
	return struct {
		AccountAliases list[string]
		cutXML
	}{listOf(page), cut}, nil
}

// entriesXML is a map as the query protocol writes it.
type entriesXML map[string]int

// MarshalXML writes entry, key and value, in order of the keys.
func (m entriesXML) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	type entry struct {
		Key   string `xml:"key"`
		Value int    `xml:"value"`
	}
	var all struct {
		Entry []entry `xml:"entry"`
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all.Entry = append(all.Entry, entry{key, m[key]})
	}
	return e.EncodeElement(all, start)
}

func (a *Account) getAccountSummary(*request) (any, error) {
	s := a.view()
	assigned := 0
	for _, u := range s.users {
		assigned += len(u.mfa)
	}
	rootMFA := 0
	if s.root.MFA {
		rootMFA = 1
	}
	return struct{ SummaryMap entriesXML }{entriesXML{
		"Users": len(s.users), "UsersQuota": maxUsers, "Groups": len(s.groups), "GroupsQuota": 300, "Roles": len(s.roles), "RolesQuota": 1000,
		"Policies": len(s.policies), "PoliciesQuota": 1500, "MFADevices": len(s.virtual), "MFADevicesInUse": assigned, "AccountMFAEnabled": rootMFA,
		"AccountAccessKeysPresent": 0, "AccountSigningCertificatesPresent": 0, "AccessKeysPerUserQuota": maxKeys, "GroupsPerUserQuota": maxGroups,
		"SigningCertificatesPerUserQuota": maxCertificates, "UserPolicySizeQuota": maxInlineCharacters, "AttachedPoliciesPerUserQuota": maxAttached,
		"PolicySizeQuota": maxPolicyCharacters,
	}}, nil
}
