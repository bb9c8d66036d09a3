package fakeaws_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// attribute is a look-up's one attribute.
func attribute(key trailtypes.LookupAttributeKey, value string) []trailtypes.LookupAttribute {
	return []trailtypes.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
}

// lookup reads all pages, at 2 requests a second of the account's clock.
func (w *world) lookup(t *testing.T, region string, in *cloudtrail.LookupEventsInput) []trailtypes.Event {
	t.Helper()
	var all []trailtypes.Event
	for p := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(w.config(region)), in); p.HasMorePages(); {
		out, err := p.NextPage(context.Background())
		require.NoError(t, err)
		all = append(all, out.Events...)
		w.now = w.now.Add(500 * time.Millisecond)
	}
	return all
}

func (w *world) byUser(t *testing.T, region, name string) []trailtypes.Event {
	t.Helper()
	return w.lookup(t, region, &cloudtrail.LookupEventsInput{LookupAttributes: attribute(trailtypes.LookupAttributeKeyUsername, name)})
}

type record struct {
	UserIdentity struct {
		Type, PrincipalID, ARN, UserName, AccessKeyID string
		SessionContext                                *struct {
			SessionIssuer struct{ Type, PrincipalID, UserName string }
		}
	}
	EventName, EventSource, AWSRegion, ErrorCode, ErrorMessage string
	RequestParameters                                          map[string]any
	ReadOnly, ManagementEvent                                  bool
}

func recordOf(t *testing.T, e trailtypes.Event) record {
	t.Helper()
	var r record
	require.NoError(t, json.Unmarshal([]byte(*e.CloudTrailEvent), &r))
	return r
}

func names(events []trailtypes.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, *e.EventName)
	}
	return all
}

// anyone is a user with a key that may do everything.
func (w *world) anyone(t *testing.T, name string) fakeaws.NewUser {
	t.Helper()
	u, err := w.AddUser(fakeaws.UserSpec{Name: name, Keys: []fakeaws.AccessKeySpec{{}}, Attached: []string{"arn:aws:iam::aws:policy/AdministratorAccess"}})
	require.NoError(t, err)
	return u
}

