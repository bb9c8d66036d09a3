package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// draft is a plan in the making, with what later steps need of the census.
type draft struct {
	Plan     sunset.Plan         `json:"plan"`
	Roles    []iamaccount.Role   `json:"roles,omitempty"`
	Policies []iamaccount.Policy `json:"policies,omitempty"`
	Caller   iamaccount.Caller   `json:"caller"`
}

// caseFile is what the plan knew of one case's user, kept apart so that a case need not read the whole plan.
type caseFile struct {
	CaseID    string            `json:"case_id"`
	CleanupID string            `json:"cleanup_id"`
	Account   string            `json:"account"`
	Caller    iamaccount.Caller `json:"caller"`
	Starter   string            `json:"starter"`
	PlanMade  time.Time         `json:"plan_made"`
	Request   sunset.Request    `json:"request"`
	Entry     sunset.Entry      `json:"entry"`
	Users     int               `json:"users"` // discovered by the cleanup
}

func draftKey(cleanup, step string, round int) string {
	return fmt.Sprintf("plans/%s/%s-%04d.json", cleanup, step, round)
}
func planKey(cleanup string) string    { return "plans/" + cleanup + "/plan.json" }
func caseFileKey(caseID string) string { return "cases/" + caseID + "/entry.json" }
func snapshotKey(caseID string) string { return "snapshots/" + caseID + ".json" }

// keep writes v under key. Where an earlier try of the same step has written already, that one counts and is read into
// v: two tries must not go on from two truths. It gives the hex SHA-256 of the bytes that count.
func keep[T any](ctx context.Context, objects store.Objects, key string, v *T) (digest string, err error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", key, err)
	}
	switch err := objects.Put(ctx, key, body); {
	case errors.Is(err, store.ErrExists):
		return load(ctx, objects, key, v)
	case err != nil:
		return "", fmt.Errorf("storing %s: %w", key, err)
	}
	return hashOf(body), nil
}

// load reads the object under key into v.
func load[T any](ctx context.Context, objects store.Objects, key string, v *T) (digest string, err error) {
	body, err := objects.Get(ctx, key)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", key, err)
	}
	var fresh T
	if err := json.Unmarshal(body, &fresh); err != nil {
		return "", sunset.Faultf(sunset.Internal, "reading %s: %w", key, err)
	}
	*v = fresh
	return hashOf(body), nil
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
