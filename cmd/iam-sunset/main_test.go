package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Of terraform there is a stand-in on the PATH.
func TestMain(m *testing.M) {
	stands, err := filepath.Abs("testdata/bin")
	if err == nil {
		err = os.Setenv("PATH", stands+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testscript.Main(m, map[string]func(){"iam-sunset": main, "on-fake": onFake, "in-another-account": inAnotherAccount})
}

func TestScripts(t *testing.T) {
	scripts(t, testscript.Params{Dir: "testdata/script"}, false)
}

// What operators do to a deployment they do to an engine with the same words, and read the same.
func TestScriptsOnAnEngine(t *testing.T) {
	var files []string
	for _, name := range []string{"approve", "operate", "rehearse", "stop", "trouble"} {
		files = append(files, filepath.Join("testdata", "script", name+".txtar"))
	}
	scripts(t, testscript.Params{Files: files}, true)
}

// scripts runs scripts whose sites are deployments, or engines.
func scripts(t *testing.T, p testscript.Params, engine bool) {
	var turn sync.Mutex
	testscript.Run(t, testscript.Params{
		Dir: p.Dir, Files: p.Files,
		Setup: func(e *testscript.Env) error {
			for _, v := range os.Environ() {
				if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
					e.Setenv(name, "")
				}
			}
			e.Values[siteKey{}] = &scripted{turn: &turn, engine: engine}
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			e.Setenv("AWS_CONFIG_FILE", e.WorkDir+"/aws-config")
			e.Setenv("AWS_SHARED_CREDENTIALS_FILE", e.WorkDir+"/aws-credentials")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "one-sentence": oneSentence, "adds-up": addsUp, "verdict": verdict, "only-reads": onlyReads, "evidence": evidence, "change": change,
			"site": makeSite, "operate": operate, "pass": pass, "tries": tries, "is": is, "settle": settle, "fails": fails,
			"engine": makeEngine, "i-am": iAm, "served-no-more": servedNoMore,
			"account": makeAccount, "serving": awaitServing, "until": until, "becomes": becomes, "decide": decide,
		},
	})
}

// exits STATUS PROGRAM ARGUMENT… runs a program that must end with this status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGUMENT…")
	}
	status := 0
	err := ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		status = failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("%s ended with %d, not %s", strings.Join(args[1:], " "), status, args[0])
	}
}

// one-sentence: what stderr holds is one line, and at most one hint.
func oneSentence(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	first := strings.HasPrefix(lines[0], "iam-sunset: ")
	hint := len(lines) == 1 || (len(lines) == 2 && strings.HasPrefix(lines[1], "hint: "))
	for _, noise := range []string{"operation error", "RequestID", "StatusCode", "goroutine", "%!"} {
		if strings.Contains(ts.ReadFile("stderr"), noise) {
			ts.Fatalf("stderr holds %q:\n%s", noise, ts.ReadFile("stderr"))
		}
	}
	if !first || !hint {
		ts.Fatalf("stderr is not one sentence and one hint:\n%s", ts.ReadFile("stderr"))
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("something is on stdout beside the failure:\n%s", out)
	}
}

// adds-up FILE: the outcomes of a summary make up all that were discovered.
func addsUp(ts *testscript.TestScript, _ bool, args []string) {
	var s summary
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	sum := 0
	for _, n := range s.Outcomes {
		sum += n
	}
	if sum != s.Discovered || sum == 0 {
		ts.Fatalf("%d discovered, and outcomes of %d: %v", s.Discovered, sum, s.Outcomes)
	}
	if s.Outcomes[sunset.Restored] != 1 || s.Outcomes[sunset.Deleted] < 2 || s.Outcomes[sunset.Failed] != 0 {
		ts.Fatalf("not one user put back and the others deleted: %v", s.Outcomes)
	}
}

// verdict FILE USER VERDICT [CODE]: a plan in JSON says this of a user. VERDICT is eligible or kept.
func verdict(ts *testscript.TestScript, neg bool, args []string) {
	var plan sunset.Plan
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &plan))
	for _, e := range plan.Entries {
		if e.User.Name != args[1] {
			continue
		}
		is := e.Verdict.Eligible == (args[2] == "eligible") && (len(args) < 4 || e.Verdict.Has(sunset.ReasonCode(args[3])))
		if is == neg {
			ts.Fatalf("%s: %+v", args[1], e.Verdict)
		}
		return
	}
	ts.Fatalf("%s is not in the plan", args[1])
}
