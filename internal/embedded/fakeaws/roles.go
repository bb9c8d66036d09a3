package fakeaws

import (
	"maps"
	"slices"
	"strings"
)

func (a *Account) roleOperations() map[string]operation {
	onRole := func(handle func(*request) (any, error), write bool) operation {
		return operation{handle: handle, write: write, resource: a.roleResource}
	}
	return map[string]operation{
		"CreateRole":             onRole(a.createRole, true),
		"GetRole":                onRole(a.getRole, false),
		"ListRoles":              {handle: a.listRoles, resource: func(*request) string { return a.iamARN("role", "/", "") }},
		"DeleteRole":             onRole(a.deleteRole, true),
		"UpdateAssumeRolePolicy": onRole(a.updateAssumeRolePolicy, true),
	}
}

func (a *Account) roleResource(r *request) string {
	r.target = r.get("RoleName")
	if o := a.state.iam.roles[r.target]; o != nil {
		return o.arn
	}
	return a.iamARN("role", "/", r.target)
}

type roleLastUsedXML struct {
	LastUsedDate *stamp `xml:",omitempty"`
	Region       string `xml:",omitempty"`
}

type roleXML struct {
	Path, RoleName, RoleId, Arn string
	CreateDate                  *stamp
	AssumeRolePolicyDocument    string
	Description                 string `xml:",omitempty"`
	MaxSessionDuration          int
	PermissionsBoundary         *boundaryXML     `xml:",omitempty"`
	Tags                        *list[Tag]       `xml:",omitempty"`
	RoleLastUsed                *roleLastUsedXML `xml:",omitempty"`
}

// xml is the role as ListRoles shows it: without tags, boundary and last use.
func (a *Account) roleXML(o *role) roleXML {
	return roleXML{
		Path: o.path, RoleName: o.name, RoleId: o.id, Arn: o.arn, CreateDate: stampOf(o.created),
		AssumeRolePolicyDocument: quoted(a.principalARNs(o.trust)), Description: o.description, MaxSessionDuration: 3600,
	}
}

func (r *request) role(s *iamState) (*role, *apiError) {
	name := r.get("RoleName")
	if e := checkName("roleName", name, 64); e != nil {
		return nil, e
	}
	if o := s.roles[name]; o != nil {
		return o, nil
	}
	return nil, noSuch("The role with name %s cannot be found.", name)
}

func (a *Account) createRole(r *request) (any, error) {
	name, trust := r.get("RoleName"), r.get("AssumeRolePolicyDocument")
	if e := checkName("roleName", name, 64); e != nil {
		return nil, e
	}
	path, e := r.path()
	if e != nil {
		return nil, e
	}
	tags, e := r.tags()
	if e != nil {
		return nil, e
	}
	if e := a.checkTrustPolicy(trust); e != nil {
		return nil, e
	}
	boundary := r.get("PermissionsBoundary")
	if e := a.checkBoundary(boundary); boundary != "" && e != nil {
		return nil, e
	}
	for other := range a.state.iam.roles {
		if strings.EqualFold(other, name) {
			return nil, exists("Role with name %s already exists.", name)
		}
	}
	o := a.addRole(RoleSpec{Name: name, Path: path, Description: r.get("Description"), Trust: trust, Tags: tags, Boundary: boundary})
	return struct{ Role roleXML }{a.roleXML(o)}, nil
}

func (a *Account) getRole(r *request) (any, error) {
	o, e := r.role(a.view())
	if e != nil {
		return nil, e
	}
	x := a.roleXML(o)
	x.PermissionsBoundary, x.Tags = boundaryOf(o.boundary), tagsOf(o.tags)
	x.RoleLastUsed = &roleLastUsedXML{stampOf(o.lastUsed.At), o.lastUsed.Region}
	return struct{ Role roleXML }{x}, nil
}

func (a *Account) listRoles(r *request) (any, error) {
	s, prefix := a.view(), r.get("PathPrefix")
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(s.roles)), func(n string) bool { return !strings.HasPrefix(s.roles[n].path, prefix) })
	page, cut, e := paged(r, names, func(n string) string { return n })
	if e != nil {
		return nil, e
	}
	out := struct {
		Roles list[roleXML]
		cutXML
	}{cutXML: cut}
	for _, n := range page {
		out.Roles.Member = append(out.Roles.Member, a.roleXML(s.roles[n]))
	}
	return out, nil
}

func (a *Account) deleteRole(r *request) (any, error) {
	o, e := r.role(a.state.iam)
	if e != nil {
		return nil, e
	}
	switch {
	case len(o.attached) > 0:
		return nil, conflict("detach all policies")
	case len(o.inline) > 0:
		return nil, conflict("delete policies")
	}
	delete(a.state.iam.roles, o.name)
	return nil, nil
}

// updateAssumeRolePolicy refuses a policy that still shows the bare id of a deleted user.
func (a *Account) updateAssumeRolePolicy(r *request) (any, error) {
	o, e := r.role(a.state.iam)
	if e != nil {
		return nil, e
	}
	trust := r.get("PolicyDocument")
	if e := a.checkTrustPolicy(trust); e != nil {
		return nil, e
	}
	o.trust = a.principalIDs(trust)
	return nil, nil
}
