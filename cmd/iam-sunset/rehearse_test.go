package main

import (
	"cmp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// fails CALL=CODE… makes calls to the site's account fail, such as iam:CreateUser=LimitExceeded; nothing after it: no more.
func fails(ts *testscript.TestScript, _ bool, args []string) {
	s := ours(ts)
	for _, remove := range s.faults {
		remove()
	}
	s.faults = nil
	for _, arg := range args {
		call, code, ok := strings.Cut(arg, "=")
		service, action, named := strings.Cut(call, ":")
		if !ok || !named {
			ts.Fatalf("usage: fails SERVICE:ACTION=CODE…")
		}
		status := cmp.Or(map[string]int{"AccessDenied": 403, "LimitExceeded": 409}[code], 400)
		s.faults = append(s.faults, s.account.Fail(fakeaws.Fault{Service: service, Action: action, Code: code, Message: "on demand", Status: status}))
	}
}
