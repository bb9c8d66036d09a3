package events

import (
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/audit"
)

// telling is what an event says of one kind of record: how it is called, and which fields of the record's data go with
// it. Only fields that are small, and that anybody on the bus may read, are named; the rest stays in the record.
type telling struct {
	name   string
	fields []string
}

// told has every kind of record that the product writes. docs/events.md describes each; within version 1 names stay, and
// fields only come.
var told = map[string]telling{
	// of a cleanup
	"begun":           {"Begun", []string{"execution", "account", "settings_digest"}},
	"plan":            {"Planned", []string{"plan", "sha256", "users", "eligible", "kept_for", "dry_run", "settings_digest"}},
	"starter":         {"Starter Proven", []string{"claimed", "proven", "equal", "execution"}},
	"recounted":       {"Recounted", []string{"case", "outcomes"}},
	"manifest":        {"Manifest Written", []string{"manifest", "sha256", "chains"}},
	"mismatch":        {"Mismatch", nil},
	"execution-ended": {"Execution Ended", []string{"execution", "status", "error"}},
	// of a cleanup, and of a case
	"closed": {"Closed", []string{"outcome", "reason", "signals", "discovered", "outcomes", "refusal"}},
	"failed": {"Failed", []string{"error", "cause", "changed", "deleting", "outcome"}},
	// of a case: its turn
	"claimed":    {"Claimed", []string{"turn", "settings_digest"}},
	"held":       {"Held", []string{"again_at"}},
	"re-checked": {"Re-checked", []string{"eligible", "reasons"}},
	"skipped":    {"Skipped", []string{"outcome"}},
	"snapshot":   {"Snapshot Written", []string{"snapshot", "sha256"}},
	"intent":     {"Change Intended", []string{"action", "target"}},
	"outcome":    {"Change Made", []string{"action", "target", "failed", "error"}},
	"disabled":   {"Disabled", []string{"quarantine", "soak_until"}},
	// its soak
	"listened":   {"Listened To", []string{"status", "signals", "new", "cloudtrail_until", "soak_until"}},
	"soak-again": {"Soak Begun Again", nil},
	"gone":       {"User Gone", nil},
	// its approval: the request's id, which leads to its pages, stays in the record
	"requested":   {"Approval Requested", []string{"digest", "disturbed", "needed"}},
	"announced":   {"Approval Announced", nil},
	"escalated":   {"Approval Escalated", []string{"expires", "waiting_for", "allowed", "needed"}},
	"facts-moved": {"Facts Moved", []string{"signals"}},
	"decision":    {"Decided", []string{"choice", "reason", "digest", "way", "settings_digest"}},
	// its owner
	"owner-told":   {"Owner Told", []string{"to", "message"}},
	"handed-over":  {"Handed Over", []string{"from", "to", "way"}},
	"owner-agreed": {"Owner Agreed", []string{"way"}},
	// its end
	"deleting":         {"Deleting", []string{"digest", "cloudtrail_until", "not_covered", "settings_digest", "resumed"}},
	"deleted":          {"Deleted", []string{"outcome"}},
	"deletion-refused": {"Deletion Refused", []string{"refusals", "next", "forged_decisions"}},
	"restored":         {"Restored", []string{"outcome", "differences", "lost"}},
	"restore-refused":  {"Restore Refused", nil},
	"rescue":           {"Rescue Asked", []string{"reason", "way"}},
	"new-password":     {"New Password Made", nil},
	"redriven":         {"Redriven", []string{"next"}},
	// what operators did
	"paused":        {"Paused", nil},
	"resumed":       {"Resumed", []string{"pause"}},
	"turns-resumed": {"Turns Resumed", []string{"held_by"}},
	"stop":          {"Cleanup Stop Begun", []string{"leave_disabled"}},
	"stopped":       {"Cleanup Stopped", []string{"failed"}},
	// a rehearsal
	"rehearsal-begun":    {"Rehearsal Begun", nil},
	"rehearsal-denied":   {"Rehearsal Denied", []string{"got_through"}},
	"rehearsal-listened": {"Rehearsal Listened", nil},
	"rehearsal-written":  {"Rehearsal Written", []string{"to", "failed"}},
	"rehearsed":          {"Rehearsed", []string{"findings", "heard", "got_through", "removed"}},
	// messages
	"message-failed":   {"Message Failed", []string{"to", "subject", "error"}},
	"message-sent":     {"Message Sent Late", []string{"to", "subject", "since"}},
	"message-given-up": {"Message Given Up", []string{"to", "subject", "since"}},
	// the evidence itself
	"evidence-problems": {"Evidence Problems", []string{"day", "found"}},
}

// subjects are what the kinds of chains are about.
var subjects = map[string]string{"case": "Case", "cleanup": "Cleanup", "account": "Account"}

// detailType is the event's detail-type: "IAM Sunset Case Disabled". A record of a kind that this table does not have is
// published too, without its data, as "IAM Sunset Record".
func detailType(r audit.Record) string {
	kind, _, _ := strings.Cut(r.Chain, "/")
	about, known := subjects[kind]
	t, ok := told[r.Kind]
	if !known || !ok {
		return "IAM Sunset Record"
	}
	return "IAM Sunset " + about + " " + t.name
}
