package ownership_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	blocking  = sunset.Blocking
	informing = sunset.Informing
)

// statement writes a policy of one statement; rest is further elements.
func statement(effect, rest string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":"*","Resource":"*",%s}]}`, effect, rest)
}

func TestEachServiceAndEachWayOfNaming(t *testing.T) {
	for _, row := range []struct {
		name   string
		policy string // SUBJECT, LEAVER, STAYER, KEEPER stand for ARNs, SUBJECT-ID for the UserId
		how    string // empty: no reference
		weight sunset.Weight
	}{
		{"the only principal", statement("Allow", `"Principal":{"AWS":"SUBJECT"}`), "arn", blocking},
		{"with one who goes too", statement("Allow", `"Principal":{"AWS":["SUBJECT","LEAVER"]}`), "arn", blocking},
		{"with a user who is gone", statement("Allow", `"Principal":{"AWS":["SUBJECT","AIDAGONEGONEGONEGONE1"]}`), "arn", blocking},
		{"with a user who stays", statement("Allow", `"Principal":{"AWS":["SUBJECT","STAYER"]}`), "arn", informing},
		{"with a role", statement("Allow", `"Principal":{"AWS":["SUBJECT","KEEPER"]}`), "arn", informing},
		{"with a role's session", statement("Allow", `"Principal":{"AWS":["SUBJECT","arn:aws:sts::123456789012:assumed-role/keeper/me"]}`), "arn", informing},
		{"with a session of no role", statement("Allow", `"Principal":{"AWS":["SUBJECT","arn:aws:sts::123456789012:assumed-role/gone/me"]}`), "arn", blocking},
		{"with the account", statement("Allow", `"Principal":{"AWS":["SUBJECT","arn:aws:iam::123456789012:root"]}`), "arn", informing},
		{"with the account's number", statement("Allow", `"Principal":{"AWS":["SUBJECT","123456789012"]}`), "arn", informing},
		{"with another account", statement("Allow", `"Principal":{"AWS":["SUBJECT","arn:aws:iam::999999999999:user/subject"]}`), "arn", informing},
		{"with a service", statement("Allow", `"Principal":{"AWS":"SUBJECT","Service":"logs.amazonaws.com"}`), "arn", informing},
		{"with a Deny on others", statement("Deny", `"Principal":{"AWS":"SUBJECT"}`), "arn", informing},
		{"condition on the ARN", statement("Allow", `"Principal":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"SUBJECT"}}`), "condition", blocking},
		{"condition by pattern", statement("Allow", `"Principal":"*","Condition":{"StringLike":{"aws:principalarn":["arn:aws:iam::*:user/team/subj*"]}}`), "condition", blocking},
		{"condition on the id", statement("Allow", `"Principal":{"AWS":"*"},"Condition":{"StringEquals":{"aws:userid":"SUBJECT-ID"}}`), "condition", blocking},
		{"condition on the name", statement("Allow", `"Principal":"*","Condition":{"ForAnyValue:StringEqualsIfExists":{"aws:username":["subject","leaver"]}}`), "condition", blocking},
		{"condition with one who stays", statement("Allow", `"Principal":"*","Condition":{"StringEquals":{"aws:username":["subject","stayer"]}}`), "condition", informing},
		{"condition with a role", statement("Allow", `"Principal":"*","Condition":{"ArnLike":{"aws:PrincipalArn":["SUBJECT","KEEPER"]}}`), "condition", informing},
		{"condition on a tag of principals", statement("Allow", `"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalTag/name":"subject"}}`), "", ""},
		{"condition that fits every user", statement("Allow", `"Principal":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/*"}}`), "", ""},
		{"NotPrincipal of candidates only", statement("Deny", `"NotPrincipal":{"AWS":["SUBJECT","LEAVER"]}`), "arn", blocking},
		{"NotPrincipal with the root user", statement("Deny", `"NotPrincipal":{"AWS":["SUBJECT","arn:aws:iam::123456789012:root"]}`), "arn", blocking},
		{"NotPrincipal with one who stays", statement("Deny", `"NotPrincipal":{"AWS":["SUBJECT","STAYER"]}`), "arn", informing},
		{"a Deny that exempts it by condition", statement("Deny", `"Principal":"*","Condition":{"ArnNotEquals":{"aws:PrincipalArn":["SUBJECT"]}}`), "condition", blocking},
		{"a Deny that exempts it by id", statement("Deny", `"Principal":"*","Condition":{"StringNotLike":{"aws:userId":["SUBJECT-ID"]}}`), "condition", blocking},
		{"a Deny that exempts others too", statement("Deny", `"Principal":"*","Condition":{"StringNotEquals":{"aws:PrincipalArn":["SUBJECT","KEEPER"]}}`), "condition", informing},
		{"a Deny that exempts two ways", statement("Deny", `"Principal":"*","Condition":{"StringNotEquals":{"aws:username":"subject"},"ArnNotLike":{"aws:PrincipalArn":"KEEPER"}}`), "condition", informing},
		{"a Deny on one other", statement("Deny", `"Principal":{"AWS":"KEEPER"},"Condition":{"StringNotEquals":{"aws:username":"subject"}}`), "condition", informing},
		{"an Allow to all others", statement("Allow", `"NotPrincipal":{"AWS":"SUBJECT"}`), "arn", informing},
		{"somebody of a longer name", statement("Allow", `"Principal":{"AWS":"arn:aws:iam::123456789012:user/team/subject-2"}`), "", ""},
		{"nobody", statement("Allow", `"Principal":{"AWS":"KEEPER"}`), "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			policy := strings.NewReplacer("SUBJECT-ID", w.subject.ID, "SUBJECT", w.subject.ARN, "LEAVER", w.leaver.ARN,
				"STAYER", w.stayer.ARN, "KEEPER", w.keeper).Replace(row.policy)
			resources := w.everywhere(home, policy)
			r := w.look(w.query())
			require.Nil(t, r.Cursor)
			require.Empty(t, r.Gaps)
			refs := w.refs(r)
			for service, resource := range resources {
				if row.how == "" {
					require.Empty(t, refs[service])
					continue
				}
				require.Len(t, refs[service], 1, service)
				got := refs[service][0]
				require.NotEmpty(t, got.Detail)
				got.Detail = ""
				require.Equal(t, sunset.Reference{Service: service, Region: home, Resource: resource, How: row.how, Weight: row.weight}, got)
			}
			require.Len(t, r.References, len(slices.Compact([]string{row.how, ""}))-1, "nobody but candidates is told")
		})
	}
}

