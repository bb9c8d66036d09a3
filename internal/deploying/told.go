package deploying

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// listener reads what Terraform says of itself, line by line.
// https://developer.hashicorp.com/terraform/internals/machine-readable-ui
type listener struct {
	say        func(string)
	rest, text []byte
	// first is the first error, done how many changes were made.
	first diagnostic
	done  int
}

type diagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Address  string `json:"address"`
}

type line struct {
	Level      string     `json:"@level"`
	Message    string     `json:"@message"`
	Type       string     `json:"type"`
	Diagnostic diagnostic `json:"diagnostic"`
	Hook       struct {
		Resource struct {
			Address string `json:"addr"`
			Type    string `json:"resource_type"`
			Name    string `json:"resource_name"`
		} `json:"resource"`
		Action string `json:"action"`
	} `json:"hook"`
}

// Write takes whole and half lines.
func (l *listener) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.hear(l.rest[:i])
		l.rest = l.rest[i+1:]
	}
}

func (l *listener) end() {
	l.hear(l.rest)
	l.rest = nil
}

func (l *listener) hear(raw []byte) {
	var said line
	if json.Unmarshal(raw, &said) != nil {
		l.text = append(append(l.text, raw...), '\n') // what goes wrong early is told for people
		return
	}
	switch said.Type {
	case "diagnostic":
		if said.Diagnostic.Severity == "error" && l.first.Summary == "" {
			l.first = said.Diagnostic
		}
	case "apply_start":
		l.say(doing(said.Hook.Action) + " " + groupOf(said.Hook.Resource.Type, said.Hook.Resource.Name, said.Hook.Resource.Address).Name + ": " + said.Hook.Resource.Address)
	case "apply_complete":
		if said.Hook.Action != "read" {
			l.done++
		}
	}
}

func doing(action string) string {
	switch action {
	case "create":
		return "making"
	case "delete":
		return "taking down"
	case "read":
		return "reading"
	}
	return "changing"
}

// ErrPartly says that an apply had changed something before it failed.
var ErrPartly = errors.New("part of it was done, and Terraform knows which: once the cause is gone, deploy again")

// Kinds of refusals that a hint is known for.
var (
	ErrLocked     = errors.New("the state is locked")
	ErrNoProvider = errors.New("the provider can't be had")
	ErrProtected  = errors.New("something protected would be destroyed")
	ErrStale      = errors.New("the deployment was changed since it was planned")
)

// fault words what Terraform said: the first error's summary and the first paragraph of its detail. Of an interruption the
// context's error stays to be found.
func (t *Terraform) fault(err error, heard *listener, doing string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	said := diagnostic{}
	if heard != nil {
		said = heard.first
	}
	if said.Summary == "" && heard != nil {
		said = fromText(string(heard.text))
	}
	if said.Summary == "" {
		said = fromText(err.Error())
	}
	if said.Summary == "" {
		said.Summary = paragraph(err.Error())
	}
	what := said.Summary
	if detail := paragraph(said.Detail); detail != "" && detail != what {
		what = strings.TrimRight(what, ".:") + ": " + detail
	}
	if said.Address != "" {
		what += " (" + said.Address + ")"
	}
	known := knownAs(said)
	if who := lockHolder.FindStringSubmatch(said.Detail); known != nil && errors.Is(known, ErrLocked) && who != nil {
		what = "it is held by " + who[1]
	}
	switch {
	case heard != nil && heard.done > 0 && known == nil:
		return sunset.Faultf(sunset.Invalid, "%s: %s; %w", doing, what, ErrPartly)
	case known != nil:
		return sunset.Faultf(sunset.Invalid, "%s: %w: %s", doing, known, what)
	}
	return sunset.Faultf(sunset.Invalid, "%s: %s", doing, what)
}

// lockHolder finds who holds a lock in what Terraform tells of it.
var lockHolder = regexp.MustCompile(`(?m)^\s*Who:\s*(\S+)`)

func knownAs(d diagnostic) error {
	all := d.Summary + " " + d.Detail
	for _, k := range []struct {
		words string
		err   error
	}{
		{"acquiring the state lock", ErrLocked},
		{"Failed to query available provider packages", ErrNoProvider},
		{"Failed to install provider", ErrNoProvider},
		{"Instance cannot be destroyed", ErrProtected},
		{"Saved plan is stale", ErrStale},
	} {
		if strings.Contains(all, k.words) {
			return k.err
		}
	}
	return nil
}

// paragraph is the first paragraph of a text, in one line.
func paragraph(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n\n")
	return strings.TrimRight(strings.Join(strings.Fields(first), " "), ".")
}

// fromText finds the first error in what Terraform prints for people.
func fromText(text string) diagnostic {
	var lines []string
	for l := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(l), "│╷╵|")))
	}
	for i, l := range lines {
		summary, ok := strings.CutPrefix(l, "Error: ")
		if !ok {
			continue
		}
		rest := strings.TrimSpace(strings.Join(lines[i+1:], "\n"))
		// Where it is in the configuration comes first, and is for whoever wrote that.
		for strings.HasPrefix(rest, "on ") || strings.HasPrefix(rest, "with ") {
			_, after, _ := strings.Cut(rest, "\n\n")
			rest = strings.TrimSpace(after)
		}
		return diagnostic{Summary: summary, Detail: rest}
	}
	return diagnostic{}
}
