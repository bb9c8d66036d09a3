package fakeaws

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

func (a *Account) userOperations() map[string]operation {
	return map[string]operation{
		"CreateUser":                    writeUser(a.createUser),
		"GetUser":                       onUser(a.getUser),
		"ListUsers":                     {handle: a.listUsers, resource: func(*request) string { return a.iamARN("user", "/", "") }},
		"UpdateUser":                    writeUser(a.updateUser),
		"DeleteUser":                    writeUser(a.deleteUser),
		"TagUser":                       writeUser(a.tagUser),
		"UntagUser":                     writeUser(a.untagUser),
		"ListUserTags":                  onUser(a.listUserTags),
		"PutUserPermissionsBoundary":    writeUser(a.putBoundary),
		"DeleteUserPermissionsBoundary": writeUser(a.deleteBoundary),
	}
}

type userXML struct {
	Path, UserName, UserId, Arn string
	CreateDate                  *stamp
	PasswordLastUsed            *stamp       `xml:",omitempty"`
	PermissionsBoundary         *boundaryXML `xml:",omitempty"`
	Tags                        *list[Tag]   `xml:",omitempty"`
}

type boundaryXML struct {
	PermissionsBoundaryType string
	PermissionsBoundaryArn  string
}

func boundaryOf(arn string) *boundaryXML {
	if arn == "" {
		return nil
	}
	return &boundaryXML{PermissionsBoundaryType: "Policy", PermissionsBoundaryArn: arn}
}

func tagsOf(tags []Tag) *list[Tag] {
	if len(tags) == 0 {
		return nil
	}
	l := listOf(tags)
	return &l
}

// xml is the user as ListUsers shows it: without tags and boundary.
func (u *user) xml() userXML {
	return userXML{Path: u.path, UserName: u.name, UserId: u.id, Arn: u.arn, CreateDate: stampOf(u.created), PasswordLastUsed: stampOf(u.passwordLastUsed)}
}

func (u *user) fullXML() userXML {
	x := u.xml()
	x.PermissionsBoundary, x.Tags = boundaryOf(u.boundary), tagsOf(u.tags)
	return x
}

func (a *Account) newUser(name, path string, created time.Time) *user {
	return &user{id: a.uniqueID("AIDA"), name: name, path: path, arn: a.iamARN("user", path, name), created: created.UTC(), inline: map[string]string{}}
}

func (a *Account) createUser(r *request) (any, error) {
	i := a.state.iam
	name := r.get("UserName")
	if e := checkName("userName", name, 64); e != nil {
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
	if a.nameTaken(name, nil) {
		return nil, exists("User with name %s already exists.", name)
	}
	for _, d := range i.deleted {
		if d.Name == name && a.config.NameReuse > 0 && a.now().Before(d.DeletedAt.Add(a.config.NameReuse)) {
			return nil, refuse(http.StatusConflict, "EntityTemporarilyUnmodifiable", "User with name %s cannot be created while it is being deleted.", name)
		}
	}
	if len(i.users) >= maxUsers {
		return nil, exceeded("UsersPerAccount", maxUsers)
	}
	if len(tags) > maxTags {
		return nil, exceeded("TagsPerUser", maxTags)
	}
	boundary := r.get("PermissionsBoundary")
	if e := a.checkBoundary(boundary); boundary != "" && e != nil {
		return nil, e
	}
	u := a.newUser(name, path, a.now())
	u.tags, u.boundary = tags, boundary
	i.add(u)
	r.responseElements = map[string]any{"user": map[string]any{"userName": u.name, "userId": u.id, "arn": u.arn, "path": u.path}}
	return struct{ User userXML }{u.fullXML()}, nil
}

// nameTaken compares without case: IAM's names must differ in more than that.
func (a *Account) nameTaken(name string, except *user) bool {
	if u := a.state.iam.users[name]; u != nil && u != except {
		return true
	}
	for other, u := range a.state.iam.users {
		if u != except && len(other) == len(name) && strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}

func (a *Account) getUser(r *request) (any, error) {
	u, e := r.namedOrCaller(a.view())
	if e != nil {
		return nil, e
	}
	return struct{ User userXML }{u.fullXML()}, nil
}

func (a *Account) listUsers(r *request) (any, error) {
	s, prefix := a.view(), r.get("PathPrefix")
	names := s.userNames()
	if prefix != "" && prefix != "/" {
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(s.users[n].path, prefix) })
	}
	page, cut, e := paged(r, names, func(n string) string { return n })
	if e != nil {
		return nil, e
	}
	out := struct {
		Users list[userXML]
		cutXML
	}{cutXML: cut}
	for _, n := range page {
		out.Users.Member = append(out.Users.Member, s.users[n].xml())
	}
	return out, nil
}

