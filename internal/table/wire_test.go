package table_test

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// before does something before each request goes out.
type before struct {
	aws.HTTPClient
	first func()
}

func (b before) Do(r *http.Request) (*http.Response, error) {
	b.first()
	return b.HTTPClient.Do(r)
}
