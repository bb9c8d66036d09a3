package tests

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// victim is the user whom every attempt to break a rule is about.
const victim = "old-batch"

// breaker is a world with one user on its way to be deleted, whose only approver decides once and never again: whatever
// is deleted was deleted on that one decision.
type breaker struct {
	*world
	user   fakeaws.NewUser
	before fakeaws.UserState
}

func newBreaker(t *testing.T, lives ...fakeaws.Life) *breaker {
	t.Helper()
	if lives == nil {
		lives = []fakeaws.Life{fakeaws.Dead()}
	}
	return newBreakerOf(t, func(a *fakeaws.Account) (fakeaws.NewUser, error) { return a.Join(victim, lives...) })
}

func newBreakerOf(t *testing.T, join func(*fakeaws.Account) (fakeaws.NewUser, error)) *breaker {
	t.Helper()
	b := &breaker{}
	b.world = newSmallWorld(t, func(a *fakeaws.Account) {
		var err error
		b.user, err = join(a)
		require.NoError(t, err)
		_, err = a.Join("daily", fakeaws.Active())
		require.NoError(t, err)
	})
	b.before, _ = b.account.User(victim)
	// A short soak breaks no other way than a long one.
	b.settings.Soak = sunset.Days(3)
	var asked sync.Once
	b.people[approver] = func(r sunset.ApprovalRequest) (choice sunset.Choice) {
		asked.Do(func() { choice = deleteOrKeep(r) })
		return choice
	}
	return b
}

// atDeletion has f happen right before the first try of a deletion, and during it at the moment of a call where action
// is not empty.
func (b *breaker) atDeletion(action string, f func()) {
	var once sync.Once
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invoked = func(function string) error {
		if function != "delete-all-artifacts" {
			return nil
		}
		if action == "" {
			once.Do(f)
			return nil
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wire = func(now, _ string) {
			if now == action {
				once.Do(f)
			}
		}
		return nil
	}
}

// somebody does something to the account now, before the next call is answered.
func (b *breaker) somebody(action string, params ...string) {
	v := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		v.Set(params[i], params[i+1])
	}
	b.account.At(b.clock.Now(), func(p *fakeaws.Actor) {
		if code := p.AsAdministrator(action, v); code != "" {
			b.t.Errorf("%s by somebody: %s", action, code)
		}
	})
}

// row changes a row as somebody with access to the store would, past all of the product's care.
func (b *breaker) row(key string, change func(map[string]any)) {
	b.t.Helper()
	d, err := store.OpenDir(b.dir, store.NoSync())
	require.NoError(b.t, err)
	row, err := d.Rows().Get(context.Background(), key)
	require.NoError(b.t, err)
	var v map[string]any
	require.NoError(b.t, json.Unmarshal(row.Body, &v))
	change(v)
	body, err := json.Marshal(v)
	require.NoError(b.t, err)
	_, err = d.Rows().Put(context.Background(), key, row.Version, body)
	require.NoError(b.t, err)
}

// plant writes a row that was not there.
func (b *breaker) plant(key string, v any) {
	b.t.Helper()
	d, err := store.OpenDir(b.dir, store.NoSync())
	require.NoError(b.t, err)
	body, err := json.Marshal(v)
	require.NoError(b.t, err)
	_, err = d.Rows().Put(context.Background(), key, 0, body)
	require.NoError(b.t, err)
}

// object overwrites an object that nobody may overwrite.
func (b *breaker) object(key string, change func(map[string]any)) {
	b.t.Helper()
	file := filepath.Join(b.dir, "objects", filepath.FromSlash(key))
	body, err := os.ReadFile(file)
	require.NoError(b.t, err)
	var v map[string]any
	require.NoError(b.t, json.Unmarshal(body, &v))
	change(v)
	body, err = json.Marshal(v)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(file, body, 0o600))
}

// putObject writes an object that was not there.
func (b *breaker) putObject(key string, v any) {
	b.t.Helper()
	body, err := json.Marshal(v)
	require.NoError(b.t, err)
	require.NoError(b.t, b.machine.Objects.Put(context.Background(), key, body))
}

