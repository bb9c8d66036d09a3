package tests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// errDead is what a machine's code meets from the moment of its death on: nothing that it does gets out any more.
var errDead = errors.New("the machine is dead")

// deed is something that a machine does to the world outside: a call of AWS, a write to its stores or its journal, a
// message. Of equal ones nth counts from 1, over all machines of a world.
type deed struct {
	kind, name string
	nth        int
}

func (d deed) String() string { return fmt.Sprintf("%s %s %d", d.kind, d.name, d.nth) }

// death is a moment: just before a deed, or just after it, before anybody hears how it went.
type death struct {
	deed
	before bool
}

func (d death) String() string {
	if d.before {
		return "before " + d.deed.String()
	}
	return "after " + d.deed.String()
}

// mortal is a world whose machine dies at given moments; another one starts on the same stores and journal.
type mortal struct {
	*whole12
	// journal outlives machines; open, where set, opens it for the next one, and shut closes it after a death.
	journal stepfunctions.Memory
	open    func() stepfunctions.Journal
	shut    func()
	// down is how long it takes until another machine starts.
	down time.Duration

	dying  sync.Mutex
	deeds  []deed
	count  map[deed]int
	deaths []death // still to come
	died   []death
	// relapse, where set, is told of each deed of the second machine, and how many of its name's first word it has done, and
	// says whether that one dies right after it.
	relapse func(d deed, nth int) bool
	since   map[string]int
	machine int
	life    *atomic.Bool // of the machine that runs: true once it is dead
}

// newMortal makes one that dies at all of the given moments.
func newMortal(t *testing.T, end sunset.Outcome, deaths ...death) *mortal {
	t.Helper()
	return newMortalOn(t, end, nil, deaths)
}

// newMortalOn is newMortal with a journal that is kept in the named file, if any.
func newMortalOn(t *testing.T, end sunset.Outcome, file *string, deaths []death) *mortal {
	t.Helper()
	m := &mortal{down: 10 * time.Minute, count: map[deed]int{}, since: map[string]int{}, deaths: deaths}
	if file != nil {
		var db *journal.Journal
		m.open = func() stepfunctions.Journal {
			var err error
			db, err = journal.Open(*file, journal.NoSync())
			if err != nil {
				t.Errorf("machine %d: %v", m.machine, err)
			}
			return db
		}
		m.shut = func() {
			if err := db.Close(); err != nil {
				t.Errorf("closing the journal: %v", err)
			}
		}
	}
	newWhole12(t, end, func(x *whole12) {
		m.whole12 = x
		x.adapt = m.incarnate
	})
	return m
}

// does carries a deed out, unless the machine is dead or dies now.
func (m *mortal) does(dead *atomic.Bool, kind, name string, f func() error) error {
	m.dying.Lock()
	if dead.Load() {
		m.dying.Unlock()
		return errDead
	}
	d := deed{kind: kind, name: name}
	m.count[d]++
	d.nth = m.count[d]
	m.deeds = append(m.deeds, d)
	if m.meets(death{d, true}, dead) {
		m.dying.Unlock()
		return errDead
	}
	m.dying.Unlock()
	err := f()
	m.dying.Lock()
	defer m.dying.Unlock()
	m.meets(death{d, false}, dead)
	m.relapses(d, dead)
	if dead.Load() {
		return errDead
	}
	return err
}

// meets kills the machine if its time has come. m.dying is held.
func (m *mortal) meets(d death, dead *atomic.Bool) bool {
	for i, next := range m.deaths {
		if next == d && !dead.Load() {
			m.deaths = append(m.deaths[:i:i], m.deaths[i+1:]...)
			m.died = append(m.died, d)
			dead.Store(true)
			old := m.world.machine
			m.clock.AfterFunc(m.clock.Now().Add(m.down), func() {
				if old != nil {
					old.Close()
				}
				if m.shut != nil {
					m.shut()
				}
				if err := m.boot(); err != nil && !errors.Is(err, errDead) {
					m.t.Errorf("machine %d doesn't start: %v", m.machine, err)
				}
			})
			return true
		}
	}
	return false
}

// relapses kills the second machine too. m.dying is held.
func (m *mortal) relapses(d deed, dead *atomic.Bool) {
	if m.relapse == nil || m.machine != 2 || dead.Load() {
		return
	}
	word, _, _ := strings.Cut(d.name, " ")
	m.since[word]++
	if m.relapse(d, m.since[word]) {
		m.relapse = nil
		m.deaths = append(m.deaths, death{d, false})
		m.meets(death{d, false}, dead)
	}
}

