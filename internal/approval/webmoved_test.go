package approval_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// nextRound is the same case, asked anew after something was heard.
func nextRound(r sunset.ApprovalRequest) sunset.ApprovalRequest {
	n := disturbed(r)
	n.ID, n.Round, n.Digest, n.Issued, n.State = "", r.Round+1, "", time.Time{}, ""
	return n
}

func TestFactsThatMovedAreToldAndAskedAnew(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	old := s.open(t, asking("ci-old"), "token")
	now := s.open(t, nextRound(old), "token2")

	before := s.contents(t)
	f := form(old, sunset.ChooseDelete)
	status, text := s.post(t, link, old, f)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, text, "Nothing was decided: your <strong>delete</strong>")
	require.Contains(t, text, "Heard since, 30 October 2026 09:00 UTC: its access key AKIAOLD0000000000001 was tried with s3.")
	require.Contains(t, text, `name="digest.`+now.ID+`" value="`+now.Digest+`"`, "the form is the new request's")
	require.NotContains(t, text, old.Digest)
	require.NotContains(t, text, " checked")
	require.NotContains(t, text, `value="delete"`, "what was heard can't be deleted")
	require.Contains(t, text, "/a/"+link+"/"+now.ID)

	// What was shown is told from the digest as well, where the form names the new request.
	f.Set("choice", "keep")
	status, text = s.post(t, link, now, f)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, text, "Heard since")
	f.Set("digest", strings.Repeat("0", 64))
	_, text = s.post(t, link, now, f)
	require.Contains(t, text, "can't be told any more")

	// Among many, too.
	many := chosen(nil, old, sunset.ChooseDelete)
	many.Set("reason", "unused")
	_, text = s.send(t, "/a/"+link+"/decide", many)
	require.Contains(t, text, "1 could not be taken")
	require.Contains(t, text, "Heard since")
	require.Contains(t, text, `href="/a/`+link+"/"+now.ID+`">Decide on the facts of now`)
	_, text = s.send(t, "/a/"+link+"/review", many)
	require.Contains(t, text, "ci-old</a>: the facts have changed; a newer request takes its place.")
	require.Equal(t, before, s.contents(t), "nothing is decided on facts of yesterday")

	// And to whoever only opens the page that was mailed.
	_, text = s.get(t, "/a/"+link+"/"+old.ID)
	require.Contains(t, text, "no longer asked")
	require.Contains(t, text, "Heard since")
	require.Contains(t, text, `href="/a/`+link+"/"+now.ID+`"`)
	require.NotContains(t, text, "<form")
}

func TestPagesOfRequestsThatAreOver(t *testing.T) {
	for name, c := range map[string]struct {
		over  func(*testing.T, *site, sunset.ApprovalRequest)
		says  string
		posts string
	}{
		"decided": {func(t *testing.T, s *site, r sunset.ApprovalRequest) { s.decide(t, word(r, ben, sunset.ChooseKeep)) }, "ben@example.com", "decided already"},
		"expired": {func(t *testing.T, s *site, r sunset.ApprovalRequest) { require.NoError(t, s.Expire(t.Context(), r.ID)) }, "stays disabled", "ended 2026-11-16"},
		"late":    {func(t *testing.T, s *site, _ sunset.ApprovalRequest) { s.later(t, 15*24*time.Hour) }, "stays disabled", "ended 2026-11-16"},
		"moot": {func(t *testing.T, s *site, r sunset.ApprovalRequest) {
			require.NoError(t, s.Supersede(t.Context(), r.CaseID, ""))
		}, "Nobody has to decide on this any more", "have changed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			link := s.link(t, ada)
			r := s.open(t, asking("ci-old"), "token")
			c.over(t, s, r)
			status, text := s.get(t, "/a/"+link+"/"+r.ID)
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, text, c.says)
			require.NotContains(t, text, "<form")
			status, text = s.post(t, link, r, form(r, sunset.ChooseDelete))
			require.Equal(t, http.StatusConflict, status)
			require.Contains(t, text, c.posts)
			require.Contains(t, text, `role="alert"`)
			require.Contains(t, text, `href="/a/`+link+"/"+r.ID+`">See the case as it stands now`)
			status, text = s.send(t, "/a/"+link+"/review", chosen(nil, r, sunset.ChooseDelete))
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, text, "Left out")
			require.NotContains(t, text, "<form")
		})
	}
}