func TestLookupPagesNewestFirstAndSurvivesNewEvents(t *testing.T) {
	w := newWorld(t)
	w.SetDeliveryDelay(0)
	u := w.anyone(t, "busy")
	start := w.now
	for i := range 120 {
		w.At(start.Add(time.Duration(i)*time.Minute), func(p *fakeaws.Actor) {
			p.Do(u.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", url.Values{"N": {strconv.Itoa(i)}})
		})
	}
	w.now = start.Add(3 * time.Hour)
	client := cloudtrail.NewFromConfig(w.config("eu-west-1"))
	in := &cloudtrail.LookupEventsInput{LookupAttributes: attribute(trailtypes.LookupAttributeKeyUsername, "busy")}
	first, err := client.LookupEvents(context.Background(), in)
	require.NoError(t, err)
	require.Len(t, first.Events, 50)
	w.At(w.now, func(p *fakeaws.Actor) {
		p.Do(u.Keys[0].AccessKeyID, "ec2", "DescribeVpcs", "eu-west-1", nil)
	})
	w.now = w.now.Add(time.Second)
	in.NextToken = first.NextToken
	rest := w.lookup(t, "eu-west-1", in)
	require.Len(t, rest, 70)
	all := append(first.Events, rest...)
	for i, e := range all {
		require.Equal(t, strconv.Itoa(119-i), recordOf(t, e).RequestParameters["n"])
	}
	require.Equal(t, "ec2.amazonaws.com", *all[0].EventSource)
	require.Equal(t, u.Keys[0].AccessKeyID, *all[0].AccessKeyId)

	_, err = client.LookupEvents(context.Background(), &cloudtrail.LookupEventsInput{NextToken: first.NextToken})
	requireCode(t, err, "InvalidNextTokenException")
}

func TestLookupRefusesWhatAWSRefuses(t *testing.T) {
	w := newWorld(t)
	w.SetLookupRate(0)
	client := cloudtrail.NewFromConfig(w.config("us-east-1"))
	two := append(attribute("Username", "a"), attribute("EventName", "b")...)
	for code, in := range map[string]*cloudtrail.LookupEventsInput{
		"InvalidLookupAttributesException": {LookupAttributes: two},
		"InvalidMaxResultsException":       {MaxResults: aws.Int32(51)},
		"InvalidTimeRangeException":        {StartTime: aws.Time(w.now), EndTime: aws.Time(w.now.Add(-time.Hour))},
		"InvalidNextTokenException":        {NextToken: aws.String("made up")},
	} {
		_, err := client.LookupEvents(context.Background(), in)
		requireCode(t, err, code)
	}
}

func TestLookupRateIsTwoASecondAndRegionByTheAccountsClock(t *testing.T) {
	w := newWorld(t)
	ask := func(region string) error {
		_, err := cloudtrail.NewFromConfig(w.config(region)).LookupEvents(context.Background(), &cloudtrail.LookupEventsInput{})
		return err
	}
	require.NoError(t, ask("us-east-1"))
	require.NoError(t, ask("us-east-1"))
	requireCode(t, ask("us-east-1"), "ThrottlingException")
	require.NoError(t, ask("us-east-2"))
	w.now = w.now.Add(999 * time.Millisecond)
	requireCode(t, ask("us-east-1"), "ThrottlingException")
	w.now = w.now.Add(time.Millisecond)
	require.NoError(t, ask("us-east-1"))
	w.SetLookupRate(0)
	for range 5 {
		require.NoError(t, ask("us-east-1"))
	}
}

func TestEventsShowAfterTheirDelayAndFor90Days(t *testing.T) {
	w := newWorld(t)
	u := w.anyone(t, "late")
	w.At(w.now, func(p *fakeaws.Actor) {
		for range 40 {
			p.Do(u.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "us-west-2", nil)
		}
	})
	start := w.now
	w.now = start.Add(119 * time.Second)
	require.Empty(t, w.byUser(t, "us-west-2", "late"))
	w.now = start.Add(12 * time.Minute)
	some := len(w.byUser(t, "us-west-2", "late"))
	require.Greater(t, some, 0)
	require.Less(t, some, 40)
	w.now = start.Add(25 * time.Minute)
	require.Len(t, w.byUser(t, "us-west-2", "late"), 40)
	require.Empty(t, w.byUser(t, "us-west-1", "late"))
	w.SetDeliveryDelay(85 * time.Minute)
	require.Less(t, len(w.byUser(t, "us-west-2", "late")), 40)
	w.now = start.Add(90 * 24 * time.Hour)
	require.Len(t, w.byUser(t, "us-west-2", "late"), 40)
	w.now = start.Add(90*24*time.Hour + 2*time.Second)
	require.Empty(t, w.byUser(t, "us-west-2", "late"))
}

func TestEveryAttributeFindsItsEvents(t *testing.T) {
	w := newWorld(t)
	w.SetDeliveryDelay(0)
	ctx := context.Background()
	w.anyone(t, "target")
	i := iam.NewFromConfig(w.config("eu-west-1"))
	_, err := i.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("target"), NewUserName: aws.String("moved")})
	require.NoError(t, err)
	_, err = i.ListUsers(ctx, &iam.ListUsersInput{})
	require.NoError(t, err)
	w.now = w.now.Add(time.Second)

	renames := w.lookup(t, "us-east-1", &cloudtrail.LookupEventsInput{LookupAttributes: attribute(trailtypes.LookupAttributeKeyEventName, "UpdateUser")})
	require.Len(t, renames, 1)
	require.Equal(t, map[string]any{"userName": "target", "newUserName": "moved"}, recordOf(t, renames[0]).RequestParameters)
	for key, value := range map[trailtypes.LookupAttributeKey]string{
		"EventId": *renames[0].EventId, "ReadOnly": "false", "ResourceName": "moved", "ResourceType": "AWS::IAM::User", "Username": "operator",
		"AccessKeyId": w.Administrator().AccessKeyID, "EventSource": "iam.amazonaws.com",
	} {
		found := w.lookup(t, "us-east-1", &cloudtrail.LookupEventsInput{LookupAttributes: attribute(key, value)})
		require.Contains(t, names(found), "UpdateUser", key)
		if key != "Username" && key != "AccessKeyId" && key != "EventSource" {
			require.Equal(t, []string{"UpdateUser"}, names(found), key)
		}
	}
	identity := recordOf(t, renames[0]).UserIdentity
	require.Equal(t, "AssumedRole", identity.Type)
	require.Equal(t, "Administrator", identity.SessionContext.SessionIssuer.UserName)
	// IAM's events are in us-east-1, whatever region the caller signs for.
	elsewhere := w.lookup(t, "eu-west-1", &cloudtrail.LookupEventsInput{LookupAttributes: attribute("EventSource", "iam.amazonaws.com")})
	require.Empty(t, elsewhere)
}

