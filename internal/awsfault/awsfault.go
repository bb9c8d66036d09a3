// Package awsfault turns what AWS clients answer into faults that the definition's Retry and Catch can name, and into
// gaps where an answer is missing.
package awsfault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Code is AWS's error code in err's chain, or empty.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// IsNotFound reports whether AWS said that the thing named is not there.
func IsNotFound(err error) bool {
	switch Code(err) {
	case "NoSuchEntity", "NoSuchEntityException", "NotFoundException", "ResourceNotFoundException", "NoSuchBucket", "NoSuchBucketPolicy",
		"RepositoryPolicyNotFoundException", "RepositoryNotFoundException", "NotFound", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue":
		return true
	}
	return false
}

// IsNotOffered reports whether the endpoint doesn't know the operation at all, as an emulator, or a partition, may not. So says
// also an answer of 404 or 500 that names no error: AWS's own always do.
func IsNotOffered(err error) bool {
	switch Code(err) {
	case "UnknownOperationException", "InvalidAction", "NotImplemented", "UnknownOperation":
		return true
	case "", "UnknownError": // the latter is the SDK's own name for none
		var response *awshttp.ResponseError
		return errors.As(err, &response) &&
			(response.HTTPStatusCode() == http.StatusNotFound || response.HTTPStatusCode() == http.StatusInternalServerError)
	}
	return false
}

// IsDenied reports whether AWS refused for want of permission, in a service or region as a whole. Credentials that have
// expired are no such refusal: they say nothing about what was asked.
func IsDenied(err error) bool { return KindOf(err) == sunset.AccessDenied && !IsExpired(err) }

// IsExpired reports whether the caller's credentials have expired, so that no other call would get an answer either.
func IsExpired(err error) bool {
	switch Code(err) {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return true
	}
	return false
}

// KindOf sorts an error of an AWS client.
func KindOf(err error) sunset.Kind {
	var fault *sunset.Fault
	if errors.As(err, &fault) {
		return fault.Kind
	}
	code := Code(err)
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return sunset.Throttled
	}
	switch code {
	case "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded":
		return sunset.Throttled
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "AuthorizationErrorException",
		"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "SignatureDoesNotMatch",
		"OptInRequired", "InvalidToken", "NotAuthorized", "KMSAccessDeniedException":
		return sunset.AccessDenied
	case "ConcurrentModification", "EntityTemporarilyUnmodifiable", "DeleteConflict", "EntityAlreadyExists", "NoSuchEntity":
		return sunset.Conflict
	case "ReportNotPresent", "ReportInProgress", "ReportExpired":
		return sunset.NotReady
	case "ServiceFailure", "InternalFailure", "InternalError", "ServiceUnavailable", "InternalServerError", "KMSInternalException", "SlowDown":
		return sunset.Unavailable
	case "ValidationError", "InvalidInput", "MalformedPolicyDocument", "LimitExceeded", "LimitExceededException":
		return sunset.Invalid
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		switch status := response.HTTPStatusCode(); {
		case status >= http.StatusInternalServerError:
			return sunset.Unavailable
		case status == http.StatusTooManyRequests:
			return sunset.Throttled
		case status == http.StatusForbidden, status == http.StatusUnauthorized:
			return sunset.AccessDenied
		}
	}
	var network net.Error
	var sent *smithy.OperationError
	if errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) {
		return sunset.Unavailable
	}
	if errors.As(err, &sent) && code == "" {
		if strings.Contains(err.Error(), "credentials") {
			return sunset.AccessDenied
		}
		return sunset.Unavailable
	}
	return sunset.Internal
}

// Wrap gives err a kind and says what was being done to whom. action is the AWS action as in a policy.
func Wrap(err error, action, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &sunset.Fault{
		Kind: KindOf(err), Action: action,
		Err: fmt.Errorf("%s: %s: %w", fmt.Sprintf(format, args...), action, plainly(err)),
	}
}

// plainly words what an SDK client reports as AWS, or else the network, said it: without the SDK's account of
// operations, attempts, statuses and request ids.
func plainly(err error) error {
	var fault *sunset.Fault
	var api smithy.APIError
	var request *url.Error
	var response *awshttp.ResponseError
	switch {
	case errors.As(err, &fault):
		return err
	case errors.As(err, &api) && api.ErrorMessage() == "":
		return worded{err, api.ErrorCode()}
	case errors.As(err, &api):
		return worded{err, api.ErrorCode() + ": " + api.ErrorMessage()}
	case errors.As(err, &request):
		return worded{err, "no answer from " + hostOf(request.URL) + ": " + request.Err.Error()}
	case errors.As(err, &response) && response.HTTPStatusCode() != 0:
		// What answered was no AWS service but something on the way to it.
		return worded{err, fmt.Sprintf("HTTP %d with an answer that can't be read", response.HTTPStatusCode())}
	}
	return err
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "AWS"
	}
	return u.Host
}

// worded is an error in other words.
type worded struct {
	error
	text string
}

func (w worded) Error() string { return w.text }

func (w worded) Unwrap() error { return w.error }

// Gap says why action could not be read, in words without request ids, so that reading twice says the same.
func Gap(err error, action, region string) sunset.Gap {
	why := Code(err)
	var api smithy.APIError
	switch {
	case IsNotOffered(err) && why == "":
		why = "there is no such operation"
	case IsNotOffered(err):
		why = "there is no such operation (" + why + ")"
	case IsDenied(err):
		why = "access denied (" + why + ")"
	case errors.As(err, &api):
		why = api.ErrorCode() + ": " + api.ErrorMessage()
	default:
		why = string(KindOf(err))
	}
	return sunset.Gap{Action: action, Region: region, Why: why}
}
