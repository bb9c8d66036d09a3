package trail

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// However an event is garbled: one that names the user's id as its principal is the user's, one that doesn't say whose
// it is is unclear, and only one that names somebody else is somebody else's.
func FuzzEvent(f *testing.F) {
	const id = "AIDAEXAMPLE"
	for _, seed := range []string{
		`{"userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","userName":"old"},"eventTime":"2026-01-01T00:00:00Z","eventName":"ListBuckets","eventSource":"s3.amazonaws.com"}`,
		`{"userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:old"},"eventName":"DescribeInstances"}`,
		`{"userIdentity":{"type":"FederatedUser","principalId":"123456789012:kiosk","sessionContext":{"sessionIssuer":{"principalId":"AIDAEXAMPLE"}}}}`,
		`{"userIdentity":{"type":"IAMUser","principalId":""},"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"},"errorMessage":"Failed authentication"}`,
		`{"userIdentity":{"type":"IAMUser"},"eventName":"ConsoleLogin","responseElements":"x"}`, `{"userIdentity":{"type":"IAMUser","principalId":"AIDAOTHER"}}`,
		`{"userIdentity":null}`, `{"userIdentity":{}}`, `{"userIdentity":[]}`, `{"eventTime":"yesterday"}`, `[]`, `null`, ``, `{"userIdentity":{"type":"IAMUser","principalId":7}}`,
		`{"userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE:x"},"errorCode":"AccessDenied","userAgent":"` + strings.Repeat("ü", 300) + `"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := readEvent(types.Event{EventId: aws.String("e-1"), CloudTrailEvent: &text})
		if err != nil {
			require.ErrorContains(t, err, "reading CloudTrail event e-1: ")
			return
		}
		require.LessOrEqual(t, utf8.RuneCountInString(e.activity("eu-west-1").Agent), 201)
		require.NotEmpty(t, e.sentence())
		if sunset.Repeated([]byte(text)) != "" {
			return // nobody can say which of the two is meant
		}
		who, principal, issuer := saidBy(t, text)
		named, _, _ := strings.Cut(principal, ":")
		switch relation := e.of(id); {
		case who == "":
			require.Equal(t, unclear, relation)
		case named == id:
			require.Contains(t, []whose{theirs, attempted}, relation)
			require.True(t, relation == theirs || e.EventName == "ConsoleLogin" && who == "IAMUser")
		case who == "FederatedUser" && issuer == id:
			require.Equal(t, theirs, relation)
		case who == "IAMUser" && named == "":
			require.Contains(t, []whose{unclear, attempted}, relation)
		default:
			require.Equal(t, others, relation)
		}
	})
}

// saidBy reads from a record whose it is, name by name, as encoding/json does: whatever the case of its letters.
func saidBy(t *testing.T, text string) (who, principal, issuer string) {
	t.Helper()
	within := func(in json.RawMessage, name string) json.RawMessage {
		var fields map[string]json.RawMessage
		if json.Unmarshal(in, &fields) != nil {
			return nil
		}
		for key, value := range fields {
			if strings.EqualFold(key, name) {
				return value
			}
		}
		return nil
	}
	str := func(raw json.RawMessage) (s string) {
		_ = json.Unmarshal(raw, &s) // what is no string is empty
		return s
	}
	identity := within(json.RawMessage(text), "userIdentity")
	session := within(within(identity, "sessionContext"), "sessionIssuer")
	return str(within(identity, "type")), str(within(identity, "principalId")), str(within(session, "principalId"))
}
