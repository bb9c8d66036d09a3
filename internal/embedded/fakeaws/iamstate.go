package fakeaws

import (
	"maps"
	"slices"
	"time"
)

const (
	active   = "Active"
	inactive = "Inactive"
)

// iamState is what IAM remembers.
type iamState struct {
	users    map[string]*user
	deleted  []DeletedUser
	keys     map[string]*accessKey
	groups   map[string]*group
	roles    map[string]*role
	policies map[string]*managedPolicy
	// virtual are all virtual MFA devices by serial number, assigned or not.
	virtual map[string]*mfaDevice
	aliases []string
	root    RootSpec
	report  *credentialReport
	jobs    map[string]accessAdvisorJob
	// history holds earlier states, oldest first, where reads lag.
	history []pastIAM
	// sorted are the user names in order; nil after a change.
	sorted []string
}

type pastIAM struct {
	from  time.Time
	state *iamState
}

type user struct {
	id, name, path, arn string
	created             time.Time
	tags                []Tag
	boundary            string
	password            *password
	passwordLastUsed    time.Time
	keys                []*accessKey
	sshKeys             []*sshKey
	certificates        []*certificate
	serviceCredentials  []*serviceCredential
	mfa                 []*mfaDevice
	inline              map[string]string
	attached            []string
	groups              []string
	// accessed is Access Advisor's memory: when each service was last asked.
	accessed  map[string]time.Time
	deletedAt time.Time
}

type password struct {
	created       time.Time
	resetRequired bool
}

type accessKey struct {
	id, secret, status string
	created            time.Time
	lastUsed           LastUsed
	user               *user
}

type sshKey struct {
	id, status, body, fingerprint string
	uploaded                      time.Time
}

type certificate struct {
	id, status, body string
	uploaded         time.Time
}

type serviceCredential struct {
	id, service, status, userName, alias string
	created, expires                     time.Time
}

type mfaDevice struct {
	serial  string
	enabled time.Time
	// owner is the user's name while assigned.
	owner string
}

type group struct {
	id, name, path, arn string
	created             time.Time
	inline              map[string]string
	attached            []string
}

type role struct {
	id, name, path, arn, description, trust, boundary string
	created                                           time.Time
	inline                                            map[string]string
	attached                                          []string
	tags                                              []Tag
	lastUsed                                          LastUsed
}

type managedPolicy struct {
	id, name, path, arn, description, document string
	created                                    time.Time
	tags                                       []Tag
}

func newIAMState() *iamState {
	return &iamState{
		users: map[string]*user{}, keys: map[string]*accessKey{}, groups: map[string]*group{}, roles: map[string]*role{},
		policies: map[string]*managedPolicy{}, virtual: map[string]*mfaDevice{}, jobs: map[string]accessAdvisorJob{},
	}
}

func (s *iamState) userNames() []string {
	if s.sorted == nil {
		s.sorted = slices.Sorted(maps.Keys(s.users))
	}
	return s.sorted
}

func (s *iamState) userByID(id string) *user {
	for _, u := range s.users {
		if u.id == id {
			return u
		}
	}
	return nil
}

// add and remove keep the order of names.
func (s *iamState) add(u *user) {
	s.users[u.name] = u
	s.sorted = nil
}

func (s *iamState) remove(u *user) {
	delete(s.users, u.name)
	s.sorted = nil
}

// clone is a copy that later changes don't reach.
func (s *iamState) clone() *iamState {
	c := newIAMState()
	c.root, c.report, c.aliases, c.deleted, c.jobs = s.root, s.report, slices.Clone(s.aliases), slices.Clone(s.deleted), maps.Clone(s.jobs)
	for name, u := range s.users {
		copied := u.clone()
		c.users[name] = copied
		for _, k := range copied.keys {
			c.keys[k.id] = k
		}
	}
	for name, g := range s.groups {
		copied := *g
		copied.inline, copied.attached = maps.Clone(g.inline), slices.Clone(g.attached)
		c.groups[name] = &copied
	}
	for name, r := range s.roles {
		copied := *r
		copied.inline, copied.attached = maps.Clone(r.inline), slices.Clone(r.attached)
		c.roles[name] = &copied
	}
	for arn, p := range s.policies {
		copied := *p
		c.policies[arn] = &copied
	}
	for serial, d := range s.virtual {
		copied := *d
		c.virtual[serial] = &copied
	}
	return c
}

func (u *user) clone() *user {
	c := *u
	c.tags, c.attached, c.groups = slices.Clone(u.tags), slices.Clone(u.attached), slices.Clone(u.groups)
	c.inline, c.accessed = maps.Clone(u.inline), maps.Clone(u.accessed)
	if u.password != nil {
		p := *u.password
		c.password = &p
	}
	c.keys, c.sshKeys, c.certificates = copies(u.keys), copies(u.sshKeys), copies(u.certificates)
	c.serviceCredentials, c.mfa = copies(u.serviceCredentials), copies(u.mfa)
	for _, k := range c.keys {
		k.user = &c
	}
	return &c
}

func copies[T any](items []*T) []*T {
	out := make([]*T, len(items))
	for i, item := range items {
		c := *item
		out[i] = &c
	}
	return out
}

