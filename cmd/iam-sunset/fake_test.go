package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// onFake is iam-sunset beside an account of its own, both in virtual time, so that paces and waits take none. The
// account is made as the environment says:
//
//	FAKE_FAIL    what goes wrong: "iam:GetUser=AccessDenied", and more after a space
//	FAKE_CLOSED  a region whose calls are all denied
//	FAKE_REPORT  how long the credential report takes
//	FAKE_TAGGED  the owner tag of one more user, odd-one
//	FAKE_CALLS   file for the calls that came, a line each
//	FAKE_SILENT  nobody listens at the endpoint
func onFake() { os.Exit(besideAccount()) }

func besideAccount() int {
	v := clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	patience, err := time.ParseDuration("0" + os.Getenv("FAKE_REPORT"))
	if err != nil {
		patience = 0
	}
	account := fakeaws.New(fakeaws.Config{Now: v.Now, ReportDelay: patience})
	if err := furnish(account, v.Now()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	server, err := account.Serve("127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	defer server.Close()
	if os.Getenv("FAKE_SILENT") != "" {
		_ = server.Close()
	}
	admin := account.Administrator()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": admin.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": admin.SecretAccessKey, "AWS_SESSION_TOKEN": admin.SessionToken,
	} {
		if os.Getenv(name) == "" {
			_ = os.Setenv(name, value) // the names are good
		}
	}
	code := 99
	_ = v.Run(context.Background(), func(ctx context.Context) error {
		code = run(ctx, os.Args[1:], surroundings{stdout: os.Stdout, stderr: os.Stderr, clock: v})
		return nil
	})
	if file := os.Getenv("FAKE_CALLS"); file != "" {
		var lines strings.Builder
		for _, c := range account.Calls() {
			fmt.Fprintf(&lines, "%s:%s %s\n", c.Service, c.Action, c.Region)
		}
		if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 99
		}
	}
	return code
}

func furnish(account *fakeaws.Account, now time.Time) error {
	if _, err := account.Demo(); err != nil {
		return err
	}
	if owner := os.Getenv("FAKE_TAGGED"); owner != "" {
		_, err := account.AddUser(fakeaws.UserSpec{Name: "odd-one", CreatedAt: now.AddDate(-2, 0, 0), Tags: []fakeaws.Tag{{Key: "owner", Value: owner}}})
		if err != nil {
			return err
		}
	}
	if region := os.Getenv("FAKE_CLOSED"); region != "" {
		account.CloseRegion(region)
	}
	for _, f := range strings.Fields(os.Getenv("FAKE_FAIL")) {
		call, code, _ := strings.Cut(f, "=")
		service, action, _ := strings.Cut(call, ":")
		message, status := "it went wrong on demand", 400
		switch code {
		case "AccessDenied", "AccessDeniedException":
			message, status = fmt.Sprintf("User: arn:aws:iam::%s:user/auditor is not authorized to perform: %s", account.ID(), call), 403
		case "ExpiredToken":
			message, status = "The security token included in the request is expired", 403
		case "ReportInProgress":
			message, status = "The report is being generated", 404
		}
		account.Fail(fakeaws.Fault{Service: service, Action: action, Code: code, Message: message, Status: status})
	}
	return nil
}

// only-reads FILE: no call on the list changes anything.
func onlyReads(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	if len(lines) < 10 {
		ts.Fatalf("only %d calls came", len(lines))
	}
	reads := []string{"Get", "List", "Describe", "Lookup", "Head", "GenerateCredentialReport "}
	for _, line := range lines {
		_, action, _ := strings.Cut(line, ":")
		if !slices.ContainsFunc(reads, func(r string) bool { return strings.HasPrefix(action, r) }) {
			ts.Fatalf("a scan called %s", line)
		}
	}
}
