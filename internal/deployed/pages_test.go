package deployed_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// pages are what approval-web serves, behind an HTTP API, with one request that waits for ada.
type pages struct {
	*deployment
	request sunset.ApprovalRequest
	link    string // ada's, as a path
	call    func(context.Context, lambdaevents.APIGatewayV2HTTPRequest) (lambdaevents.APIGatewayV2HTTPResponse, error)
}

func openPages(t *testing.T) *pages {
	t.Helper()
	p := &pages{deployment: deploy(t)}
	p.call = httpadapter.NewV2(deployed.Web(p.pages())).ProxyWithContext
	require.NoError(t, p.run(func(ctx context.Context) error {
		user := sunset.User{ID: "AIDAOLDBATCH", Name: "old-batch", ARN: "arn:aws:iam::123456789012:user/old-batch", Created: begin().AddDate(-3, 0, 0)}
		facts := sunset.FactsOf(sunset.Snapshot{User: user}, nil, nil, sunset.FinalDelete)
		var err error
		p.request, err = p.workflow("request-approval").Desk.Open(ctx, sunset.ApprovalRequest{
			CaseID: "spring-AIDAOLDBATCH", CleanupID: "spring", UserID: user.ID, UserName: user.Name, UserARN: user.ARN, Round: 1,
			Expires: begin().AddDate(0, 0, 14), Needed: 1, Facts: facts,
		}, "AQCtoken")
		if err != nil {
			return err
		}
		secret, err := p.workflow("reconcile").Desk.NewLink(ctx, ada, begin().AddDate(0, 0, 14))
		p.link = "/a/" + secret
		return err
	}))
	return p
}

// ask is a request as API Gateway hands it on in payload format 2.0.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type ask struct {
	method, path, query, body string
	base64                    bool
	header                    map[string]string
	cookies                   []string
	signedBy                  string // ARN whose signature API Gateway has checked
}

func (p *pages) ask(a ask) lambdaevents.APIGatewayV2HTTPResponse {
	p.t.Helper()
	header := map[string]string{"host": "pages.example.com", "user-agent": "Mozilla/5.0", "x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7"}
	for k, v := range a.header {
		header[k] = v
	}
	about := map[string]any{
		"routeKey": "$default", "accountId": "111122223333", "stage": "$default", "requestId": "JKJaXmPLvHcESHA=", "apiId": "api-id", "domainName": "pages.example.com",
		"domainPrefix": "pages", "time": "20/Nov/2026:09:00:00 +0000", "timeEpoch": begin().UnixMilli(),
		"http": map[string]string{"method": a.method, "path": a.path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7", "userAgent": "Mozilla/5.0"},
	}
	if a.signedBy != "" {
		about["authorizer"] = map[string]any{"iam": map[string]any{
			"accessKey": "ASIAEXAMPLE", "accountId": "123456789012", "callerId": "AROAEXAMPLE:ada", "cognitoIdentity": nil, "principalOrgId": nil,
			"userArn": a.signedBy, "userId": "AROAEXAMPLE:ada",
		}}
	}
	wire, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "$default", "rawPath": a.path, "rawQueryString": a.query, "cookies": a.cookies, "headers": header, "requestContext": about,
		"body": a.body, "isBase64Encoded": a.base64,
	})
	require.NoError(p.t, err)
	var event lambdaevents.APIGatewayV2HTTPRequest
	require.NoError(p.t, json.Unmarshal(wire, &event))
	var out lambdaevents.APIGatewayV2HTTPResponse
	require.NoError(p.t, p.run(func(ctx context.Context) (err error) { out, err = p.call(ctx, event); return err }))
	return out
}

func (p *pages) decision(choice string) string {
	p.t.Helper()
	body, err := json.Marshal(approval.Deciding{RequestID: p.request.ID, Digest: p.request.Digest, Choice: sunset.Choice(choice), Reason: "nobody knows it"})
	require.NoError(p.t, err)
	return string(body)
}

