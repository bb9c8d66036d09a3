package fakeaws

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

func (a *Account) keyOperations() map[string]operation {
	return map[string]operation{
		"CreateAccessKey":      writeUser(a.createAccessKey),
		"ListAccessKeys":       onUser(a.listAccessKeys),
		"UpdateAccessKey":      writeUser(a.updateAccessKey),
		"DeleteAccessKey":      writeUser(a.deleteAccessKey),
		"GetAccessKeyLastUsed": {handle: a.getAccessKeyLastUsed, resource: a.onKeysUser},
	}
}

type accessKeyXML struct {
	UserName, AccessKeyId, Status string
	SecretAccessKey               string `xml:",omitempty"`
	CreateDate                    *stamp
}

func (a *Account) newKey(u *user, created time.Time) *accessKey {
	k := &accessKey{id: a.keyID("AKIA"), secret: a.secret(), status: active, created: created.UTC(), user: u}
	u.keys = append(u.keys, k)
	a.state.iam.keys[k.id] = k
	return k
}

func (a *Account) createAccessKey(r *request) (any, error) {
	u, e := r.namedOrCaller(a.state.iam)
	if e != nil {
		return nil, e
	}
	if len(u.keys) >= maxKeys {
		return nil, exceeded("AccessKeysPerUser", maxKeys)
	}
	k := a.newKey(u, a.now())
	r.responseElements = map[string]any{"accessKey": map[string]any{"userName": u.name, "accessKeyId": k.id, "status": k.status}}
	return struct{ AccessKey accessKeyXML }{accessKeyXML{u.name, k.id, k.status, k.secret, stampOf(k.created)}}, nil
}

func (a *Account) listAccessKeys(r *request) (any, error) {
	u, e := r.namedOrCaller(a.view())
	if e != nil {
		return nil, e
	}
	keys := make([]accessKeyXML, len(u.keys))
	for i, k := range u.keys {
		keys[i] = accessKeyXML{u.name, k.id, k.status, "", stampOf(k.created)}
	}
	slices.SortFunc(keys, func(x, y accessKeyXML) int { return strings.Compare(x.AccessKeyId, y.AccessKeyId) })
	page, cut, e := paged(r, keys, func(k accessKeyXML) string { return k.AccessKeyId })
	if e != nil {
		return nil, e
	}
	return struct {
		AccessKeyMetadata list[accessKeyXML]
		cutXML
		UserName string
	}{listOf(page), cut, u.name}, nil
}

func (r *request) accessKey() (*user, *accessKey, *apiError) {
	u, e := r.namedOrCaller(r.account.state.iam)
	if e != nil {
		return nil, nil, e
	}
	id := r.get("AccessKeyId")
	if id == "" {
		return nil, nil, required("accessKeyId")
	}
	for _, k := range u.keys {
		if k.id == id {
			return u, k, nil
		}
	}
	return nil, nil, noSuch("The Access Key with id %s cannot be found.", id)
}

func (a *Account) updateAccessKey(r *request) (any, error) {
	_, k, e := r.accessKey()
	if e != nil {
		return nil, e
	}
	status, e := r.toggle()
	if e != nil {
		return nil, e
	}
	k.status = status
	return nil, nil
}

func (a *Account) deleteAccessKey(r *request) (any, error) {
	u, k, e := r.accessKey()
	if e != nil {
		return nil, e
	}
	u.keys = slices.DeleteFunc(u.keys, func(other *accessKey) bool { return other == k })
	delete(a.state.iam.keys, k.id)
	return nil, nil
}

// getAccessKeyLastUsed answers AccessDenied for a key that isn't the account's, and N/A without a date for one that
// was never used. See https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html.
func (a *Account) getAccessKeyLastUsed(r *request) (any, error) {
	id := r.get("AccessKeyId")
	if id == "" {
		return nil, required("accessKeyId")
	}
	r.target = id
	k, ok := a.view().keys[id]
	if !ok {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key %s", r.caller.arn, id)
	}
	type lastUsedXML struct {
		LastUsedDate        *stamp `xml:",omitempty"`
		ServiceName, Region string
	}
	used := lastUsedXML{ServiceName: "N/A", Region: "N/A"}
	if !k.lastUsed.At.IsZero() {
		used = lastUsedXML{stampOf(k.lastUsed.At), k.lastUsed.Service, k.lastUsed.Region}
	}
	return struct {
		UserName          string
		AccessKeyLastUsed lastUsedXML
	}{k.user.name, used}, nil
}
