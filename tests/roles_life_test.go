//go:build terraform

package tests

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// life is one cleanup in which a case comes to each of its ends, and in which what a function is allowed for troubles
// alone is needed once. The name of a user says what becomes of it; those who end in -team have no owner, so that the
// team is told.
type life struct {
	*world
	on    *stage
	users map[string]fakeaws.NewUser
}

// ends are the users and how their cases end.
func ends() map[string]sunset.Outcome {
	return map[string]sunset.Outcome{
		"goes":              sunset.Deleted,  // after DeleteUser has failed, so that its deny comes back meanwhile
		"goes-managed":      sunset.Deleted,  // the same, with AWS's own deny, since no inline one fits
		"goes-signed":       sunset.Deleted,  // decided by a signed request instead of a link
		"goes-crashed":      sunset.Deleted,  // approval-web can't store that enough have decided
		"goes-redriven":     sunset.Deleted,  // the deletion fails, and its execution is redriven
		"goes-stopped":      sunset.Deleted,  // the execution is stopped in the soak, and redriven
		"goes-after-all":    sunset.Deleted,  // a stranger answers its token first
		"kept-managed":      sunset.Restored, // and has kept the tag of a case that ended in winter
		"kept-unfit-team":   sunset.Restored, // no deny fits at all
		"kept-renamed":      sunset.Restored, // in the soak
		"kept-tried-team":   sunset.Restored,
		"back-early":        sunset.Rescued, // while it is being disabled
		"back-managed":      sunset.Rescued,
		"back-asked":        sunset.Rescued, // while the approvers are asked
		"back-owned":        sunset.Rescued, // by whom its owner has handed it over to, in the soak
		"back-owned-asked":  sunset.Rescued, // by its owner, while the approvers are asked
		"back-late":         sunset.Rescued, // after nobody had decided
		"back-late-team":    sunset.Rescued,
		"renamed-before":    sunset.Deleted, // between plan and turn
		"used-before-final": sunset.Restored,
	}
}

// live runs it.
func (r *rolesRun) live(t *testing.T) {
	l := &life{users: map[string]fakeaws.NewUser{}}
	l.world = newSmallWorld(t, func(a *fakeaws.Account) {
		withGroups(a)
		for _, name := range slices.Sorted(maps.Keys(ends())) {
			var tags []fakeaws.Tag
			switch {
			case strings.HasPrefix(name, "back-owned"):
				tags = append(tags, fakeaws.Tag{Key: "owner", Value: name + "@example.com"})
			case !strings.HasSuffix(name, "-team"):
				tags = append(tags, fakeaws.Tag{Key: "owner", Value: "owner@example.com"})
			}
			if name == "kept-managed" {
				tags = append(tags, fakeaws.Tag{Key: sunset.TagCase, Value: "winter-" + name})
			}
			u, err := a.AddUser(complete(name, tags...))
			require.NoError(t, err)
			l.users[name] = u
		}
		neighbours(a, l.users["goes"])
		join(t, a, "daily", fakeaws.Active())
	})
	l.on = r.stages.of(l.world)
	person := fakeaws.RoleSpec{Name: "approvers"}
	l.set(func(s *sunset.Settings) {
		s.Soak, s.Approvers[0].Principals = sunset.Days(3), []string{l.account.AddRole(person)}
		s.OwnerDomains = []string{"example.com"}
		for name := range ends() {
			s.AcceptUnknown = append(s.AcceptUnknown, name, name+"-anew")
		}
	})
	winter, err := json.Marshal(sunset.Case{
		ID: "winter-kept-managed", CleanupID: "winter", UserID: l.users["kept-managed"].ID, UserName: "kept-managed", Account: l.account.ID(),
		Stage: sunset.Closed, Outcome: sunset.Restored, Logged: true, Ended: begin().AddDate(0, -2, 0),
	})
	require.NoError(t, err)
	_, err = l.machine.Rows.Put(t.Context(), "case/"+l.users["kept-managed"].ID, 0, winter)
	require.NoError(t, err)
	l.troubles()
	l.turns()
	l.owned()
	l.decisions()
	l.clean(sunset.Request{})
	row := l.finish()
	require.Equal(t, len(ends()), row.Eligible)
	l.afterwards()
	for name, outcome := range ends() {
		c := l.caseOf(l.users[name].ID)
		require.Equal(t, outcome, c.Outcome, "%s: %s", name, l.dump(c))
		_, there := l.account.User(name)
		if outcome == sunset.Deleted {
			require.False(t, there, name)
		}
	}
	for _, name := range []string{"back-owned", "back-owned-asked"} {
		require.Equal(t, sunset.WayLink, l.caseOf(l.users[name].ID).Rescue.Way, "restore may check that %s was asked for by a page", name)
	}
	l.proven()
}

