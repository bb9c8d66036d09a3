package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// report says on stderr what went wrong and what to do about it, and gives the exit status.
func report(ctx context.Context, stderr io.Writer, err error) int {
	var no verdictNo
	switch {
	case err == nil:
		return 0
	case errors.As(err, &no):
		fmt.Fprintln(stderr, no.Error())
		return 1
	case ctx.Err() != nil:
		if isTerminal(stderr) {
			fmt.Fprint(stderr, eraseLine) // the terminal's own ^C
		}
		fmt.Fprintln(stderr, "iam-sunset: interrupted, before it was done")
		return 2
	}
	fmt.Fprintf(stderr, "iam-sunset: %s\n", printable(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return 2
}

// verdictNo is an answer rather than a failure: what was asked about is not so.
type verdictNo struct{ text string }

func (v verdictNo) Error() string { return v.text }

// hinted is an error with a word on what to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// hintFor says what to do about err, or nothing where its own text does.
func hintFor(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	if awsfault.IsExpired(err) {
		return "the AWS credentials have expired: sign in again, then repeat the command"
	}
	if errors.Is(err, office.ErrSilent) {
		return "see whether iam-sunset serve still runs, then repeat the command: it takes up what is left"
	}
	switch awsfault.Code(err) {
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure", "InvalidToken":
		return "AWS does not know this access key: check AWS_PROFILE or AWS_ACCESS_KEY_ID, and AWS_ENDPOINT_URL if it is set"
	case "SignatureDoesNotMatch":
		return "the secret does not belong to this access key: check AWS_SECRET_ACCESS_KEY, or sign in again"
	case "InvalidAction", "UnknownOperationException":
		return "the endpoint does not offer this call: check AWS_ENDPOINT_URL"
	}
	switch sunset.KindOf(err) {
	case sunset.AccessDenied:
		if strings.Contains(err.Error(), "credentials") {
			return signIn
		}
		if action := sunset.ActionOf(err); action != "" {
			return "allow " + action + " to the principal that runs this, then repeat the command"
		}
	case sunset.Throttled:
		return "AWS is throttling this account: wait a few minutes, then repeat the command"
	case sunset.NotReady:
		return "wait a few minutes, then repeat the command"
	case sunset.Unavailable:
		return "AWS could not be reached or is failing: check the network, and AWS_ENDPOINT_URL if it is set, then repeat the command"
	}
	return ""
}
