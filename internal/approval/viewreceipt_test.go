package approval_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestAReceiptIsForOnesOwnDecision(t *testing.T) {
	s := newSite(t, 2)
	a, b := s.link(t, ada), s.link(t, ben)
	ask := asking("ci-old")
	ask.Needed = 2
	r := s.open(t, ask, "token")
	for _, path := range []string{"/receipt", "/receipt.txt"} {
		status, _ := s.get(t, "/a/"+a+"/"+r.ID+path)
		require.Equal(t, http.StatusNotFound, status, "nothing is decided yet")
	}
	f := form(r, sunset.ChooseDelete)
	f.Set("reason", "first line\nDecided by:    mallory@example.com\x1b")
	_, _ = s.post(t, a, r, f)
	before := s.contents(t)

	status, text := s.get(t, "/a/"+a+"/"+r.ID+"/receipt")
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{r.UserARN, r.UserID, "SHA-256 " + r.Digest, ada, "by the link that was sent to them", "2 Nov 2026, 09:00 UTC", "1 of 2 approvals to delete are there.", "first line", r.CaseID} {
		require.Contains(t, text, want)
	}
	onceEach(t, text)

	status, text, header := s.do(t, http.MethodGet, "/a/"+a+"/"+r.ID+"/receipt.txt", nil, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="iam-sunset-receipt-`+r.ID[:12]+`.txt"`, header.Get("Content-Disposition"))
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	for _, want := range []string{"Decision:      delete\n", "Decided by:    ada@example.com\n", "Facts:         SHA-256 " + r.Digest, "Reason:        first line\n"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "\nDecided by:    mallory", "what was typed can't pass for a line of ours")
	require.NotContains(t, text, a, "the link is no part of it")
	require.NotContains(t, text, "\x1b")

	for _, path := range []string{"/receipt", "/receipt.txt"} {
		status, text = s.get(t, "/a/"+b+"/"+r.ID+path)
		require.Equal(t, http.StatusNotFound, status, "another's word has no receipt here")
		require.NotContains(t, text, "ci-old")
		status, _, _ = s.do(t, http.MethodHead, "/a/"+a+"/"+r.ID+path, nil, "")
		require.Equal(t, http.StatusOK, status)
	}
	require.Equal(t, before, s.contents(t))

	_, _ = s.post(t, b, r, form(r, sunset.ChooseDelete))
	_, text = s.get(t, "/a/"+a+"/"+r.ID+"/receipt")
	require.Contains(t, text, "All decisions that were needed are there.")
}

func TestAReceiptOfADecisionThatCameToNothingSaysSo(t *testing.T) {
	for state, says := range map[string]string{"expired": "the user stays disabled", "superseded": "taken back before enough had decided"} {
		s := newSite(t, 2)
		link := s.link(t, ada)
		r := s.open(t, asking("ci-old"), "token")
		_, _ = s.post(t, link, r, form(r, sunset.ChooseDelete))
		if state == "expired" {
			require.NoError(t, s.Expire(t.Context(), r.ID))
		} else {
			require.NoError(t, s.Supersede(t.Context(), r.CaseID, ""))
		}
		_, text := s.get(t, "/a/"+link+"/"+r.ID+"/receipt")
		require.Contains(t, text, says)
	}
}
