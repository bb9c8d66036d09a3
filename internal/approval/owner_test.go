package approval_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const olga = "olga@example.com"

// home is the owners' pages over an office, with one case that a test may turn.
type home struct {
	*office
	url     string
	handler http.Handler
	client  *http.Client

	owned  approval.OwnedCase
	known  approval.Known
	asked  bool // whether a sign-in is asked for
	done   []approval.OwnerAct
	failed error // what acting fails with
	after  func(*sunset.Case)
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{office: newOffice(t, 1), owned: soaking("ci-old")}
	h.set(func(s *sunset.Settings) { s.OwnerDomains = []string{"example.com"} })
	act := func(_ context.Context, a approval.OwnerAct) error {
		h.done = append(h.done, a)
		if h.after != nil {
			h.after(&h.owned.Case)
		}
		return h.failed
	}
	h.handler = approval.NewWeb(approval.Pages{
		Desk: h.Desk, BaseURL: "https://approve.example.com",
		SignIn: func(rw http.ResponseWriter, _ *http.Request) (approval.Known, bool) {
			if h.asked && h.known.Email == "" {
				http.Error(rw, "sign in first", http.StatusUnauthorized)
				return approval.Known{}, true
			}
			return h.known, false
		},
		Owners: approval.Owners{
			OfCase: func(_ context.Context, caseID, userID string) (approval.OwnedCase, error) {
				if caseID != h.owned.Case.ID || userID != h.owned.Case.UserID {
					return approval.OwnedCase{}, errors.New("the page asked for another case")
				}
				var err error
				if h.owned.Settings, err = h.live(); err != nil {
					return approval.OwnedCase{}, err
				}
				return h.owned, nil
			},
			Keep: act, HandOver: act, Agree: act,
		},
	})
	server := httptest.NewServer(h.handler)
	t.Cleanup(server.Close)
	h.url, h.client = server.URL, server.Client()
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return h
}

func (h *home) live() (sunset.Settings, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settings, nil
}

// soaking is a case whose user is disabled and listened to.
func soaking(name string) approval.OwnedCase {
	r := asking(name)
	entry := sunset.Entry{
		User:  sunset.User{ID: r.UserID, Name: name, ARN: r.UserARN, Path: "/ci/", Created: start.AddDate(-3, 0, 0), Credentials: r.Shown.Credentials},
		Class: r.Shown.Class, Owner: r.Shown.Owner, CodeManaged: r.Shown.CodeManaged, Evidence: r.Shown.Evidence, References: r.Facts.References, LastSeen: r.Shown.LastSeen,
	}
	return approval.OwnedCase{
		Case: sunset.Case{
			ID: r.CaseID, CleanupID: "nov", Account: "111122223333", UserID: r.UserID, UserName: name, Stage: sunset.Soaking, Changed: true,
			Claimed: start.AddDate(0, 0, -5), Turn: start.AddDate(0, 0, -2), SoakFrom: start.AddDate(0, 0, -2), SoakUntil: start.AddDate(0, 0, 12),
			Quarantine: &sunset.Quarantine{Method: sunset.InlineDeny, Deny: sunset.InlineDeny, At: start.AddDate(0, 0, -2)},
		},
		Entry: entry,
	}
}

func (h *home) way(t *testing.T, email string) string {
	t.Helper()
	secret, err := h.NewOwnerLink(t.Context(), h.owned.Case.ID, h.owned.Case.UserID, email)
	require.NoError(t, err)
	return "/o/" + secret
}

func (h *home) do(t *testing.T, method, path string, header map[string]string, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	require.NoError(t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := h.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text), res.Header
}

func (h *home) get(t *testing.T, path string) (int, string) {
	t.Helper()
	status, text, _ := h.do(t, http.MethodGet, path, nil, "")
	return status, text
}

func (h *home) post(t *testing.T, path string, form url.Values) (int, string, http.Header) {
	t.Helper()
	return h.do(t, http.MethodPost, path, nil, form.Encode())
}

func keeps(reason string) url.Values { return url.Values{"act": {"keep"}, "reason": {reason}} }

