package approval_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestCaseTellsWhatWasNotReadFromWhatIsUnknown(t *testing.T) {
	s := newSite(t, 1)
	r := asking("ci-old")
	r.Shown.Evidence = []sunset.Evidence{
		{Source: "iam:GetUser", About: "ci-old", Read: start, Use: sunset.Unused},
		{Source: "iam:ListSSHPublicKeys", About: "APKA1", Read: start, Use: sunset.Unknown, Detail: "AWS does not tell when it was last used"},
		{Source: "cloudtrail:LookupEvents", Region: "eu-west-3", Read: start, Use: sunset.Unknown, Detail: "cloudtrail:LookupEvents could not be read: AccessDenied"},
		{Source: "iam:GetAccessKeyLastUsed", About: "AKIA1", Read: start, Use: sunset.Used, Detail: "it was used yesterday"},
	}
	r.Disturbed = true
	r.Facts.Signals = []sunset.Signal{{Kind: sunset.NotHeard, About: "kms:GetKeyPolicy", Region: "eu-west-1", At: start, Source: "kms:GetKeyPolicy", Detail: "what names it was not read: kms:GetKeyPolicy in eu-west-1: denied"}}
	r = s.open(t, r, "token")
	_, text := s.get(t, "/a/"+s.link(t, ada)+"/"+r.ID)
	require.Contains(t, text, "6 answers (1: unused, 1: unknown, 3: not read, 1: used)", "the report that nobody kept, and the keys' policies, are named as well")
	require.Contains(t, text, `<strong class="use-unknown">unknown</strong><br>AWS does not tell`)
	require.Contains(t, text, `<strong class="use-not-read">not read</strong><br>cloudtrail:LookupEvents could not be read`)
	require.Contains(t, text, "It was not asked, or its answer was not kept.")
	onceEach(t, text)
}

func TestCaseShowsWhatItsOwnerSaid(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	for name, c := range map[string]struct {
		word sunset.OwnerWord
		says string
	}{
		"nothing": {sunset.OwnerWord{}, "word</dt><dd>none<"},
		"agreed":  {sunset.OwnerWord{Agreed: start, AgreedBy: "<b>olga@example.com"}, "&lt;b&gt;olga@example.com agreed that it goes"},
		"handed over": {
			sunset.OwnerWord{Owner: sunset.Owner{Email: "new@example.com"}, HandedBy: "olga@example.com", HandedAt: start},
			"handed over to new@example.com by olga@example.com",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.open(t, asking(name), "token")
			if c.word != (sunset.OwnerWord{}) {
				body, err := json.Marshal(c.word)
				require.NoError(t, err)
				_, err = s.rows.Put(t.Context(), "owner/"+r.CaseID, 0, body)
				require.NoError(t, err)
			}
			_, text := s.get(t, "/a/"+link+"/"+r.ID)
			require.Contains(t, text, c.says)
		})
	}
	r := s.open(t, asking("torn"), "token")
	_, err := s.rows.Put(t.Context(), "owner/"+r.CaseID, 0, []byte("torn"))
	require.NoError(t, err)
	status, text := s.get(t, "/a/"+link+"/"+r.ID)
	require.Equal(t, http.StatusOK, status, "what an owner said decides nothing, and its loss hides no case")
	require.Contains(t, text, "could not be read")
}

func TestTheSoakIsAPictureWithEverySignal(t *testing.T) {
	s := newSite(t, 2)
	r := disturbed(asking("ci-old"))
	r.Facts.Signals = append(r.Facts.Signals, sunset.Signal{Kind: sunset.SignIn, At: start.AddDate(0, 0, -1), Source: "iam:GetUser", Detail: "<i>its password was used"})
	r = s.open(t, r, "token")
	s.decide(t, word(r, ben, sunset.ChooseKeep))
	_, text := s.get(t, "/a/"+s.link(t, ada)+"/"+r.ID)
	require.Contains(t, text, `<title id="soak-picture-title">The soak of ci-old</title>`)
	require.Contains(t, text, "17 checks due; 2 signals were heard")
	require.Contains(t, text, "<title>Heard: its access key AKIAOLD0000000000001 was tried with s3, 30 Oct 2026, 09:00 UTC</title>")
	require.Contains(t, text, "<title>Heard: &lt;i&gt;its password was used")
	require.Contains(t, text, "<title>ben@example.com decided: keep")
	require.Contains(t, text, "<title>The last moment to decide")
}
