package rehearsal

import (
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// About is what a finding is about.
type About string

// What a rehearsal looks at, in this order.
const (
	Denying    About = "denying"    // the deny keeps the key from everything
	LastUsed   About = "last-used"  // last-used hears of denied calls
	CloudTrail About = "cloudtrail" // CloudTrail hears of denied calls
	Writing    About = "writing"    // messages reach the approvers
	Restoring  About = "restoring"  // the user is back as it was, and its key works
	Deleting   About = "deleting"   // nothing is left
)

// Finding is what was found out about one thing.
type Finding struct {
	About About           `json:"about"`
	OK    bool            `json:"ok"`
	Took  sunset.Duration `json:"took,omitempty"` // whole seconds; 0 where time says nothing
	Text  string          `json:"text"`           // a sentence without its full stop
}

// Heard is a denied call that CloudTrail told of.
type Heard struct {
	Action string          `json:"action"`
	Region string          `json:"region"`
	Took   sunset.Duration `json:"took"`
}

// Report is what a rehearsal found out.
type Report struct {
	ID       string    `json:"id"`
	Account  string    `json:"account"`
	By       string    `json:"by"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"`
	User     string    `json:"user,omitempty"` // the decoy
	UserID   string    `json:"user_id,omitempty"`
	Findings []Finding `json:"findings"`
	Heard    []Heard   `json:"heard,omitempty"`
	// GotThrough counts calls that were answered before the deny was known everywhere.
	GotThrough int `json:"got_through,omitempty"`
	// Removed are decoys that earlier rehearsals had left behind.
	Removed []string `json:"removed,omitempty"`
}

func (r *Report) add(f Finding) {
	f.Took = sunset.Duration(f.Took.Std().Round(time.Second))
	r.Findings = append(r.Findings, f)
}

// OK reports whether something is as hoped for.
func (r Report) OK(about About) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.About == about && f.OK })
}

// Premise is how far the premise of the product is proven.
type Premise string

// The premises. Partly is where the quarantine holds and only one of last-used and CloudTrail was heard, or not all could
// be put back or removed.
const (
	Proven    Premise = "proven"
	Partly    Premise = "partly"
	NotProven Premise = "not proven"
)

// Premise judges the findings. Messages are no part of it.
func (r Report) Premise() Premise {
	heard := r.OK(LastUsed) || len(r.Heard) > 0
	switch {
	case !r.OK(Denying) || !heard:
		return NotProven
	case r.OK(LastUsed) && r.OK(CloudTrail) && r.OK(Restoring) && r.OK(Deleting):
		return Proven
	}
	return Partly
}

// Sentence says what the rehearsal comes to.
func (r Report) Sentence() string {
	return map[Premise]string{
		Proven:    "The premise is proven in this account: a quarantined user can do nothing, whatever it tries is heard, and restoring it loses nothing.",
		Partly:    "The premise is proven in part only: read above what was not as it should be, before the first real user.",
		NotProven: "The premise is not proven in this account: do not disable anybody by it before that is understood.",
	}[r.Premise()]
}

// words says how long something took, in whole seconds.
func words(d time.Duration) string { return d.Round(time.Second).String() }
