package tests

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// scenario is everything that chance decides about one run. It is drawn before the run begins, so that a run depends on
// nothing else.
type scenario struct {
	Users    []character
	Settings sunset.Settings
	Request  sunset.Request
	Starter  string // as the request claims
	Proven   string // as the records prove; empty: nobody can tell
	Second   int    // hours after which another cleanup begins; 0: none
	Votes    map[string][]vote
	Hours    map[string]int // after which an approver opens a message
	Happen   []happening
	Faults   []misfortune
	Dying    []lostCall
	Resumes  bool  // somebody lets held turns go on, every six hours
	Restarts []int // hours at which the process ends and another takes up where it was
	Delay    int   // minutes that CloudTrail takes at most
	Tamper   int   // what somebody does to the evidence afterwards
}

// character is a user as it comes into the story.
type character struct {
	Name, Life string
	Tags       []fakeaws.Tag
	Path       string
	Group      bool
	Accepted   bool // accept_unknown names it
	Named      bool // a role's trust and a shared bucket's policy name it beside others
}

// vote is what one approver does with one round of one user.
type vote struct {
	User     string
	Round    int
	Choice   sunset.Choice // empty: leaves it alone
	Instead  sunset.Choice // where Choice is refused
	Stubborn bool          // posts delete where it isn't offered
}

// happening is something that somebody does, at an hour, before the n-th call of a function, or at the n-th call of an
// action of AWS's.
type happening struct {
	What             string
	User             string
	Hour             int
	Function, Action string
	Nth              int
	Arg              int
}

// misfortune is what goes wrong on the way to AWS. Which calls it strikes follows from the calls themselves, so that
// calls side by side don't compete for it.
type misfortune struct {
	Kind, Action, User string
	Every, Salt, Times int // one of so many calls, the first Times tries of each
	Lasting            bool
}

// lostCall is how a function's call comes to nothing: before its work or after it.
type lostCall struct {
	Function string
	After    bool
	Nth      int
}

// lives are what a user may be like, and what that has to mean: nobody asks the product.
var lives = map[string]struct {
	life []fakeaws.Life
	// mayGo: nothing speaks against it but what people say and do.
	mayGo bool
	// unknown: AWS doesn't report its use, so that it may go only where settings accept that.
	unknown bool
}{
	"dead":             {life: []fakeaws.Life{fakeaws.Dead()}, mayGo: true},
	"old key":          {life: []fakeaws.Life{fakeaws.OldKey()}, mayGo: true},
	"token":            {life: []fakeaws.Life{fakeaws.OldKey(), fakeaws.HardwareMFA(), fakeaws.FIDOKey()}, mayGo: true},
	"spare device":     {life: []fakeaws.Life{fakeaws.OldKey(), fakeaws.LeftoverMFA()}, mayGo: true},
	"never used key":   {life: []fakeaws.Life{fakeaws.NeverUsedKey()}, mayGo: true},
	"never signed in":  {life: []fakeaws.Life{fakeaws.NeverSignedIn()}, mayGo: true},
	"third party":      {life: []fakeaws.Life{fakeaws.ThirdParty("watchers")}, mayGo: true},
	"code managed":     {life: []fakeaws.Life{fakeaws.CodeManaged("terraform"), fakeaws.OldKey()}, mayGo: true},
	"used before":      {life: []fakeaws.Life{fakeaws.OldKey(), fakeaws.UsedBefore(95 * day)}, mayGo: true},
	"named in session": {life: []fakeaws.Life{fakeaws.OldKey(), fakeaws.NameInSessions()}, mayGo: true},
	"everything":       {life: nil, unknown: true}, // written item by item
	"bedrock":          {life: []fakeaws.Life{fakeaws.BedrockOnly()}, unknown: true},
	"active":           {life: []fakeaws.Life{fakeaws.Active()}},
	"pipeline":         {life: []fakeaws.Life{fakeaws.Pipeline()}},
	"recently":         {life: []fakeaws.Life{fakeaws.OldKey(), fakeaws.UsedBefore(70 * day)}},
	"signs in":         {life: []fakeaws.Life{fakeaws.SignsIn()}},
	"aws login":        {life: []fakeaws.Life{fakeaws.AWSLogin(false)}}, // CloudTrail alone knows
	"role hopper":      {life: []fakeaws.Life{fakeaws.RoleHopper()}},
	"federates":        {life: []fakeaws.Life{fakeaws.Federates()}},
	"s3 uploader":      {life: []fakeaws.Life{fakeaws.S3Uploader()}},
	"mails":            {life: []fakeaws.Life{fakeaws.SESSender(time.Time{})}},
	"too young":        {life: []fakeaws.Life{fakeaws.TooYoung()}},
	"sole in bucket":   {life: []fakeaws.Life{fakeaws.OldKey(), fakeaws.SoleInBucketPolicy("its-bucket", "eu-central-1")}},
	"sole in key":      {life: []fakeaws.Life{fakeaws.OldKey(), fakeaws.SoleInKeyPolicy("us-east-1")}},
}

