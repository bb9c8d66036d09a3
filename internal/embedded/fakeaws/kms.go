package fakeaws

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kmsKey is a KMS key.
type kmsKey struct {
	id, region, arn, description string
	spec, usage                  string
	// policy and grants name users and roles by unique id.
	policy    string
	grants    []Grant
	aliases   []string
	material  []byte
	createdAt time.Time
	// sealed keys are judged by their own policy alone.
	sealed bool
}

// Grant lets a principal use a key.
type Grant struct {
	// ID is made where empty.
	ID, Name string
	// Grantee is the ARN of a user or role.
	Grantee    string
	Operations []string
}

// KMSKeySpec is a KMS key to add.
type KMSKeySpec struct {
	Region string
	// Policy is AWS's default, which hands the key to the account's IAM policies, where empty.
	Policy      string
	Description string
	Grants      []Grant
	// Aliases begin with "alias/".
	Aliases []string
	// HMAC makes a key for GenerateMac instead of one for encryption.
	HMAC bool
	// Sealed has every call judged by the key's policy too, as AWS does: one that names a single user shuts even
	// administrators out.
	Sealed bool
}

func (a *Account) kmsService() *service {
	return &service{
		name: "kms", protocol: json11,
		operations: map[string]operation{
			"ListKeys":     {handle: a.listKeys},
			"ListAliases":  {handle: a.listAliases},
			"DescribeKey":  {handle: a.describeKey, resource: a.onField("kms", "key/", "KeyId")},
			"GetKeyPolicy": {handle: a.getKeyPolicy, resource: a.onField("kms", "key/", "KeyId")},
			"PutKeyPolicy": {write: true, handle: a.putKeyPolicy},
			"ListGrants":   {handle: a.listGrants, resource: a.onField("kms", "key/", "KeyId")},
			"CreateGrant":  {write: true, handle: a.createGrant},
			"CreateKey":    {write: true, handle: a.createKey},
			"GenerateMac":  {handle: a.generateMac},
			"VerifyMac":    {handle: a.verifyMac},
		},
	}
}

// AddKey makes a KMS key and returns its ARN.
func (a *Account) AddKey(s KMSKeySpec) string {
	defer a.enter()()
	return a.addKey(s).arn
}

func (a *Account) addKey(s KMSKeySpec) *kmsKey {
	k := &kmsKey{
		id: a.uuid(), region: s.Region, description: s.Description, createdAt: a.now(), aliases: s.Aliases, sealed: s.Sealed,
		spec: "SYMMETRIC_DEFAULT", usage: "ENCRYPT_DECRYPT", material: []byte(a.secret()),
	}
	if s.HMAC {
		k.spec, k.usage = "HMAC_256", "GENERATE_VERIFY_MAC"
	}
	k.arn = a.regionalARN("kms", s.Region, "key/"+k.id)
	k.policy = a.principalIDs(cmp.Or(s.Policy, `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",`+
		`"Principal":{"AWS":"`+a.arn("iam", "root")+`"},"Action":"kms:*","Resource":"*"}]}`))
	for _, g := range s.Grants {
		a.grant(k, g)
	}
	a.state.resources.keys = append(a.state.resources.keys, k)
	slices.SortFunc(a.state.resources.keys, func(x, y *kmsKey) int { return strings.Compare(x.id, y.id) })
	return k
}

func (a *Account) grant(k *kmsKey, g Grant) Grant {
	if g.ID == "" {
		g.ID = a.letters("0123456789abcdef", 64)
	}
	g.Grantee = a.storedPrincipal(g.Grantee)
	k.grants = append(k.grants, g)
	slices.SortFunc(k.grants, func(x, y Grant) int { return strings.Compare(x.ID, y.ID) })
	return g
}

// storedPrincipal and shownPrincipal are principalIDs and principalARNs for one principal.
func (a *Account) storedPrincipal(p string) string { return unwrap(a.principalIDs(wrap(p))) }

func (a *Account) shownPrincipal(p string) string { return unwrap(a.principalARNs(wrap(p))) }

const wrapping = `{"Statement":{"Principal":{"AWS":"`

func wrap(p string) string { return wrapping + p + `"}}}` }

func unwrap(document string) string {
	return strings.TrimSuffix(strings.TrimPrefix(document, wrapping), `"}}}`)
}

func (a *Account) keysIn(region string) []*kmsKey {
	return slices.DeleteFunc(slices.Clone(a.state.resources.keys), func(k *kmsKey) bool { return k.region != region })
}

