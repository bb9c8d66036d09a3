package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

// standInTerraform answers as terraform does where iam-sunset asks it, from files in the folder that it runs in:
//
//	version       its version; without it 1.11.4
//	init.fail     what init says before it fails; so do plan.fail and apply.fail
//	plan.json     the plan, as show gives it; after.json and outputs.json are state and outputs once it is applied
//	state.json    the state; deployed.json are the outputs
//	apply.wait    apply waits until it is interrupted
//	calls         takes a line for each command
func standInTerraform() { os.Exit(answerAsTerraform(os.Args[1:])) }

func answerAsTerraform(args []string) int {
	last := args[len(args)-1]
	command := args[0]
	if calls, err := os.OpenFile("calls", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(calls, strings.Join(args, " "))
		_ = calls.Close()
	}
	if said, err := os.ReadFile(command + ".fail"); err == nil {
		fmt.Print(string(said))
		return 1
	}
	switch command {
	case "version":
		return print("version", "1.11.4", `{"terraform_version": "%s", "provider_selections": {}}`)
	case "init":
		fmt.Println(`{"@level":"info","@message":"Terraform has been successfully initialized!","type":"init_output"}`)
	case "plan":
		out := ""
		for _, a := range args {
			if file, ok := strings.CutPrefix(a, "-out="); ok {
				out = file
			}
		}
		shown, err := os.ReadFile("plan.json")
		if err != nil || os.WriteFile(out, shown, 0o600) != nil {
			fmt.Fprintln(os.Stderr, "no plan was made")
			return 1
		}
		return 2
	case "show":
		if !strings.HasPrefix(last, "-") && last != "show" {
			return print(last, "", "%s")
		}
		return print("state.json", `{"format_version":"1.0"}`, "%s")
	case "apply":
		return applyAsTerraform(last)
	case "output":
		return print("deployed.json", "{}", "%s")
	}
	return 0
}

func applyAsTerraform(plan string) int {
	applied, err := os.ReadFile(plan)
	planned, _ := os.ReadFile("plan.json")
	if err != nil || string(applied) != string(planned) {
		fmt.Println(`{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Saved plan is stale","detail":"The given plan file can no longer be applied."}}`)
		return 1
	}
	if _, err := os.Stat("apply.wait"); err == nil {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		fmt.Println(`{"type":"apply_start","hook":{"resource":{"addr":"aws_sns_topic.team","resource_type":"aws_sns_topic","resource_name":"team"},"action":"create"}}`)
		<-interrupted
		_ = os.WriteFile("interrupted", nil, 0o600)
		return 1
	}
	for from, to := range map[string]string{"after.json": "state.json", "outputs.json": "deployed.json"} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// print prints a file, or what is said without it, in the form given.
func print(file, without, form string) int {
	b, err := os.ReadFile(file)
	if err != nil {
		b = []byte(without)
	}
	fmt.Printf(form, strings.TrimSpace(string(b)))
	if form == "%s" && !json.Valid(b) {
		return 1
	}
	return 0
}