// remember keeps the state before a write, for reads that lag behind.
func (a *Account) remember() {
	if a.config.IAMLag == 0 {
		return
	}
	s := a.state.iam
	if n := len(s.history); n > 0 && s.history[n-1].from.Equal(a.now()) {
		return // the state before this moment is kept already
	}
	s.history = append(s.history, pastIAM{from: a.now(), state: s.clone()})
	limit := a.now().Add(-a.config.IAMLag)
	for len(s.history) > 1 && !s.history[0].from.After(limit) {
		s.history = s.history[1:]
	}
}

// view is the state that reads over the wire see: that of IAMLag ago.
func (a *Account) view() *iamState {
	s := a.state.iam
	limit := a.now().Add(-a.config.IAMLag)
	for _, past := range s.history {
		if past.from.After(limit) {
			return past.state
		}
	}
	return s
}

func (a *Account) userARN(u *user) string { return u.arn }

func (a *Account) iamARN(kind, path, name string) string { return a.arn("iam", kind+path+name) }

// policyText is the document of a managed policy, the customer's or AWS's own.
func (a *Account) policyText(arn string) (string, bool) {
	if p, ok := a.state.iam.policies[arn]; ok {
		return p.document, true
	}
	text, ok := awsManagedPolicies()[arn]
	return text, ok
}

func (a *Account) userDocuments(u *user) []string {
	documents := a.documentsOf(nil, u.inline, u.attached)
	for _, name := range u.groups {
		if g := a.state.iam.groups[name]; g != nil {
			documents = a.documentsOf(documents, g.inline, g.attached)
		}
	}
	return documents
}

func (a *Account) roleDocuments(r *role) []string { return a.documentsOf(nil, r.inline, r.attached) }

func (a *Account) documentsOf(documents []string, inline map[string]string, attached []string) []string {
	for _, name := range slices.Sorted(maps.Keys(inline)) {
		documents = append(documents, inline[name])
	}
	for _, arn := range attached {
		if text, ok := a.policyText(arn); ok {
			documents = append(documents, text)
		}
	}
	return documents
}

// awsManagedPolicies are the AWS-managed ones that the account knows, shortened to what decides calls here.
func awsManagedPolicies() map[string]string {
	allowing := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":"*"}]}`
	}
	const prefix = "arn:aws:iam::aws:policy/"
	return map[string]string{
		prefix + "AdministratorAccess":                 allowing(`"*"`),
		prefix + "AWSDenyAll":                          `{"Version":"2012-10-17","Statement":[{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}]}`,
		prefix + "PowerUserAccess":                     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:ListRegions","iam:ListRoles"],"Resource":"*"}]}`,
		prefix + "ReadOnlyAccess":                      allowing(`["*:Get*","*:List*","*:Describe*","*:Lookup*","*:BatchGet*"]`),
		prefix + "SecurityAudit":                       allowing(`["iam:Get*","iam:List*","iam:Generate*","cloudtrail:Describe*","cloudtrail:LookupEvents","s3:GetBucket*","kms:Describe*","kms:List*","kms:GetKeyPolicy"]`),
		prefix + "IAMFullAccess":                       allowing(`"iam:*"`),
		prefix + "IAMReadOnlyAccess":                   allowing(`["iam:Get*","iam:List*","iam:Generate*"]`),
		prefix + "IAMUserChangePassword":               `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ChangePassword"],"Resource":["arn:aws:iam::*:user/${aws:username}"]},{"Effect":"Allow","Action":["iam:GetAccountPasswordPolicy"],"Resource":"*"}]}`,
		prefix + "AmazonS3FullAccess":                  allowing(`"s3:*"`),
		prefix + "AmazonS3ReadOnlyAccess":              allowing(`["s3:Get*","s3:List*","s3:Describe*"]`),
		prefix + "AmazonEC2FullAccess":                 allowing(`"ec2:*"`),
		prefix + "AmazonEC2ReadOnlyAccess":             allowing(`["ec2:Describe*","ec2:Get*"]`),
		prefix + "AmazonSESFullAccess":                 allowing(`"ses:*"`),
		prefix + "AmazonBedrockFullAccess":             allowing(`"bedrock:*"`),
		prefix + "AmazonBedrockLimitedAccess":          allowing(`["bedrock:Get*","bedrock:List*","bedrock:CallWithBearerToken","bedrock:InvokeModel*"]`),
		prefix + "AWSCodeCommitPowerUser":              allowing(`"codecommit:*"`),
		prefix + "AmazonEC2ContainerRegistryPowerUser": allowing(`"ecr:*"`),
		prefix + "CloudWatchAgentServerPolicy":         allowing(`["cloudwatch:PutMetricData","logs:*"]`),
		prefix + "CloudWatchReadOnlyAccess":            allowing(`["cloudwatch:Get*","cloudwatch:List*","cloudwatch:Describe*","logs:Get*","logs:Describe*"]`),
		prefix + "CloudWatchLogsFullAccess":            allowing(`"logs:*"`),
		prefix + "AmazonDynamoDBFullAccess":            allowing(`"dynamodb:*"`),
		prefix + "AmazonSQSFullAccess":                 allowing(`"sqs:*"`),
		prefix + "AmazonSNSFullAccess":                 allowing(`"sns:*"`),
		prefix + "AWSLambda_FullAccess":                allowing(`"lambda:*"`),
		prefix + "SecretsManagerReadWrite":             allowing(`"secretsmanager:*"`),
		prefix + "job-function/Billing":                allowing(`["aws-portal:*","budgets:*","ce:*"]`),
		prefix + "job-function/ViewOnlyAccess":         allowing(`["*:List*","*:Describe*"]`),
	}
}