// keyFor finds a key by id, ARN or (where allowed) alias, and asks a sealed key's policy.
func (a *Account) keyFor(r *request, id string, aliasToo bool) (*kmsKey, error) {
	r.target = id
	for _, k := range a.keysIn(r.region) {
		if k.id != id && k.arn != id && (!aliasToo || !slices.Contains(k.aliases, afterLast(id, ":"))) {
			continue
		}
		if k.sealed && !a.keyPolicyAllows(k, r) {
			return nil, refuse(http.StatusBadRequest, "AccessDeniedException", "User: %s is not authorized to perform: kms:%s on resource: %s because no resource-based policy allows the kms:%s action",
				r.caller.arn, r.action, k.arn, r.action)
		}
		return k, nil
	}
	if strings.HasPrefix(id, "alias/") {
		return nil, refuse(http.StatusBadRequest, "NotFoundException", "Alias %s is not found.", a.regionalARN("kms", r.region, id))
	}
	return nil, refuse(http.StatusBadRequest, "NotFoundException", "Key '%s' does not exist", a.regionalARN("kms", r.region, "key/"+afterLast(id, "/")))
}

// keyPolicyAllows looks for a statement that names the caller, its role, the account or everybody.
func (a *Account) keyPolicyAllows(k *kmsKey, r *request) bool {
	names := []string{"*", a.id, a.arn("iam", "root"), r.caller.arn}
	if s := r.caller.session; s != nil && s.role != nil {
		names = append(names, s.role.arn)
	}
	for _, s := range a.document(a.principalARNs(k.policy)).Statement {
		if s.Effect != "Allow" || !anyMatches(s.Action, strings.ToLower("kms:"+r.action), true, nil) {
			continue
		}
		for _, p := range principals(s.Principal) {
			if slices.Contains(names, p) {
				return true
			}
		}
	}
	return false
}

type kmsPage struct {
	KeyID      string `json:"KeyId"`
	Limit      *int
	Marker     string
	PolicyName string
}

func (in kmsPage) size(usual, most int) (int, error) {
	size := usual
	if in.Limit != nil {
		size = *in.Limit
	}
	if size < 1 || size > most {
		return 0, refuse(http.StatusBadRequest, "ValidationException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to %d", size, most)
	}
	return size, nil
}

func invalidMarker() error {
	return refuse(http.StatusBadRequest, "InvalidMarkerException", "The marker is not valid.")
}

type listedKey struct {
	KeyID  string `json:"KeyId"`
	KeyArn string
}

func (a *Account) listKeys(r *request) (any, error) {
	var in kmsPage
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size, err := in.size(100, 1000)
	if err != nil {
		return nil, err
	}
	page, next, ok := pageOf(r, a.keysIn(r.region), func(k *kmsKey) string { return k.id }, in.Marker, size)
	if !ok {
		return nil, invalidMarker()
	}
	out := struct {
		Keys       []listedKey
		NextMarker string `json:",omitempty"`
		Truncated  bool
	}{Keys: []listedKey{}, NextMarker: next, Truncated: next != ""}
	for _, k := range page {
		out.Keys = append(out.Keys, listedKey{KeyID: k.id, KeyArn: k.arn})
	}
	return out, nil
}

type listedAlias struct {
	AliasName, AliasArn string
	TargetKeyID         string `json:"TargetKeyId"`
	CreationDate        json.Number
}

func (a *Account) listAliases(r *request) (any, error) {
	var in kmsPage
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size, err := in.size(50, 100)
	if err != nil {
		return nil, err
	}
	var all []listedAlias
	for _, k := range a.keysIn(r.region) {
		if in.KeyID != "" && in.KeyID != k.id && in.KeyID != k.arn {
			continue
		}
		for _, alias := range k.aliases {
			all = append(all, listedAlias{AliasName: alias, AliasArn: a.regionalARN("kms", r.region, alias), TargetKeyID: k.id, CreationDate: epoch(k.createdAt)})
		}
	}
	slices.SortFunc(all, func(x, y listedAlias) int { return strings.Compare(x.AliasName, y.AliasName) })
	page, next, ok := pageOf(r, all, func(l listedAlias) string { return l.AliasName }, in.Marker, size)
	if !ok {
		return nil, invalidMarker()
	}
	return struct {
		Aliases    []listedAlias
		NextMarker string `json:",omitempty"`
		Truncated  bool
	}{append([]listedAlias{}, page...), next, next != ""}, nil
}

type keyMetadata struct {
	AWSAccountID string `json:"AWSAccountId"`
	KeyID        string `json:"KeyId"`
	Arn          string
	CreationDate json.Number
	Description  string
	Enabled      bool
	KeyManager   string
	KeySpec      string
	KeyState     string
	KeyUsage     string
	Origin       string
	MultiRegion  bool
	MacAlgorithm []string `json:"MacAlgorithms,omitempty"`
}

func (a *Account) metadata(k *kmsKey) keyMetadata {
	m := keyMetadata{
		AWSAccountID: a.id, KeyID: k.id, Arn: k.arn, CreationDate: epoch(k.createdAt), Description: k.description, Enabled: true,
		KeyManager: "CUSTOMER", KeySpec: k.spec, KeyState: "Enabled", KeyUsage: k.usage, Origin: "AWS_KMS",
	}
	if k.usage == "GENERATE_VERIFY_MAC" {
		m.MacAlgorithm = []string{macAlgorithm(k.spec)}
	}
	return m
}