func about(user string) func(fakeaws.Call) bool {
	return func(c fakeaws.Call) bool { return c.Params["UserName"] == user }
}

// troubles are what fails.
func (l *life) troubles() {
	full := func(action string, names ...string) {
		for _, name := range names {
			l.account.Fail(fakeaws.Fault{Service: "iam", Action: action, Match: about(name), Code: "LimitExceeded", Status: 409})
		}
	}
	full("PutUserPolicy", "goes-managed", "kept-managed", "back-managed", "kept-unfit-team")
	full("AttachUserPolicy", "kept-unfit-team")
	for _, name := range []string{"goes", "goes-managed"} {
		l.account.Fail(fakeaws.Fault{Service: "iam", Action: "DeleteUser", Match: about(name), Times: 4, Code: "ServiceFailure", Status: 500})
	}
	l.account.Fail(fakeaws.Fault{Service: "iam", Action: "DeleteAccessKey", Match: about("goes-redriven"), Times: 1, Code: "InvalidInput", Status: 400})

	// Each function's first event, mail and word to the team get lost.
	first := func(action string) {
		seen := map[string]bool{}
		l.on.cloud.Fail(fakecloud.Fault{Action: action, Code: "InvalidParameterValue", Match: func(c fakecloud.Call) bool {
			lost := !seen[c.Principal]
			seen[c.Principal] = true
			return lost
		}})
	}
	first("events:PutEvents")
	first("ses:SendEmail")
	first("sns:Publish")
	// reconcile does not learn who started the cleanup before delete-all-artifacts asks.
	l.on.cloud.Fail(fakecloud.Fault{Action: "cloudtrail:LookupEvents", Code: "InvalidTimeRangeException", Match: func(c fakecloud.Call) bool { return c.Principal == "reconcile" }})
}

// turns are what people do while users are disabled and soak.
func (l *life) turns() {
	var early, managed sync.Once
	l.wire = func(action, user string) {
		rescue := func() {
			_, err := l.rescue(user)
			assert.ErrorContains(l.t, err, "the rescue of "+user+" is stored")
		}
		switch {
		case action == "PutUserPolicy" && user == "back-early":
			early.Do(rescue)
		case action == "AttachUserPolicy" && user == "back-managed":
			managed.Do(rescue)
		}
	}
	rename := func(at time.Time, name string) {
		l.at(at, func() {
			l.account.At(l.clock.Now(), func(p *fakeaws.Actor) {
				assert.Empty(l.t, p.AsAdministrator("UpdateUser", map[string][]string{"UserName": {name}, "NewUserName": {name + "-anew"}}))
			})
		})
	}
	rename(begin().Add(2*day), "renamed-before")
	rename(turn().Add(day), "kept-renamed")
	// While its approvers are asked, so that they are asked anew; nobody decides then either.
	rename(turn().Add(4*day), "back-late")
	l.at(turn().Add(day), func() {
		l.account.At(l.clock.Now(), func(p *fakeaws.Actor) {
			p.Do(l.users["kept-tried-team"].Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil)
		})
	})
	stopped := l.users["goes-stopped"].ID
	l.at(turn().Add(day), func() {
		arn := l.caseOf(stopped).Execution
		l.stop(arn)
		for _, name := range []string{l.caseOf(stopped).ID, cleanup, "of-somebody-else"} {
			l.ended(name)
		}
	})
	l.at(turn().Add(36*time.Hour), func() { l.redrive(l.caseOf(stopped)) })
}

// owned is what owners say on their pages.
func (l *life) owned() {
	said := func(to string, form url.Values) {
		status, page := l.say(l.wayOf(to), form)
		require.Equal(l.t, http.StatusOK, status, page)
	}
	l.at(turn().Add(day), func() {
		said("back-owned@example.com", url.Values{"act": {"agree"}})
		said("back-owned@example.com", url.Values{"act": {"hand-over"}, "to": {"heir@example.com"}})
	})
	// The new owner hears of it in the next round, or in the one after where the first message got lost.
	l.at(turn().Add(day+150*time.Minute), func() { said("heir@example.com", keepIt("the report runs once a year")) })
	l.at(turn().Add(5*day), func() { said("back-owned-asked@example.com", keepIt("the report runs once a year")) })
}