// incarnate makes the next machine one that can die.
func (m *mortal) incarnate(cfg *onemachine.Config) {
	dead := &atomic.Bool{}
	m.dying.Lock()
	m.machine++
	m.life = dead
	seed := [32]byte{byte(m.machine)}
	m.dying.Unlock()
	cfg.Rand = rand.NewChaCha8(seed)
	cfg.Time = mortalTime{Time: cfg.Time, dead: dead}
	var kept stepfunctions.Journal = &m.journal
	if m.open != nil {
		kept = m.open()
	}
	cfg.Journal = mortalJournal{Journal: kept, mortal: m, dead: dead}
	cfg.Objects = mortalObjects{Objects: cfg.Objects, mortal: m, dead: dead}
	cfg.Rows = mortalRows{Rows: cfg.Rows, mortal: m, dead: dead}
	cfg.Messenger = mortalMail{mortal: m, dead: dead}
	cfg.Each = func(function string, w workflow.World) workflow.World {
		w.AWS.HTTPClient = mortalCalls{mortal: m, inner: w.AWS.HTTPClient, function: function, dead: dead}
		return w
	}
}

// mortalTime wakes nobody who is dead.
type mortalTime struct {
	onemachine.Time
	dead *atomic.Bool
}

func (c mortalTime) Sleep(ctx context.Context, d time.Duration) error {
	if c.dead.Load() {
		return errDead
	}
	if err := c.Time.Sleep(ctx, d); err != nil {
		return err
	}
	if c.dead.Load() {
		return errDead
	}
	return nil
}

func (c mortalTime) AfterFunc(t time.Time, f func()) (stop func() bool) {
	return c.Time.AfterFunc(t, func() {
		if !c.dead.Load() {
			f()
		}
	})
}

type mortalJournal struct {
	stepfunctions.Journal
	*mortal
	dead *atomic.Bool
}

func (j mortalJournal) Commit(writes []stepfunctions.Write) error {
	return j.does(j.dead, "commit", "journal", func() error { return j.Journal.Commit(writes) })
}

type mortalObjects struct {
	store.Objects
	*mortal
	dead *atomic.Bool
}

func (o mortalObjects) Put(ctx context.Context, key string, body []byte) error {
	return o.does(o.dead, "object", steady(key), func() error { return o.Objects.Put(ctx, key, body) })
}

type mortalRows struct {
	store.Rows
	*mortal
	dead *atomic.Bool
}

func (r mortalRows) Put(ctx context.Context, key string, version int64, body []byte) (next int64, err error) {
	err = r.does(r.dead, "row", steady(key), func() error {
		next, err = r.Rows.Put(ctx, key, version, body)
		return err
	})
	return next, err
}

var drawn = regexp.MustCompile(`[0-9a-f]{32,}`)

// steady is a key without what is drawn anew in each world.
func steady(key string) string { return drawn.ReplaceAllString(key, "*") }

type mortalCalls struct {
	*mortal
	inner    aws.HTTPClient
	function string
	dead     *atomic.Bool
}

func (c mortalCalls) Do(r *http.Request) (response *http.Response, err error) {
	err = c.does(c.dead, "call", c.function+" "+actionOf(r), func() error {
		response, err = c.inner.Do(r)
		return err
	})
	return response, err
}

// mortalMail is read by an approver who comes back until there is a page, and it has taken the decision.
type mortalMail struct {
	*mortal
	dead *atomic.Bool
}

func (l mortalMail) Send(_ context.Context, msg approval.Message) error {
	return l.does(l.dead, "message", msg.To, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mail = append(l.mail, msg)
		if msg.Link != "" {
			l.links = append(l.links, msg.Link)
			l.clock.AfterFunc(l.clock.Now().Add(time.Hour), func() { l.visitUntilHeard(msg, 1) })
		}
		return nil
	})
}

func (m *mortal) visitUntilHeard(msg approval.Message, try int) {
	if err := m.visitNow(msg); err != nil {
		if try == 48 {
			m.t.Errorf("an approver comes for the 48th time: %v", err)
			return
		}
		m.clock.AfterFunc(m.clock.Now().Add(time.Hour), func() { m.visitUntilHeard(msg, try+1) })
	}
}

