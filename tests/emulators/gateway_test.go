//go:build emulators

package emulators

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// toPages is the HTTP API.
func (o *doors) toPages(ministack *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(ministack)
		p.Out.Host = o.host(ministack)
	}}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			proxy.ServeHTTP(rw, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		s, ok := fakeaws.SignatureOf(r)
		o.mu.Lock()
		who, known := o.callers[s.AccessKeyID]
		o.mu.Unlock()
		if !ok || !known || s.Service != "execute-api" || s.Region != region || !s.Holds(r, body, who.SecretAccessKey) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(rw, `{"message":"Forbidden"}`)
			return
		}
		o.asCaller(rw, r, body, who)
	})
}

func (o *doors) host(ministack *url.URL) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.api + ".execute-api." + ministack.Host
}

// asCaller calls approval-web as the HTTP API does for a route with the authorizer AWS_IAM.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (o *doors) asCaller(rw http.ResponseWriter, r *http.Request, body []byte, who caller) {
	in := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "ANY /v1/{proxy+}", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery, Headers: map[string]string{"host": r.Host},
		Body: string(body),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "ANY /v1/{proxy+}", AccountID: accountID, Stage: "$default", RequestID: "test", DomainName: r.Host,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: r.URL.Path, Protocol: "HTTP/1.1", SourceIP: "127.0.0.1"},
			Authorizer: &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
				IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{AccessKey: who.AccessKeyID, AccountID: accountID, UserARN: who.arn},
			},
		},
	}
	for name, values := range r.Header {
		in.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	payload, err := json.Marshal(in)
	if err == nil {
		payload, err = o.d.invoke(context.WithoutCancel(r.Context()), "approval-web", payload)
	}
	var out events.APIGatewayV2HTTPResponse
	if err == nil {
		err = json.Unmarshal(payload, &out)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	answer := []byte(out.Body)
	if out.IsBase64Encoded {
		if answer, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
	}
	for name, value := range out.Headers {
		rw.Header().Set(name, value)
	}
	rw.WriteHeader(out.StatusCode)
	_, _ = rw.Write(answer)
}

// makeAPI makes the HTTP API in ministack, by its control plane's own requests.
func (o *doors) makeAPI() {
	o.t.Helper()
	post := func(path string, in map[string]any) (id string) {
		o.t.Helper()
		b, err := json.Marshal(in)
		require.NoError(o.t, err)
		req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.d.on.url+path, bytes.NewReader(b))
		require.NoError(o.t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+accountID+"/20260101/"+region+"/apigateway/aws4_request, SignedHeaders=host, Signature=0")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(o.t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(o.t, err)
		require.Equal(o.t, http.StatusCreated, resp.StatusCode, "%s: %s", path, answer)
		var out struct{ APIID, IntegrationID string }
		require.NoError(o.t, json.Unmarshal(answer, &out))
		return out.APIID + out.IntegrationID
	}
	api := post("/v2/apis", map[string]any{"name": o.d.name, "protocolType": "HTTP"})
	integration := post("/v2/apis/"+api+"/integrations", map[string]any{
		"integrationType": "AWS_PROXY", "integrationUri": o.d.functionARN("approval-web") + ":live", "payloadFormatVersion": "2.0",
	})
	for _, route := range []string{"GET /a/{link}", "GET /a/{link}/{request}", "POST /a/{link}/{request}", "GET /style.css"} {
		post("/v2/apis/"+api+"/routes", map[string]any{"routeKey": route, "target": "integrations/" + integration})
	}
	post("/v2/apis/"+api+"/stages", map[string]any{"stageName": "$default", "autoDeploy": true})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.api = api
}
