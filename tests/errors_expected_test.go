package tests

import (
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// What a cleanup says of the victim, and how the victim then stands.
const (
	failedClean   = "cleanup failed | as before"
	keptClean     = "kept | as before"
	failedBefore  = "failed | as before"
	failedMarked  = "failed | as before but marked"
	failedQuiet   = "failed | quarantined"
	failedHalf    = "failed | stripped"
	failedGone    = "failed | gone"
	failedSpare   = "failed | gone, but left"
	expiredQuiet  = "expired | quarantined"
	deletedGone   = "deleted | gone"
	restoredWhole = "restored | as before"
)

// expected is what a call's failure must lead to, for a life that would come to the end.
//
// A trouble that passes comes to the same end. One that doesn't leads to a failed case, or, where a source of evidence
// can't be read, to a user that is kept or that nobody deletes. deletedGone for one that lasts stands only where the
// answer isn't needed:
//   - reconcile compares and tells; it decides nothing.
//   - A tag that doesn't fit costs the mark, and a deny that doesn't fit is attached in its managed form.
//   - "No login profile" at discovery is asked again before anything is changed.
//   - A change whose every answer is lost is found done when it is looked for again.
func expected(c callOf, what trouble, once bool, end sunset.Outcome) string {
	happy := map[sunset.Outcome]string{sunset.Deleted: deletedGone, sunset.Restored: restoredWhole}[end]
	if once && what.passes || c.function == "reconcile" {
		return happy
	}
	refused := what.name == "AccessDenied" || what.name == "LimitExceeded" // nobody tries that again
	if once && !refused && (what.name != "NoSuchEntity" || c.changes()) {
		return happy // it is tried again
	}
	none := what.name == "NoSuchEntity"
	found := what.name == "dropped when done" || what.name == "half an answer" && c.changes()
	source := c.service != "iam" && c.service != "sts"
	is := func(actions ...string) bool { return slices.Contains(actions, c.action) }

	switch c.function {
	case "discover":
		switch {
		case is("GetCallerIdentity"), is("GetCredentialReport", "GenerateCredentialReport", "GetAccountAuthorizationDetails") && !(once && none):
			return failedClean
		case none && is("GetLoginProfile"), is("GetCredentialReport", "GenerateCredentialReport", "GetAccountAuthorizationDetails"):
			return happy
		case refused, none:
			return keptClean
		}
		return failedClean
	case "crosscheck-cloudtrail", "check-ownership", "open-cases":
		if refused && source {
			return keptClean
		}
		return failedClean
	case "disable":
		switch {
		case what.name == "LimitExceeded", found, none && once:
			return happy
		case none && is("GetLoginProfile"):
			return expiredQuiet // the snapshot has no password, so that the one it has is heard in the soak
		case is("PutUserPolicy"):
			return failedMarked
		}
		return failedBefore
	case "wait-soak", "request-approval":
		switch {
		case none && is("GetUserPolicy", "GetLoginProfile"):
			return expiredQuiet // it is heard as the deny's or the password's end, and people are asked
		case none && once:
			return happy
		case source && (refused || c.function == "request-approval" && !is("ListRegions")):
			return expiredQuiet // silence that wasn't heard proves nothing
		}
		return failedQuiet
	case "restore":
		switch {
		case is("UntagUser") && found:
			return happy
		case is("UntagUser"), is("DeleteUserPolicy") && found:
			return failedMarked
		case none && (once || is("GetUserPolicy", "GetLoginProfile")):
			return happy
		}
		return failedQuiet
	}
	// delete-all-artifacts
	switch {
	case c.changes() && is("DeleteLoginProfile") && !found && !none:
		return failedQuiet
	case found && !is("DeleteUserPolicy", "DeleteLoginProfile"):
		return happy
	case none && is("DeleteVirtualMFADevice"):
		return failedSpare
	case c.changes():
		return failedHalf
	case none && once, once && source:
		return happy
	case is("ListUsers"):
		return failedGone
	case is("ListVirtualMFADevices"):
		return failedHalf
	case none && is("GetUserPolicy", "GetLoginProfile"), source && (refused || !is("LookupEvents", "ListRegions")):
		return expiredQuiet
	}
	return failedQuiet
}

// inPolicies is the action as policies name it, and so records.
func (c callOf) inPolicies() string {
	switch {
	case c.service == "tagging":
		return "tag:" + c.action
	case c.action == "ListBuckets":
		return "s3:ListAllMyBuckets"
	}
	return c.service + ":" + c.action
}

// whenSaid is how the record of a failed case may put the moment, by how the victim stands.
func whenSaid(c callOf, standing string) []string {
	switch {
	case c.function == "disable":
		return []string{"before any change to the user", "while the user was being disabled, so that it may not be disabled yet"}
	case standing == "stripped", strings.HasPrefix(standing, "gone"):
		return []string{"in the middle of its deletion"}
	case c.function == "restore" && standing != "quarantined":
		return []string{"while the user was being put back, so that it may not be disabled any more"}
	}
	return []string{"it stays disabled", "while the user was being put back", "in the middle of its deletion"}
}
