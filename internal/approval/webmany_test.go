package approval_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// chosen is a form on many requests, as the inbox sends it.
func chosen(f url.Values, r sunset.ApprovalRequest, choice sunset.Choice) url.Values {
	if f == nil {
		f = url.Values{}
	}
	f.Set("digest."+r.ID, r.Digest)
	if choice != "" {
		f.Set("choice."+r.ID, string(choice))
	}
	return f
}

func (s *site) send(t *testing.T, path string, f url.Values) (int, string) {
	t.Helper()
	status, text, _ := s.do(t, http.MethodPost, path, formType, f.Encode())
	return status, text
}

// What a user has several of is counted in plain English.
func TestReviewCountsWhatGoes(t *testing.T) {
	s := newSite(t, 1)
	r := asking("ci-a")
	r.Facts.Artifacts = nil
	for _, kind := range []string{"group", "inline-policy", "mfa-fido", "spare-mfa", "signing-certificate"} {
		for _, id := range []string{"one", "two"} {
			r.Facts.Artifacts = append(r.Facts.Artifacts, sunset.Artifact{Kind: kind, ID: id})
		}
	}
	r = s.open(t, r, "token")
	_, text := s.send(t, "/a/"+s.link(t, ada)+"/review", chosen(nil, r, sunset.ChooseDelete))
	require.Contains(t, text, "Goes with it: 2 memberships of groups, 2 inline policies, 2 FIDO keys or passkeys, 2 virtual MFA devices (unassigned), 2 signing certificates")
}

func TestReviewNamesEverybodyAndChangesNothing(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	a, b, c := s.open(t, asking("ci-a"), "token"), s.open(t, asking("ci-b"), "token"), s.open(t, asking("ci-c"), "token")
	loud, mine := s.open(t, disturbed(asking("ci-loud")), "token"), s.open(t, asking("ci-mine"), "token")
	s.decide(t, word(mine, ada, sunset.ChooseKeep))
	f := chosen(chosen(chosen(chosen(chosen(nil, a, sunset.ChooseKeep), b, sunset.ChooseDelete), c, ""), loud, sunset.ChooseDelete), mine, sunset.ChooseKeep)
	f.Set("digest.gone", "0")
	f.Set("choice.gone", "delete")
	f.Set("reason."+b.ID, "its job ended")
	before := s.contents(t)
	status, text := s.send(t, "/a/"+link+"/review", f)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, before, s.contents(t))
	require.Empty(t, s.recorded)
	onceEach(t, text)
	require.Contains(t, text, "Nothing is decided yet")
	require.Contains(t, text, "Delete 1 user for good")
	require.Contains(t, text, "Keep 1 user<")
	require.Less(t, strings.Index(text, "Delete 1 user"), strings.Index(text, "Keep 1 user<"), "what can't be taken back comes first")
	require.Contains(t, text, "Goes with it: 2 access keys, membership of group, inline policy, virtual MFA device, console password, SSH public key")
	require.Contains(t, text, b.UserARN)
	require.Contains(t, text, ">its job ended</textarea>")
	require.Contains(t, text, `action="/a/`+link+`/decide"`)
	require.NotContains(t, text, "ci-c", "nothing was chosen for it")
	require.Contains(t, text, "ci-loud</a>: delete is not among the choices: something was heard while it was disabled.")
	require.Contains(t, text, "ci-mine</a>: you decided this already.")
	require.Contains(t, text, "A case that is not here any more: open your list again.")

	// A shortcut stands wherever nothing else was chosen.
	f.Set("all", "delete")
	_, text = s.send(t, "/a/"+link+"/review", f)
	require.Contains(t, text, "Delete 2 users for good")
	require.Contains(t, text, "Keep 1 user<", "what was chosen by itself stays")
	require.Contains(t, text, `name="choice.`+c.ID+`" value="delete"`)

	// One alone is decided at its own address.
	_, text = s.send(t, "/a/"+link+"/review", chosen(nil, a, sunset.ChooseSoakAgain))
	require.Contains(t, text, `action="/a/`+link+"/"+a.ID+`"`)
	require.Contains(t, text, `name="digest" value="`+a.Digest+`"`)
	require.Contains(t, text, "Soak 1 user again")
	require.Equal(t, before, s.contents(t))
}

