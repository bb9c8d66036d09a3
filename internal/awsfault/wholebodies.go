package awsfault

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// WholeBodies is inner without one fault of near endpoints: it hides WriteTo of the SDK's request bodies. The SDK closes
// a body as soon as the answer's head is there, and its WriteTo then fails where Read would say EOF. From an endpoint as
// near as an engine on this machine, the answer can come while net/http still looks for the end of the body: it would
// close the connection under the answer, about once in a hundred calls, as "use of closed network connection". The SDK
// tries again where that meets the head, and gives up where it meets the answer's body.
// No inner stands for the SDK's own client.
func WholeBodies(inner aws.HTTPClient) aws.HTTPClient {
	if inner == nil {
		inner = awshttp.NewBuildableClient()
	}
	return wholeBodies{inner}
}

type wholeBodies struct{ inner aws.HTTPClient }

// Do sends the request.
func (c wholeBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}
