package tests

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	memberID   = "444455556666"
	externalID = "sunset-of-example-org"
)

// memberWorld is a world with a second account, in which the victim is: the deployment's own has users as idle.
type memberWorld struct {
	*world
	member *fakeaws.Account
	user   fakeaws.NewUser
}

func newMemberWorld(t *testing.T) *memberWorld {
	t.Helper()
	m := &memberWorld{}
	m.world = newSmallWorld(t, func(a *fakeaws.Account) {
		for _, name := range []string{victim, "home-batch"} {
			_, err := a.Join(name, fakeaws.Dead())
			require.NoError(t, err)
		}
	})
	m.member = fakeaws.New(fakeaws.Config{Now: m.clock.Now, Seed: 8, AccountID: memberID, Regions: m.account.Regions()})
	m.account.Link(m.member)
	var err error
	m.user, err = m.member.Join(victim, fakeaws.Dead())
	require.NoError(t, err)
	_, err = m.member.Join("daily", fakeaws.Active())
	require.NoError(t, err)

	const read = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	allow := func(actions string) map[string]string {
		return map[string]string{"changes": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":"*"}]}`}
	}
	role := func(name string, inline map[string]string) string {
		return m.member.AddRole(fakeaws.RoleSpec{Name: name, Path: "/sunset/", Attached: []string{read}, Inline: inline, Trust: `{"Version":"2012-10-17",
			"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + m.account.ID() + `:root"},"Action":"sts:AssumeRole",
			"Condition":{"StringEquals":{"sts:ExternalId":"` + externalID + `"}}}]}`})
	}
	m.settings.Soak = sunset.Days(3)
	m.settings.Accounts = []sunset.MemberAccount{{ID: memberID, ExternalID: externalID, Roles: sunset.MemberRoles{
		Read:   role("iam-sunset-read", allow(`"iam:GenerateCredentialReport"`)),
		Change: role("iam-sunset-change", allow(`"iam:PutUserPolicy","iam:DeleteUserPolicy","iam:TagUser","iam:UntagUser"`)),
		Delete: role("iam-sunset-delete", allow(`"iam:Delete*","iam:Detach*","iam:Remove*","iam:Deactivate*","iam:Update*","iam:PutUserPolicy"`)),
	}}}
	require.NoError(t, m.settings.Validate())
	return m
}

// homeUntouched says that the deployment's own account was asked for its name and the roles, once a day for strays, and
// for nothing else.
func (m *memberWorld) homeUntouched() {
	m.t.Helper()
	require.NotEmpty(m.t, m.account.Calls())
	for _, c := range m.account.Calls() {
		require.True(m.t, c.Service == "sts" || c.Action == "GetAccountAuthorizationDetails" && c.At.Hour() == 4, "%s in the deployment's own account at %s", c.Action, c.At)
	}
	require.Len(m.t, m.account.Users(), 2)
}

func (m *memberWorld) gone() bool {
	_, there := m.member.User(victim)
	return !there
}

func (m *memberWorld) denied() bool {
	u, there := m.member.User(victim)
	require.True(m.t, there, "it is gone")
	return u.Inline[sunset.DenyPolicyName] != ""
}

func TestAMemberAccountIsCleanedUp(t *testing.T) {
	m := newMemberWorld(t)
	m.clean(sunset.Request{Account: memberID})
	row := m.finish()
	require.Equal(t, memberID, row.Account)
	require.Equal(t, 1, row.Outcomes[sunset.Deleted], "%s", m.log)
	require.Equal(t, 1, row.Outcomes[sunset.Kept])
	require.True(t, m.gone())
	m.homeUntouched()

	c := m.caseOf(m.user.ID)
	require.Equal(t, memberID, c.Account)
	require.Equal(t, "WaitForTurn Disable BeginSoak WaitSoak CheckSoak RequestApproval DeleteAllArtifacts LogClosed Closed", m.path(c.Execution))
	m.proven()

	// Each function acted by the role that its work needs.
	by := map[string]map[string]bool{}
	for _, call := range m.member.Calls() {
		role := strings.Split(call.CallerARN, "/")[1]
		require.Equal(t, "arn:aws:sts::"+memberID+":assumed-role/"+role+"/iam-sunset", call.CallerARN)
		require.NotContains(t, call.Error, "AccessDenied", "%s as %s", call.Action, role)
		for _, verb := range []string{"Delete", "Put"} {
			if strings.HasPrefix(call.Action, verb) {
				if by[verb] == nil {
					by[verb] = map[string]bool{}
				}
				by[verb][role] = true
			}
		}
	}
	require.Equal(t, map[string]map[string]bool{"Delete": {"iam-sunset-delete": true}, "Put": {"iam-sunset-change": true}}, by)
	sessions := 0
	for _, call := range m.account.Calls() {
		if call.Action == "AssumeRole" {
			sessions++
			require.Empty(t, call.Error)
			require.Equal(t, externalID, call.Params["ExternalId"])
		}
	}
	require.GreaterOrEqual(t, sessions, 3)
}

// Two accounts with a user of the same name: a cleanup of one sees nothing of the other's.
func TestACleanupIsOfOneAccount(t *testing.T) {
	m := newMemberWorld(t)
	m.clean(sunset.Request{})
	row := m.finish()
	require.Equal(t, m.account.ID(), row.Account)
	require.Equal(t, 2, row.Outcomes[sunset.Deleted])
	require.Empty(t, m.account.Users())
	require.Len(t, m.member.Users(), 2)
	for _, call := range m.member.Calls() {
		require.Contains(t, call.CallerARN, "iam-sunset-read", "strays are looked for in every account, and that is all: %s", call.Action)
	}
	m.proven()
}

func TestAnAccountThatCantBeActedInFailsItsCleanup(t *testing.T) {
	for name, row := range map[string]struct {
		account string
		change  func(*sunset.Settings)
		says    []string
	}{
		"another external id": {
			memberID, func(s *sunset.Settings) { s.Accounts[0].ExternalID = "sunset-of-somebody" },
			[]string{"AccessDenied", "can't be assumed", "external id", "sts:AssumeRole on resource: arn:aws:iam::" + memberID + ":role/sunset/iam-sunset-read"},
		},
		"no such role":                        {memberID, func(s *sunset.Settings) { s.Accounts[0].Roles.Read += "er" }, []string{"AccessDenied", "can't be assumed", "iam-sunset-reader"}},
		"an account that settings don't know": {"777788889999", func(*sunset.Settings) {}, []string{"Invalid", "is none of the accounts in the settings (" + memberID + ")"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemberWorld(t)
			m.set(row.change)
			m.clean(sunset.Request{Account: row.account})
			m.until(func() bool {
				records, err := m.machine.Records.Chain(context.Background(), sunset.CleanupChain(cleanup))
				return err == nil && len(records) > 0 && records[len(records)-1].Kind == "failed"
			})
			records, err := m.machine.Records.Chain(t.Context(), sunset.CleanupChain(cleanup))
			require.NoError(t, err)
			for _, says := range row.says {
				require.Contains(t, records[len(records)-1].Text, says)
			}
			if row.account == memberID {
				ended := m.finish()
				require.Contains(t, ended.Refusal, row.says[1])
				require.Equal(t, memberID, ended.Account)
				m.proven()
			}
			require.Empty(t, m.member.Calls())
			require.Len(t, m.account.Users(), 2)
		})
	}
}

// Somebody takes the account out of the settings while its user soaks. The case fails with a sentence and the user stays
// disabled; once the account is back, a redrive brings the case to its end.
func TestACaseWhoseAccountWasTakenOut(t *testing.T) {
	m := newMemberWorld(t)
	known := m.settings.Accounts
	m.at(turn().Add(day), func() { m.set(func(s *sunset.Settings) { s.Accounts = nil }) })
	m.clean(sunset.Request{Account: memberID})
	m.until(func() bool {
		c, err := m.machine.Cases.Get(context.Background(), m.user.ID)
		return err == nil && c.Outcome == sunset.Failed && m.clock.Now().After(c.Ended.Add(2*day))
	})
	c := m.caseOf(m.user.ID)
	require.Contains(t, c.Reason, "account "+memberID+" is not among the accounts in today's settings")
	require.True(t, m.denied(), "it was given back, or its deny lost")
	_, err := invoke(m.world, func(ctx context.Context, id string) (struct{}, error) {
		return struct{}{}, m.machine.Rescue(ctx, id, "somebody", "it is ours")
	}, m.user.ID)
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), "%v", err)
	require.True(t, m.denied())

	m.set(func(s *sunset.Settings) { s.Accounts = known })
	m.redrive(c)
	m.until(func() bool {
		c, err := m.machine.Cases.Get(context.Background(), m.user.ID)
		return err == nil && !c.Open() && c.Outcome != sunset.Failed
	})
	require.Equal(t, sunset.Rescued, m.caseOf(m.user.ID).Outcome, "the rescue was stored: %s", m.dump(m.caseOf(m.user.ID)))
	require.False(t, m.denied())
	m.homeUntouched()
	m.proven()
}

// A row that says another account leads nowhere: there the user would seem to be gone.
func TestARowCannotMoveItsCaseToAnotherAccount(t *testing.T) {
	m := newMemberWorld(t)
	b := &breaker{world: m.world, user: m.user}
	m.at(turn().Add(day), func() { b.row("case/"+m.user.ID, func(c map[string]any) { c["account"] = m.account.ID() }) })
	m.clean(sunset.Request{Account: memberID})
	m.until(func() bool {
		c, err := m.machine.Cases.Get(context.Background(), m.user.ID)
		return err == nil && c.Outcome == sunset.Failed
	})
	require.Contains(t, m.caseOf(m.user.ID).Reason, "was opened in account "+memberID)
	require.True(t, m.denied())
}

// What is heard in a member account's CloudTrail disturbs the soak there, and a rescue gives the user back there.
func TestAMembersSoakIsHeardThereAndItsUserRescuedThere(t *testing.T) {
	m := newMemberWorld(t)
	m.people = nil
	before, _ := m.member.User(victim)
	m.at(turn().Add(day), func() {
		m.member.At(m.clock.Now(), func(p *fakeaws.Actor) {
			p.Do(m.user.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", url.Values{})
		})
	})
	m.clean(sunset.Request{Account: memberID})
	m.until(func() bool {
		c, err := m.machine.Cases.Get(context.Background(), m.user.ID)
		return err == nil && c.Stage == sunset.Requesting
	})
	c := m.caseOf(m.user.ID)
	require.True(t, c.Holds)
	heard := map[sunset.SignalKind]bool{}
	for _, s := range c.Signals {
		heard[s.Kind] = true
	}
	require.True(t, heard[sunset.LastUsedMoved] && heard[sunset.DeniedCall], "%v", c.Signals)
	_, err := invoke(m.world, func(ctx context.Context, id string) (struct{}, error) {
		return struct{}{}, m.machine.Rescue(ctx, id, "somebody", "it is ours")
	}, m.user.ID)
	require.NoError(t, err)
	m.until(func() bool { return m.clock.Now().After(c.SoakFrom.Add(30 * day)) })
	now, there := m.member.User(victim)
	require.True(t, there)
	require.Equal(t, before.Inline, now.Inline)
	require.Equal(t, sunset.Rescued, m.caseOf(m.user.ID).Outcome)
}

// Credentials of an assumed role end after an hour, long before a case does; a session is taken anew and never a second
// one while the first will do.
func TestARolesSessionIsTakenAnewInTime(t *testing.T) {
	m := newMemberWorld(t)
	m.clean(sunset.Request{Account: memberID})
	m.finish()
	last := map[string]time.Time{}
	for _, call := range m.account.Calls() {
		if call.Action != "AssumeRole" {
			continue
		}
		role := call.Params["RoleArn"]
		require.True(t, last[role].IsZero() || call.At.Sub(last[role]) >= 40*time.Minute, "%s at %s and %s", role, last[role], call.At)
		last[role] = call.At
	}
	require.Len(t, last, 3)
}
