//go:build terraform

package tests

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// whoDidWhat says of all that was called who alone may have called it. That nobody else is allowed to is read off the
// plan, in tests/terraform.
func (l *callLog) whoDidWhat(t *testing.T) {
	const deletes, memberDeletes, memberChanges = "delete-all-artifacts", memberRoles + "delete", memberRoles + "change"
	by := map[string][]string{}
	note := func(what, function string) {
		if !slices.Contains(by[what], function) {
			by[what] = append(by[what], function)
			slices.Sort(by[what])
		}
	}
	for m := range l.calls {
		switch service, verb, _ := strings.Cut(m.action, ":"); service {
		case "iam":
			reads := strings.HasPrefix(verb, "Get") || strings.HasPrefix(verb, "List") || verb == "GenerateCredentialReport"
			if !reads {
				note("changes users", m.function)
			}
			if strings.HasPrefix(verb, "Delete") && verb != "DeleteUserPolicy" && verb != "DeleteLoginProfile" || verb == "DeactivateMFADevice" || verb == "RemoveUserFromGroup" {
				note("takes away for good", m.function)
			}
		case "s3":
			assert.Contains(t, []string{"GetObject", "PutObject", "ListBucket", "ListAllMyBuckets", "GetBucketPolicy", "GetBucketLocation"}, verb, m.function)
		case "dynamodb":
			assert.Contains(t, []string{"GetItem", "PutItem", "Query"}, verb, m.function)
			if verb == "PutItem" {
				note("writes "+m.leadingKey, m.function)
			}
		case "kms":
			if m.via == "" && strings.HasPrefix(m.resource, "IAM_SUNSET_") {
				note(m.action+" "+m.resource, m.function)
			}
		case "states":
			note(m.action, m.function)
		}
		if m.action == "iam:DeleteUser" {
			note(m.action, m.function)
		}
	}
	for what, who := range map[string][]string{
		"iam:DeleteUser":                           {deletes, memberDeletes},
		"takes away for good":                      {deletes, memberDeletes},
		"changes users":                            {deletes, "disable", memberChanges, memberDeletes, "restore"},
		"writes decision":                          {"approval-web"},
		"writes link":                              {"reconcile"},
		"writes owner":                             {"approval-web"},
		"writes ownerlink":                         {"disable", "open-cases", "reconcile", "request-approval"},
		"kms:GenerateMac IAM_SUNSET_OWNERS_KEY":    {"disable", "open-cases", "reconcile", "request-approval"},
		"kms:VerifyMac IAM_SUNSET_OWNERS_KEY":      {"approval-web"},
		"kms:GenerateMac IAM_SUNSET_DECISIONS_KEY": {"approval-web"},
		"kms:VerifyMac IAM_SUNSET_DECISIONS_KEY":   {deletes, "log", "reconcile", "restore", "wait-soak"},
		"kms:GenerateMac IAM_SUNSET_LINKS_KEY":     {"reconcile"},
		"kms:VerifyMac IAM_SUNSET_LINKS_KEY":       {"approval-web"},
		"kms:Sign IAM_SUNSET_SEALING_KEY":          {"reconcile"},
		"states:SendTaskSuccess":                   {"approval-web", "reconcile"},
		"states:StartExecution":                    {"open-cases"},
	} {
		assert.Equal(t, who, by[what], what)
	}
	assert.Empty(t, by["states:SendTaskFailure"])
	assert.Empty(t, by["states:SendTaskHeartbeat"])
}

// keptAsWritten says that no key of the evidence bucket was written twice or deleted in a world.
func (on *stage) keptAsWritten(w *world, bucket string) {
	versions := map[string]int{}
	for _, v := range on.cloud.Versions(bucket) {
		versions[v.Key]++
		require.NotEmpty(w.t, v.Body, v.Key)
	}
	for key, n := range versions {
		require.Equal(w.t, 1, n, key)
	}
}