func (a *Account) describeKey(r *request) (any, error) {
	var in kmsPage
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	k, err := a.keyFor(r, in.KeyID, true)
	if err != nil {
		return nil, err
	}
	return struct{ KeyMetadata keyMetadata }{a.metadata(k)}, nil
}

func (a *Account) getKeyPolicy(r *request) (any, error) {
	var in kmsPage
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	k, err := a.keyFor(r, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	if in.PolicyName != "" && in.PolicyName != "default" {
		return nil, refuse(http.StatusBadRequest, "NotFoundException", "No such policy exists")
	}
	return struct{ Policy, PolicyName string }{a.principalARNs(k.policy), "default"}, nil
}

// putKeyPolicy refuses a policy that names nobody who is there: after a user's deletion its bare id stands in the
// policy, and the policy can't be stored again until that is taken out.
func (a *Account) putKeyPolicy(r *request) (any, error) {
	var in struct {
		KeyID  string `json:"KeyId"`
		Policy string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	k, err := a.keyFor(r, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	if err := a.checkKeyPolicy(in.Policy); err != nil {
		return nil, err
	}
	k.policy = a.principalIDs(in.Policy)
	return nil, nil
}

func (a *Account) checkKeyPolicy(text string) error {
	d, err := parsePolicy(text)
	if err != nil {
		return refuse(http.StatusBadRequest, "MalformedPolicyDocumentException", "Policy is not valid JSON: %s", err)
	}
	for _, s := range d.Statement {
		for _, p := range principals(s.Principal) {
			if a.danglingPrincipal(p) {
				return refuse(http.StatusBadRequest, "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")
			}
		}
	}
	return nil
}

type listedGrant struct {
	KeyID            string `json:"KeyId"`
	GrantID          string `json:"GrantId"`
	Name             string `json:",omitempty"`
	CreationDate     json.Number
	GranteePrincipal string
	IssuingAccount   string
	Operations       []string
}

func (a *Account) listGrants(r *request) (any, error) {
	var in kmsPage
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size, err := in.size(50, 100)
	if err != nil {
		return nil, err
	}
	k, err := a.keyFor(r, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	page, next, ok := pageOf(r, k.grants, func(g Grant) string { return g.ID }, in.Marker, size)
	if !ok {
		return nil, invalidMarker()
	}
	out := struct {
		Grants     []listedGrant
		NextMarker string `json:",omitempty"`
		Truncated  bool
	}{Grants: []listedGrant{}, NextMarker: next, Truncated: next != ""}
	for _, g := range page {
		out.Grants = append(out.Grants, listedGrant{
			KeyID: k.arn, GrantID: g.ID, Name: g.Name, CreationDate: epoch(k.createdAt), GranteePrincipal: a.shownPrincipal(g.Grantee),
			IssuingAccount: a.arn("iam", "root"), Operations: g.Operations,
		})
	}
	return out, nil
}

func (a *Account) createGrant(r *request) (any, error) {
	var in struct {
		KeyID            string `json:"KeyId"`
		GranteePrincipal string
		Operations       []string
		Name             string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	k, err := a.keyFor(r, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	if a.danglingPrincipal(in.GranteePrincipal) {
		return nil, refuse(http.StatusBadRequest, "InvalidArnException", "ARN does not refer to a valid principal: %s", in.GranteePrincipal)
	}
	g := a.grant(k, Grant{Name: in.Name, Grantee: in.GranteePrincipal, Operations: in.Operations})
	return struct {
		GrantID    string `json:"GrantId"`
		GrantToken string
	}{g.ID, a.secret()}, nil
}

func (a *Account) createKey(r *request) (any, error) {
	var in struct{ Policy, Description, KeySpec, KeyUsage string }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Policy != "" {
		if err := a.checkKeyPolicy(in.Policy); err != nil {
			return nil, err
		}
	}
	k := a.addKey(KMSKeySpec{Region: r.region, Policy: in.Policy, Description: in.Description})
	k.spec, k.usage = cmp.Or(in.KeySpec, k.spec), cmp.Or(in.KeyUsage, k.usage)
	if strings.HasPrefix(k.spec, "HMAC_") != (k.usage == "GENERATE_VERIFY_MAC") {
		a.state.resources.keys = slices.DeleteFunc(a.state.resources.keys, func(other *kmsKey) bool { return other == k })
		return nil, refuse(http.StatusBadRequest, "ValidationException", "KeyUsage %s is not compatible with KeySpec %s", k.usage, k.spec)
	}
	return struct{ KeyMetadata keyMetadata }{a.metadata(k)}, nil
}
