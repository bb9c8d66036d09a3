package statemachine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

type drawnState struct {
	Type, Next, Default string
	Choices             []struct {
		Next string
		And  []struct {
			Variable, StringEquals string
			BooleanEquals          *bool
		}
	}
	Catch []struct {
		ErrorEquals []string
		Next        string
	}
}

type arrow struct{ to, label string }

// Picture draws the definition as a Mermaid flowchart: what follows what, for both kinds of execution. A Choice is drawn
// as the arrows of the state that it belongs to. The ways to LogFailed, which every Task has, are left out.
func Picture() (string, error) {
	var d struct {
		StartAt string
		States  map[string]drawnState
	}
	if err := json.Unmarshal([]byte(definition), &d); err != nil {
		return "", fmt.Errorf("drawing the definition: %w", err)
	}
	shapes := map[string][2]string{"Choice": {"{", "}"}, "Wait": {"([", "])"}, "Succeed": {"(((", ")))"}, "Fail": {"(((", ")))"}}
	var nodes, edges []string
	seen := map[string]bool{}
	// Breadth first from the start, so that the picture reads in the order of the work.
	for queue := []string{d.StartAt}; len(queue) > 0; queue = queue[1:] {
		name := queue[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		s, ok := d.States[name]
		if !ok {
			return "", fmt.Errorf("drawing the definition: there is no state %s", name)
		}
		shape, ok := shapes[s.Type]
		if !ok {
			shape = [2]string{"[", "]"}
		}
		nodes = append(nodes, "  "+name+shape[0]+name+shape[1])
		arrows := s.arrows()
		if s.Next != "" && d.States[s.Next].Type == "Choice" {
			arrows = append(arrows, d.States[s.Next].arrows()...)
		} else if s.Next != "" {
			arrows = append(arrows, arrow{to: s.Next})
		}
		for _, a := range arrows {
			if a.label != "" {
				a.label = "|" + a.label + "|"
			}
			edges = append(edges, fmt.Sprintf("  %s -->%s %s", name, a.label, a.to))
			queue = append(queue, a.to)
		}
	}
	return "flowchart TD\n" + strings.Join(nodes, "\n") + "\n" + strings.Join(edges, "\n") + "\n", nil
}

// arrows are a Choice's ways out, and a Task's ways at its timeout and where it has become moot. Labels are the values that Choices look for.
func (s drawnState) arrows() []arrow {
	var out []arrow
	add := func(to, label string) {
		for i := range out {
			if out[i].to == to {
				out[i].label += ", " + label
				return
			}
		}
		out = append(out, arrow{to, label})
	}
	for _, c := range s.Choices {
		label := "a case"
		for _, a := range c.And {
			switch {
			case a.StringEquals != "":
				label = a.StringEquals
			case a.BooleanEquals != nil && *a.BooleanEquals:
				label = a.Variable[strings.LastIndex(a.Variable, ".")+1:]
			case a.BooleanEquals != nil:
				label = "not " + a.Variable[strings.LastIndex(a.Variable, ".")+1:]
			}
		}
		add(c.Next, label)
	}
	if s.Default != "" {
		add(s.Default, "else")
	}
	for _, c := range s.Catch {
		switch {
		case slices.Contains(c.ErrorEquals, "States.Timeout"):
			add(c.Next, "timeout")
		case slices.Contains(c.ErrorEquals, "Moot"):
			add(c.Next, "moot")
		}
	}
	return out
}
