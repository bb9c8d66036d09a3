package fakeaws

import (
	"maps"
	"slices"
	"strings"
)

func (a *Account) groupOperations() map[string]operation {
	onGroup := func(handle func(*request) (any, error), write bool) operation {
		return operation{handle: handle, write: write, resource: a.groupResource}
	}
	return map[string]operation{
		"CreateGroup":         onGroup(a.createGroup, true),
		"GetGroup":            onGroup(a.getGroup, false),
		"ListGroups":          {handle: a.listGroups, resource: func(*request) string { return a.iamARN("group", "/", "") }},
		"DeleteGroup":         onGroup(a.deleteGroup, true),
		"AddUserToGroup":      onGroup(a.addUserToGroup, true),
		"RemoveUserFromGroup": onGroup(a.removeUserFromGroup, true),
		"ListGroupsForUser":   onUser(a.listGroupsForUser),
	}
}

func (a *Account) groupResource(r *request) string {
	name := r.get("GroupName")
	r.target = name
	if user := r.get("UserName"); user != "" {
		r.target = user
	}
	if g := a.state.iam.groups[name]; g != nil {
		return g.arn
	}
	return a.iamARN("group", "/", name)
}

type groupXML struct {
	Path, GroupName, GroupId, Arn string
	CreateDate                    *stamp
}

func (g *group) xml() groupXML {
	return groupXML{g.path, g.name, g.id, g.arn, stampOf(g.created)}
}

func (r *request) group(s *iamState) (*group, *apiError) {
	name := r.get("GroupName")
	if e := checkName("groupName", name, 128); e != nil {
		return nil, e
	}
	if g := s.groups[name]; g != nil {
		return g, nil
	}
	return nil, noSuch("The group with name %s cannot be found.", name)
}

func (a *Account) createGroup(r *request) (any, error) {
	name := r.get("GroupName")
	if e := checkName("groupName", name, 128); e != nil {
		return nil, e
	}
	path, e := r.path()
	if e != nil {
		return nil, e
	}
	for other := range a.state.iam.groups {
		if strings.EqualFold(other, name) {
			return nil, exists("Group with name %s already exists.", name)
		}
	}
	g := a.addGroup(GroupSpec{Name: name, Path: path})
	return struct{ Group groupXML }{g.xml()}, nil
}

func (s *iamState) members(group string) []string {
	var names []string
	for _, name := range s.userNames() {
		if slices.Contains(s.users[name].groups, group) {
			names = append(names, name)
		}
	}
	return names
}

func (a *Account) getGroup(r *request) (any, error) {
	s := a.view()
	g, e := r.group(s)
	if e != nil {
		return nil, e
	}
	page, cut, e := paged(r, s.members(g.name), func(n string) string { return n })
	if e != nil {
		return nil, e
	}
	out := struct {
		Group groupXML
		Users list[userXML]
		cutXML
	}{Group: g.xml(), cutXML: cut}
	for _, n := range page {
		out.Users.Member = append(out.Users.Member, s.users[n].xml())
	}
	return out, nil
}

func (a *Account) listGroups(r *request) (any, error) {
	s, prefix := a.view(), r.get("PathPrefix")
	var all []groupXML
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if g := s.groups[name]; strings.HasPrefix(g.path, prefix) {
			all = append(all, g.xml())
		}
	}
	return groupPage(r, all)
}

func groupPage(r *request, all []groupXML) (any, error) {
	page, cut, e := paged(r, all, func(g groupXML) string { return g.GroupName })
	if e != nil {
		return nil, e
	}
	return struct {
		Groups list[groupXML]
		cutXML
	}{listOf(page), cut}, nil
}

func (a *Account) listGroupsForUser(r *request) (any, error) {
	s := a.view()
	u, e := r.named(s)
	if e != nil {
		return nil, e
	}
	var all []groupXML
	for _, name := range slices.Sorted(slices.Values(u.groups)) {
		if g := s.groups[name]; g != nil {
			all = append(all, g.xml())
		}
	}
	return groupPage(r, all)
}

func (a *Account) deleteGroup(r *request) (any, error) {
	g, e := r.group(a.state.iam)
	if e != nil {
		return nil, e
	}
	switch {
	case len(a.state.iam.members(g.name)) > 0:
		return nil, conflict("remove users from group")
	case len(g.attached) > 0:
		return nil, conflict("detach all policies")
	case len(g.inline) > 0:
		return nil, conflict("delete policies")
	}
	delete(a.state.iam.groups, g.name)
	return nil, nil
}

func (a *Account) addUserToGroup(r *request) (any, error) {
	g, e := r.group(a.state.iam)
	if e != nil {
		return nil, e
	}
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	if slices.Contains(u.groups, g.name) {
		return nil, nil
	}
	if len(u.groups) >= maxGroups {
		return nil, exceeded("GroupsPerUser", maxGroups)
	}
	u.groups = append(slices.Clone(u.groups), g.name)
	return nil, nil
}

func (a *Account) removeUserFromGroup(r *request) (any, error) {
	g, e := r.group(a.state.iam)
	if e != nil {
		return nil, e
	}
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	n := slices.Index(u.groups, g.name)
	if n < 0 {
		return nil, noSuch("User %s not in group %s.", u.name, g.name)
	}
	u.groups = slices.Delete(slices.Clone(u.groups), n, n+1)
	return nil, nil
}