func TestManyAreDecidedEachByItself(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	a, b, c := s.open(t, asking("ci-a"), "token"), s.open(t, asking("ci-b"), "token"), s.open(t, asking("ci-c"), "token")
	loud, late := s.open(t, disturbed(asking("ci-loud")), "token"), s.open(t, asking("ci-late"), "token")
	s.decide(t, word(late, ben, sunset.ChooseKeep))
	own := asking("ada")
	own.UserARN = "arn:aws:iam::111122223333:user/ada"
	own = s.open(t, own, "token")
	f := chosen(chosen(chosen(nil, a, sunset.ChooseDelete), b, sunset.ChooseKeep), c, sunset.ChooseSoakAgain)
	f = chosen(chosen(chosen(f, loud, sunset.ChooseDelete), late, sunset.ChooseDelete), own, sunset.ChooseDelete)
	f.Set("digest."+c.ID, strings.Repeat("0", 64))
	f.Set("choice.gone", "delete")
	f.Set("digest.gone", "0")
	f.Set("reason", "unused for a year")
	f.Set("reason."+b.ID, "its owner asked")
	status, text := s.send(t, "/a/"+link+"/decide", f)
	require.Equal(t, http.StatusOK, status)
	onceEach(t, text)
	require.Contains(t, text, "2 of your decisions are stored, 1 to delete, 1 to keep.")
	require.Contains(t, text, "5 could not be taken")
	for _, why := range []string{
		"ci-c</a>, soak again: The facts about ci-c have changed", "ci-loud</a>, delete: Delete is not among the choices: something was heard", "ci-late</a>, delete: ci-late has been decided already",
		"ada@example.com is the subject of this case, and so can&#39;t decide on ada", "A case that is not here any more, delete: Open your list again.",
	} {
		require.Contains(t, text, why)
	}
	require.ElementsMatch(t, []sunset.Choice{sunset.ChooseDelete, sunset.ChooseKeep}, s.answered)
	reasons := map[string]string{}
	for _, d := range s.recorded {
		reasons[d.RequestID] = d.Reason
	}
	require.Equal(t, map[string]string{a.ID: "unused for a year", b.ID: "its owner asked"}, reasons)

	// Once more, as a browser does that is reloaded: the same is told, and nothing new is stored.
	before := s.contents(t)
	_, again := s.send(t, "/a/"+link+"/decide", f)
	require.Contains(t, again, "2 of your decisions are stored")
	require.Equal(t, before, s.contents(t))
	require.Len(t, s.answered, 2)
}

func TestTwoHundredAreDecidedByOneForm(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	f := url.Values{}
	for i := range 200 {
		r := s.open(t, asking(fmt.Sprintf("ci-%03d", i)), "token")
		chosen(f, r, []sunset.Choice{sunset.ChooseDelete, sunset.ChooseKeep}[i%2])
		f.Set("reason."+r.ID, strings.Repeat("ü", 1000)) // the longest there are
	}
	status, text := s.send(t, "/a/"+link+"/review", f)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "Delete 100 users for good")
	status, text = s.send(t, "/a/"+link+"/decide", f)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "200 of your decisions are stored, 100 to delete, 100 to keep.")
	require.NotContains(t, text, "could not be taken")
	require.Len(t, s.answered, 200)
}

func TestWhatIsNotOnRecordIsSentAgain(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	a := s.open(t, asking("ci-a"), "token")
	f := chosen(nil, a, sunset.ChooseDelete)
	f.Set("reason", "unused")
	s.recordErr = errors.New("the disk at 10.0.0.7 is full")
	status, text := s.send(t, "/a/"+link+"/decide", f)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "It is stored, but could not be put on record yet.")
	require.Contains(t, text, "Send this one again")
	require.Contains(t, text, `name="reason.`+a.ID+`" value="unused"`)
	require.NotContains(t, text, "10.0.0.7")
	require.Empty(t, s.answered, "what is not on record is not acted on")
	s.recordErr = nil
	_, text = s.send(t, "/a/"+link+"/decide", f)
	require.Contains(t, text, "1 of your decisions is stored, 1 to delete.")
	require.Equal(t, []sunset.Choice{sunset.ChooseDelete}, s.answered)
}