// A link that is wrong, over, or somebody else's in the store opens nothing, and is told apart from no other.
func TestOwnersLinksThatDontOpen(t *testing.T) {
	h := newHome(t)
	good := h.way(t, olga)
	status, _ := h.get(t, good)
	require.Equal(t, http.StatusOK, status)

	_, nowhere := h.get(t, "/a/nothing")
	approvers, err := h.NewLink(t.Context(), ada, start.AddDate(0, 0, 20))
	require.NoError(t, err)
	refused := func(t *testing.T, path string) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			status, page, _ := h.do(t, method, path, nil, keeps("needed").Encode())
			require.Equal(t, http.StatusNotFound, status, path)
			require.Equal(t, nowhere, page)
		}
		require.Empty(t, h.done)
	}
	for _, path := range []string{"/o/", "/o/x", good[:len(good)-1], good + "A", "/o/" + approvers, "/a/" + strings.TrimPrefix(good, "/o/")} {
		refused(t, path)
	}

	t.Run("tampered with", func(t *testing.T) {
		for name, change := range map[string]func(*approval.OwnerLink){
			"another case":   func(l *approval.OwnerLink) { l.CaseID = "nov-AIDAOTHER" },
			"another user":   func(l *approval.OwnerLink) { l.UserID = "AIDAOTHER" },
			"another person": func(l *approval.OwnerLink) { l.Email = "eve@example.com" },
			"longer":         func(l *approval.OwnerLink) { l.Expires = l.Expires.AddDate(1, 0, 0) },
			"no MAC":         func(l *approval.OwnerLink) { l.MAC = nil },
		} {
			path := h.way(t, olga)
			for key, row := range h.contents(t) {
				var l approval.OwnerLink
				if !strings.HasPrefix(key, "ownerlink/") || json.Unmarshal(row.Body, &l) != nil {
					continue
				}
				change(&l)
				body, err := json.Marshal(l)
				require.NoError(t, err, name)
				_, err = h.rows.Put(t.Context(), key, row.Version, body)
				require.NoError(t, err)
			}
			refused(t, path)
		}
	})
	t.Run("over", func(t *testing.T) {
		path := h.way(t, olga)
		h.later(t, 60*24*time.Hour)
		status, _ := h.get(t, path)
		require.Equal(t, http.StatusOK, status)
		h.later(t, 24*time.Hour)
		refused(t, path)
	})
}

// A link is stored as a hash alone, and made for addresses that settings allow.
func TestAnOwnersLinkIsToldOnce(t *testing.T) {
	h := newHome(t)
	secret := strings.TrimPrefix(h.way(t, olga), "/o/")
	require.Len(t, secret, 43)
	for key, row := range h.contents(t) {
		require.NotContains(t, key+string(row.Body), secret)
	}
	for _, email := range []string{"eve@evil.example", "team", "", "olga@example.com\nBcc: x@example.com"} {
		_, err := h.NewOwnerLink(t.Context(), h.owned.Case.ID, h.owned.Case.UserID, email)
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), email)
	}
	m := approval.Message{Link: approval.OwnerLinkURL("https://approve.example.com/base/", secret)}
	require.Equal(t, "https://approve.example.com/base/o/"+secret, m.Link)
	require.True(t, m.ForOwner())
	require.False(t, approval.Message{Link: approval.LinkURL("https://approve.example.com", secret)}.ForOwner())
	require.False(t, approval.Message{}.ForOwner())
}

// Whoever only looks changes nothing, whatever the method and the query.
func TestAnOwnersPageThatIsOnlyOpened(t *testing.T) {
	h := newHome(t)
	path := h.way(t, olga)
	before := h.contents(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete} {
		for _, query := range []string{"", "?act=keep&reason=x", "?done=keep", "?done=hand-over", "?act=agree"} {
			status, page, header := h.do(t, method, path+query, nil, "")
			require.Less(t, status, 500)
			if method == http.MethodGet {
				require.NotContains(t, page, "Thank you", "an address can't make the page say what isn't so")
				require.Equal(t, "no-referrer", header.Get("Referrer-Policy"))
				require.Equal(t, "no-store", header.Get("Cache-Control"))
				require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
			}
		}
	}
	require.Empty(t, h.done)
	require.Equal(t, before, h.contents(t))
}

// The page tells the owner all that it needs to say yes or no.
func TestAnOwnersPage(t *testing.T) {
	h := newHome(t)
	status, page := h.get(t, h.way(t, olga))
	require.Equal(t, http.StatusOK, status)
	for _, says := range []string{
		"ci-old", "It is disabled", "14 Nov 2026", "AKIAOLD0000000000001", "arn:aws:s3:::artifacts", "cloudtrail:LookupEvents", "Managed by",
		"Its console password is still there", "Keep this user", "Hand it over", "Yes, remove it", "made for " + olga,
	} {
		require.Contains(t, page, says)
	}
	require.NotContains(t, page, "Your decisions")
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "style=")

	h.set(func(s *sunset.Settings) { s.OwnerDomains = nil })
	_, page = h.get(t, h.way(t, olga))
	require.NotContains(t, page, "Hand it over", "no domain is named that it could go to")
}

