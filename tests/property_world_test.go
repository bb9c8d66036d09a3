package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// trial is one run of a scenario, and what people did in it, by their own account.
type trial struct {
	t       rapid.TB
	is      scenario
	clock   *clock.Virtual
	account *fakeaws.Account
	machine *onemachine.Machine
	shelf   *shelf
	log     *bytes.Buffer
	client  *http.Client
	signers approval.Signers
	journal *stepfunctions.Memory

	ids   map[string]string             // of those who were there at the beginning
	users map[string]fakeaws.NewUser    // by name
	first map[string]fakeaws.UserState  // by id
	lives map[string]character          // by id
	was   map[string]*fakeaws.UserState // as people would have it back, by id

	mu       sync.Mutex
	seq      int
	settings []settingsSince
	cast     []castVote
	rescues  []rescued
	deeds    []act
	denied   []span // when the region eu-central-1 answered nothing
	paused   []span
	invoked  []invocation
	called   map[string]int // functions and actions
	lost     map[string]bool
	struck   map[string]int // misfortunes, by call
	links    []sentLink
	mail     string
	scans    int
	saw      map[string]int // what happened, to be counted over all runs
}

// Each has a number of its own, in the order in which they happened: the clock stands still while much is done.
type (
	settingsSince struct {
		seq int
		s   sunset.Settings
	}
	castVote struct {
		seq                    int
		email, userID, request string
		choice                 sunset.Choice
		status                 int
	}
	rescued struct {
		seq    int // when it was answered
		at     time.Time
		userID string
		stored bool
	}
	act struct {
		seq          int
		at           time.Time
		what, userID string
	}
	span       struct{ from, to time.Time }
	invocation struct {
		seq            int
		at             time.Time
		function, name string
	}
	sentLink struct{ email, url string }
)

// errDied is what the engine is told of a function that died.
var errDied = errors.New("the function died")

func newTrial(t rapid.TB, is scenario, signers approval.Signers) *trial {
	w := &trial{
		t: t, is: is, clock: clock.NewVirtual(begin()), shelf: newShelf(), log: &bytes.Buffer{}, ids: map[string]string{}, users: map[string]fakeaws.NewUser{},
		first: map[string]fakeaws.UserState{}, lives: map[string]character{}, was: map[string]*fakeaws.UserState{}, called: map[string]int{}, lost: map[string]bool{},
		struck: map[string]int{}, signers: signers, journal: &stepfunctions.Memory{}, saw: map[string]int{}, client: &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	w.settings = []settingsSince{{0, is.Settings}}
	w.account = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 11, Regions: []string{"eu-central-1", "eu-west-1", "us-east-1"}})
	w.account.SetDeliveryDelay(time.Duration(is.Delay) * time.Minute)
	for _, c := range is.Users {
		w.join(c)
	}
	w.join(character{Name: ownUser, Life: "old key"})
	w.nameSome()
	for _, u := range w.account.Users() {
		w.first[u.ID] = u
		was := u
		was.Tags = maps.Clone(u.Tags)
		w.was[u.ID] = &was
	}
	for _, m := range is.Faults {
		w.misfortune(m)
	}
	w.start()
	for i := range is.Happen {
		if h := is.Happen[i]; h.Function == "" && h.Action == "" {
			w.clock.AfterFunc(begin().Add(time.Duration(h.Hour)*time.Hour+37*time.Minute), func() { w.happens(h) })
		}
	}
	for _, hour := range is.Restarts {
		w.clock.AfterFunc(begin().Add(time.Duration(hour)*time.Hour+17*time.Minute), w.restart)
	}
	if is.Resumes {
		w.everySixHours()
	}
	return w
}

func (w *trial) join(c character) {
	lives := slices.Clone(lives[c.Life].life)
	for _, tag := range c.Tags {
		lives = append(lives, fakeaws.Tagged(tag.Key, tag.Value))
	}
	if c.Path != "" {
		lives = append(lives, fakeaws.InPath(c.Path))
	}
	if c.Group {
		lives = append(lives, fakeaws.InGroup("everybody"))
	}
	var made fakeaws.NewUser
	var err error
	if c.Life == "everything" {
		made, err = everythingOf(w.account, c.Name)
		require.NoError(w.t, err)
	} else {
		made, err = w.account.Join(c.Name, lives...)
		require.NoError(w.t, err)
	}
	w.ids[c.Name], w.users[c.Name], w.lives[made.ID] = made.ID, made, c
}