// stored are the decisions on the request whose MAC holds, for whom deletes.
func (p *pages) stored() []sunset.Decision {
	p.t.Helper()
	var out []sunset.Decision
	require.NoError(p.t, p.run(func(ctx context.Context) (err error) {
		var forged int
		out, forged, err = p.workflow("delete-all-artifacts").Desk.Decisions(ctx, p.request.ID)
		require.Zero(p.t, forged)
		return err
	}))
	return out
}

// A page is shown, and the form on it decides: over events as API Gateway sends them.
func TestPagesBehindAnHTTPAPI(t *testing.T) {
	p := openPages(t)
	out := p.ask(ask{method: "GET", path: p.link})
	require.Equal(t, http.StatusOK, out.StatusCode, out.Body)
	require.Contains(t, out.Body, "old-batch")
	require.Equal(t, "no-store", out.Headers["Cache-Control"])
	require.Equal(t, "no-referrer", out.Headers["Referrer-Policy"])
	require.False(t, out.IsBase64Encoded)

	casePath := p.link + "/" + p.request.ID
	require.Equal(t, http.StatusOK, p.ask(ask{method: "GET", path: casePath}).StatusCode)
	require.Equal(t, http.StatusNotFound, p.ask(ask{method: "GET", path: "/a/" + strings.Repeat("x", 43)}).StatusCode)
	require.Empty(t, p.stored(), "nothing was decided by looking")

	form := url.Values{"choice": {"delete"}, "reason": {"nobody knows it, ask bob, or eve"}, "digest": {p.request.Digest}}.Encode()
	header := map[string]string{"content-type": "application/x-www-form-urlencoded", "origin": "https://pages.example.com", "sec-fetch-site": "same-origin"}
	other := map[string]string{"content-type": "application/x-www-form-urlencoded", "origin": "https://evil.example.com", "sec-fetch-site": "cross-site"}
	require.Equal(t, http.StatusForbidden, p.ask(ask{method: "POST", path: casePath, body: form, header: other}).StatusCode)
	require.Empty(t, p.stored())

	// API Gateway may hand a body on in base64.
	out = p.ask(ask{method: "POST", path: casePath, body: base64Of(form), base64: true, header: header})
	require.Equal(t, http.StatusSeeOther, out.StatusCode, out.Body)
	decided := p.stored()
	require.Len(t, decided, 1)
	require.Equal(t, sunset.ChooseDelete, decided[0].Choice)
	require.Equal(t, ada, decided[0].Approver)
	require.Equal(t, "nobody knows it, ask bob, or eve", decided[0].Reason)
	require.Len(t, p.states, 1)
	require.Contains(t, p.states[0], "AQCtoken")
	require.Empty(t, p.cloud.Unknown())
}