func TestAnOwnersPageAtEachStage(t *testing.T) {
	rescue := &sunset.Rescue{By: olga, Reason: "the report", At: start}
	for name, row := range map[string]struct {
		turn  func(*approval.OwnedCase)
		says  string
		forms int
	}{
		"waiting": {func(c *approval.OwnedCase) {
			c.Case.Stage, c.Case.Changed, c.Case.Quarantine = sunset.Waiting, false, nil
		}, "Nothing has been changed yet", 3},
		"disabling": {func(c *approval.OwnedCase) { c.Case.Stage = sunset.Disabling }, "It is being disabled", 3},
		"soaking":   {func(*approval.OwnedCase) {}, "It is disabled", 3},
		"asked":     {func(c *approval.OwnedCase) { c.Case.Stage = sunset.Requesting }, "may go any time now", 3},
		"deleting":  {func(c *approval.OwnedCase) { c.Case.Stage = sunset.Deleting }, "Too late: its deletion has begun", 0},
		"restoring": {func(c *approval.OwnedCase) { c.Case.Stage = sunset.Restoring }, "It is being put back", 0},
		"kept before": {func(c *approval.OwnedCase) {
			c.Case.Stage, c.Case.Changed, c.Case.Rescue = sunset.Waiting, false, rescue
		}, "It will not be disabled", 0},
		"kept, not back yet": {func(c *approval.OwnedCase) { c.Case.Rescue = rescue }, "Kept, and being put back", 1},
		"agreed":             {func(c *approval.OwnedCase) { c.Word.Agreed, c.Word.AgreedBy = start, olga }, olga + " agreed that it goes", 2},
		"handed over": {func(c *approval.OwnedCase) {
			c.Word = sunset.OwnerWord{Owner: sunset.Owner{Email: ben}, HandedBy: olga, HandedAt: start}
		}, "handed over to " + ben, 1},
		"back": {func(c *approval.OwnedCase) {
			c.Case.Stage, c.Case.Outcome, c.Case.Rescue = sunset.Closed, sunset.Rescued, rescue
		}, "It is back as it was", 0},
		"deleted": {func(c *approval.OwnedCase) { c.Case.Stage, c.Case.Outcome = sunset.Closed, sunset.Deleted }, "It was deleted", 0},
		"emptied": {func(c *approval.OwnedCase) { c.Case.Stage, c.Case.Outcome = sunset.Closed, sunset.Retained }, "It was emptied and kept", 0},
		"lapsed":  {func(c *approval.OwnedCase) { c.Case.Stage, c.Case.Outcome = sunset.Closed, sunset.Lapsed }, "It stays disabled", 1},
		"failed":  {func(c *approval.OwnedCase) { c.Case.Stage, c.Case.Outcome = sunset.Closed, sunset.Failed }, "Its case failed; it stays disabled", 1},
		"failed while deleting": {func(c *approval.OwnedCase) {
			c.Case.Stage, c.Case.Outcome, c.Case.DeletingSince = sunset.Closed, sunset.Failed, start
		}, "Its deletion began and then failed", 0},
		"another case since": {func(c *approval.OwnedCase) { c.Over = true }, "This case is over", 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			row.turn(&h.owned)
			status, page := h.get(t, h.way(t, olga))
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, page, row.says)
			require.Equal(t, row.forms, strings.Count(page, "<form"))
		})
	}
}

// What is asked for goes to whom it concerns, in the name of the address that the link was made for.
func TestWhatAnOwnerAsksFor(t *testing.T) {
	h := newHome(t)
	path := h.way(t, olga)
	about := approval.OwnerAct{CaseID: h.owned.Case.ID, UserID: h.owned.Case.UserID, By: olga, Way: sunset.WayLink}
	for _, row := range []struct {
		form url.Values
		want func(*approval.OwnerAct)
	}{
		{keeps(" the report\r\nruns in May \x00"), func(a *approval.OwnerAct) { a.Reason = "the report\nruns in May" }},
		{url.Values{"act": {"hand-over"}, "to": {" ben@example.com "}}, func(a *approval.OwnerAct) { a.To = ben }},
		{url.Values{"act": {"agree"}}, func(*approval.OwnerAct) {}},
	} {
		h.done = nil
		status, _, header := h.post(t, path, row.form)
		require.Equal(t, http.StatusSeeOther, status)
		require.Equal(t, path+"?done="+row.form.Get("act"), header.Get("Location"))
		want := about
		row.want(&want)
		require.Equal(t, []approval.OwnerAct{want}, h.done)
	}
}

