package deployed

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// Proxied hands what an HTTP API tells of a request to h. The adapter would print the address of a request that it can't
// make into one, and with it an approver's link, past all that keeps links out of logs: such a request is answered here.
func Proxied(h http.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	adapter := httpadapter.NewV2(h)
	return func(ctx context.Context, in events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		if !whole(in) {
			return events.APIGatewayV2HTTPResponse{
				StatusCode: http.StatusBadRequest, Headers: map[string]string{"Content-Type": "text/plain; charset=utf-8"},
				Body: "This address can't be read. Open the link as it is in the message that you got.\n",
			}, nil
		}
		return adapter.ProxyWithContext(ctx, in)
	}
}

// whole reports whether an event can be made into a request, as the adapter makes it.
func whole(in events.APIGatewayV2HTTPRequest) bool {
	if in.IsBase64Encoded {
		if _, err := base64.StdEncoding.DecodeString(in.Body); err != nil {
			return false
		}
	}
	path := "/" + strings.TrimPrefix(cmp.Or(in.RawPath, in.RequestContext.HTTP.Path), "/")
	if in.RawQueryString != "" {
		path += "?" + in.RawQueryString
	}
	_, err := http.NewRequest(strings.ToUpper(in.RequestContext.HTTP.Method), "https://"+in.RequestContext.DomainName+path, http.NoBody)
	return err == nil
}
