package fakeaws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxPolicyCharacters is a managed policy's size, white space not counted.
const maxPolicyCharacters = 6144

func (a *Account) policyOperations() map[string]operation {
	resource := func(r *request) string {
		r.target = r.get("PolicyArn")
		return r.target
	}
	return map[string]operation{
		"CreatePolicy":          {handle: a.createPolicy, write: true},
		"GetPolicy":             {handle: a.getPolicy, resource: resource},
		"GetPolicyVersion":      {handle: a.getPolicyVersion, resource: resource},
		"DeletePolicy":          {handle: a.deletePolicy, write: true, resource: resource},
		"ListEntitiesForPolicy": {handle: a.listEntitiesForPolicy, resource: resource},
	}
}

type policyXML struct {
	PolicyName, PolicyId, Arn, Path, DefaultVersionId string
	AttachmentCount, PermissionsBoundaryUsageCount    int
	IsAttachable                                      bool
	Description                                       string `xml:",omitempty"`
	CreateDate, UpdateDate                            *stamp
	Tags                                              *list[Tag] `xml:",omitempty"`
}

// managed finds a managed policy, the customer's or AWS's own.
func (s *iamState) managed(a *Account, arn string) (*managedPolicy, *apiError) {
	if e := checkPolicyARN(arn); e != nil {
		return nil, e
	}
	if p := s.policies[arn]; p != nil {
		return p, nil
	}
	if text, ok := awsManagedPolicies()[arn]; ok {
		_, path, _ := strings.Cut(arn, ":policy")
		n := strings.LastIndexByte(path, '/') + 1
		// AWS-managed policies keep one id in all accounts; here it follows from the name.
		id := "ANPA" + strings.ToUpper((strings.ReplaceAll(path[n:], "_", "A") + "ZZZZZZZZZZZZZZZZZ")[:17])
		return &managedPolicy{id: id, name: path[n:], path: path[:n], arn: arn, document: text, created: time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC)}, nil
	}
	return nil, noSuch("Policy %s was not found.", arn)
}

// uses counts the attachments of each managed policy, and its uses as a boundary.
func (s *iamState) uses() (attached, boundaries map[string]int) {
	attached, boundaries = map[string]int{}, map[string]int{}
	count := func(arns []string, boundary string) {
		for _, arn := range arns {
			attached[arn]++
		}
		if boundary != "" {
			boundaries[boundary]++
		}
	}
	for _, u := range s.users {
		count(u.attached, u.boundary)
	}
	for _, g := range s.groups {
		count(g.attached, "")
	}
	for _, r := range s.roles {
		count(r.attached, r.boundary)
	}
	return attached, boundaries
}

func (p *managedPolicy) xml(attached, boundaries map[string]int) policyXML {
	return policyXML{
		PolicyName: p.name, PolicyId: p.id, Arn: p.arn, Path: p.path, DefaultVersionId: "v1", AttachmentCount: attached[p.arn],
		PermissionsBoundaryUsageCount: boundaries[p.arn], IsAttachable: true, Description: p.description,
		CreateDate: stampOf(p.created), UpdateDate: stampOf(p.created), Tags: tagsOf(p.tags),
	}
}

func (a *Account) createPolicy(r *request) (any, error) {
	name, document := r.get("PolicyName"), r.get("PolicyDocument")
	if e := checkName("policyName", name, 128); e != nil {
		return nil, e
	}
	path, e := r.path()
	if e != nil {
		return nil, e
	}
	if e := checkIdentityPolicy(document); e != nil {
		return nil, e
	}
	if policySize(document) > maxPolicyCharacters {
		return nil, exceeded("PolicySize", maxPolicyCharacters)
	}
	tags, e := r.tags()
	if e != nil {
		return nil, e
	}
	for _, p := range a.state.iam.policies {
		if strings.EqualFold(p.name, name) {
			return nil, exists("A policy called %s already exists. Duplicate names are not allowed.", name)
		}
	}
	p := a.addPolicy(name, path, document)
	p.description, p.tags = r.get("Description"), tags
	r.target = p.arn
	return struct{ Policy policyXML }{p.xml(nil, nil)}, nil
}