func TestTrustAndManagedPoliciesNeedNoCall(t *testing.T) {
	w := newWorld(t)
	trust := func(principal string) string {
		return `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}}`
	}
	q := w.query()
	q.Trust = []ownership.Document{
		{ARN: "arn:aws:iam::123456789012:role/by-arn", JSON: trust(w.subject.ARN)},
		{ARN: "arn:aws:iam::123456789012:role/by-id", JSON: trust(w.subject.ID)},
		{ARN: "arn:aws:iam::123456789012:role/others", JSON: trust(w.keeper)},
		{ARN: "arn:aws:iam::123456789012:policy/about", JSON: `{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"` + w.subject.ARN + `"}}`},
		{ARN: "arn:aws:iam::123456789012:policy/if", JSON: `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"subject"}}}}`},
		{ARN: "arn:aws:iam::123456789012:policy/unless", JSON: `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:username":"subject"}}}}`},
		{ARN: "arn:aws:iam::123456789012:policy/broken", JSON: `{"Statement":`},
	}
	q.GroupsOf = map[string][]string{w.subject.ID: {"admins"}, w.stayer.ID: {"admins"}}
	q.InlineOf = map[string][]string{w.subject.ID: {"own"}}
	r := w.look(q)
	got := map[string]string{}
	for _, ref := range r.References[w.subject.ID] {
		require.Equal(t, "iam", ref.Service)
		got[ref.Resource[strings.LastIndex(ref.Resource, "/")+1:]] = ref.How + " " + string(ref.Weight)
	}
	require.Equal(t, map[string]string{
		"by-arn": "arn blocking", "by-id": "user-id blocking", "about": "arn informing", "if": "condition informing",
		"unless": "condition blocking", "admins": "group informing", "own": "inline-policy informing",
	}, got)
	require.Len(t, r.References, 1)
	require.Len(t, r.Gaps, 1)
	require.Contains(t, r.Gaps[0].Why, "policy/broken")
	require.Equal(t, "iam", r.Gaps[0].Service())
}

