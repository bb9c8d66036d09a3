package deployed_test

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
)

// What a Lambda prints is in its log. An address that is broken holds a link like any other.
func TestABrokenAddressIsNotPrinted(t *testing.T) {
	const link = "/a/Zm9yLXRoZS10ZXN0LWFsb25lLTEyMzQ1Njc4OTAxMg"
	served := 0
	answer := deployed.Proxied(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { served++; rw.WriteHeader(http.StatusNoContent) }))
	event := func(change func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
		in := events.APIGatewayV2HTTPRequest{RawPath: link}
		in.RequestContext.DomainName = "abc.execute-api.eu-west-1.amazonaws.com"
		in.RequestContext.HTTP.Method, in.RequestContext.HTTP.Path = http.MethodGet, link
		change(&in)
		return in
	}
	printed := func(f func()) string {
		t.Helper()
		out := os.Stdout
		r, w, err := os.Pipe()
		require.NoError(t, err)
		os.Stdout = w
		defer func() { os.Stdout = out }()
		f()
		require.NoError(t, w.Close())
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(text)
	}
	for name, change := range map[string]func(*events.APIGatewayV2HTTPRequest){
		"a percent sign":    func(in *events.APIGatewayV2HTTPRequest) { in.RawPath += "/%" },
		"a control":         func(in *events.APIGatewayV2HTTPRequest) { in.RawPath += "/\x01" },
		"in the other path": func(in *events.APIGatewayV2HTTPRequest) { in.RawPath, in.RequestContext.HTTP.Path = "", link+"/%zz" },
		"in the query":      func(in *events.APIGatewayV2HTTPRequest) { in.RawQueryString = "done=\x7f" },
		"no such method":    func(in *events.APIGatewayV2HTTPRequest) { in.RequestContext.HTTP.Method = "G T" },
		"half a body":       func(in *events.APIGatewayV2HTTPRequest) { in.Body, in.IsBase64Encoded = "a", true },
		"no such host":      func(in *events.APIGatewayV2HTTPRequest) { in.RequestContext.DomainName = "a b" },
	} {
		require.Empty(t, printed(func() {
			got, err := answer(t.Context(), event(change))
			require.NoError(t, err, name)
			require.Equal(t, http.StatusBadRequest, got.StatusCode, name)
			require.NotContains(t, got.Body, link, name)
		}), name)
	}
	require.Zero(t, served)
	require.Empty(t, printed(func() {
		got, err := answer(t.Context(), event(func(in *events.APIGatewayV2HTTPRequest) {
			in.RawPath += "/some%20thing"
			in.RawQueryString = "done=1%zz"
		}))
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, got.StatusCode)
	}))
	require.Equal(t, 1, served)
}