// decisions are what people do while they are asked.
func (l *life) decisions() {
	l.on.cloud.Fail(fakecloud.Fault{Action: "dynamodb:PutItem", Code: "ValidationException", Match: func(c fakecloud.Call) bool {
		return c.Principal == "approval-web" && c.LeadingKey == "request" && l.clock.Now().Before(turn().Add(4*day))
	}})
	l.people[approver] = func(q sunset.ApprovalRequest) sunset.Choice {
		name := q.UserName
		switch {
		case strings.HasPrefix(name, "kept-"):
			return sunset.ChooseKeep
		case strings.HasPrefix(name, "back-"), name == "goes-signed":
			return ""
		case name == "used-before-final":
			if q.Disturbed {
				return sunset.ChooseKeep
			}
			l.account.At(l.clock.Now(), func(p *fakeaws.Actor) {
				p.Do(l.users[name].Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil)
			})
		}
		return sunset.ChooseDelete
	}
	l.at(turn().Add(3*day+30*time.Minute), func() { l.answered("goes-after-all") })
	l.at(turn().Add(5*day), func() { l.signed("goes-signed") })
	l.at(turn().Add(5*day), func() {
		_, err := l.rescue("back-asked")
		require.NoError(l.t, err)
	})
	redriven := l.users["goes-redriven"].ID
	l.at(turn().Add(8*day), func() {
		require.Equal(l.t, sunset.Failed, l.caseOf(redriven).Outcome)
		l.redrive(l.caseOf(redriven))
	})
}

// afterwards gives back who was left disabled.
func (l *life) afterwards() {
	for _, name := range []string{"back-late", "back-late-team"} {
		require.Equal(l.t, sunset.Lapsed, l.outcomeOf(l.users[name]), name)
		require.NoError(l.t, l.clock.Run(l.t.Context(), func(context.Context) error {
			_, err := l.rescue(name)
			return err
		}))
	}
	// What could not be sent is sent in the round after.
	then := l.clock.Now().Add(2 * time.Hour)
	l.until(func() bool { return l.clock.Now().After(then) })
	rows, err := l.machine.Rows.List(l.t.Context(), "unsent/")
	require.NoError(l.t, err)
	require.GreaterOrEqual(l.t, len(rows), 12)
	for _, row := range rows {
		require.Contains(l.t, string(row.Body), `"over":true`)
	}
	require.True(l.t, l.recorded(l.caseOf(l.users["goes-stopped"].ID), "execution-ended"))
}

// call invokes a function out of turn, under its role.
func (l *life) call(function string, in any) ([]byte, error) {
	payload, err := json.Marshal(in)
	require.NoError(l.t, err)
	return l.on.functions[function](context.Background(), payload)
}

func (l *life) rescue(name string) ([]byte, error) {
	return l.call("restore", workflow.Invocation{Rescue: &workflow.RescueInput{UserID: l.users[name].ID, By: "ops", Reason: "needed"}})
}

// ended tells reconcile that an execution was aborted, as EventBridge does.
func (l *life) ended(name string) {
	execution := strings.Replace(l.machine.StateMachine, ":stateMachine:", ":execution:", 1) + ":" + name
	_, err := l.call("reconcile", workflow.Round{DetailType: "Step Functions Execution Status Change", Detail: workflow.ExecutionEnded{
		Execution: execution, StateMachine: l.machine.StateMachine, Name: name, Status: "ABORTED", StopDate: l.clock.Now().UnixMilli(),
	}})
	require.ErrorContains(l.t, err, "who started cleanup") // of all that a round could not do, this alone is out of order
}

// answered is a stranger who knows a task token.
func (l *life) answered(name string) {
	token := l.token(l.caseOf(l.users[name].ID).Execution)
	_, err := l.machine.Executions.SendTaskSuccess(context.Background(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: new(`{"choice":"delete"}`)})
	require.NoError(l.t, err)
}

// signed decides by requests that AWS has checked the signature of.
func (l *life) signed(name string) {
	send := func(method, path, query, body string) (int, string) {
		var in events.APIGatewayV2HTTPRequest
		in.Version, in.RawPath, in.RawQueryString, in.Body = "2.0", path, query, body
		in.Headers = map[string]string{"host": "pages.example.com", "content-type": "application/json"}
		in.RequestContext.HTTP.Method, in.RequestContext.HTTP.Path = method, path
		in.RequestContext.DomainName = "pages.example.com"
		in.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: "arn:aws:sts::" + l.account.ID() + ":assumed-role/approvers/ann"},
		}
		out, err := httpadapter.NewV2(l.on.web).ProxyWithContext(context.Background(), in)
		require.NoError(l.t, err)
		return out.StatusCode, out.Body
	}
	status, body := send(http.MethodGet, approval.RequestsPath, "case="+l.caseOf(l.users[name].ID).ID, "")
	require.Equal(l.t, http.StatusOK, status, body)
	var asked approval.AskedList
	require.NoError(l.t, json.Unmarshal([]byte(body), &asked))
	require.Len(l.t, asked.Requests, 1)
	q := asked.Requests[0].Request
	decision, err := json.Marshal(approval.Deciding{RequestID: q.ID, Digest: q.Digest, Choice: sunset.ChooseDelete, Reason: "because of the test"})
	require.NoError(l.t, err)
	status, body = send(http.MethodPost, approval.DecisionsPath, "", string(decision))
	require.Equal(l.t, http.StatusOK, status, body)
}