func TestAKeyThatWouldBecomeUnmanageable(t *testing.T) {
	w := newWorld(t)
	users := func(who string) string {
		return `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"` + w.keeper + `"},"Action":["kms:Encrypt","kms:Describe*"],"Resource":"*"},` +
			`{"Effect":"Allow","Principal":{"AWS":[` + who + `]},"Action":"kms:*","Resource":"*"}]}`
	}
	alone := w.AddKey(fakeaws.KMSKeySpec{Region: home, Policy: users(`"` + w.subject.ARN + `"`)})
	shared := w.AddKey(fakeaws.KMSKeySpec{Region: home, Policy: users(`"` + w.subject.ARN + `","` + w.stayer.ARN + `"`)})
	weights := map[string]sunset.Weight{}
	for _, ref := range w.refs(w.look(w.query()))["kms"] {
		weights[ref.Resource] = ref.Weight
	}
	require.Equal(t, map[string]sunset.Weight{alone: blocking, shared: informing}, weights)
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	dead := statement("Allow", `"Principal":{"AWS":"AIDAGONEGONEGONEGONE1"}`)
	grant := func(to string) fakeaws.Grant { return fakeaws.Grant{Grantee: to, Operations: []string{"Decrypt"}} }
	managed := w.AddKey(fakeaws.KMSKeySpec{Region: home, Grants: []fakeaws.Grant{grant(w.subject.ARN)}})
	last := w.AddKey(fakeaws.KMSKeySpec{Region: home, Policy: dead, Grants: []fakeaws.Grant{grant(w.subject.ARN), grant(w.leaver.ARN)}})
	other := w.AddKey(fakeaws.KMSKeySpec{Region: home, Policy: dead, Grants: []fakeaws.Grant{grant(w.subject.ARN), grant(w.keeper)}})
	weights := map[string]sunset.Weight{}
	for _, ref := range w.refs(w.look(w.query()))["kms"] {
		require.Equal(t, "grant", ref.How)
		require.Contains(t, ref.Detail, "lets it Decrypt")
		weights[ref.Resource] = ref.Weight
	}
	require.Equal(t, map[string]sunset.Weight{managed: informing, last: blocking, other: informing}, weights)
}

func TestWithoutRegionsEachRegionalServiceIsAGap(t *testing.T) {
	w := newWorld(t)
	w.everywhere(home, statement("Allow", `"Principal":{"AWS":"`+w.subject.ARN+`"}`))
	q := w.query()
	q.Regions = nil
	r := w.look(q)
	require.Len(t, r.Gaps, 7)
	require.Len(t, w.refs(r), 1, "buckets are of no region")
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	w.AddTagged("arn:aws:ec2:eu-west-1:123456789012:instance/i-1", home, map[string]string{"created-by": w.subject.ARN})
	w.AddTagged("arn:aws:ec2:eu-west-1:123456789012:instance/i-2", home, map[string]string{"owner": "subject"})
	w.AddTagged("arn:aws:ec2:eu-west-1:123456789012:instance/i-3", home, map[string]string{"owner": "subject-2", "subject": "x"})
	w.AddTagged("arn:aws:ec2:eu-west-1:123456789012:instance/i-4", home, map[string]string{"principal": w.subject.ID})
	var got []string
	for _, ref := range w.refs(w.look(w.query()))["tag"] {
		require.Equal(t, informing, ref.Weight)
		got = append(got, ref.Resource[len(ref.Resource)-3:])
	}
	require.Equal(t, []string{"i-1", "i-2", "i-4"}, got)
}

