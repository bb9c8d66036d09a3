package post_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/post"
)

const (
	topic = "arn:aws:sns:eu-west-1:111122223333:iam-sunset-team"
	from  = "IAM Sunset <sunset@example.com>"
)

// wire stands in for SES and SNS: it keeps what came, byte by byte, and answers as it is told.
type wire struct {
	t      *testing.T
	server *httptest.Server

	mu     sync.Mutex
	paths  []string
	bodies []string
	status int    // of the answer; 0: as AWS answers when all is well
	code   string // of the error
	echo   bool   // the error repeats what came
}

func newWire(t *testing.T) *wire {
	w := &wire{t: t}
	w.server = httptest.NewServer(w)
	t.Cleanup(w.server.Close)
	return w
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Errorf("reading what came: %v", err)
	}
	w.paths = append(w.paths, r.Method+" "+r.URL.Path)
	w.bodies = append(w.bodies, string(body))
	mail := r.URL.Path == "/v2/email/outbound-emails"
	switch {
	case w.status == 0 && mail:
		_, _ = io.WriteString(rw, `{"MessageId":"0102018e"}`)
	case w.status == 0:
		_, _ = io.WriteString(rw, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>94f20ce6</MessageId></PublishResult></PublishResponse>`)
	case mail:
		rw.Header().Set("X-Amzn-ErrorType", w.code)
		rw.WriteHeader(w.status)
		text := "no"
		if w.echo {
			text = string(body)
		}
		_ = json.NewEncoder(rw).Encode(map[string]string{"message": text})
	default:
		rw.WriteHeader(w.status)
		text := "no"
		if w.echo {
			text = string(body)
		}
		_, _ = fmt.Fprintf(rw, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message><![CDATA[%s]]></Message></Error></ErrorResponse>`, w.code, text)
	}
}

func (w *wire) messenger(from, topic string) *post.Messenger {
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &w.server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "x", ""),
	}
	return post.New(sesv2.NewFromConfig(cfg), sns.NewFromConfig(cfg), from, topic)
}

// sent is the one mail that came, as SES reads it.
func (w *wire) sent() email {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Equal(w.t, []string{"POST /v2/email/outbound-emails"}, w.paths)
	var e email
	require.NoError(w.t, json.Unmarshal([]byte(w.bodies[0]), &e))
	return e
}

type email struct {
	FromEmailAddress string
	Destination      map[string][]string
	Content          struct {
		Simple struct {
			Subject content
			Body    map[string]content
		}
	}
}

type content struct{ Data, Charset string }