func TestRefusedFormsOnMany(t *testing.T) {
	for name, c := range map[string]struct {
		form   func(url.Values, sunset.ApprovalRequest)
		header map[string]string
		link   string
		status int
		says   string
		review int // what the review answers; zero: the same
	}{
		"nothing chosen":     {form: func(f url.Values, r sunset.ApprovalRequest) { f.Del("choice." + r.ID) }, status: 400, says: "Nothing was chosen"},
		"no form at all":     {form: func(f url.Values, _ sunset.ApprovalRequest) { clear(f) }, status: 400, says: "Nothing was chosen"},
		"no reason":          {form: func(f url.Values, _ sunset.ApprovalRequest) { f.Del("reason") }, status: 400, says: "There is no reason yet", review: 200},
		"an empty reason":    {form: func(f url.Values, _ sunset.ApprovalRequest) { f.Set("reason", " \u202e\x00 ") }, status: 400, says: "There is no reason yet", review: 200},
		"two choices":        {form: func(f url.Values, r sunset.ApprovalRequest) { f.Add("choice."+r.ID, "keep") }, status: 400, says: "not complete"},
		"two digests":        {form: func(f url.Values, r sunset.ApprovalRequest) { f.Add("digest."+r.ID, r.Digest) }, status: 400, says: "not complete"},
		"two reasons":        {form: func(f url.Values, _ sunset.ApprovalRequest) { f.Add("reason", "y") }, status: 400, says: "not complete"},
		"two shortcuts":      {form: func(f url.Values, _ sunset.ApprovalRequest) { f["all"] = []string{"keep", "delete"} }, status: 400, says: "not complete"},
		"no digest":          {form: func(f url.Values, r sunset.ApprovalRequest) { f.Del("digest." + r.ID) }, status: 400, says: "not complete"},
		"a choice of nobody": {form: func(f url.Values, _ sunset.ApprovalRequest) { f.Set("choice.", "delete"); f.Set("digest.", "x") }, status: 400, says: "not complete"},
		"too many": {form: func(f url.Values, _ sunset.ApprovalRequest) {
			for i := range 501 {
				f.Set(fmt.Sprintf("digest.%d", i), "x")
			}
		}, status: 400, says: "too many for one form"},
		"too long": {form: func(f url.Values, _ sunset.ApprovalRequest) { f.Set("reason", strings.Repeat("x", 4<<20)) }, status: 413, says: "too long"},
		"json":     {header: map[string]string{"Content-Type": "application/json"}, status: 415},
		"another site": {
			header: map[string]string{"Content-Type": formType["Content-Type"], "Sec-Fetch-Site": "cross-site"}, status: 403, says: "another site",
		},
		"a wrong link": {link: "wrong", status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			link := s.link(t, ada)
			if c.link != "" {
				link = c.link
			}
			r := s.open(t, asking("ci-old"), "token")
			f := chosen(nil, r, sunset.ChooseDelete)
			f.Set("reason", "unused")
			if c.form != nil {
				c.form(f, r)
			}
			if c.header == nil {
				c.header = formType
			}
			if c.review == 0 {
				c.review = c.status
			}
			before := s.contents(t)
			for path, want := range map[string]int{"/decide": c.status, "/review": c.review} {
				status, text, header := s.do(t, http.MethodPost, "/a/"+link+path, c.header, f.Encode())
				require.Equal(t, want, status, text)
				if want == c.status {
					require.Contains(t, text, c.says)
				}
				require.Contains(t, text, "<h1>")
				require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
				if c.link != "" {
					require.NotContains(t, text, "ci-old")
				}
			}
			require.Equal(t, before, s.contents(t), "nothing is stored")
			require.Empty(t, s.recorded)
			require.Empty(t, s.answered)
		})
	}
}

func TestAReasonThatIsMissingLosesNothingThatWasTyped(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	a, b := s.open(t, asking("ci-a"), "token"), s.open(t, asking("ci-b"), "token")
	f := chosen(chosen(nil, a, sunset.ChooseDelete), b, sunset.ChooseKeep)
	f.Set("reason."+a.ID, "its job ended")
	status, text := s.send(t, "/a/"+link+"/decide", f)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, `role="alert"`)
	require.Contains(t, text, ">its job ended</textarea>")
	require.Contains(t, text, `name="choice.`+b.ID+`" value="keep"`)
	require.Empty(t, s.recorded, "not even the one that had a reason")
}

func TestTheSameFormOnManyTwentyTimesAtOnce(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	f := url.Values{"reason": {"unused"}}
	var all []sunset.ApprovalRequest
	for i := range 5 {
		r := s.open(t, asking(fmt.Sprintf("ci-%d", i)), "token")
		chosen(f, r, sunset.ChooseDelete)
		all = append(all, r)
	}
	told := make([]string, 20)
	var group sync.WaitGroup
	for i := range told {
		group.Go(func() {
			res, err := s.client.Post(s.url+"/a/"+link+"/decide", formType["Content-Type"], strings.NewReader(f.Encode()))
			if err != nil {
				return
			}
			defer func() { _ = res.Body.Close() }()
			text, _ := io.ReadAll(res.Body)
			told[i] = string(text)
		})
	}
	group.Wait()
	for _, text := range told {
		require.Contains(t, text, "5 of your decisions are stored, 5 to delete.")
		require.NotContains(t, text, "could not be taken")
	}
	for _, r := range all {
		valid, forged, err := s.Decisions(t.Context(), r.ID)
		require.NoError(t, err)
		require.Len(t, valid, 1)
		require.Zero(t, forged)
	}
	waits, err := s.Undelivered(t.Context())
	require.NoError(t, err)
	require.Empty(t, waits)
}