func asMap(t *testing.T, v any) map[string]any {
	t.Helper()
	body, err := json.Marshal(v)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m))
	return m
}

// find reads a user live.
func (b *breaker) find(u fakeaws.NewUser) (live sunset.User, found bool, err error) {
	err = b.clock.Run(b.t.Context(), func(ctx context.Context) (err error) {
		live, found, err = b.machine.IAM.Find(ctx, u.ID, u.Name)
		return err
	})
	return live, found, err
}

// request is the case's request.
func (b *breaker) request() sunset.ApprovalRequest {
	b.t.Helper()
	r, err := b.machine.Desk.Request(context.Background(), b.caseOf(b.user.ID).RequestID)
	require.NoError(b.t, err)
	return r
}

// after lets time pass until something was done, and two days more: long enough for the case to listen, to ask again and
// to try again.
func (b *breaker) after(done *bool) {
	b.t.Helper()
	b.clean(sunset.Request{})
	var then time.Time
	b.until(func() bool {
		if *done && then.IsZero() {
			then = b.clock.Now()
		}
		return *done && b.clock.Now().After(then.Add(2*day))
	})
}

// settle runs until the case has ended and nothing was tried for two days.
func (b *breaker) settle() sunset.Case {
	b.t.Helper()
	b.clean(sunset.Request{})
	b.until(func() bool {
		c, err := b.machine.Cases.Get(context.Background(), b.user.ID)
		return err == nil && !c.Open() && b.clock.Now().After(c.Ended.Add(2*day))
	})
	return b.caseOf(b.user.ID)
}

// untouched says that nothing irreversible was done to the user with the id, and gives it as it is now.
func (b *breaker) untouched() fakeaws.UserState {
	b.t.Helper()
	return b.untouchedBut("")
}

func (b *breaker) untouchedBut(action string) fakeaws.UserState {
	b.t.Helper()
	for _, c := range b.account.Calls() {
		if c.Error == "" && c.Action != action && irrevocable(c) {
			b.t.Errorf("%s on %s at %s", c.Action, c.Params["UserName"], c.At)
		}
	}
	for _, u := range b.account.Users() {
		if u.ID == b.user.ID {
			return u
		}
	}
	b.t.Errorf("%s is gone", victim)
	return fakeaws.UserState{}
}

// irrevocable reports whether a call of the product's took away what it can't give back.
func irrevocable(c fakeaws.Call) bool {
	if c.Service != "iam" || c.Params["PolicyName"] == sunset.DenyPolicyName || c.Params["PolicyArn"] == sunset.ManagedDenyARN {
		return false
	}
	for _, prefix := range []string{"Delete", "Detach", "RemoveUser", "DeactivateMFA"} {
		if strings.HasPrefix(c.Action, prefix) {
			return true
		}
	}
	return false
}

// invoke calls a handler as an execution of the given name would, while time passes.
func invoke[In, Out any](b *world, handler func(context.Context, In) (Out, error), in In) (Out, error) {
	b.t.Helper()
	var out Out
	err := b.clock.Run(b.t.Context(), func(ctx context.Context) (err error) {
		out, err = handler(ctx, in)
		return err
	})
	return out, err
}

// of is what the definition hands to a case's handlers.
func (b *breaker) of(c sunset.Case) workflow.Invocation {
	return workflow.Invocation{Execution: c.Execution, Name: c.ID, State: workflow.State{Case: &workflow.CaseInput{ID: c.ID, UserID: c.UserID, CleanupID: c.CleanupID}}}
}

// toRequest lets time pass until the approvers are asked.
func (b *breaker) toRequest() sunset.Case {
	b.t.Helper()
	b.clean(sunset.Request{})
	b.until(func() bool {
		c, err := b.machine.Cases.Get(context.Background(), b.user.ID)
		return err == nil && c.Stage == sunset.Requesting
	})
	return b.caseOf(b.user.ID)
}
