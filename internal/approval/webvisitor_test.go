package approval_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// everyWay is each thing that a link's holder may ask for.
func everyWay(link string, r sunset.ApprovalRequest) [][2]string {
	at := "/a/" + link
	return [][2]string{
		{"GET", at},
		{"GET", at + "/" + r.ID},
		{"POST", at + "/review"},
		{"POST", at + "/decide"},
		{"POST", at + "/" + r.ID},
		{"GET", at + "/" + r.ID + "/receipt"},
		{"GET", at + "/" + r.ID + "/receipt.txt"},
	}
}

// both is a form that is whole for every address.
func both(r sunset.ApprovalRequest) string {
	f := chosen(form(r, sunset.ChooseDelete), r, sunset.ChooseDelete)
	return f.Encode()
}

func TestWhoeverIsSignedInAsAnotherSeesNothing(t *testing.T) {
	s := newSite(t, 1)
	s.serve(t, func(http.ResponseWriter, *http.Request) (approval.Known, bool) {
		return approval.Known{Email: ben, Principal: "https://id.example.com#ben"}, false
	})
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	before := s.contents(t)
	for _, way := range everyWay(link, r) {
		status, text, _ := s.do(t, way[0], way[1], formType, both(r))
		require.Equal(t, http.StatusForbidden, status, way)
		for _, name := range []string{"ci-old", r.UserID, ada, ben} {
			require.NotContains(t, text, name, way)
		}
		require.Contains(t, text, "signed in as somebody else")
		require.Contains(t, text, `<a href="/sign-in/out">`, "there is a way out of it")
	}
	require.Equal(t, before, s.contents(t))
}

func TestWhereASignInAnswersNothingElseDoes(t *testing.T) {
	s := newSite(t, 1)
	asked := 0
	s.serve(t, func(rw http.ResponseWriter, _ *http.Request) (approval.Known, bool) {
		asked++
		rw.WriteHeader(http.StatusUnauthorized)
		return approval.Known{}, true
	})
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	before := s.contents(t)
	for _, way := range everyWay(link, r) {
		status, text, header := s.do(t, way[0], way[1], formType, both(r))
		require.Equal(t, http.StatusUnauthorized, status, way)
		require.Empty(t, text, way)
		require.Equal(t, "no-store", header.Get("Cache-Control"), "its answers are guarded as well")
	}
	require.Equal(t, 7, asked)
	require.Equal(t, before, s.contents(t))
	status, _ := s.get(t, "/style.css")
	require.Equal(t, http.StatusOK, status, "the stylesheet is for everybody")
	status, _ = s.get(t, "/a/wrong")
	require.Equal(t, http.StatusNotFound, status, "a wrong link sends nobody to sign in")
	require.Equal(t, 7, asked)
}

func TestADecisionSaysByWhichWayItsApproverWasKnown(t *testing.T) {
	who := approval.Known{}
	s := newSite(t, 2)
	s.serve(t, func(http.ResponseWriter, *http.Request) (approval.Known, bool) { return who, false })
	link := s.link(t, ada)
	a, b, c := s.open(t, asking("ci-a"), "token"), s.open(t, asking("ci-b"), "token"), s.open(t, asking("ci-c"), "token")
	status, _ := s.post(t, link, a, form(a, sunset.ChooseDelete))
	require.Equal(t, http.StatusSeeOther, status)
	who = approval.Known{Email: strings.ToUpper(ada), Principal: "https://id.example.com#4711"}
	status, _ = s.post(t, link, b, form(b, sunset.ChooseDelete))
	require.Equal(t, http.StatusSeeOther, status)
	f := chosen(nil, c, sunset.ChooseDelete)
	f.Set("reason", "unused")
	status, _ = s.send(t, "/a/"+link+"/decide", f)
	require.Equal(t, http.StatusOK, status)

	require.Len(t, s.recorded, 3)
	require.Equal(t, sunset.WayLink, s.recorded[0].Way)
	require.Empty(t, s.recorded[0].Principal)
	for _, d := range s.recorded[1:] {
		require.Equal(t, sunset.WaySignIn, d.Way)
		require.Equal(t, "https://id.example.com#4711", d.Principal)
		require.Equal(t, ada, d.Approver)
	}
	for _, path := range []string{"", "/receipt"} {
		_, text := s.get(t, "/a/"+link+"/"+b.ID+path)
		require.Contains(t, text, "by the link that was sent to them, and a sign-in")
		require.Contains(t, text, "https://id.example.com#4711")
	}
	_, text := s.get(t, "/a/"+link+"/"+b.ID+"/receipt.txt")
	require.Contains(t, text, "Signed in as:  https://id.example.com#4711\n")
}

func TestAPanicIsAnsweredAndGuarded(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	s.handler = approval.NewWeb(approval.Pages{
		Desk: s.Desk, BaseURL: "https://approve.example.com", OnDecided: s.onDecided,
		RecordDecision: func(context.Context, sunset.ApprovalRequest, sunset.Decision) error { panic("at 10.0.0.7") },
	})
	s.serveHandler(t)
	status, text, header := s.do(t, http.MethodPost, "/a/"+link+"/"+r.ID, formType, form(r, sunset.ChooseDelete).Encode())
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, text, "Something went wrong on our side")
	require.NotContains(t, text, "10.0.0.7")
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")

	other := s.open(t, asking("ci-other"), "token")
	f := chosen(nil, other, sunset.ChooseDelete)
	f.Set("reason", "unused")
	status, text = s.send(t, "/a/"+link+"/decide", f)
	require.Equal(t, http.StatusOK, status, "one that fails holds up no other")
	require.Contains(t, text, "Something went wrong on our side")
}
