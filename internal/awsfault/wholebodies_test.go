package awsfault_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
)

// closed is a request body as the SDK's are: once closed, Read says EOF and WriteTo fails.
type closed struct{ io.Reader }

func (closed) Close() error { return nil }

func (closed) WriteTo(io.Writer) (int64, error) { return 0, io.ErrClosedPipe }

type sends func(*http.Request) (*http.Response, error)

func (s sends) Do(r *http.Request) (*http.Response, error) { return s(r) }

func TestABodyThatIsClosedEarlyIsNoBrokenRequest(t *testing.T) {
	var copied int64
	client := awsfault.WholeBodies(sends(func(r *http.Request) (*http.Response, error) {
		var err error
		copied, err = io.Copy(io.Discard, r.Body) // net/http reads it so
		return nil, err
	}))
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1", closed{strings.NewReader("{}")})
	require.NoError(t, err)
	_, err = client.Do(r)
	require.NoError(t, err)
	require.EqualValues(t, 2, copied)

	r, err = http.NewRequest(http.MethodGet, "http://127.0.0.1", http.NoBody)
	require.NoError(t, err)
	_, err = awsfault.WholeBodies(sends(func(r *http.Request) (*http.Response, error) {
		require.Equal(t, http.NoBody, r.Body) // net/http knows it by this very value
		return nil, nil
	})).Do(r)
	require.NoError(t, err)
}