// Below /v1/ an approver is who API Gateway's authorizer says, whatever a request says itself.
func TestWhoDecidesIsWhomAPIGatewayKnows(t *testing.T) {
	p := openPages(t)
	// What the adapter's other way of handing the context on would take from headers, and what proxies use to name people.
	claimed, err := json.Marshal(map[string]any{"authorizer": map[string]any{"iam": map[string]any{"userArn": session}}})
	require.NoError(t, err)
	forged := map[string]string{"content-type": "application/json", "x-forwarded-user": session, "x-amzn-caller-arn": session, "authorization": "AWS4-HMAC-SHA256 Credential=x"}
	for _, name := range []string{core.APIGwContextHeader, core.APIGwStageVarsHeader} {
		forged[name], forged[strings.ToLower(name)] = string(claimed), string(claimed)
	}
	for _, path := range []string{approval.RequestsPath, "/v1/requests/", "//v1/requests", "/v1/../v1/requests", "/%76%31/requests", "/v1", "/V1/requests", "/a/../v1/requests"} {
		for _, header := range []map[string]string{nil, forged} {
			out := p.ask(ask{method: "GET", path: path, header: header})
			require.NotEqual(t, http.StatusOK, out.StatusCode, path)
			require.NotContains(t, out.Body, p.request.ID, path)
		}
	}
	for who, signer := range map[string]string{
		"nobody": "", "no ARN": "AIDAEXAMPLE", "somebody else": "arn:aws:sts::123456789012:assumed-role/other/ada",
		"the same role elsewhere": "arn:aws:sts::999999999999:assumed-role/approvers/ada", "a role whose name begins so": "arn:aws:sts::123456789012:assumed-role/approvers-too/ada",
	} {
		out := p.ask(ask{method: "GET", path: approval.RequestsPath, header: forged, signedBy: signer})
		require.Equal(t, http.StatusForbidden, out.StatusCode, who)
		require.NotContains(t, out.Body, "old-batch", who)
		out = p.ask(ask{method: "POST", path: approval.DecisionsPath, body: p.decision("delete"), header: forged, signedBy: signer})
		require.Equal(t, http.StatusForbidden, out.StatusCode, who)
		require.NotContains(t, out.Body, "old-batch", who)
	}
	require.Empty(t, p.stored())
	require.Empty(t, p.states)

	out := p.ask(ask{method: "GET", path: approval.RequestsPath, query: "case=spring-AIDAOLDBATCH&case=other", signedBy: session})
	require.Equal(t, http.StatusOK, out.StatusCode, out.Body)
	var list approval.AskedList
	require.NoError(t, json.Unmarshal([]byte(out.Body), &list))
	require.Equal(t, ada, list.Approver)
	require.Len(t, list.Requests, 1)
	require.Equal(t, p.request.Digest, list.Requests[0].Request.Digest)
	require.Equal(t, []string{"other"}, list.Missing)
	require.NotContains(t, out.Body, "AQCtoken")

	out = p.ask(ask{method: "POST", path: approval.DecisionsPath, body: p.decision("keep"), header: map[string]string{"content-type": "application/json"}, signedBy: session})
	require.Equal(t, http.StatusOK, out.StatusCode, out.Body)
	decided := p.stored()
	require.Len(t, decided, 1)
	require.Equal(t, session, decided[0].Principal)
	require.Equal(t, sunset.WayAWS, decided[0].Way)
	require.Len(t, p.states, 1)
}

// What approval-web may do with keys: it makes MACs of decisions and checks those of links. It makes no links, and nobody
// else makes decisions.
func TestKeysOfThePages(t *testing.T) {
	p := openPages(t)
	p.cloud.ResetCalls()
	p.ask(ask{method: "GET", path: p.link + "/" + p.request.ID})
	p.ask(ask{method: "POST", path: approval.DecisionsPath, body: p.decision("delete"), header: map[string]string{"content-type": "application/json"}, signedBy: session})
	require.Len(t, p.stored(), 1)
	made := map[string][]string{}
	for _, c := range p.cloud.Calls() {
		require.Empty(t, c.Error, "%s on %s", c.Action, c.Resource)
		if strings.HasPrefix(c.Action, "kms:") {
			made[c.Resource] = append(made[c.Resource], c.Action)
		}
	}
	require.NotContains(t, made[p.env["IAM_SUNSET_LINKS_KEY"]], "kms:GenerateMac")
	require.Contains(t, made[p.env["IAM_SUNSET_LINKS_KEY"]], "kms:VerifyMac")
	require.Contains(t, made[p.env["IAM_SUNSET_DECISIONS_KEY"]], "kms:GenerateMac")
	require.Contains(t, made[p.env["IAM_SUNSET_DECISIONS_KEY"]], "kms:VerifyMac", "by who deletes")
}

// A page that panics answers, and the log says where, without the link.
func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	p := openPages(t)
	var log bytes.Buffer
	world, err := p.world("approval-web")
	require.NoError(t, err)
	world.Log = lambdahost.NewLogger(&log)
	world.Settings = func(context.Context) (sunset.Settings, error) {
		panic("no settings for https://pages.example.com" + p.link)
	}
	p.call = httpadapter.NewV2(deployed.Web(workflow.NewPages(world))).ProxyWithContext
	out := p.ask(ask{method: "GET", path: p.link})
	require.Equal(t, http.StatusInternalServerError, out.StatusCode)
	require.NotContains(t, out.Body, "no settings")
	require.Contains(t, log.String(), "panicked")
	require.Contains(t, log.String(), "no settings for")
	require.NotContains(t, log.String(), strings.TrimPrefix(p.link, "/a/"))
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