// nameSome has a role's trust and a bucket's policy name users beside somebody who stays.
func (w *trial) nameSome() {
	for _, c := range w.is.Users {
		if c.Named {
			principals := `["` + w.users[c.Name].ARN + `","arn:aws:iam::123456789012:role/Administrator"]`
			w.account.AddRole(fakeaws.RoleSpec{Name: "for-" + c.Name, CreatedAt: begin().AddDate(-1, 0, 0), Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":` + principals + `},"Action":"sts:AssumeRole"}]}`})
			w.account.AddBucket("shared-"+c.Name, "eu-central-1", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":`+principals+`},"Action":"s3:GetObject","Resource":"arn:aws:s3:::shared-`+c.Name+`/*"}]}`)
		}
	}
}

// misfortune arms what goes wrong. Each call is struck or not by its own parameters, and only its first tries.
func (w *trial) misfortune(m misfortune) {
	f := fakeaws.Fault{Action: m.Action, Match: func(c fakeaws.Call) bool {
		if m.Lasting {
			return c.Service == "iam" && c.Params["UserName"] == m.User
		}
		key := m.Kind + "/" + c.Service + "/" + c.Action + "/" + c.Region
		for _, name := range slices.Sorted(maps.Keys(c.Params)) {
			key += "/" + name + "=" + c.Params[name]
		}
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(key)) // a hash takes everything
		if int(sum.Sum32()>>3+uint32(m.Salt))%m.Every != 0 {
			return false
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.struck[key]++; w.struck[key] > m.Times {
			return false
		}
		w.saw["fault "+m.Kind]++
		return true
	}}
	switch m.Kind {
	case "throttled":
		f.Throttle = true
	case "500":
		f.Code, f.Status = "InternalFailure", 500
	case "lost answer":
		f.Drop, f.ApplyFirst = true, true
	case "closed":
		f.Drop = true
	case "half answer":
		f.Truncate = true
	case "cut page":
		f.CutPage = true
	case "put off":
		f.Service, f.Code, f.Status = "iam", "EntityTemporarilyUnmodifiable", 409
	case "denied":
		f.Service, f.Code, f.Status = "iam", "AccessDenied", 403
		if m.Action == "" {
			f.Action = "DeleteAccessKey"
		}
	}
	w.account.Fail(f)
}

func (w *trial) start() {
	admin := w.account.Administrator()
	var err error
	w.machine, err = onemachine.Start(onemachine.Config{
		AWS: aws.Config{
			Region: "us-east-1", BaseEndpoint: aws.String("http://account.invalid"), HTTPClient: direct{w.account.Handler(), w.passing},
			Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.SecretAccessKey, admin.SessionToken)),
		},
		AccountID: w.account.ID(), Region: "us-east-1", Time: unjittered{w.clock}, Objects: shelfObjects{w.shelf}, Rows: shelfRows{w.shelf},
		Signers: w.signers, Messenger: w, Settings: w.live, Log: slog.New(slog.NewTextHandler(&lockedWriter{w: w.log}, nil)),
		PagesAddr: "127.0.0.1:0", Rand: rand.NewChaCha8([32]byte{1}), Own: []string{w.users[ownUser].ARN},
		StartedBy: func(context.Context, string, time.Time) (string, error) { return w.is.Proven, nil },
		OnInvoke:  w.invoking, Journal: w.journal,
	})
	require.NoError(w.t, err)
}

// restart ends the process while no function is at work, and has another take up what the journal says.
func (w *trial) restart() {
	w.mu.Lock()
	var asked time.Time
	for _, i := range w.invoked {
		if i.function == "request-approval" {
			asked = i.at
		}
	}
	w.mu.Unlock()
	answering := w.clock.Now().After(asked.Add(10 * time.Minute)) // the function is done, the people are not
	for _, x := range w.machine.Engine.Executions() {
		if x.Status == asl.Running && !strings.HasPrefix(x.State, "Wait") && !(answering && x.State == "RequestApproval") {
			w.clock.AfterFunc(w.clock.Now().Add(7*time.Minute), w.restart)
			return
		}
	}
	w.machine.Close()
	w.start()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saw["restart"]++
}

// now is where a link of an earlier process leads: its port is another one now.
func (w *trial) now(link string) string {
	u, err := url.Parse(link)
	require.NoError(w.t, err)
	return w.machine.PagesURL + u.Path
}

// unjittered is virtual time in which the waits of AWS's SDK, which it draws at random by itself, all take two seconds: a run
// must follow from its scenario.
type unjittered struct{ *clock.Virtual }

func (c unjittered) Sleep(ctx context.Context, d time.Duration) error {
	if d%time.Millisecond != 0 {
		d = 2 * time.Second
	}
	return c.Virtual.Sleep(ctx, d)
}

func (w *trial) close() {
	w.machine.Close()
	w.client.CloseIdleConnections()
}

func (w *trial) live(context.Context) (sunset.Settings, error) { return w.settingsAt(math.MaxInt), nil }

// next numbers what happens. The caller holds the lock.
func (w *trial) next() int {
	w.seq++
	return w.seq
}

// settingsAt are those of when something of that number happened.
func (w *trial) settingsAt(seq int) sunset.Settings {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.settings[0].s
	for _, x := range w.settings {
		if x.seq <= seq {
			s = x.s
		}
	}
	return s
}

func (w *trial) set(f func(*sunset.Settings)) {
	s := w.settingsAt(math.MaxInt)
	s.Exemptions, s.Approvers, s.Windows = slices.Clone(s.Exemptions), slices.Clone(s.Approvers), slices.Clone(s.Windows)
	f(&s)
	if s.Validate() == nil {
		w.mu.Lock()
		w.settings = append(w.settings, settingsSince{w.next(), s})
		w.mu.Unlock()
	}
}

// invoking is told of every call of a function, before its work.
func (w *trial) invoking(function string, payload []byte) error {
	var in struct{ Name, Stage string }
	if err := json.Unmarshal(payload, &in); err != nil {
		return err
	}
	w.mu.Lock()
	w.called[function]++
	n := w.called[function]
	w.mu.Unlock()
	for _, h := range w.is.Happen {
		if h.Function == function && h.Nth == n {
			w.happens(h)
		}
	}
	w.mu.Lock()
	w.invoked = append(w.invoked, invocation{w.next(), w.clock.Now(), function, in.Name})
	w.mu.Unlock()
	for i, d := range w.is.Dying {
		key := function + "/" + in.Name + "/" + in.Stage + "/" + string(rune('a'+i))
		if d.Function != function || d.Nth > 1 && n%2 == 0 {
			continue
		}
		w.mu.Lock()
		already := w.lost[key]
		w.lost[key] = true
		if !already {
			w.saw["function died"]++
		}
		w.mu.Unlock()
		if already {
			continue
		}
		if d.After {
			_, _ = w.machine.Functions()[function](context.Background(), payload) // whatever it answers is lost
		}
		return errDied
	}
	return nil
}

// passing is told of every call to AWS before it is answered.
func (w *trial) passing(action string) {
	w.mu.Lock()
	w.called[action]++
	n := w.called[action]
	w.mu.Unlock()
	for _, h := range w.is.Happen {
		if h.Action == action && h.Nth == n {
			if h.inAccount() {
				w.happens(h)
			} else {
				w.clock.AfterFunc(w.clock.Now(), func() { w.happens(h) })
			}
		}
	}
}

// Send is everybody's mail. Approvers open a link as many hours later as their votes say; somebody's scanner opens it at once.
func (w *trial) Send(_ context.Context, m approval.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mail += m.Subject + "\n" + m.Text + "\n"
	if m.Link == "" {
		return nil
	}
	w.links = append(w.links, sentLink{m.To, m.Link})
	now, same := w.clock.Now(), 0
	for _, sent := range w.links {
		if (approval.Message{Link: sent.url}).ForOwner() == m.ForOwner() {
			same++
		}
	}
	if same <= 2 {
		w.clock.AfterFunc(now.Add(20*time.Minute), func() { w.scan(m.To, m.Link) })
	}
	if m.ForOwner() {
		return nil
	}
	w.clock.AfterFunc(now.Add(time.Duration(w.is.Hours[m.To])*time.Hour), func() { w.visit(m.To, m.Link) })
	return nil
}

// scan opens every page that a link leads to, as mail scanners do, and holds that nothing was written.
func (w *trial) scan(email, link string) {
	link = w.now(link)
	pages := []string{link, link + "/nothing", link + "?done=x"}
	if items, err := w.machine.Desk.Inbox(context.Background(), email); err == nil {
		for _, it := range items {
			pages = append(pages, link+"/"+it.Request.ID)
		}
	}
	before, calls := w.shelf.wrote(), len(w.account.Calls())
	for _, page := range pages {
		resp, err := w.client.Get(page)
		if err != nil {
			w.t.Errorf("a scanner opens a page: %v", err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if w.shelf.wrote() != before || len(w.account.Calls()) != calls {
		w.t.Errorf("rule 5: GET of %d pages wrote %d times and called AWS %d times", len(pages), w.shelf.wrote()-before, len(w.account.Calls())-calls)
	}
	w.mu.Lock()
	w.scans += len(pages)
	w.mu.Unlock()
}

// visit has an approver do what it would with each request that it finds open.
func (w *trial) visit(email, link string) {
	items, err := w.machine.Desk.Inbox(context.Background(), email)
	if err != nil {
		return // no approver any more
	}
	for _, it := range items {
		name := w.nameOf(it.Request.UserID)
		for _, v := range w.is.Votes[email] {
			// Whoever wants to listen again and again gives in at last.
			if v.User != name || v.Round != min(it.Request.Round, 3) || it.Mine != nil || it.Request.State != sunset.RequestOpen || v.Choice == "" {
				continue
			}
			choice := v.Choice
			if it.Request.Disturbed && choice == sunset.ChooseDelete && !v.Stubborn {
				choice = v.Instead
			}
			if status := w.post(email, link, it.Request, choice); status != http.StatusSeeOther && choice != v.Instead && it.Request.Disturbed {
				w.post(email, link, it.Request, v.Instead)
			}
		}
	}
}

func (w *trial) post(email, link string, r sunset.ApprovalRequest, choice sunset.Choice) int {
	resp, err := w.client.PostForm(w.now(link)+"/"+r.ID, url.Values{"choice": {string(choice)}, "reason": {"because of the property"}, "digest": {r.Digest}})
	if err != nil {
		w.t.Errorf("posting a decision: %v", err)
		return 0
	}
	_ = resp.Body.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cast = append(w.cast, castVote{w.next(), email, r.UserID, r.ID, choice, resp.StatusCode})
	if resp.StatusCode == http.StatusSeeOther {
		w.saw["vote "+string(choice)]++
	} else {
		w.saw["vote refused"]++
	}
	return resp.StatusCode
}

// nameOf is the name under which a user came into the story.
func (w *trial) nameOf(id string) string {
	return w.lives[id].Name
}

func (w *trial) everySixHours() {
	var again func()
	again = func() {
		if _, err := w.machine.ResumeTurns(context.Background(), "operator", "looked into it"); err != nil {
			w.t.Errorf("resuming turns: %v", err)
		}
		w.clock.AfterFunc(w.clock.Now().Add(6*time.Hour), again)
	}
	w.clock.AfterFunc(begin().Add(6*time.Hour), again)
}

// run lets the story happen, and says whether every cleanup came to its end.
func (w *trial) run() (ended bool) {
	names := []string{cleanup}
	_, err := w.machine.StartCleanup(context.Background(), cleanup, w.is.Request)
	require.NoError(w.t, err)
	if w.is.Second > 0 {
		names = append(names, "again")
		w.clock.AfterFunc(begin().Add(time.Duration(w.is.Second)*time.Hour), func() {
			if _, err := w.machine.StartCleanup(context.Background(), "again", w.is.Request); err != nil {
				w.t.Errorf("starting another cleanup: %v", err)
			}
		})
	}
	limit, over := begin().Add(9*day), time.Time{}
	if !w.is.Resumes {
		limit = begin().Add(4 * day)
	}
	require.NoError(w.t, w.clock.RunUntil(context.Background(), func() bool {
		// One that failed and is redriven may make an ended cleanup go on.
		switch ended = w.allEnded(names); {
		case !ended:
			over = time.Time{}
		case over.IsZero():
			over = w.clock.Now().Add(3 * time.Hour)
		}
		return !over.IsZero() && w.clock.Now().After(over) || w.clock.Now().After(limit)
	}))
	return ended
}

func (w *trial) allEnded(names []string) bool {
	for _, name := range names {
		var row sunset.Cleanup
		if json.Unmarshal(w.shelf.row("cleanup/"+name), &row) != nil || row.Ended.IsZero() {
			return false
		}
	}
	for _, key := range w.shelf.rowKeys("case/") {
		var c sunset.Case
		if json.Unmarshal(w.shelf.row(key), &c) != nil || c.Open() {
			return false
		}
	}
	return true
}

// stolenTokens are all task tokens, as somebody has them who reads the store.
func (w *trial) stolenTokens() []string {
	var out []string
	for _, key := range w.shelf.rowKeys("token/") {
		var stored struct {
			Token string `json:"token"`
		}
		if json.Unmarshal(w.shelf.row(key), &stored) == nil && stored.Token != "" {
			out = append(out, stored.Token)
		}
	}
	return out
}

func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
