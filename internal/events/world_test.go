package events_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/events"
)

const busARN = "arn:aws:events:eu-west-1:111122223333:event-bus/iam-sunset"

// wire stands in for EventBridge: it keeps what came and answers as it is told.
type wire struct {
	t      *testing.T
	server *httptest.Server

	mu     sync.Mutex
	came   []entry
	status int    // 0: 200
	answer string // empty: all is well
}

// entry is one entry of PutEvents as EventBridge reads it.
type entry struct {
	EventBusName, Source, DetailType, Detail string
	Time                                     float64
	Resources                                []string
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
	if err != nil || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" {
		w.t.Errorf("%s came: %v", r.Header.Get("X-Amz-Target"), err)
	}
	var in struct{ Entries []entry }
	if err := json.Unmarshal(body, &in); err != nil {
		w.t.Errorf("reading what came: %v", err)
	}
	w.came = append(w.came, in.Entries...)
	rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if w.status != 0 {
		rw.WriteHeader(w.status)
	}
	if w.answer == "" {
		w.answer = `{"FailedEntryCount":0,"Entries":[{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}]}`
	}
	_, _ = io.WriteString(rw, w.answer)
}

func (w *wire) bus() *events.Bus {
	return events.New(eventbridge.NewFromConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &w.server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "x", ""),
	}), busARN)
}

// published gives the one entry that a record becomes, and its detail.
func published(t *testing.T, r audit.Record) (entry, events.Detail) {
	t.Helper()
	w := newWire(t)
	require.NoError(t, w.bus().Publish(t.Context(), r))
	require.Len(t, w.came, 1)
	var d events.Detail
	require.NoError(t, json.Unmarshal([]byte(w.came[0].Detail), &d))
	return w.came[0], d
}