func TestWhatCanNotBeReadIsAGapAndTheRestIsRead(t *testing.T) {
	sole := func(w *world) string { return statement("Allow", `"Principal":{"AWS":"`+w.subject.ARN+`"}`) }
	for _, row := range []struct {
		service, action, gap string
	}{
		{"s3", "ListBuckets", "s3:ListAllMyBuckets"},
		{"s3", "GetBucketPolicy", "s3:GetBucketPolicy"},
		{"kms", "ListKeys", "kms:ListKeys"},
		{"kms", "DescribeKey", "kms:DescribeKey"},
		{"kms", "GetKeyPolicy", "kms:GetKeyPolicy"},
		{"kms", "ListGrants", "kms:ListGrants"},
		{"sns", "ListTopics", "sns:ListTopics"},
		{"sns", "GetTopicAttributes", "sns:GetTopicAttributes"},
		{"sqs", "ListQueues", "sqs:ListQueues"},
		{"sqs", "GetQueueAttributes", "sqs:GetQueueAttributes"},
		{"lambda", "ListFunctions", "lambda:ListFunctions"},
		{"lambda", "GetPolicy", "lambda:GetPolicy"},
		{"secretsmanager", "ListSecrets", "secretsmanager:ListSecrets"},
		{"secretsmanager", "GetResourcePolicy", "secretsmanager:GetResourcePolicy"},
		{"ecr", "DescribeRepositories", "ecr:DescribeRepositories"},
		{"ecr", "GetRepositoryPolicy", "ecr:GetRepositoryPolicy"},
		{"tagging", "GetResources", "tag:GetResources"},
	} {
		for code, status := range map[string]int{"AccessDenied": http.StatusForbidden, "UnknownOperationException": http.StatusNotFound} {
			t.Run(row.gap+" "+code, func(t *testing.T) {
				w := newWorld(t, home)
				resources := w.everywhere(home, sole(w))
				w.Fail(fakeaws.Fault{Service: row.service, Action: row.action, Code: code, Status: status})
				r := w.look(w.query())
				require.Nil(t, r.Cursor)
				require.Len(t, r.Gaps, 1)
				require.Equal(t, row.gap, r.Gaps[0].Action)
				require.Contains(t, r.Gaps[0].Why, code)
				want := len(resources)
				if row.service != "tagging" {
					want--
				}
				require.Len(t, w.refs(r), want)
			})
		}
	}
}

func TestASingleClosedBucketIsNamed(t *testing.T) {
	w := newWorld(t)
	for i := range 9 {
		w.AddBucket(fmt.Sprintf("b%d", i), "us-east-1", statement("Allow", `"Principal":{"AWS":"`+w.subject.ARN+`"}`))
	}
	closed := func(first int) func() {
		return w.Fail(fakeaws.Fault{Service: "s3", Action: "GetBucketPolicy", Code: "AccessDenied", Status: http.StatusForbidden, Match: func(c fakeaws.Call) bool {
			return c.Params["Bucket"] >= fmt.Sprintf("b%d", first)
		}})
	}
	open := closed(8)
	r := w.look(w.query())
	require.Equal(t, []sunset.Gap{{Action: "s3:GetBucketPolicy", Region: "us-east-1", Why: "access denied (AccessDenied): b8"}}, r.Gaps)
	require.Len(t, w.refs(r)["s3"], 8)
	open()
	closed(0)
	r = w.look(w.query())
	require.Len(t, r.Gaps, 6, "five by name, the others in one")
}

func TestAClosedRegionIsGapsOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.everywhere(home, statement("Allow", `"Principal":{"AWS":"`+w.subject.ARN+`"}`))
	w.CloseRegion("us-east-1")
	r := w.look(w.query())
	services := map[string]bool{}
	for _, g := range r.Gaps {
		services[g.Service()] = true
		require.Contains(t, []string{"us-east-1", ""}, g.Region)
	}
	require.Len(t, services, 8)
	require.Len(t, w.refs(r), 6, "buckets are listed in us-east-1; all else is read")
}

func TestWhatIsGoneBetweenListAndGetIsPassedOver(t *testing.T) {
	w := newWorld(t, home)
	w.everywhere(home, statement("Allow", `"Principal":{"AWS":"`+w.subject.ARN+`"}`))
	for service, code := range map[string]string{
		"s3": "NoSuchBucket", "kms": "NotFoundException", "sns": "NotFound", "sqs": "AWS.SimpleQueueService.NonExistentQueue",
		"lambda": "ResourceNotFoundException", "secretsmanager": "ResourceNotFoundException", "ecr": "RepositoryNotFoundException",
	} {
		w.Fail(fakeaws.Fault{Service: service, Code: code, Status: http.StatusNotFound, Match: func(c fakeaws.Call) bool {
			return !strings.HasPrefix(c.Action, "List") && c.Action != "DescribeRepositories"
		}})
	}
	r := w.look(w.query())
	require.Empty(t, r.Gaps)
	require.Empty(t, r.References)
}

