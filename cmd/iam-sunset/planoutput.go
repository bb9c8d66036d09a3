package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// planWriter writes a plan in the form that --output names. all is for the table, which leaves out who is active.
func planWriter(output string, all bool) (func(stdout, stderr io.Writer, p sunset.Plan) error, error) {
	switch output {
	case "table":
		return func(w, _ io.Writer, p sunset.Plan) error { return writePlanTable(w, p, all) }, nil
	case "json":
		return func(w, _ io.Writer, p sunset.Plan) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(p)
		}, nil
	case "csv":
		return writePlanCSV, nil
	}
	return nil, hinted{fmt.Errorf("--output: %q is not a form of output", output), "choose table, json or csv"}
}

// printable leaves out what could move a terminal's cursor: tags are other people's words.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

func lastUse(e sunset.Entry) string {
	if last := e.User.LastUse(); last.After(e.User.Created) {
		return last.UTC().Format(time.DateOnly)
	}
	return "never"
}

// why gives the reasons for a verdict. Of an eligible user it says for how long nothing was seen of it.
func why(p sunset.Plan, e sunset.Entry) string {
	var parts []string
	for _, r := range e.Verdict.Reasons {
		parts = append(parts, r.Text)
	}
	if e.Verdict.Eligible {
		last := e.User.LastUse()
		days := counted(int(p.Made.Sub(last).Hours()/24), "day")
		if last.After(e.User.Created) {
			parts = append(parts, fmt.Sprintf("unused for %s", days))
		} else {
			parts = append(parts, fmt.Sprintf("never used, made %s ago", days))
		}
		if e.CodeManaged != "" {
			parts = append(parts, e.CodeManaged+" made it")
		}
	}
	for _, r := range e.References {
		if r.Service == "code" {
			parts = append(parts, "named in "+r.Resource)
		}
	}
	return strings.Join(parts, "; ")
}

func ownerName(o sunset.Owner) string {
	if o.Email != "" {
		return o.Email
	}
	return o.Name
}

// counted is a number and what there are so many of.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
