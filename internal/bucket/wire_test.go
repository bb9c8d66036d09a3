package bucket_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/bucket"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// altered changes the bodies of answers on their way.
type altered struct {
	aws.HTTPClient
	change func([]byte) []byte
}

func (a altered) Do(r *http.Request) (*http.Response, error) {
	out, err := a.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, err
	}
	body = a.change(body)
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return out, nil
}

func TestAnswersThatChangedOnTheirWay(t *testing.T) {
	w := open(t, 1)
	require.NoError(t, w.put(t, "a/1", `{"verdict":"kept"}`))
	require.NoError(t, w.put(t, "a/2", `{"verdict":"kept"}`))
	through := func(change func([]byte) []byte) *bucket.Objects {
		cfg := w.cfg.Copy()
		cfg.HTTPClient = altered{cfg.HTTPClient, change}
		return bucket.New(s3.NewFromConfig(cfg), "evidence", w.clock)
	}

	_, err := through(func(b []byte) []byte { return bytes.Replace(b, []byte("kept"), []byte("gone"), 1) }).Get(t.Context(), "a/1")
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "checksum")
	require.NotErrorIs(t, err, store.ErrMissing)

	token := regexp.MustCompile(`<NextContinuationToken>.*</NextContinuationToken>`)
	keys, err := through(func(b []byte) []byte { return token.ReplaceAll(b, nil) }).List(t.Context(), "a/")
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
	require.Nil(t, keys, "a list without its end is no list")
}