func TestThrottlingIsWaitedOutAndThenLeft(t *testing.T) {
	w := newWorld(t)
	w.everywhere(home, statement("Allow", `"Principal":{"AWS":"`+w.subject.ARN+`"}`))
	w.Fail(fakeaws.Fault{Service: "kms", Times: 5, Throttle: true})
	r := w.look(w.query())
	require.Empty(t, r.Gaps)
	require.Len(t, w.refs(r), 7)

	storm := w.Fail(fakeaws.Fault{Service: "sqs", Throttle: true})
	q := w.query()
	r = w.look(q)
	require.NotNil(t, r.Cursor)
	q.Cursor = r.Cursor
	err := w.run(func(ctx context.Context) error {
		_, err := w.survey().Look(ctx, q, nil)
		return err
	})
	require.Equal(t, sunset.Throttled, sunset.KindOf(err))
	require.Equal(t, "sqs:ListQueues", sunset.ActionOf(err))
	storm()
	r.Add(w.look(q))
	require.Nil(t, r.Cursor)
	require.Len(t, w.refs(r), 7)

	w.Fail(fakeaws.Fault{Code: "ExpiredTokenException", Status: http.StatusForbidden})
	err = w.run(func(ctx context.Context) error {
		_, err := w.survey().Look(ctx, w.query(), nil)
		return err
	})
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
}

func TestPagesAndPiecesGiveTheSame(t *testing.T) {
	w := newWorld(t)
	sole := statement("Allow", `"Principal":{"AWS":"`+w.subject.ARN+`"}`)
	for i := range 7 {
		for _, region := range w.Regions() {
			w.AddKey(fakeaws.KMSKeySpec{Region: region, Policy: sole, Grants: []fakeaws.Grant{{Grantee: w.subject.ARN}, {Grantee: w.stayer.ARN}}})
			w.AddTopic(fmt.Sprintf("t%d", i), region, sole)
			w.AddQueue(fmt.Sprintf("q%d", i), region, sole)
			w.AddFunction(fmt.Sprintf("f%d", i), region, sole)
			w.AddSecret(fmt.Sprintf("s%d", i), region, sole)
			w.AddRepository(fmt.Sprintf("r%d", i), region, sole)
			w.AddTagged(fmt.Sprintf("arn:aws:ec2:%s:123456789012:instance/i-%d", region, i), region, map[string]string{"owner": "subject"})
		}
		w.AddBucket(fmt.Sprintf("b%d", i), home, sole)
	}
	q := w.query()
	want := w.look(q)
	require.Nil(t, want.Cursor)
	require.Len(t, want.References[w.subject.ID], 7*(2*(1+7)+1), "a policy each, a grant a key, a tag")

	w.Fail(fakeaws.Fault{CutPage: true})
	paged := w.look(q)
	require.Equal(t, want, paged)

	var got ownership.Result
	pieces := 0
	for {
		q.Deadline = w.clock.Now().Add(700 * time.Millisecond)
		more := w.look(q)
		got.Add(more)
		if more.Cursor == nil {
			break
		}
		wire, err := json.Marshal(more.Cursor)
		require.NoError(t, err)
		q.Cursor = new(ownership.Cursor)
		require.NoError(t, json.Unmarshal(wire, q.Cursor))
		pieces++
		require.Less(t, pieces, 200)
	}
	require.Greater(t, pieces, 5)
	require.Equal(t, want, got)

	q.Candidates = append(q.Candidates, ownership.Candidate{UserID: w.leaver.ID, Name: "leaver", ARN: w.leaver.ARN})
	err := w.run(func(ctx context.Context) error {
		_, err := w.survey().Look(ctx, q, nil)
		return err
	})
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
}