func TestDeniedAttemptsShowAndInactiveKeysLeaveNoTrace(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.SetDeliveryDelay(0)
	u := w.anyone(t, "ci")
	admin := iam.NewFromConfig(w.config("us-east-1"))
	_, err := admin.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: aws.String("ci"), PolicyName: aws.String("quarantine"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`),
	})
	require.NoError(t, err)
	try := func() error {
		_, err := kms.NewFromConfig(once(w.server.ConfigFor(u.Keys[0].AccessKeyID, u.Keys[0].SecretAccessKey, "eu-west-2"))).ListKeys(ctx, &kms.ListKeysInput{})
		return err
	}
	w.now = w.now.Add(time.Hour)
	requireCode(t, try(), "AccessDeniedException")
	w.now = w.now.Add(time.Second)
	events := w.byUser(t, "eu-west-2", "ci")
	require.Equal(t, []string{"ListKeys"}, names(events))
	r := recordOf(t, events[0])
	require.Equal(t, "AccessDenied", r.ErrorCode)
	require.Equal(t, u.ID, r.UserIdentity.PrincipalID)
	require.Equal(t, "IAMUser", r.UserIdentity.Type)
	require.Nil(t, r.RequestParameters)
	require.True(t, r.ReadOnly)
	state, _ := w.User("ci")
	used := state.Keys[0].LastUsed
	require.Equal(t, "kms", used.Service)

	_, err = admin.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("ci"), AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Inactive"})
	require.NoError(t, err)
	w.now = w.now.Add(time.Hour)
	requireCode(t, try(), "UnrecognizedClientException")
	w.now = w.now.Add(time.Second)
	require.Len(t, w.byUser(t, "eu-west-2", "ci"), 1)
	state, _ = w.User("ci")
	require.Equal(t, used, state.Keys[0].LastUsed)
}

func TestSignInsAndAWrongNameIsHidden(t *testing.T) {
	w := newWorld(t)
	w.SetDeliveryDelay(0)
	u, err := w.AddUser(fakeaws.UserSpec{Name: "person", Password: &fakeaws.PasswordSpec{}})
	require.NoError(t, err)
	w.At(w.now, func(p *fakeaws.Actor) {
		require.Empty(t, p.SignIn("person", "eu-north-1"))
		require.NotEmpty(t, p.SignIn("hunter2", "us-east-1"))
	})
	w.now = w.now.Add(time.Second)
	in := w.byUser(t, "eu-north-1", "person")
	require.Equal(t, []string{"ConsoleLogin"}, names(in))
	require.Equal(t, u.ID, recordOf(t, in[0]).UserIdentity.PrincipalID)
	require.Contains(t, *in[0].CloudTrailEvent, `"eventType":"AwsConsoleSignIn"`)
	require.Empty(t, w.byUser(t, "us-east-1", "hunter2"))
	hidden := w.byUser(t, "us-east-1", "HIDDEN_DUE_TO_SECURITY_REASONS")
	require.Equal(t, "No username found in supplied account", recordOf(t, hidden[0]).ErrorMessage)
	state, _ := w.User("person")
	require.False(t, state.PasswordLastUsed.IsZero())
}