var (
	goingLives   = []string{"dead", "dead", "old key", "old key", "token", "spare device", "never used key", "never signed in", "third party", "code managed", "used before", "named in session", "everything", "everything", "bedrock"}
	stayingLives = []string{"active", "pipeline", "recently", "signs in", "aws login", "aws login", "role hopper", "federates", "s3 uploader", "mails", "too young", "sole in bucket", "sole in key"}
	happenings   = []string{
		"use key", "use key", "use session", "sign in", "sign in", "keep tag", "new key", "key off", "key deleted", "new group", "deny off", "deny off", "new policy", "renamed", "name reused", "deleted",
		"region closed", "rescue", "rescue", "rescue", "pause", "exempt", "approver leaves", "longer soak", "more approvals", "stop execution", "forged token", "stop cleanup", "path moved", "new window",
	}
	functionsOfCases = []string{"disable", "wait-soak", "request-approval", "delete-all-artifacts", "delete-all-artifacts", "delete-all-artifacts", "restore", "reconcile", "open-cases", "crosscheck-cloudtrail"}
	actionsOfCases   = []string{"PutUserPolicy", "DeleteAccessKey", "DeleteLoginProfile", "DeleteUserPolicy", "DeleteUser", "LookupEvents", "ListAccessKeys", "GetUser", "TagUser", "UntagUser", "ListAttachedUserPolicies"}
	failing          = append([]string{"", "", "ListUsers", "GetCredentialReport", "GetAccountAuthorizationDetails", "ListBuckets", "GetBucketPolicy", "ListKeys", "ListTopics", "DeactivateMFADevice", "RemoveUserFromGroup", "UpdateAccessKey"}, actionsOfCases...)
)

func chance(t *rapid.T, percent int, what string) bool {
	return rapid.IntRange(1, 100).Draw(t, what) > 100-percent
}

// drawScenario decides everything. What is simpler is drawn by smaller numbers, so that a failing run shrinks to a quiet
// one.
func drawScenario(t *rapid.T) scenario {
	s := scenario{Settings: sunset.DefaultSettings(), Votes: map[string][]vote{}, Hours: map[string]int{}}
	for i := range rapid.SampledFrom([]int{1, 2, 2, 3, 3, 4, 6}).Draw(t, "users") {
		c := character{Name: fmt.Sprintf("user-%d", i), Life: rapid.SampledFrom(goingLives).Draw(t, "life")}
		if chance(t, 18, "stays") {
			c.Life = rapid.SampledFrom(stayingLives).Draw(t, "staying life")
		}
		if chance(t, 6, "keep tag") {
			c.Tags = append(c.Tags, fakeaws.Tag{Key: sunset.TagKeep, Value: "yes"})
		}
		if chance(t, 30, "owner") {
			c.Tags = append(c.Tags, fakeaws.Tag{Key: "owner", Value: "owner@example.com"})
		}
		c.Group, c.Named = chance(t, 30, "group"), chance(t, 15, "named")
		if chance(t, 15, "path") {
			c.Path = "/service/"
		}
		if lives[c.Life].unknown {
			c.Accepted = chance(t, 75, "accepted")
		}
		s.Users = append(s.Users, c)
	}
	drawSettings(t, &s)
	var names []string
	for _, c := range s.Users {
		names = append(names, c.Name)
	}
	for _, a := range s.Settings.Approvers {
		s.Hours[a.Email] = rapid.IntRange(1, 6).Draw(t, "hours")
		for _, name := range names {
			for round := 1; round <= 3; round++ {
				v := vote{User: name, Round: round, Choice: sunset.ChooseDelete, Instead: sunset.ChooseKeep}
				if round == 3 {
					s.Votes[a.Email] = append(s.Votes[a.Email], v)
					break
				}
				if chance(t, 30, "not delete") {
					v.Choice = rapid.SampledFrom([]sunset.Choice{sunset.ChooseKeep, sunset.ChooseSoakAgain, ""}).Draw(t, "choice")
				}
				if chance(t, 40, "soak again instead") {
					v.Instead = sunset.ChooseSoakAgain
				}
				v.Stubborn = chance(t, 20, "stubborn")
				s.Votes[a.Email] = append(s.Votes[a.Email], v)
			}
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "happenings") {
		h := happening{What: rapid.SampledFrom(happenings).Draw(t, "what"), User: rapid.SampledFrom(names).Draw(t, "whom"), Arg: rapid.IntRange(0, 5).Draw(t, "arg")}
		switch rapid.IntRange(0, 3).Draw(t, "when") {
		case 0, 1:
			h.Hour = rapid.IntRange(0, 70).Draw(t, "hour")
		case 2:
			h.Function, h.Nth = rapid.SampledFrom(functionsOfCases).Draw(t, "function"), rapid.IntRange(1, 3).Draw(t, "nth")
		case 3:
			h.Action, h.Nth = rapid.SampledFrom(actionsOfCases).Draw(t, "action"), rapid.IntRange(1, 4).Draw(t, "nth")
		}
		s.Happen = append(s.Happen, h)
	}
	for range rapid.IntRange(0, 2).Draw(t, "faults") {
		m := misfortune{
			Kind:   rapid.SampledFrom([]string{"throttled", "500", "lost answer", "closed", "half answer", "cut page", "put off"}).Draw(t, "fault"),
			Action: rapid.SampledFrom(failing).Draw(t, "failing action"),
			Every:  rapid.IntRange(1, 4).Draw(t, "every"), Salt: rapid.IntRange(0, 99).Draw(t, "salt"), Times: rapid.IntRange(1, 2).Draw(t, "times"),
		}
		if chance(t, 20, "lasting") {
			m.Lasting, m.User, m.Kind = true, rapid.SampledFrom(names).Draw(t, "of whom"), "denied"
		}
		s.Faults = append(s.Faults, m)
	}
	for range rapid.IntRange(0, 2).Draw(t, "deaths") {
		s.Dying = append(s.Dying, lostCall{
			Function: rapid.SampledFrom(functionsOfCases).Draw(t, "dying"), After: rapid.Bool().Draw(t, "after its work"), Nth: rapid.IntRange(1, 2).Draw(t, "which call"),
		})
	}
	s.Resumes, s.Delay, s.Tamper = !chance(t, 15, "nobody resumes"), rapid.SampledFrom([]int{0, 5, 25}).Draw(t, "delivery"), rapid.IntRange(0, 3).Draw(t, "tamper")
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "restarts") {
		s.Restarts = append(s.Restarts, rapid.IntRange(1, 60).Draw(t, "restart"))
	}
	if chance(t, 10, "second cleanup") {
		s.Second = rapid.IntRange(1, 40).Draw(t, "after")
	}
	return s
}