func TestFormsThatAnOwnersPageRefuses(t *testing.T) {
	h := newHome(t)
	path := h.way(t, olga)
	for name, row := range map[string]struct {
		header map[string]string
		body   string
		status int
	}{
		"no reason":       {nil, keeps("").Encode(), http.StatusBadRequest},
		"a blank reason":  {nil, keeps(" \t\x00").Encode(), http.StatusBadRequest},
		"a long reason":   {nil, keeps(strings.Repeat("ä", 1001)).Encode(), http.StatusBadRequest},
		"nothing chosen":  {nil, "reason=x", http.StatusBadRequest},
		"two acts":        {nil, "act=keep&act=agree&reason=x", http.StatusBadRequest},
		"unknown act":     {nil, "act=delete&reason=x", http.StatusBadRequest},
		"query only":      {nil, "", http.StatusBadRequest},
		"another type":    {map[string]string{"Content-Type": "application/json"}, `{"act":"keep"}`, http.StatusUnsupportedMediaType},
		"too long":        {nil, keeps(strings.Repeat("x", 70<<10)).Encode(), http.StatusRequestEntityTooLarge},
		"another site":    {map[string]string{"Sec-Fetch-Site": "cross-site"}, keeps("x").Encode(), http.StatusForbidden},
		"another origin":  {map[string]string{"Origin": "https://evil.example"}, keeps("x").Encode(), http.StatusForbidden},
		"half a sequence": {nil, "act=keep&reason=%zz", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			status, page, _ := h.do(t, http.MethodPost, path+"?act=keep&reason=x", row.header, row.body)
			require.Equal(t, row.status, status)
			require.NotContains(t, page, strings.TrimPrefix(path, "/o/")+"\"><", "no link where it isn't needed")
			require.Empty(t, h.done)
		})
	}
	status, _, _ := h.post(t, path, keeps(strings.Repeat("ä", 1000)))
	require.Equal(t, http.StatusSeeOther, status)
}

// What a keep fails with is told as it is: stored and on its way, too late, or not done at all.
func TestAKeepThatFails(t *testing.T) {
	busy := sunset.Faultf(sunset.NotReady, "somebody else is changing the user")
	late := sunset.Faultf(sunset.Conflict, "the rescue comes too late")
	for name, row := range map[string]struct {
		failed error
		then   func(*sunset.Case)
		status int
		says   string
	}{
		"stored":          {busy, func(c *sunset.Case) { c.Rescue = &sunset.Rescue{By: olga, Reason: "x", At: start} }, http.StatusSeeOther, ""},
		"too late":        {late, func(c *sunset.Case) { c.Stage = sunset.Deleting }, http.StatusConflict, "Too late: its deletion has begun"},
		"ended meanwhile": {late, func(c *sunset.Case) { c.Stage, c.Outcome = sunset.Closed, sunset.Deleted }, http.StatusConflict, "possible any more"},
		"away":            {sunset.Faultf(sunset.Unavailable, "s3cret.internal:443"), func(*sunset.Case) {}, http.StatusServiceUnavailable, "try again in a minute"},
		"not allowed":     {sunset.Faultf(sunset.AccessDenied, "s3cret role"), func(*sunset.Case) {}, http.StatusInternalServerError, "went wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			path := h.way(t, olga)
			h.failed = row.failed
			h.after = row.then
			status, page, _ := h.post(t, path, keeps("needed"))
			require.Equal(t, row.status, status)
			require.Contains(t, page, row.says)
			require.NotContains(t, page, "s3cret")
			if status == http.StatusSeeOther {
				_, page = h.get(t, path+"?done=keep")
				require.Contains(t, page, "nothing deletes the user any more")
				require.Contains(t, page, "by itself, within a day at the latest")
			}
		})
	}
}

// An address of another domain gets no user, and what was typed is still there.
func TestHandingOverOnlyWhereSettingsAllow(t *testing.T) {
	h := newHome(t)
	a := approval.OwnerAct{CaseID: h.owned.Case.ID, UserID: h.owned.Case.UserID, By: olga, Way: sunset.WayLink}
	for _, to := range []string{"eve@evil.example", "ben@example.com.evil.example", "ben@sub.example.com", "Ben <ben@example.com>", "ben@example.com, eve@evil.example", "", "team", "OLGA@example.com"} {
		a.To = to
		_, err := h.HandOver(t.Context(), a)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), to)
		h.failed = err
		status, page, _ := h.post(t, h.way(t, olga), url.Values{"act": {"hand-over"}, "to": {to}})
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, page, `role="alert"`)
	}
	word, err := h.OwnerWord(t.Context(), a.CaseID)
	require.NoError(t, err)
	require.Zero(t, word)

	a.To = ben
	word, err = h.HandOver(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, ben, word.Owner.Email)
	again, err := h.HandOver(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, word, again)
	a.To = ada
	_, err = h.HandOver(t.Context(), a)
	require.Equal(t, sunset.Conflict, sunset.KindOf(err), "it is no longer hers to hand over")
	_, err = h.Agree(t.Context(), a)
	require.Equal(t, sunset.Conflict, sunset.KindOf(err))
	a.By = ben
	word, err = h.Agree(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, ben, word.AgreedBy)
	a.To = ada
	word, err = h.HandOver(t.Context(), a)
	require.NoError(t, err)
	require.Zero(t, word.Agreed, "the new owner has agreed to nothing")
}