func (m *mortal) visitNow(msg approval.Message) error {
	link, err := url.Parse(msg.Link)
	if err != nil {
		return err
	}
	m.dying.Lock()
	dead := m.life
	m.dying.Unlock()
	if dead.Load() {
		return errDead
	}
	items, err := m.world.machine.Desk.Inbox(context.Background(), msg.To)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Request.State != sunset.RequestOpen || it.Mine != nil {
			continue
		}
		choice := sunset.ChooseDelete
		if m.end == sunset.Restored {
			choice = sunset.ChooseKeep
		}
		resp, err := http.PostForm(m.world.machine.PagesURL+link.Path+"/"+it.Request.ID, url.Values{
			"choice": {string(choice)}, "reason": {"because of the test"}, "digest": {it.Request.Digest},
		})
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode >= 400 || dead.Load() {
			return fmt.Errorf("the page answered %s", resp.Status)
		}
	}
	return nil
}

// lives has a whole life, through all deaths, and gives the case at its end.
func (m *mortal) lives() sunset.Case {
	m.t.Helper()
	var begun atomic.Bool
	var start func()
	start = func() {
		_, err := m.world.machine.StartCleanup(context.Background(), cleanup, sunset.Request{Starter: starter})
		if err != nil && sunset.KindOf(err) != sunset.Conflict { // it has begun, and nobody heard
			m.clock.AfterFunc(m.clock.Now().Add(time.Hour), start)
			return
		}
		begun.Store(true)
	}
	m.at(begin(), start)
	limit := begin().Add(6 * day)
	var row sunset.Cleanup
	err := m.clock.RunUntil(m.t.Context(), func() bool {
		if m.clock.Now().After(limit) {
			return true
		}
		if !begun.Load() || m.life.Load() {
			return false
		}
		row, _ = m.world.machine.Cases.Cleanup(context.Background(), cleanup)
		return !row.Ended.IsZero() && m.world.machine.Engine.Counts()["RUNNING"] == 0
	})
	require.NoError(m.t, err)
	require.False(m.t, row.Ended.IsZero(), "it did not end:\n%s", m.dump(m.caseOf(m.user.ID)))
	return m.caseOf(m.user.ID)
}

// asIfNothing asserts that a life has come to its end as one without deaths does.
func (m *mortal) asIfNothing(c sunset.Case) {
	t := m.t
	t.Helper()
	require.Equal(t, m.end, c.Outcome, "%s\n%s", m.dump(c), m.log)
	want := map[sunset.Outcome]string{sunset.Deleted: "gone", sunset.Restored: "as before"}[m.end]
	require.Equal(t, want, m.standing(), "%s", m.dump(c))
	others, devices := m.rest()
	require.Equal(t, m.others, others)
	require.Equal(t, m.devices, devices)
	row, err := m.world.machine.Cases.Cleanup(t.Context(), cleanup)
	require.NoError(t, err)
	require.Equal(t, map[sunset.Outcome]int{m.end: 1, sunset.Kept: 1}, positive(row.Outcomes))
	for _, x := range m.world.machine.Engine.Executions() {
		require.Equal(t, "SUCCEEDED", string(x.Status), "%s: %s", x.Name, x.Cause)
	}
	kinds := map[string]int{}
	for _, r := range m.records(c) {
		kinds[r.Kind]++
	}
	for _, once := range []string{"claimed", "snapshot", "disabled", "requested", "decision", "closed", string(m.end)} {
		require.Equal(t, 1, kinds[once], "records of kind %s in\n%s", once, m.dump(c))
	}
	require.Zero(t, kinds["failed"]+kinds["mismatch"], "%s", m.dump(c))
	m.onceEach()
	m.proven()
}

// onceEach asserts that of what can't be undone nothing was done twice, and that no call reached anybody else.
func (m *mortal) onceEach() {
	done := map[string]int{}
	for _, c := range m.account.Calls() {
		if c.Error != "" || c.Service != "iam" || (callOf{action: c.Action}).changes() == false {
			continue
		}
		if name, named := c.Params["UserName"]; named {
			require.Equal(m.t, victim, name, "%s", c.Action)
		}
		if irrevocable(c) {
			key := c.Action
			for _, p := range []string{"AccessKeyId", "SSHPublicKeyId", "CertificateId", "ServiceSpecificCredentialId", "SerialNumber", "GroupName", "PolicyName", "PolicyArn"} {
				key += " " + c.Params[p]
			}
			done[strings.TrimSpace(key)]++
		}
	}
	for what, times := range done {
		require.Equal(m.t, 1, times, what)
	}
}
