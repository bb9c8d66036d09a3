package dossier

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// oneLine is what people wrote, as part of a sentence of ours.
func oneLine(s string) string { return strings.Join(strings.Fields(approval.CleanReason(s)), " ") }

func list(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	// What is listed may have commas of its own.
	return strings.Join(items[:len(items)-1], "; ") + "; and " + items[len(items)-1]
}

func distinct(items []string) []string {
	var out []string
	for _, s := range items {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func when(t time.Time) string {
	if t.Year() <= 1 {
		return "a day that is not on record"
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// clock is a time that reads beside another one.
func clock(beside, t time.Time) string {
	if beside.UTC().Format(time.DateOnly) == t.UTC().Format(time.DateOnly) {
		return t.UTC().Format("15:04 UTC")
	}
	return when(t)
}

func span(d sunset.Duration) string {
	if days := int(d.Std().Hours() / 24); sunset.Days(days) == d {
		return number(days, "day")
	}
	return d.String()
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func short(digest string) string { return digest[:min(len(digest), 12)] }

// way says how somebody was known.
func way(w sunset.Way) string {
	switch w {
	case sunset.WayLink:
		return "the link that was sent to that address"
	case sunset.WaySignIn:
		return "a link and a sign-in"
	case sunset.WayAWS:
		return "a request that AWS had checked the signature of"
	case "":
		return "a way that is not on record"
	}
	return string(w)
}