// A sign-in has to make the same person known as the link.
func TestOwnersSignIn(t *testing.T) {
	h := newHome(t)
	path := h.way(t, olga)
	h.asked = true
	status, _ := h.get(t, path)
	require.Equal(t, http.StatusUnauthorized, status)
	status, _, _ = h.post(t, path, keeps("needed"))
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = h.get(t, "/o/wrong")
	require.Equal(t, http.StatusNotFound, status, "a wrong link sends nobody to sign in")

	h.known = approval.Known{Email: ben, Principal: "https://login.example.com#ben"}
	status, page := h.get(t, path)
	require.Equal(t, http.StatusForbidden, status)
	require.NotContains(t, page, "ci-old")
	status, _, _ = h.post(t, path, keeps("needed"))
	require.Equal(t, http.StatusForbidden, status)
	require.Empty(t, h.done)

	h.known = approval.Known{Email: "Olga@Example.com", Principal: "https://login.example.com#olga"}
	status, _, _ = h.post(t, path, keeps("needed"))
	require.Equal(t, http.StatusSeeOther, status)
	require.Len(t, h.done, 1)
	require.Equal(t, sunset.WaySignIn, h.done[0].Way)
	require.Equal(t, "https://login.example.com#olga", h.done[0].Principal)
	require.Equal(t, olga, h.done[0].By)
}

// Names, tags, reasons and what the trail holds are other people's: none of it becomes a part of the page.
func TestAnOwnersPageEscapes(t *testing.T) {
	h := newHome(t)
	const evil = "<script>alert(1)</script>\u202e\x00"
	h.owned = soaking("ci-old")
	h.owned.Case.UserName, h.owned.Entry.User.ARN = evil, evil
	h.owned.Entry.Owner = sunset.Owner{Name: evil, From: evil}
	h.owned.Entry.CodeManaged = evil
	h.owned.Entry.References = []sunset.Reference{{Service: evil, Resource: evil, How: evil, Detail: evil, Region: evil}}
	h.owned.Entry.LastSeen = &sunset.Activity{At: start, Service: evil, Call: evil, Region: evil, Address: evil, Agent: evil, Error: evil}
	h.owned.Case.Signals = []sunset.Signal{{Kind: sunset.NotHeard, At: start, Detail: evil}}
	h.owned.Case.Rescue = &sunset.Rescue{By: evil, Reason: evil, At: start}
	h.owned.Word = sunset.OwnerWord{Owner: sunset.Owner{Email: evil}, HandedBy: evil, HandedAt: start, Agreed: start, AgreedBy: evil}
	path := h.way(t, olga)
	for _, query := range []string{"", "?done=keep", "?done=hand-over", "?done=" + url.QueryEscape(evil)} {
		status, page := h.get(t, path+query)
		require.Equal(t, http.StatusOK, status)
		require.NotContains(t, page, "<script")
		require.NotContains(t, page, "\u202e")
		require.NotContains(t, page, "\x00")
	}
	h.owned.Case.Rescue = nil
	h.failed = sunset.Faultf(sunset.Invalid, "%s", evil)
	_, page, _ := h.post(t, path, url.Values{"act": {"hand-over"}, "to": {evil}, "reason": {evil}})
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "\u202e")
}

// Rows of owners' words can't be read past their case.
func TestAnOwnersWordOfNoCase(t *testing.T) {
	h := newHome(t)
	for _, id := range []string{"", "../request/x", "a/b", strings.Repeat("x", 300)} {
		_, err := h.OwnerWord(t.Context(), id)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
		_, err = h.Agree(t.Context(), approval.OwnerAct{CaseID: id, By: olga})
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
		_, err = h.NewOwnerLink(t.Context(), id, "AIDAX", olga)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	}
	_, err := h.OwnerLink(t.Context(), " ")
	require.ErrorIs(t, err, store.ErrMissing)
}
