package fakeaws

import "time"

// accessAdvisorJob is one run of GenerateServiceLastAccessedDetails.
type accessAdvisorJob struct {
	id, arn        string
	started, ready time.Time
	// services are those that the identity's policies allow, with the last attempt.
	services map[string]time.Time
}
