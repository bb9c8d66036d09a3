package tests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
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
		if msg.ForOwner() {
			l.ways = append(l.ways, msg.Link)
		} else if msg.Link != "" {
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
