package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// planForms are the words that --output takes.
var planForms = []string{"table", "html", "csv", "json", "ocsf"}

// inWords is a list as it stands in a sentence.
func inWords(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

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
		// What does not concern one user goes to stderr: a sheet has no place for it.
		return func(w, stderr io.Writer, p sunset.Plan) error {
			return errors.Join(planreport.WriteCSV(w, p), writeRemarks(stderr, p))
		}, nil
	case "html":
		return func(w, _ io.Writer, p sunset.Plan) error { return planreport.WriteHTML(w, p, buildVersion()) }, nil
	case "ocsf":
		return func(w, stderr io.Writer, p sunset.Plan) error {
			return errors.Join(planreport.WriteOCSF(w, p, buildVersion()), writeRemarks(stderr, p))
		}, nil
	}
	return nil, hinted{fmt.Errorf("--output: %q is not a form of output", output), "choose " + inWords(planForms)}
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

// counted is a number and what there are so many of.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
