package post

import (
	"github.com/aws/smithy-go"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// meaning is what a code of SES or SNS means for a message that has to go out.
type meaning struct {
	kind sunset.Kind
	text string
}

// meanings are of the codes that other services don't have, or use in another sense.
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
var meanings = map[string]meaning{
	"TooManyRequestsException":           {sunset.Throttled, "SES sends no more at the moment"},
	"LimitExceededException":             {sunset.Throttled, "a quota of SES is used up"},
	"SendingPausedException":             {sunset.Unavailable, "sending is paused in SES, for the account or the configuration set"},
	"InternalServiceErrorException":      {sunset.Unavailable, "SES failed"},
	"AccountSuspendedException":          {sunset.AccessDenied, "SES lets this account send no more"},
	"MailFromDomainNotVerifiedException": {sunset.Invalid, "the sender's MAIL FROM domain is not verified in SES"},
	"MessageRejected":                    {sunset.Invalid, "SES takes not this sender, this recipient or this content; an account in its sandbox sends to verified addresses alone"},
	"BadRequestException":                {sunset.Invalid, "SES does not understand the sender, the recipient or the content"},
	"NotFoundException":                  {sunset.Invalid, "SES does not know the sender's identity or configuration set"},

	"NotFound":              {sunset.Invalid, "there is no such topic"},
	"InvalidParameter":      {sunset.Invalid, "SNS does not take the topic, the subject or the text"},
	"ParameterValueInvalid": {sunset.Invalid, "SNS does not take the topic, the subject or the text"},
	"InvalidSecurity":       {sunset.AccessDenied, "SNS takes no request that is signed or sent like this"},
	"Throttled":             {sunset.Throttled, "SNS takes no more at the moment"},
	"KMSThrottling":         {sunset.Throttled, "the topic's key is asked too often"},
	"KMSAccessDenied":       {sunset.AccessDenied, "the topic's key may not be used"},
	"KMSOptInRequired":      {sunset.AccessDenied, "the topic's key may not be used"},
	"KMSDisabled":           {sunset.Invalid, "the topic's key is disabled"},
	"KMSInvalidState":       {sunset.Invalid, "the topic's key can't be used in its state"},
	"KMSNotFound":           {sunset.Invalid, "the topic's key is not there"},
}

// refused says that a message was not sent, and why as far as that can be said without repeating any of it.
func refused(err error, action, subject, to string) error {
	const doing = "sending the message %q to %s"
	code := awsfault.Code(err)
	if code == "" {
		return awsfault.Wrap(err, action, doing, subject, to)
	}
	means, ok := meanings[code]
	if !ok {
		means.kind = awsfault.KindOf(err)
	}
	said := &smithy.GenericAPIError{Code: code, Message: means.text}
	return &sunset.Fault{Kind: means.kind, Action: action, Err: awsfault.Wrap(said, action, doing, subject, to)}
}
