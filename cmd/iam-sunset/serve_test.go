package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// patienceOfTests is how long a script waits for something that has to come.
const patienceOfTests = 40 * time.Second

// poll asks again and again until it is told yes.
func poll(ts *testscript.TestScript, what string, ask func() bool) {
	for end := time.Now().Add(patienceOfTests); !ask(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("it never came that %s", what)
		}
	}
}

// account USER… makes an account of unused users, in real time, and points the environment at it. OTHER=ID makes it
// another account than others have; ALLOWED=PAGE gives the caller the rights that stand on that page, instead of all.
func makeAccount(ts *testscript.TestScript, _ bool, names []string) {
	a := fakeaws.New(fakeaws.Config{AccountID: ts.Getenv("OTHER"), Regions: []string{"us-east-1"}})
	for _, name := range names {
		_, err := a.Join(name, fakeaws.OldKey())
		ts.Check(err)
	}
	server, err := a.Serve("127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = server.Close() })
	ts.Value(siteKey{}).(*scripted).site = &site{account: a}
	key := a.Administrator()
	if page := ts.Getenv("ALLOWED"); page != "" {
		key = allowed(ts, a, page)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": key.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": key.SecretAccessKey, "AWS_SESSION_TOKEN": key.SessionToken,
	} {
		ts.Setenv(name, value)
	}
}

var policyOnPage = regexp.MustCompile("(?s)```json\n(\\{\n  \"Version\".*?)```")

// allowed makes a user who may do what a page says, and no more.
func allowed(ts *testscript.TestScript, a *fakeaws.Account, page string) fakeaws.Credentials {
	b, err := os.ReadFile(repository + page)
	ts.Check(err)
	policy := policyOnPage.FindSubmatch(b)
	if policy == nil {
		ts.Fatalf("%s has no policy", page)
	}
	u, err := a.AddUser(fakeaws.UserSpec{
		Name: "iam-sunset", CreatedAt: time.Now().AddDate(-1, 0, 0), Keys: []fakeaws.AccessKeySpec{{CreatedAt: time.Now().AddDate(-1, 0, 0)}},
		Attached: []string{a.AddPolicy("iam-sunset-serve", string(policy[1]))},
	})
	ts.Check(err)
	return u.Keys[0]
}

// serving DIR waits until a process serves from it, and says in ENGINE and PAGES where.
func awaitServing(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, args[0]+" is served from", func() bool {
		var at datadir.Addresses
		b, err := os.ReadFile(filepath.Join(ts.MkAbs(args[0]), "engine.json"))
		if err != nil || json.Unmarshal(b, &at) != nil {
			return false
		}
		answer, err := http.Get(at.Engine + "/office/") // one that is left of a process that was killed answers nothing
		if err != nil {
			return false
		}
		answer.Body.Close()
		ts.Setenv("ENGINE", at.Engine)
		ts.Setenv("PAGES", at.Pages)
		return answer.StatusCode == http.StatusOK
	})
}

// until PATTERN ARGUMENT… runs iam-sunset until its output matches.
func until(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	poll(ts, "iam-sunset "+strings.Join(args[1:], " ")+" says "+args[0], func() bool {
		return ts.Exec("iam-sunset", args[1:]...) == nil && want.MatchString(ts.ReadFile("stdout"))
	})
}

// becomes USER STATE waits for what is says.
func becomes(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, args[0]+" is "+args[1], func() bool { return ours(ts).stateOf(args[0]) == args[1] })
}

var (
	linkInMail = regexp.MustCompile(`(?m)^(http://\S+/a/\S+?)\r?$`)
	caseOnPage = regexp.MustCompile(`href="(/a/[^"]+/[^"]+)"`)
	digestIn   = regexp.MustCompile(`name="digest[^"]*" value="([^"]+)"`)
)

// decide DIR CHOICE waits for a message with a link in DIR, opens it, and decides on everything there.
func decide(ts *testscript.TestScript, _ bool, args []string) {
	var link string
	poll(ts, "a message with a link is in "+args[0], func() bool {
		mails, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.eml"))
		ts.Check(err)
		for _, mail := range mails {
			b, err := os.ReadFile(mail)
			ts.Check(err)
			if found := linkInMail.FindSubmatch(b); found != nil {
				link = string(found[1])
			}
		}
		return link != ""
	})
	// The process that sent it may have had another port.
	base := ts.Getenv("PAGES")
	link = base + "/a/" + strings.SplitN(link, "/a/", 2)[1]
	cases := caseOnPage.FindAllStringSubmatch(get(ts, link), -1)
	if len(cases) == 0 {
		ts.Fatalf("nothing waits on the page")
	}
	for _, c := range cases {
		digest := digestIn.FindStringSubmatch(get(ts, base+c[1]))
		if digest == nil {
			ts.Fatalf("the page of a case has no form")
		}
		answer, err := http.PostForm(base+c[1], url.Values{"choice": {args[1]}, "reason": {"nobody uses it"}, "digest": {digest[1]}})
		ts.Check(err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || !strings.Contains(answer.Request.URL.RawQuery, "done=") {
			ts.Fatalf("deciding was answered with %s", answer.Status)
		}
	}
}

func get(ts *testscript.TestScript, address string) string {
	answer, err := http.Get(address)
	ts.Check(err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	ts.Check(err)
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("a page was answered with %s", fmt.Sprint(answer.Status))
	}
	return string(b)
}