func (a *Account) getPolicy(r *request) (any, error) {
	s := a.view()
	p, e := s.managed(a, r.get("PolicyArn"))
	if e != nil {
		return nil, e
	}
	attached, boundaries := s.uses()
	return struct{ Policy policyXML }{p.xml(attached, boundaries)}, nil
}

type policyVersionXML struct {
	Document, VersionId string
	IsDefaultVersion    bool
	CreateDate          *stamp
}

func (p *managedPolicy) version() policyVersionXML {
	return policyVersionXML{quoted(p.document), "v1", true, stampOf(p.created)}
}

func (a *Account) getPolicyVersion(r *request) (any, error) {
	p, e := a.view().managed(a, r.get("PolicyArn"))
	if e != nil {
		return nil, e
	}
	if v := r.get("VersionId"); v != "v1" {
		return nil, noSuch("Policy %s version %s does not exist or is not attachable.", p.arn, v)
	}
	return struct{ PolicyVersion policyVersionXML }{p.version()}, nil
}

func (a *Account) deletePolicy(r *request) (any, error) {
	arn := r.get("PolicyArn")
	p, e := a.state.iam.managed(a, arn)
	if e != nil {
		return nil, e
	}
	if a.state.iam.policies[arn] == nil {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: iam:DeletePolicy on resource: policy %s", r.caller.arn, arn)
	}
	attached, boundaries := a.state.iam.uses()
	if attached[p.arn]+boundaries[p.arn] > 0 {
		return nil, refuse(http.StatusConflict, "DeleteConflict", "Cannot delete a policy attached to entities.")
	}
	delete(a.state.iam.policies, arn)
	return nil, nil
}

// listEntitiesForPolicy pages over groups, roles and users together.
func (a *Account) listEntitiesForPolicy(r *request) (any, error) {
	s := a.view()
	p, e := s.managed(a, r.get("PolicyArn"))
	if e != nil {
		return nil, e
	}
	type entity struct{ kind, name, id string }
	var all []entity
	usage, kind, prefix := r.get("PolicyUsageFilter"), r.get("EntityFilter"), r.get("PathPrefix")
	add := func(k, name, id, path string, attached []string, boundary string) {
		in := usage != "PermissionsBoundary" && slices.Contains(attached, p.arn) || usage != "PermissionsPolicy" && boundary == p.arn
		if in && (kind == "" || kind == k) && strings.HasPrefix(path, prefix) {
			all = append(all, entity{k, name, id})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		g := s.groups[name]
		add("Group", name, g.id, g.path, g.attached, "")
	}
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		o := s.roles[name]
		add("Role", name, o.id, o.path, o.attached, o.boundary)
	}
	for _, name := range s.userNames() {
		u := s.users[name]
		add("User", name, u.id, u.path, u.attached, u.boundary)
	}
	page, cut, e := paged(r, all, func(x entity) string { return x.kind + "/" + x.name })
	if e != nil {
		return nil, e
	}
	type groupXML struct{ GroupName, GroupId string }
	type roleXML struct{ RoleName, RoleId string }
	type userXML struct{ UserName, UserId string }
	out := struct {
		PolicyGroups list[groupXML]
		PolicyUsers  list[userXML]
		PolicyRoles  list[roleXML]
		cutXML
	}{cutXML: cut}
	for _, x := range page {
		switch x.kind {
		case "Group":
			out.PolicyGroups.Member = append(out.PolicyGroups.Member, groupXML{x.name, x.id})
		case "Role":
			out.PolicyRoles.Member = append(out.PolicyRoles.Member, roleXML{x.name, x.id})
		default:
			out.PolicyUsers.Member = append(out.PolicyUsers.Member, userXML{x.name, x.id})
		}
	}
	return out, nil
}
