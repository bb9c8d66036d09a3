package workflow

import (
	"fmt"
	"strings"
)

// InBrief are the moments without what only an auditor wants: states entered without anything said, intents whose outcome is told, and
// quiet checks and held turns but the last of several in a row.
func (c Chronicle) InBrief() []Moment {
	var out []Moment
	repeats := 0
	for i, m := range c.Moments {
		last := i == len(c.Moments)-1
		switch {
		case strings.HasSuffix(m.Kind, "StateEntered") && !last, m.Kind == "intent" && carriedOut(c.Moments[i+1:]), m.Kind == "snapshot":
			continue
		}
		repeated := (m.Kind == "listened" && !m.Trouble) || m.Kind == "held" || m.Kind == "re-checked"
		if n := len(out); repeated && n > 0 && out[n-1].Kind == m.Kind && !out[n-1].Trouble {
			repeats++
			m.Text = fmt.Sprintf("%s (the last of %d in a row)", strings.TrimSpace(m.Text), repeats+1)
			out[n-1] = m
			continue
		}
		repeats = 0
		out = append(out, m)
	}
	return out
}

// carriedOut reports whether what comes next on record is an intent's outcome. One without is where somebody died.
func carriedOut(next []Moment) bool {
	for _, m := range next {
		if m.From == "evidence" {
			return m.Kind == "outcome"
		}
	}
	return false
}