const (
	ownUser = "iam-sunset-runner"
	third   = "third@example.com"
)

func drawSettings(t *rapid.T, s *scenario) {
	hours := func(what string, of ...int) sunset.Duration {
		return sunset.Duration(time.Duration(rapid.SampledFrom(of).Draw(t, what)) * time.Hour)
	}
	x := &s.Settings
	x.Soak, x.Notice, x.ApprovalOpen = hours("soak", 5, 5, 18, 27), hours("notice", 0, 0, 3, 26), hours("approval_open", 12, 30)
	x.Batch = rapid.SampledFrom([]int{20, 20, 2, 1}).Draw(t, "batch")
	x.CapPercent = rapid.SampledFrom([]int{100, 100, 100, 100, 100, 100, 100, 100, 60, 34}).Draw(t, "cap")
	if chance(t, 25, "deactivate") {
		x.Disable = sunset.ByDeactivation
	}
	if chance(t, 15, "retain") {
		x.Final = sunset.FinalRetain
	}
	all := []sunset.Approver{
		{Email: approver, Principals: []string{"arn:aws:iam::123456789012:role/security/approvers-a"}},
		{Email: second},
		{Email: third, Principals: []string{"arn:aws:iam::123456789012:user/user-0"}},
	}
	n := rapid.IntRange(1, 3).Draw(t, "approvers")
	x.Approvers = slices.Clone(all[:n])
	if n == 3 && chance(t, 60, "no own user") {
		x.Approvers[2].Principals = nil
	}
	x.ApprovalsNeeded = rapid.IntRange(1, n).Draw(t, "needed")
	for _, c := range s.Users {
		if c.Accepted {
			x.AcceptUnknown = append(x.AcceptUnknown, c.Name)
		}
	}
	switch rapid.IntRange(0, 11).Draw(t, "exemptions") {
	case 9:
		x.Exemptions = []sunset.Exemption{{Name: "USER-1*", Reason: "needed"}}
	case 10:
		x.Exemptions = []sunset.Exemption{{Path: "/service/", Reason: "services"}, {Name: "user-*", Reason: "over", Expires: "2026-02-01"}}
	case 11:
		x.Exemptions = []sunset.Exemption{{Tag: "owner=owner@example.com", Reason: "has an owner"}}
	}
	switch rapid.IntRange(0, 9).Draw(t, "windows") {
	case 8:
		x.Windows = []sunset.Window{{From: "08:00", To: "18:00"}}
	case 9:
		x.Windows = []sunset.Window{{Days: []string{"tue", "thu", "fri"}, From: "10:00", To: "16:00", Zone: "Europe/Berlin"}}
	}
	if chance(t, 10, "a region is closed by the settings") {
		x.ClosedRegions = []sunset.ClosedRegion{{Region: "eu-central-1", Reason: "forbidden by policy"}}
	}
	starters := []string{starter, starter, starter, approver, "arn:aws:sts::123456789012:assumed-role/approvers-a/somebody", "arn:aws:sts::123456789012:assumed-role/sso/" + second}
	s.Starter = rapid.SampledFrom(starters).Draw(t, "starter")
	s.Proven = s.Starter
	if chance(t, 15, "another starter is proven") {
		s.Proven = rapid.SampledFrom(append(starters, "")).Draw(t, "proven")
	}
	s.Request.Starter = s.Starter
	switch rapid.IntRange(0, 19).Draw(t, "request") {
	case 17:
		s.Request.Users = []string{s.Users[0].Name}
	case 18:
		longer := x.Soak + sunset.Duration(7*time.Hour)
		s.Request.Soak = &longer
	case 19:
		s.Request.DryRun = true
	}
}
