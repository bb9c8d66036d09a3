package fakeaws

import (
	"maps"
	"slices"
	"strings"
)

func (a *Account) detailsOperations() map[string]operation {
	return map[string]operation{"GetAccountAuthorizationDetails": {handle: a.getAuthorizationDetails}}
}

type inlineXML struct{ PolicyName, PolicyDocument string }

func inlineOf(inline map[string]string) list[inlineXML] {
	var all []inlineXML
	for _, name := range slices.Sorted(maps.Keys(inline)) {
		all = append(all, inlineXML{name, quoted(inline[name])})
	}
	return listOf(all)
}

type userDetailXML struct {
	Path, UserName, UserId, Arn string
	CreateDate                  *stamp
	UserPolicyList              list[inlineXML]
	GroupList                   list[string]
	AttachedManagedPolicies     list[attachedXML]
	PermissionsBoundary         *boundaryXML `xml:",omitempty"`
	Tags                        list[Tag]
}

type groupDetailXML struct {
	groupXML
	GroupPolicyList         list[inlineXML]
	AttachedManagedPolicies list[attachedXML]
}

type roleDetailXML struct {
	Path, RoleName, RoleId, Arn string
	CreateDate                  *stamp
	AssumeRolePolicyDocument    string
	InstanceProfileList         list[string]
	RolePolicyList              list[inlineXML]
	AttachedManagedPolicies     list[attachedXML]
	PermissionsBoundary         *boundaryXML `xml:",omitempty"`
	Tags                        list[Tag]
	RoleLastUsed                roleLastUsedXML
}

type policyDetailXML struct {
	policyXML
	PolicyVersionList list[policyVersionXML]
}

// getAuthorizationDetails pages over users, groups, roles and policies together, in that order: a page may hold the
// last users and the first groups. Of AWS-managed policies it shows those in use.
func (a *Account) getAuthorizationDetails(r *request) (any, error) {
	s := a.view()
	filters := r.members("Filter")
	for n, f := range filters {
		if !slices.Contains([]string{"User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"}, f) {
			return nil, refusedValue("filter."+itoa(n+1)+".member", f, "Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]")
		}
	}
	attached, boundaries := s.uses()
	page, cut, e := paged(r, s.detailKeys(filters, attached, boundaries), func(key string) string { return key })
	if e != nil {
		return nil, e
	}
	out := struct {
		UserDetailList  list[userDetailXML]
		GroupDetailList list[groupDetailXML]
		RoleDetailList  list[roleDetailXML]
		Policies        list[policyDetailXML]
		cutXML
	}{cutXML: cut}
	for _, key := range page {
		kind, name, _ := strings.Cut(key, " ")
		switch kind {
		case "1":
			out.UserDetailList.Member = append(out.UserDetailList.Member, s.users[name].detailXML())
		case "2":
			g := s.groups[name]
			out.GroupDetailList.Member = append(out.GroupDetailList.Member, groupDetailXML{g.xml(), inlineOf(g.inline), attachedOf(g.attached)})
		case "3":
			out.RoleDetailList.Member = append(out.RoleDetailList.Member, a.roleDetailXML(s.roles[name]))
		default:
			p, e := s.managed(a, name)
			if e != nil {
				return nil, e
			}
			x := policyDetailXML{p.xml(attached, boundaries), listOf([]policyVersionXML{p.version()})}
			out.Policies.Member = append(out.Policies.Member, x)
		}
	}
	return out, nil
}

// detailKeys name everything asked for, in the order of the pages.
func (s *iamState) detailKeys(filters []string, attached, boundaries map[string]int) []string {
	wanted := func(kind string) bool { return len(filters) == 0 || slices.Contains(filters, kind) }
	var keys []string
	add := func(kind string, names []string) {
		for _, n := range names {
			keys = append(keys, kind+" "+n)
		}
	}
	if wanted("User") {
		add("1", s.userNames())
	}
	if wanted("Group") {
		add("2", slices.Sorted(maps.Keys(s.groups)))
	}
	if wanted("Role") {
		add("3", slices.Sorted(maps.Keys(s.roles)))
	}
	if wanted("AWSManagedPolicy") {
		add("4", slices.DeleteFunc(slices.Sorted(maps.Keys(awsManagedPolicies())), func(arn string) bool { return attached[arn]+boundaries[arn] == 0 }))
	}
	if wanted("LocalManagedPolicy") {
		add("5", slices.Sorted(maps.Keys(s.policies)))
	}
	return keys
}

func (u *user) detailXML() userDetailXML {
	return userDetailXML{
		Path: u.path, UserName: u.name, UserId: u.id, Arn: u.arn, CreateDate: stampOf(u.created), UserPolicyList: inlineOf(u.inline),
		GroupList: listOf(slices.Sorted(slices.Values(u.groups))), AttachedManagedPolicies: attachedOf(u.attached),
		PermissionsBoundary: boundaryOf(u.boundary), Tags: listOf(u.tags),
	}
}

func (a *Account) roleDetailXML(o *role) roleDetailXML {
	return roleDetailXML{
		Path: o.path, RoleName: o.name, RoleId: o.id, Arn: o.arn, CreateDate: stampOf(o.created),
		AssumeRolePolicyDocument: quoted(a.principalARNs(o.trust)), RolePolicyList: inlineOf(o.inline), AttachedManagedPolicies: attachedOf(o.attached),
		PermissionsBoundary: boundaryOf(o.boundary), Tags: listOf(o.tags), RoleLastUsed: roleLastUsedXML{stampOf(o.lastUsed.At), o.lastUsed.Region},
	}
}