func (a *Account) updateUser(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	name, path := u.name, u.path
	if to := r.get("NewUserName"); to != "" {
		if e := checkName("newUserName", to, 64); e != nil {
			return nil, e
		}
		if a.nameTaken(to, u) {
			return nil, exists("User with name %s already exists.", to)
		}
		name = to
	}
	if to := r.get("NewPath"); to != "" {
		if !pathPattern.MatchString(to) {
			return nil, invalid("The specified value for newPath is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
		}
		path = to
	}
	i := a.state.iam
	i.remove(u)
	u.name, u.path, u.arn = name, path, a.iamARN("user", path, name)
	i.add(u)
	for _, d := range u.mfa {
		d.owner = name
	}
	return nil, nil
}

// deleteUser refuses in AWS's own words whatever still hangs on the user. Which of several it names first is
// inferred.
func (a *Account) deleteUser(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	switch {
	case len(u.groups) > 0:
		return nil, conflict("remove users from group")
	case len(u.attached) > 0:
		return nil, conflict("detach all policies")
	case len(u.inline) > 0:
		return nil, conflict("delete policies")
	case u.password != nil:
		return nil, conflict("delete login profile")
	case len(u.keys) > 0:
		return nil, conflict("delete access keys")
	case len(u.mfa) > 0:
		return nil, conflict("delete MFA device")
	case len(u.certificates) > 0:
		return nil, conflict("delete certificates")
	case len(u.sshKeys) > 0 || len(u.serviceCredentials) > 0:
		return nil, conflict("remove referenced objects")
	}
	i := a.state.iam
	i.remove(u)
	u.deletedAt = a.now()
	i.deleted = append(i.deleted, DeletedUser{Name: u.name, ID: u.id, CreatedAt: u.created, DeletedAt: a.now()})
	return nil, nil
}

func (a *Account) tagUser(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	tags, e := r.tags()
	if e != nil {
		return nil, e
	}
	all := withTags(u.tags, tags)
	if len(all) > maxTags {
		return nil, exceeded("TagsPerUser", maxTags)
	}
	u.tags = all
	r.requestParameters = map[string]any{"userName": u.name, "tags": trailTags(tags)}
	return nil, nil
}

func trailTags(tags []Tag) []any {
	var all []any
	for _, t := range tags {
		all = append(all, map[string]any{"key": t.Key, "value": t.Value})
	}
	return all
}

func (a *Account) untagUser(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	keys := r.members("TagKeys")
	u.tags = slices.DeleteFunc(slices.Clone(u.tags), func(t Tag) bool { return slices.Contains(keys, t.Key) })
	r.requestParameters = map[string]any{"userName": u.name, "tagKeys": keys}
	return nil, nil
}

func (a *Account) listUserTags(r *request) (any, error) {
	u, e := r.named(a.view())
	if e != nil {
		return nil, e
	}
	tags := slices.SortedFunc(slices.Values(u.tags), func(x, y Tag) int { return strings.Compare(x.Key, y.Key) })
	page, cut, e := paged(r, tags, func(t Tag) string { return t.Key })
	if e != nil {
		return nil, e
	}
	return struct {
		Tags list[Tag]
		cutXML
	}{listOf(page), cut}, nil
}

func (a *Account) checkBoundary(arn string) *apiError {
	if _, ok := a.policyText(arn); !ok {
		return noSuch("Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return nil
}

func (a *Account) putBoundary(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	arn := r.get("PermissionsBoundary")
	if e := a.checkBoundary(arn); e != nil {
		return nil, e
	}
	u.boundary = arn
	return nil, nil
}

func (a *Account) deleteBoundary(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	if u.boundary == "" {
		return nil, noSuch("The permissions boundary for user %s cannot be found.", u.name)
	}
	u.boundary = ""
	return nil, nil
}
