package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// maxAnswer is how many bytes of an answer are read: a long list of requests is well below.
const maxAnswer = 32 << 20

func (c counter) get(ctx context.Context, path string, into any) error {
	return c.call(ctx, http.MethodGet, path, nil, into)
}

func (c counter) post(ctx context.Context, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing the decision: %w", err)
	}
	return c.call(ctx, http.MethodPost, path, b, into)
}

// call asks the approval API. What it refuses is a fault of the kind that it says, and its sentence.
func (c counter) call(ctx context.Context, method, path string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return sunset.Faultf(sunset.Invalid, "the address of the approval API can't be: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.send(r, body)
	if err != nil {
		var fault *sunset.Fault
		if errors.As(err, &fault) {
			return err // whoever sends has found out what it is
		}
		var away *url.Error
		if errors.As(err, &away) {
			err = away.Err
		}
		return sunset.Faultf(sunset.Unavailable, "asking the approval API at %s: %w", r.URL.Host, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return sunset.Faultf(sunset.Unavailable, "reading the answer of the approval API at %s: %w", r.URL.Host, err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(answer, into); err != nil {
			return sunset.Faultf(sunset.Unavailable, "the answer of %s is not the approval API's: %w", r.URL.Host, err)
		}
		return nil
	}
	var refused approval.Refused
	if json.Unmarshal(answer, &refused) == nil && refused.Error != "" {
		return sunset.Faultf(refused.Kind, "%s", refused.Error)
	}
	return refusedByGateway(resp, answer, r.URL.Host)
}

// refusedByGateway is for what never came to the API: API Gateway answers by itself.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
func refusedByGateway(resp *http.Response, answer []byte, host string) error {
	var said struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(answer, &said) // an answer without one says enough by its status
	text := strings.TrimSpace(resp.Status + " " + said.Message)
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return &sunset.Fault{Kind: sunset.AccessDenied, Action: "execute-api:Invoke", Err: fmt.Errorf("the approval API at %s did not let you in: %s", host, text)}
	case resp.StatusCode == http.StatusTooManyRequests:
		return sunset.Faultf(sunset.Throttled, "the approval API at %s: %s", host, text)
	case resp.StatusCode == http.StatusNotFound:
		return sunset.Faultf(sunset.Invalid, "the approval API is not at %s: %s; check pages_url in the deployment's document", host, text)
	}
	return sunset.Faultf(sunset.Unavailable, "the approval API at %s: %s", host, text)
}
